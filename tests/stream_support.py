"""A Lambda that streams, on loopback: InvokeWithResponseStream in the event stream's own frames, piece by piece.

A frame: total length, length of the headers, CRC of both; headers; payload; CRC of all (Amazon's event stream
encoding).
"""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zlib import crc32


def frame(payload: bytes, **headers: str) -> bytes:
    """One message; `headers` without their colons and with _ for -."""
    packed = b""
    for name, value in headers.items():
        name = ":" + name.replace("_", "-")
        packed += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    body = prelude + struct.pack(">I", crc32(prelude)) + packed + payload
    return body + struct.pack(">I", crc32(body))


def chunk(data: bytes) -> bytes:
    return frame(data, event_type="PayloadChunk", content_type="application/octet-stream", message_type="event")


def complete(**members: str) -> bytes:
    body = json.dumps(members).encode()
    return frame(body, event_type="InvokeComplete", content_type="application/json", message_type="event")


def refusal(code: str, message: str) -> bytes:
    """An error that comes when the answer has begun already."""
    return frame(b"", error_code=code, error_message=message, message_type="error")


Answer = Callable[[], Iterator[bytes]]


class Streamer:
    """Where it listens, and the requests it got: (path, headers, body)."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        streamer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                streamer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(200)
                self.send_header("Content-Type", "application/vnd.amazon.eventstream")
                self.send_header("X-Amz-Executed-Version", "7")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in answer():
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def streamer(answer: Answer) -> Iterator[Streamer]:
    server = Streamer(answer)
    server.start()
    try:
        yield server
    finally:
        server.close()
