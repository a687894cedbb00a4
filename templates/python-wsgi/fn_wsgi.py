"""A WSGI application as a handler of Lambda: for Flask, Django, Bottle and the like. One file, standard library alone.

    from fn_wsgi import wrap
    handle = wrap(application)

Takes events of function URLs and HTTP APIs (payload 2.0), of REST APIs (1.0), and of load balancers. The words are CGI's;
`environ` also holds the event as "fn.event" and the context as "fn.context".
"""

import base64
import io
import sys
from http import HTTPStatus
from urllib.parse import quote, unquote_to_bytes


def wrap(application):
    """The handler (event, context) that serves `application`."""

    def handle(event, context):
        request = Request(event)
        environ = {**request.environ(), "fn.event": event, "fn.context": context}
        started = []

        def start_response(status, headers, exc_info=None):
            if exc_info and started:
                started.clear()
            started.append((status, headers))
            return body.write

        body = io.BytesIO()
        parts = application(environ, start_response)
        try:
            for part in parts:
                body.write(part)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        if not started:
            raise RuntimeError("the application gave no answer: it did not call start_response")
        status, headers = started[-1]
        return request.answer(int(status.split()[0]), headers, body.getvalue())

    return handle


class Request:
    """An event of HTTP; ValueError for one that is none."""

    def __init__(self, event):
        context = event.get("requestContext") if isinstance(event, dict) else None
        if not isinstance(context, dict) or not ({"http", "elb"} & set(context) or "httpMethod" in event):
            raise ValueError("this event is no HTTP request of a function URL, API Gateway or a load balancer")
        self.kind = "v2" if "http" in context else "alb" if "elb" in context else "v1"
        self.event, self.context = event, context
        self.headers = self._headers()

    def body(self):
        """Bytes; None where the event has none."""
        text = self.event.get("body")
        if text is None:
            return None
        return base64.b64decode(text) if self.event.get("isBase64Encoded") else text.encode()

    def environ(self):
        """Values are strings of bytes, as WSGI wants them (latin-1)."""
        http = self.context["http"] if self.kind == "v2" else {}
        script, path, raw = self._paths()
        query = self._query()
        host = self.headers.get("host") or self.context.get("domainName") or "localhost"
        name, colon, own_port = host.rpartition(":")
        scheme = self.headers.get("x-forwarded-proto", "https")
        port = self.headers.get("x-forwarded-port") or (own_port if colon else "80" if scheme == "http" else "443")
        forwarded = self.headers.get("x-forwarded-for", "").split(",")[-1].strip()
        body = self.body()
        variables = {
            "REQUEST_METHOD": http.get("method") or self.event.get("httpMethod"),
            "SCRIPT_NAME": script,
            "QUERY_STRING": query,
            "REQUEST_URI": f"{raw}?{query}" if query else raw,
            "SERVER_NAME": name if colon else host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": http.get("protocol") or self.context.get("protocol") or "HTTP/1.1",
            "REMOTE_ADDR": http.get("sourceIp") or self.context.get("identity", {}).get("sourceIp") or forwarded,
            **self._variables(body),
        }
        found = {name: str(value).encode().decode("latin-1") for name, value in variables.items()}
        return {
            **found,
            "PATH_INFO": path.decode("latin-1"),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": scheme,
            "wsgi.input": io.BytesIO(body or b""),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def answer(self, status, headers, body):
        """What the handler answers with. `headers`: pairs; a body that is no UTF-8 goes as base64."""
        many = {}
        for name, value in headers:
            many.setdefault(name.lower(), []).append(value)
        result = {"statusCode": status, "isBase64Encoded": False}
        try:
            result["body"] = body.decode()
        except UnicodeDecodeError:
            result.update(isBase64Encoded=True, body=base64.b64encode(body).decode())
        if self.kind == "v2":
            if "set-cookie" in many:
                result["cookies"] = many.pop("set-cookie")
            return {**result, "headers": {name: ", ".join(values) for name, values in many.items()}}
        if self.kind == "alb":
            known = {one.value: one.phrase for one in HTTPStatus}
            result["statusDescription"] = f"{status} {known.get(status, 'Unknown')}"
            if not self.event.get("multiValueHeaders"):  # its multi-value switch is off
                return {**result, "headers": {name: values[-1] for name, values in many.items()}}
        return {**result, "multiValueHeaders": many}

    def _headers(self):
        """Names in lower case; several values are joined."""
        many = self.event.get("multiValueHeaders") if self.kind != "v2" else None
        if many:
            return {name.lower(): ("; " if name.lower() == "cookie" else ",").join(many[name]) for name in many}
        return {name.lower(): value for name, value in (self.event.get("headers") or {}).items()}

    def _variables(self, body):
        found = {}
        for name, value in self.headers.items():
            variable = name.upper().replace("-", "_")
            found[variable if variable == "CONTENT_TYPE" else f"HTTP_{variable}"] = value
        for name in ("HTTP_CONTENT_LENGTH", "HTTP_PROXY"):  # a header named Proxy must not become a setting (httpoxy)
            found.pop(name, None)
        if self.kind == "v2" and self.event.get("cookies"):
            found["HTTP_COOKIE"] = "; ".join(self.event["cookies"])
        if body is not None:
            found["CONTENT_LENGTH"] = len(body)
        return found

    def _paths(self):
        """SCRIPT_NAME, PATH_INFO as bytes, and the path as it was asked for."""
        if self.kind == "v2":
            path = self.event.get("rawPath") or "/"  # Lambda has decoded it
            stage = "/" + self.context.get("stage", "$default")
            inside = path
            if stage != "/$default" and (path == stage or path.startswith(stage + "/")):
                inside = path[len(stage) :] or "/"
            return "", inside.encode(), quote(path, safe="/!$&'()*+,;=:@%~")
        path = self.event.get("path") or "/"
        if self.kind == "alb":
            return "", unquote_to_bytes(path), path
        whole = self.context.get("path") or path
        script = whole[: -len(path)] if whole != path and whole.endswith(path) else ""
        return script, path.encode(), quote(whole, safe="/!$&'()*+,;=:@%~")

    def _query(self):
        """A load balancer hands the query on as it was; API Gateway's REST APIs decode it."""
        if self.kind == "v2":
            return self.event.get("rawQueryString") or ""
        many = self.event.get("multiValueQueryStringParameters") or {}
        many = many or {name: [value] for name, value in (self.event.get("queryStringParameters") or {}).items()}
        pairs = [(name, value or "") for name in sorted(many) for value in many[name]]
        if self.kind == "alb":
            return "&".join(f"{name}={value}" for name, value in pairs)
        return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
