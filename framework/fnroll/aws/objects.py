"""Verbs on S3 objects: code that is too large for a request, or that the definition wants to lie on S3.

What is large goes in parts (parts.py), what goes is checked by its SHA-256 on arrival, and an object that has this
content already is not sent again: its metadata says which.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from fnroll.aws.errors import border
from fnroll.aws.session import Session
from fnroll.errors import AwsError, NotFound

DIGEST = "fn-sha256"
"""The metadata key that holds the base64 SHA-256 of an object, as CodeSha256 has it."""


def stored_version(session: Session, bucket: str, key: str, digest: str) -> tuple[bool, str | None]:
    """Whether the object has this content, and its version (None: the bucket keeps none)."""
    try:
        with border("HeadObject", f"s3://{bucket}/{key}"):
            head = session.service("s3").head_object(Bucket=bucket, Key=key)
    except NotFound:
        return False, None
    except AwsError as error:
        # So it is answered too of a key that is not there, to whoever may not list the bucket: the upload will tell.
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        return False, None
    return head.get("Metadata", {}).get(DIGEST) == digest, _version(head.get("VersionId"))


def upload(
    session: Session, bucket: str, key: str, data: bytes, digest: str, progress: Callable[[int], None] = lambda _: None
) -> str | None:
    """Put `data` there unless it is there; the version that this made, as S3 answers it (None: the bucket keeps none).

    `progress` is told how many bytes went just now, from any thread. Raises AwsError."""
    there, version = stored_version(session, bucket, key, digest)
    if there:
        return version
    from fnroll.aws import parts

    client, where = session.service("s3"), {"Bucket": bucket, "Key": key}
    extra = {"Metadata": {DIGEST: digest}, "ContentType": "application/zip"}
    if len(data) > 2 * parts.SIZE:
        parts.abort_stale(client, where)
        try:
            with border("PutObject", f"s3://{bucket}/{key}"):
                return _version(parts.upload_in_parts(client, where, data, extra, progress))
        except NotFound:  # its end was told twice, because the first answer was lost; or there is no such bucket
            there, version = stored_version(session, bucket, key, digest)
            if not there:
                raise
            return version
    with border("PutObject", f"s3://{bucket}/{key}"):
        answer = client.put_object(**where, **extra, Body=data, ChecksumSHA256=parts.sha256(data))
        progress(len(data))
        return _version(answer.get("VersionId"))


def _version(said: str | None) -> str | None:
    return None if said in (None, "null") else said


def read_object(session: Session, bucket: str, key: str, limit: int) -> bytes:
    """GetObject: all its bytes. Raises NotFound, and AwsError for one of more than `limit` bytes."""
    where = f"s3://{bucket}/{key}"
    with border("GetObject", where):
        answer = session.service("s3").get_object(Bucket=bucket, Key=key)
        if answer["ContentLength"] > limit:
            raise AwsError(f"is larger than {limit} bytes", operation="GetObject", where=where)
        return bytes(answer["Body"].read())
