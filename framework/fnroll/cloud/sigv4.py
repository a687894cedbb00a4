"""AWS Signature Version 4, from the server's side: what a request says of its signature, and if that is right. Pure.

Source: AWS's page on signing requests. botocore's signer is the oracle of the tests.
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote

from fnroll.emulator.wire import Request

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SKEW: Final = timedelta(minutes=5)
MOST_EXPIRES: Final = 604_800
_PART = re.compile(r"\s*(Credential|SignedHeaders|Signature)=([^,\s]+)\s*")
_DIGEST = re.compile(r"[0-9a-f]{64}")

MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class SignatureError(Exception):
    """A signature that cannot be accepted: AWS's code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request says. `stamp` is its time as it was signed; `expires`: seconds, of a presigned URL only."""

    key_id: str
    day: str
    region: str
    service: str
    stamp: str
    headers: tuple[str, ...]
    signature: str
    token: str | None
    expires: int | None = None

    @property
    def scope(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


def read(request: Request) -> Signature | None:
    """The signature of a header or of a presigned URL; None if there is none. Raises SignatureError for half of one."""
    header = request.header("authorization") or ""
    if header.startswith(ALGORITHM):
        matches = (_PART.fullmatch(part) for part in header[len(ALGORITHM) :].split(","))
        parts = {found[1]: found[2] for found in matches if found}
        stamp = request.header("x-amz-date") or ""
        for name in ("Credential", "Signature", "SignedHeaders"):
            if name not in parts:
                raise SignatureError(
                    "IncompleteSignatureException", f"Authorization header requires '{name}' parameter. "
                )
        if not stamp:
            raise SignatureError(
                "IncompleteSignatureException",
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
            )
        return _made(parts, stamp, request.header("x-amz-security-token"), None)
    query = request.query
    if query.get("X-Amz-Algorithm") != ALGORITHM:
        return None
    given = {name: query.get(f"X-Amz-{name}", "") for name in ("Credential", "SignedHeaders", "Signature")}
    expires = query.get("X-Amz-Expires", "")
    if not all(given.values()) or not expires.isdecimal() or int(expires) > MOST_EXPIRES:
        raise SignatureError("IncompleteSignatureException", "The presigned URL is not whole. ")
    return _made(given, query.get("X-Amz-Date", ""), query.get("X-Amz-Security-Token"), int(expires))


def is_signed(request: Request) -> bool:
    """Whether a request tries to be signed."""
    return request.header("authorization") is not None or "X-Amz-Signature" in request.query_string


def wrong_scope(signature: Signature, region: str) -> str:
    """Why a signature for another service or region is refused."""
    if signature.service != "lambda":
        return f"Credential should be scoped to correct service: 'lambda'. Got '{signature.service}'."
    return f"Credential should be scoped to a valid region: '{region}'. Got '{signature.region}'."


def _made(parts: Mapping[str, str], stamp: str, token: str | None, expires: int | None) -> Signature:
    scope = parts["Credential"].split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise SignatureError(
            "IncompleteSignatureException",
            f"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{parts['Credential']}'",
        )
    headers = tuple(parts["SignedHeaders"].lower().split(";"))
    return Signature(scope[0], scope[1], scope[2], scope[3], stamp, headers, parts["Signature"], token, expires)


def check(request: Request, signature: Signature, secret: str, now: datetime) -> None:
    """Raises SignatureError unless the request was signed with `secret`, and lately."""
    _check_time(signature, now)
    if "host" not in signature.headers:
        raise SignatureError("InvalidSignatureException", "'Host' must be a 'SignedHeader' in the AWS Authorization.")
    digest = request.header("x-amz-content-sha256") or ""
    if _DIGEST.fullmatch(digest) and digest != hashlib.sha256(request.body).hexdigest():
        raise SignatureError("InvalidSignatureException", MISMATCH)
    if not hmac.compare_digest(sign(request, signature, secret).encode(), signature.signature.encode()):
        raise SignatureError("InvalidSignatureException", MISMATCH)


def _check_time(signature: Signature, now: datetime) -> None:
    try:
        made = datetime.strptime(signature.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureError(
            "IncompleteSignatureException", f"Date must be in ISO-8601 'basic format'. Got '{signature.stamp}'."
        ) from None
    if signature.stamp[:8] != signature.day:
        raise SignatureError(
            "InvalidSignatureException",
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{signature.day}' != '{signature.stamp[:8]}'.",
        )
    life = SKEW if signature.expires is None else timedelta(seconds=signature.expires)
    if made + life < now:
        raise SignatureError(
            "InvalidSignatureException",
            f"Signature expired: {signature.stamp} is now earlier than {_stamp(now - life)} "
            f"({_stamp(now)} - {int(life.total_seconds() // 60)} min.)",
        )
    if made - SKEW > now:
        raise SignatureError(
            "InvalidSignatureException",
            f"Signature not yet current: {signature.stamp} is still later than {_stamp(now + SKEW)} "
            f"({_stamp(now)} + 5 min.)",
        )


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")


def sign(request: Request, signature: Signature, secret: str) -> str:
    """The signature that the request would have under `secret`, in hex."""
    canonical = hashlib.sha256(canonical_request(request, signature).encode()).hexdigest()
    text = f"{ALGORITHM}\n{signature.stamp}\n{signature.scope}\n{canonical}"
    return hmac.new(signing_key(signature, secret), text.encode(), hashlib.sha256).hexdigest()


def signing_key(signature: Signature, secret: str) -> bytes:
    """What signs everything of one scope."""
    key = f"AWS4{secret}".encode()
    for part in (signature.day, signature.region, signature.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def canonical_request(request: Request, signature: Signature) -> str:
    fields: dict[str, list[str]] = {}
    for name, value in request.headers:
        fields.setdefault(name.lower(), []).append(" ".join(value.split()))
    headers = "".join(f"{name}:{','.join(fields.get(name, ()))}\n" for name in signature.headers)
    parts = (
        request.method,
        _path(request.path, signature.service),
        _query(request.query_string, presigned=signature.expires is not None),
        headers,
        ";".join(signature.headers),
        _payload(request, signature),
    )
    return "\n".join(parts)


def _payload(request: Request, signature: Signature) -> str:
    if signature.service == "s3" and signature.expires is not None:
        return "UNSIGNED-PAYLOAD"
    return request.header("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest()


def _path(path: str, service: str) -> str:
    """S3 signs the path as it is sent; everybody else without dot segments, and encoded once more."""
    if service == "s3":
        return path or "/"
    normal = posixpath.normpath(path) if path else "/"
    normal = "/" + normal.lstrip("/")
    if path.endswith(("/", "/.", "/..")) and normal != "/":
        normal += "/"
    return quote(normal, safe="/~")


def _query(text: str, *, presigned: bool) -> str:
    pairs = []
    for part in text.split("&") if text else ():
        name, _, value = part.partition("=")
        if not (presigned and name == "X-Amz-Signature"):
            pairs.append((quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))
