"""An upload to S3 in parts side by side, proven part by part, and nothing left behind.

Of our own, and not boto3's transfer manager, because that keeps the answer to itself: which version of the object this
upload made. Each part carries its SHA-256, which S3 checks. An upload that ends early is aborted; one whose process was
killed is aborted by the next upload to the same key, once it is so old that nobody can be at it any more.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

SIZE: Final = 8 << 20
"""Bytes of a part but the last; S3 wants 5 MiB at least."""

STALE: Final = timedelta(days=1)
"""The age from which an upload is nobody's: the largest that there is takes minutes."""

_AT_ONCE = 8
_SHA256 = "SHA256"


def sha256(data: bytes | memoryview) -> str:
    """As S3 and Lambda write it: base64."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def upload_in_parts(
    client: Any, where: dict[str, str], data: bytes, extra: dict[str, Any], progress: Callable[[int], None]
) -> str | None:
    """The version that was made, as S3 says. `where`: Bucket and Key; `extra`: members of CreateMultipartUpload.

    Raises what the client raises; the upload is aborted then, whatever it was."""
    made = client.create_multipart_upload(**where, **extra, ChecksumAlgorithm=_SHA256)
    upload = {**where, "UploadId": made["UploadId"]}
    try:
        parts = _send(client, upload, memoryview(data), progress)
        answer = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    except BaseException:
        with suppress(ClientError, BotoCoreError):
            client.abort_multipart_upload(**upload)
        raise
    version: str | None = answer.get("VersionId")
    return version


def _send(
    client: Any, upload: dict[str, str], data: memoryview, progress: Callable[[int], None]
) -> list[dict[str, Any]]:
    def one(number: int) -> dict[str, Any]:
        piece = bytes(data[(number - 1) * SIZE : number * SIZE])
        digest = sha256(piece)
        answer = client.upload_part(**upload, PartNumber=number, Body=piece, ChecksumSHA256=digest)
        progress(len(piece))
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": digest}

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="upload") as pool:
        futures = [pool.submit(one, number) for number in range(1, -(-len(data) // SIZE) + 1)]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)


def abort_stale(client: Any, where: dict[str, str], now: datetime | None = None) -> int:
    """Abort what killed uploads to this very key left, STALE ago or earlier; how many. Never fails: whoever may not
    list uploads can upload all the same."""
    horizon, count = (now or datetime.now(UTC)) - STALE, 0
    with suppress(ClientError, BotoCoreError):
        pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=where["Bucket"], Prefix=where["Key"])
        for row in [row for page in pages for row in page.get("Uploads", ())]:
            if row["Key"] == where["Key"] and row["Initiated"] < horizon:
                client.abort_multipart_upload(**where, UploadId=row["UploadId"])
                count += 1
    return count
