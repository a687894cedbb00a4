"""Verbs on S3 objects: code that is too large for a request, or that the definition wants to lie on S3.

Parts go side by side (s3transfer, which boto3 brings), a broken upload is aborted, and an object that has this content
already is not sent again: its metadata says which.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fnroll.aws.errors import border
from fnroll.aws.session import Session
from fnroll.errors import AwsError, NotFound

if TYPE_CHECKING:
    from s3transfer.futures import TransferFuture

DIGEST = "fn-sha256"
"""The metadata key that holds the base64 SHA-256 of an object, as CodeSha256 has it."""

_PART = 8 * 1024 * 1024


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
    """Put `data` there unless it is there; the object's version (None: the bucket keeps none). `progress` is told how
    many bytes went just now, from any thread. Raises AwsError."""
    there, version = stored_version(session, bucket, key, digest)
    if there:
        return version
    from s3transfer.manager import TransferConfig, TransferManager
    from s3transfer.subscribers import BaseSubscriber

    class Told(BaseSubscriber):
        def on_progress(self, future: TransferFuture, bytes_transferred: int, **kwargs: Any) -> None:
            progress(bytes_transferred)

    client = session.service("s3")
    config = TransferConfig(multipart_threshold=2 * _PART, multipart_chunksize=_PART, max_request_concurrency=8)
    with border("PutObject", f"s3://{bucket}/{key}"), TransferManager(client, config) as manager:
        extra = {"Metadata": {DIGEST: digest}, "ContentType": "application/zip"}
        manager.upload(io.BytesIO(data), bucket, key, extra_args=extra, subscribers=[Told()]).result()
    return stored_version(session, bucket, key, digest)[1]


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
