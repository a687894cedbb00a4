"""Bodies that are sent, and signed, piece by piece: AWS's aws-chunked encoding, as S3's clients use it. Pure.

    STREAMING-AWS4-HMAC-SHA256-PAYLOAD           each piece is signed, and its signature covers the one before it
    STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER   the same, and signed trailers at the end: a checksum of the whole
    STREAMING-UNSIGNED-PAYLOAD-TRAILER           no piece is signed; a checksum at the end

The first of these signatures is the request's own (sigv4.py). Source: AWS's pages on signature calculation for payloads
in multiple chunks; their examples, and botocore, are the oracles of the tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from fnroll.cloud.checksums import CHECKSUMS
from fnroll.cloud.sigv4 import ALGORITHM, MISMATCH, Signature, SignatureError, signing_key
from fnroll.emulator.wire import Request

SIGNED: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILED: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILED: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

LEAST: Final = 8192
"""Bytes of each piece but the last."""

MOST_TRAILERS: Final = 10

_HEAD: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?\r\n")
_TRAILER: Final = re.compile(rb"([A-Za-z0-9-]{1,100}):([^\r\n]{0,1000})\r?\n")
_SIGNATURE: Final = "x-amz-trailer-signature"
_CHECKSUM: Final = "x-amz-checksum-"
_NOTHING: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Piece:
    """`signature`: what it says of itself, None if nothing."""

    data: memoryview
    signature: str | None


@dataclass(frozen=True, slots=True)
class Body:
    """The pieces in order, the empty one at the end included; the trailers; the signature that covers those."""

    pieces: Sequence[Piece]
    trailers: Sequence[tuple[str, str]]
    signature: str | None


def is_in_pieces(request: Request) -> bool:
    return (request.header("x-amz-content-sha256") or "").startswith("STREAMING-")


def check(request: Request, signature: Signature, secret: str) -> None:
    """A body in pieces, of a request whose own signature is right. Raises SignatureError."""
    kind = request.header("x-amz-content-sha256")
    if kind not in (SIGNED, SIGNED_TRAILED, UNSIGNED_TRAILED):
        raise SignatureError("NotImplementedException", f"A body signed as {kind} is not built in fn's local cloud")
    body = read(request.body)
    _check_sizes(body, request.header("x-amz-decoded-content-length"))
    _check_trailers(body, request.header("x-amz-trailer") if kind != SIGNED else None)
    if kind != UNSIGNED_TRAILED:
        _check_signatures(body, signature, signing_key(signature, secret), trailed=kind == SIGNED_TRAILED)
    _check_sums(body)


def read(data: bytes) -> Body:
    """Raises SignatureError for a body that is none in pieces, or not whole."""
    pieces, place, view = list[Piece](), 0, memoryview(data)
    while not pieces or pieces[-1].data:
        head = _HEAD.match(data, place)
        if head is None:
            _not_whole()
        end = head.end() + int(head[1], 16)
        piece = Piece(view[head.end() : end], head[2].decode() if head[2] else None)
        if piece.data and data[end : end + 2] != b"\r\n":
            _not_whole()
        if piece.data and pieces and len(pieces[-1].data) < LEAST:
            raise SignatureError(
                "InvalidChunkSizeError", f"Only the last chunk is allowed to have a size less than {LEAST} bytes"
            )
        pieces.append(piece)
        place = end + 2 if piece.data else end
    trailers = list[tuple[str, str]]()
    while len(trailers) < MOST_TRAILERS and (found := _TRAILER.match(data, place)):
        trailers.append((found[1].decode().lower(), found[2].decode("latin-1").strip()))
        place = found.end()
    if data[place : place + 3] not in (b"", b"\r\n", b"\n"):
        _malformed()
    signed = dict(trailers).get(_SIGNATURE)
    return Body(pieces, [item for item in trailers if item[0] != _SIGNATURE], signed)


def _not_whole() -> NoReturn:
    raise SignatureError("IncompleteBody", "The request body terminated unexpectedly")


def _malformed() -> NoReturn:
    raise SignatureError(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )


def _check_sizes(body: Body, decoded: str | None) -> None:
    if decoded is None:
        raise SignatureError("MissingContentLength", "You must provide the Content-Length HTTP header.")
    if decoded != str(sum(len(piece.data) for piece in body.pieces)):
        _not_whole()


def _check_trailers(body: Body, announced: str | None) -> None:
    """Those that the request's head names, each once, and no others."""
    names = sorted(name.strip().lower() for name in announced.split(",")) if announced else []
    if names != sorted(name for name, _ in body.trailers):
        _malformed()


def _check_signatures(body: Body, signature: Signature, key: bytes, *, trailed: bool) -> None:
    before = signature.signature
    for piece in body.pieces:
        digest = hashlib.sha256(piece.data).hexdigest()
        before = _expect(piece.signature, key, f"{ALGORITHM}-PAYLOAD", signature, (before, _NOTHING, digest))
    if trailed:
        text = "".join(f"{name}:{value}\n" for name, value in body.trailers)
        digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
        _expect(body.signature, key, f"{ALGORITHM}-TRAILER", signature, (before, digest))


def _expect(said: str | None, key: bytes, algorithm: str, signature: Signature, rest: Sequence[str]) -> str:
    """The signature of a part, which it must say itself."""
    text = "\n".join((algorithm, signature.stamp, signature.scope, *rest))
    right = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if said is None or not hmac.compare_digest(said.encode(), right.encode()):
        raise SignatureError("InvalidSignatureException", MISMATCH)
    return right


def _check_sums(body: Body) -> None:
    for name, value in body.trailers:
        if not name.startswith(_CHECKSUM):
            continue
        kind = name.removeprefix(_CHECKSUM)
        if kind not in CHECKSUMS:
            raise SignatureError(
                "NotImplementedException", f"The trailing checksum {kind.upper()} is not built in fn's local cloud"
            )
        right = CHECKSUMS[kind](b"".join(piece.data for piece in body.pieces))
        if not hmac.compare_digest(value.encode("latin-1"), base64.b64encode(right)):
            raise SignatureError(
                "BadDigest", f"The {kind.upper()} you specified did not match the calculated checksum."
            )
