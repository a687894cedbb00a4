"""The client's side of the Runtime API: HTTP/1.1 on one kept-alive connection.

Head and body of a request leave in one write, so that Nagle's algorithm has nothing to hold back. No read has a time
limit: the process is frozen inside `next`, for as long as nothing happens.
"""

import socket

PREFIX = "/2018-06-01/runtime/"


class Api:
    """`address`: host:port, as in AWS_LAMBDA_RUNTIME_API. Raises OSError where nobody answers."""

    def __init__(self, address):
        self._address = address
        host, _, port = address.rpartition(":")
        self._place = (host.strip("[]"), int(port))
        self._socket = None
        self._reader = None

    def next(self):
        """The next event: its headers, with lower-case names, and its body."""
        status, headers, body = self._request("GET", "invocation/next")
        if status != 200:
            raise OSError(f"GET next was answered with {status}: {body[:200]!r}")
        return headers, body

    def post(self, path, body, headers=()):
        """None where it was accepted, else what the Runtime API says against it."""
        status, _, said = self._request("POST", path, body, headers)
        return None if status < 300 else f"{status}: {said.decode('utf-8', 'replace')}"

    def _request(self, method, path, body=b"", headers=()):
        lines = [f"{method} {PREFIX}{path} HTTP/1.1", f"Host: {self._address}", "User-Agent: fn-python"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [f"Content-Length: {len(body)}", "", ""] if method == "POST" else ["", ""]
        request = "\r\n".join(lines).encode("latin-1", "replace") + body
        reused = self._socket is not None
        try:
            self._send(request)
            first = self._reader.readline()
            if not first:
                raise ConnectionResetError("the connection was closed")
        except OSError:
            self._close()
            if not reused:
                raise
            # It may have been closed while nobody looked. Nothing of an answer has come, so it is asked once more.
            self._send(request)
            first = self._reader.readline()
        return self._answer(first)

    def _send(self, request):
        if self._socket is None:
            self._socket = socket.create_connection(self._place)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._reader = self._socket.makefile("rb", 65536)
        self._socket.sendall(request)

    def _answer(self, first):
        status = _status(first)
        headers = self._headers()
        while status < 200:
            status = _status(self._reader.readline())
            headers = self._headers()
        if "chunked" in headers.get("transfer-encoding", "").lower():
            body = b"".join(self._chunks())
            self._headers()
        elif "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
        else:
            body = self._reader.read()
            headers["connection"] = "close"
        if "close" in headers.get("connection", "").lower():
            self._close()
        return status, headers, body

    def _headers(self):
        found = {}
        while True:
            line = self._reader.readline()
            if not line.strip():
                return found
            name, _, value = line.decode("latin-1").partition(":")
            found[name.lower()] = value.strip()

    def _chunks(self):
        while True:
            size = int(self._reader.readline().split(b";")[0], 16)
            if size == 0:
                return
            yield self._exactly(size)
            self._reader.readline()

    def _exactly(self, count):
        data = self._reader.read(count)
        if len(data) < count:
            raise ConnectionResetError("the connection was closed")
        return data

    def _close(self):
        if self._socket is not None:
            self._reader.close()
            self._socket.close()
            self._socket = self._reader = None


def _status(line):
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1."):
        raise OSError(f"this is no HTTP: {line[:100]!r}")
    return int(words[1])
