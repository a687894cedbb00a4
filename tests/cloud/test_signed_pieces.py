"""Bodies that are signed piece by piece: what AWS's pages and botocore sign is right, and every change is wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from hypothesis import given
from hypothesis import strategies as st

from cloud_support import Raw, client, raw, served
from fnroll.cloud import Endpoint, sigv4, sigv4_pieces
from fnroll.cloud.checksums import CHECKSUMS
from fnroll.cloud.sigv4 import SignatureError
from fnroll.cloud.sigv4_pieces import SIGNED, SIGNED_TRAILED, UNSIGNED_TRAILED
from fnroll.emulator.wire import Request

A, B = b"a" * 65_536, b"a" * 1024


def verdict(request: Request, secret: str, now: datetime | None = None) -> str:
    """`right`, or the code of the refusal."""
    try:
        signature = sigv4.read(request)
        assert signature is not None
        sigv4.check(request, signature, secret, now or datetime.now(UTC))
        sigv4_pieces.check(request, signature, secret)
    except SignatureError as error:
        return error.code
    return "right"


# AWS's own examples

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
THEN = datetime(2013, 5, 24, tzinfo=UTC)


def example(
    kind: str, seed: str, pieces: Sequence[tuple[bytes, str]], trailers: bytes, *more: tuple[str, str]
) -> Request:
    """The request of AWS's pages: /examplebucket/chunkObject.txt, 65 KB of a in two pieces."""
    head = [
        ("content-encoding", "aws-chunked"),
        ("host", "s3.amazonaws.com"),
        ("x-amz-content-sha256", kind),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-decoded-content-length", "66560"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        *more,
    ]
    signed = ";".join(sorted(name for name, _ in head))
    credential = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
    words = f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={signed},Signature={seed}"
    body = b"".join(b"%x;chunk-signature=%s\r\n%s\r\n" % (len(data), said.encode(), data) for data, said in pieces)
    body = body[:-2] + trailers
    return Request("PUT", "/examplebucket/chunkObject.txt", [*head, ("authorization", words)], body)


PLAIN = example(
    SIGNED,
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    [
        (A, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (B, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (b"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ],
    b"\r\n",
    ("content-length", "66824"),
)
TRAILED = example(
    SIGNED_TRAILED,
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    [
        (A, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
        (B, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
        (b"", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
    ],
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    ("x-amz-trailer", "x-amz-checksum-crc32c"),
)


@pytest.mark.parametrize("request_", [PLAIN, TRAILED], ids=["plain", "trailed"])
def test_the_examples_of_aws_are_right(request_: Request) -> None:
    assert verdict(request_, SECRET, THEN) == "right"


Change = Callable[[bytes], bytes]


def swapped(body: bytes) -> bytes:
    """The two pieces the other way round, each with its signature."""
    first, second = body.index(b"\r\n", 8 + 64) + 2 + len(A) + 2, body.index(b"\r\n0;") + 2
    return body[first:second] + body[:first] + body[second:]


def other(*pairs: tuple[bytes, bytes]) -> Change:
    def change(body: bytes) -> bytes:
        for old, new in pairs:
            body = body.replace(old, new, 1)
        return body

    return change


def without(begin: bytes, end: bytes) -> Change:
    return lambda body: body[: body.index(begin)] + body[body.index(end) :]


WRONG = "InvalidSignatureException"
CHANGES: dict[str, tuple[Change, str]] = {
    "a byte of a piece": (other((b"aaaa\r\n4", b"aaab\r\n4")), WRONG),
    "a signature": (other((b"=ad8", b"=ad9"), (b"=b47", b"=b48")), WRONG),
    "of the last piece": (other((b"=b6c", b"=b7c"), (b"=2ca", b"=3ca")), WRONG),
    "no signature": (without(b";", b"\r\n"), WRONG),
    "another order": (swapped, "InvalidChunkSizeError"),
    "a piece left out": (without(b"\r\n400;", b"\r\n0;"), "IncompleteBody"),
    "no last piece": (lambda body: body[: body.index(b"\r\n0;") + 2], "IncompleteBody"),
    "half a piece": (lambda body: body[:1000], "IncompleteBody"),
    "a larger size": (lambda body: b"f" + body, "IncompleteBody"),
    "a smaller size": (lambda body: b"8000" + body[5:], "IncompleteBody"),
    "no size": (lambda body: body[5:], "IncompleteBody"),
    "nothing": (lambda body: b"", "IncompleteBody"),
    "not in pieces": (lambda body: A + B, "IncompleteBody"),
    "more behind": (lambda body: body + b"more", "MalformedTrailerError"),
    "a trailer nobody announced": (lambda body: body.rstrip() + b"\r\nx-amz-meta:1\r\n\r\n", "MalformedTrailerError"),
    "many trailers": (lambda body: body.rstrip() + b"\r\n" + b"x-amz-meta:1\r\n" * 1000, "MalformedTrailerError"),
}


@pytest.mark.parametrize("request_", [PLAIN, TRAILED], ids=["plain", "trailed"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_body_is_wrong(request_: Request, name: str) -> None:
    change, code = CHANGES[name]
    changed = change(request_.body)
    assert changed != request_.body
    assert verdict(replace(request_, body=changed), SECRET, THEN) == code


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"sOO8/Q==", b"sOO8/A==", "InvalidSignatureException"),
        (b"signature:d81", b"signature:e81", "InvalidSignatureException"),
        (b"x-amz-trailer-signature:", b"x-amz-other:", "MalformedTrailerError"),
        (b"x-amz-checksum-crc32c:sOO8/Q==\r\n", b"", "MalformedTrailerError"),
        (b"crc32c:", b"crc32:", "MalformedTrailerError"),
        (b"\r\n\r\n", b"\r\n", "right"),
        (b"sOO8/Q==\r\n", b"sOO8/Q==\n", "right"),
    ],
)
def test_a_changed_trailer(old: bytes, new: bytes, code: str) -> None:
    assert TRAILED.body.count(old) == 1
    assert verdict(replace(TRAILED, body=TRAILED.body.replace(old, new)), SECRET, THEN) == code


# a signer of our own, beside AWS's examples: any pieces, any checksum


def signed(kind: str, pieces: Sequence[bytes], checksum: str | None, secret: str = "secret") -> Request:
    """A request as a client signs and sends it; botocore signs its head."""
    made = AWSRequest("PUT", "http://localhost:9000/bucket/key", data=b"")
    made.headers["x-amz-decoded-content-length"] = str(sum(map(len, pieces)))
    made.headers["x-amz-content-sha256"] = kind
    if checksum:
        made.headers["x-amz-trailer"] = f"x-amz-checksum-{checksum}"

    class Signer(S3SigV4Auth):
        def payload(self, request: Any) -> str:
            return kind

    signer = Signer(Credentials("test", secret), "s3", "us-east-1")
    signer.add_auth(made)
    headers = [(name.lower(), value) for name, value in made.headers.items()]
    words = dict(headers)
    stamp, before = words["x-amz-date"], words["authorization"].rpartition("Signature=")[2]
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    derived = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        derived = hmac.digest(derived, part.encode(), "sha256")

    def sign(algorithm: str, *rest: str) -> str:
        return hmac.new(derived, "\n".join((algorithm, stamp, scope, *rest)).encode(), hashlib.sha256).hexdigest()

    body = b""
    for piece in (*pieces, b""):
        body += b"%X" % len(piece)
        if kind != UNSIGNED_TRAILED:
            nothing, digest = hashlib.sha256().hexdigest(), hashlib.sha256(piece).hexdigest()
            before = sign("AWS4-HMAC-SHA256-PAYLOAD", before, nothing, digest)
            body += b";chunk-signature=" + before.encode()
        body += b"\r\n" + piece + (b"\r\n" if piece else b"")
    if checksum:
        value = base64.b64encode(CHECKSUMS[checksum](b"".join(pieces))).decode()
        trailer = f"x-amz-checksum-{checksum}:{value}\n"
        body += trailer.encode().replace(b"\n", b"\r\n")
        if kind == SIGNED_TRAILED:
            digest = hashlib.sha256(trailer.encode()).hexdigest()
            body += b"x-amz-trailer-signature:" + sign("AWS4-HMAC-SHA256-TRAILER", before, digest).encode() + b"\r\n"
    return Request("PUT", "/bucket/key", [("host", "localhost:9000"), *headers], body + b"\r\n")


KINDS = [(SIGNED, None), *((kind, name) for kind in (SIGNED_TRAILED, UNSIGNED_TRAILED) for name in CHECKSUMS)]


@given(
    kind=st.sampled_from(KINDS),
    sizes=st.lists(st.integers(8192, 9000), max_size=3),
    last=st.integers(1, 100),
    flipped=st.integers(0, 10**6),
)
def test_pieces_of_any_sizes(kind: tuple[str, str | None], sizes: list[int], last: int, flipped: int) -> None:
    pieces = [bytes([number + 65]) * size for number, size in enumerate([*sizes, last])]
    request = signed(kind[0], pieces, kind[1])
    assert verdict(request, "secret") == "right"
    assert verdict(request, "other") == "InvalidSignatureException"
    place = flipped % len(request.body.rstrip(b"\r\n"))
    changed = bytearray(request.body)
    changed[place] ^= 0x01
    assert verdict(replace(request, body=bytes(changed)), "secret") != "right"


def test_a_checksum_that_does_not_fit_is_told_by_its_name() -> None:
    request = signed(UNSIGNED_TRAILED, [b"hello"], "crc32")
    wrong = replace(request, body=request.body.replace(b"hello", b"hallo"))
    assert verdict(wrong, "secret") == "BadDigest"
    assert verdict(replace(request, body=request.body.replace(b"crc32:", b"crc32:A")), "secret") == "BadDigest"


def test_what_is_not_built_is_refused_by_name() -> None:
    events = signed("STREAMING-AWS4-HMAC-SHA256-EVENTS", [b"x"], None)
    assert verdict(events, "secret") == "NotImplementedException"
    body = b"1\r\nx\r\n0\r\nx-amz-checksum-xxhash64:AAAAAAAAAAA=\r\n\r\n"
    request = signed(UNSIGNED_TRAILED, [b"x"], "crc32")
    headers = [(name, value.replace("crc32", "xxhash64")) for name, value in request.headers]
    asked = sigv4.read(request)
    assert asked is not None
    with pytest.raises(SignatureError, match="XXHASH64"):
        sigv4_pieces.check(replace(request, headers=headers, body=body), asked, "secret")


# over the port


def put(endpoint: Endpoint, request: Request, body: bytes | None = None) -> Raw:
    headers = {name: value for name, value in request.headers if name != "content-length"}
    return raw(endpoint, "PUT", "/bucket/key", request.body if body is None else body, headers)


@pytest.mark.parametrize(
    ("kind", "checksum"), [(SIGNED, None), (SIGNED_TRAILED, "crc32c"), (UNSIGNED_TRAILED, "crc64nvme")]
)
def test_an_object_in_pieces_is_stored_if_it_is_signed_right(tmp_path: Path, kind: str, checksum: str | None) -> None:
    pieces = [b"x" * 300_000, b"y" * 10]
    with served(tmp_path, signatures=True) as (endpoint, _):
        s3 = client(endpoint, "s3")
        s3.create_bucket(Bucket="bucket")
        request = signed(kind, pieces, checksum, secret="test")
        assert put(endpoint, request).status == 200
        assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"".join(pieces)
        wrong = put(endpoint, request, request.body.replace(b"y", b"z"))
        assert (wrong.status, wrong.body.split(b"</Code>")[0].rpartition(b">")[2]) == (
            (400, b"BadDigest") if kind == UNSIGNED_TRAILED else (403, b"SignatureDoesNotMatch")
        )
        assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"".join(pieces)


def test_what_botocore_sends_over_tls_is_right(tmp_path: Path) -> None:
    """Over TLS botocore sends a checksum behind the body, which it does not sign."""
    data = bytes(range(256)) * 5000
    made = AWSRequest("PUT", "https://localhost:9000/bucket/key", data=b"")
    made.headers["X-Amz-Trailer"], made.headers["Content-Encoding"] = "x-amz-checksum-crc32", "aws-chunked"
    made.headers["X-Amz-Decoded-Content-Length"] = str(len(data))
    made.context["checksum"] = {"request_algorithm": {"in": "trailer", "algorithm": "crc32"}}
    S3SigV4Auth(Credentials("test", "secret"), "s3", "us-east-1").add_auth(made)
    wrapped: Any = AwsChunkedWrapper
    body = wrapped(
        io.BytesIO(data), checksum_cls=Crc32Checksum, checksum_name="x-amz-checksum-crc32", chunk_size=100_000
    ).read()
    headers = [("host", "localhost:9000"), *((name.lower(), value) for name, value in made.headers.items())]
    request = Request("PUT", "/bucket/key", headers, body)
    assert request.header("x-amz-content-sha256") == UNSIGNED_TRAILED
    assert verdict(request, "secret") == "right"
    assert verdict(replace(request, body=body.replace(b"\x00\x01\x02", b"\x00\x01\x03", 1)), "secret") == "BadDigest"
