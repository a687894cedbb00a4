"""Every other AWS service, through moto, in this process.

moto's WSGI application is loaded by the first request that needs it (seconds) and called on threads of its own, so
neither the event loop nor an invocation waits for it. Its state lies in memory and ends with the process. The one
room and the one module that know moto.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from html import escape
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import quote, unquote_to_bytes

from fnroll.cloud import triggers, watch
from fnroll.cloud.faults import Fault, invalid, not_built
from fnroll.cloud.names import Home
from fnroll.cloud.protocol import Answer
from fnroll.cloud.watch import Watch
from fnroll.emulator.traces import HEADER
from fnroll.emulator.wire import Request

WORKERS = 8

_DROPPED = frozenset({"content-length", "connection", "transfer-encoding", "keep-alive", "date", "server"})
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")
_MISSING = "this service needs moto, which is not installed: pip install 'fnroll[local]'"
_log = logging.getLogger(__name__)

Value = TypeVar("Value")
Application = Callable[[dict[str, Any], Callable[..., object]], Iterable[bytes]]


class UnknownService(Exception):
    """moto has no such service."""


def load_moto() -> Application:
    """moto's dispatcher. Raises ImportError if moto, or its server extra, is not installed."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    class Dispatcher(DomainDispatcherApplication):
        """moto's own prints to stdout when it knows no backend for a host, and goes on to fail on None."""

        def get_backend_for_host(self, host: str | None) -> Any:
            known = host is None or any(pattern.match(f"http://{host}") for _, pattern in self.backend_url_patterns)
            if not known and str(host).endswith(".amazonaws.com"):
                raise UnknownService("moto has no such service")
            return super().get_backend_for_host(host)

    watch.install()
    triggers.install()
    application: Application = Dispatcher(create_backend_app)
    return application


_open: set[Others] = set()
"""moto keeps its state by the process: those who share it."""


class Others:
    """moto behind a lock for its loading and a pool for its calls. `load` gives the WSGI application."""

    def __init__(self, load: Callable[[], Application] = load_moto) -> None:
        self._load = load
        self._lock = Lock()
        _open.add(self)
        self._application: Application | None = None
        self.watch: Watch | None = None
        """What CloudWatch and CloudWatch Logs show of this cloud's invocations."""
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="fn-moto")

    async def answer(self, request: Request, service: str | None, account: str) -> Answer:
        """moto's answer, in this account; `service` as the SigV4 scope names it, for the words of a refusal."""
        return await self.run(lambda: self.answer_now(request, service, account))

    async def run(self, work: Callable[[], Value]) -> Value:
        """`work` on one of moto's threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    @property
    def loaded(self) -> bool:
        """Whether moto has been needed yet."""
        return self._application is not None

    def fetch_s3(self, account: str, bucket: str, key: str, version: str | None) -> bytes:
        """An object of the local S3, as the account sees it; blocks. Fault InvalidParameterValue with S3's own words,
        501 without moto."""
        target = f"/{bucket}/{quote(key)}" + (f"?versionId={quote(version)}" if version else "")
        signed = ("authorization", scope("s3", Home(account, "us-east-1")))
        answer = self.answer_now(Request("GET", target, [("host", "localhost"), signed], b""), "s3", account)
        if answer.status == 501:
            raise not_built(f"Code from S3 without moto ({_MISSING})")
        if answer.status != 200:
            code, words = _CODE.search(answer.body), _MESSAGE.search(answer.body)
            raise invalid(
                f"Error occurred while GetObject. S3 Error Code: {code[1].decode() if code else answer.status}. "
                f"S3 Error Message: {words[1].decode() if words else 'unknown'}"
            )
        return answer.body

    def close(self) -> None:
        """Drop what is queued; the last one of a process to close empties moto."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        _open.discard(self)
        if self._application is not None and not _open and "moto" in sys.modules:
            from moto.core.base_backend import BackendDict

            BackendDict.reset()

    def answer_now(self, request: Request, service: str | None, account: str) -> Answer:
        """As `answer`; blocks."""
        try:
            with self._lock:
                if self._application is None:
                    self._application = self._load()
            with self.watch.shown(service, request.header(HEADER)) if self.watch is not None else nullcontext():
                return _call(self._application, request, account)
        except ImportError:
            return _refusal(request, service, _MISSING)
        except UnknownService as error:
            return _refusal(request, service, str(error))
        except Exception as error:
            # moto raises whatever it meets; its user needs an answer, and the log the place.
            _log.exception("moto failed on %s %s", request.method, request.path)
            return _refusal(request, service, f"moto cannot answer this: {type(error).__name__}: {error}")


def _call(application: Application, request: Request, account: str) -> Answer:
    status, headers = 500, list[tuple[str, str]]()

    def start_response(line: str, fields: list[tuple[str, str]], exc_info: object = None) -> None:
        nonlocal status, headers
        status, headers = int(line.split(" ", 1)[0]), fields

    chunks = application(_environ(request, account), start_response)
    try:
        body = b"".join(chunks)
    finally:
        if close := getattr(chunks, "close", None):
            close()
    if request.method == "HEAD":
        # The length of what GET would give belongs in the answer; the server sends no body with HEAD.
        body = bytes(int(next((value for name, value in headers if name.lower() == "content-length"), "0")))
    return Answer(status, [item for item in headers if item[0].lower() not in _DROPPED], body)


def _environ(request: Request, account: str) -> dict[str, Any]:
    host, _, port = (request.header("host") or "localhost").rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "RAW_URI": request.target,
        "REQUEST_URI": request.target,
        "QUERY_STRING": request.query_string,
        "SERVER_NAME": host or port,
        "SERVER_PORT": port if host and port.isdecimal() else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        if key in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            continue
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    # One account for Lambda and all the rest, whatever the client says.
    environ["HTTP_X_MOTO_ACCOUNT_ID"] = account
    return environ


def scope(service: str, home: Home) -> str:
    """The Authorization header of the cloud's own calls: whose they are and for what, without a signature."""
    name = "dynamodb" if service == "dynamodbstreams" else service
    credential = f"{home.account}/20250101/{home.region}/{name}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"


_XML_CODES = {
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
}


def unsigned(request: Request, service: str | None, fault: Fault) -> Answer:
    """A refusal of a signature, in the form that the service's SDKs read."""
    if request.header("x-amz-target") is not None:
        return Answer(
            fault.status, fault.headers(), json.dumps({"__type": fault.code, "message": fault.message}).encode()
        )
    code = _XML_CODES.get(fault.code, fault.code.removesuffix("Exception"))
    error = f"<Error><Code>{code}</Code><Message>{escape(fault.message)}</Message></Error>"
    body = error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>"
    return Answer(fault.status, [("Content-Type", "text/xml")], body.encode())


def _refusal(request: Request, service: str | None, message: str) -> Answer:
    """501 in the form that the service's SDKs read: JSON where the operation came in a header, else XML."""
    words = f"{service}: {message}" if service else message
    if request.header("x-amz-target") is not None:
        fault = Fault("NotImplementedException", words)
        return Answer(501, fault.headers(), json.dumps({"__type": fault.code, "message": words}).encode())
    error = f"<Error><Code>NotImplemented</Code><Message>{escape(words)}</Message></Error>"
    body = error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>"
    return Answer(501, [("Content-Type", "text/xml")], body.encode())
