"""Objects on S3, where AWS answers otherwise than the stand-ins do."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from fnroll.aws import AwsOptions, Session
from fnroll.aws.objects import stored_version, upload
from fnroll.aws.parts import SIZE, abort_stale, sha256, upload_in_parts
from fnroll.errors import AwsError

DATA, DIGEST = b"zip", "abc="


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return Session(AwsOptions(region="us-east-1"))


def test_who_may_not_list_the_bucket_is_told_403_of_a_key_that_is_not_there(session: Session) -> None:
    with Stubber(session.service("s3")) as stubber:
        stubber.add_client_error("head_object", "403", "Forbidden", 403)
        stubber.add_response("put_object", {"VersionId": "v1"}, None)
        assert upload(session, "b", "k", DATA, DIGEST) == "v1"
        stubber.assert_no_pending_responses()


def test_another_error_is_told(session: Session) -> None:
    with Stubber(session.service("s3")) as stubber:
        stubber.add_client_error("head_object", "400", "Bad Request", 400, expected_params={"Bucket": "b", "Key": ANY})
        with pytest.raises(AwsError):
            stored_version(session, "b", "k", DIGEST)


def test_an_object_that_has_this_content_is_not_sent_again(session: Session) -> None:
    with Stubber(session.service("s3")) as stubber:
        stubber.add_response("head_object", {"VersionId": "v7", "Metadata": {"fn-sha256": DIGEST}})
        assert upload(session, "b", "k", DATA, DIGEST) == "v7"


def test_what_is_sent_is_checked_on_arrival(session: Session) -> None:
    with Stubber(session.service("s3")) as stubber:
        stubber.add_response("head_object", {"Metadata": {"fn-sha256": "another"}})
        expected = {
            "Bucket": "b",
            "Key": "k",
            "Body": DATA,
            "Metadata": {"fn-sha256": DIGEST},
            "ContentType": "application/zip",
            "ChecksumSHA256": base64.b64encode(hashlib.sha256(DATA).digest()).decode(),
        }
        stubber.add_response("put_object", {"VersionId": "null"}, expected)
        assert upload(session, "b", "k", DATA, DIGEST) is None


class Bucket:
    """As much of an S3 client as uploads in parts need. `fails`: the part that does not go."""

    def __init__(self, fails: int = 0, listed: Sequence[dict[str, Any]] = ()) -> None:
        self.fails, self.listed = fails, listed
        self.sent: dict[int, tuple[bytes, str]] = {}
        self.aborted: list[str] = []
        self.parts: list[dict[str, Any]] = []

    def create_multipart_upload(self, **said: Any) -> dict[str, Any]:
        assert said["ChecksumAlgorithm"] == "SHA256" and said["Metadata"] == {"fn-sha256": DIGEST}
        return {"UploadId": "new"}

    def upload_part(self, *, PartNumber: int, Body: bytes, ChecksumSHA256: str, **_: Any) -> dict[str, Any]:
        if PartNumber == self.fails:
            raise ClientError({"Error": {"Code": "BadDigest"}}, "UploadPart")
        self.sent[PartNumber] = (Body, ChecksumSHA256)
        return {"ETag": f"e{PartNumber}"}

    def complete_multipart_upload(self, *, MultipartUpload: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.parts = MultipartUpload["Parts"]
        return {"VersionId": "v3"}

    def abort_multipart_upload(self, *, UploadId: str, **_: Any) -> None:
        self.aborted.append(UploadId)

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **said: Any) -> Iterator[dict[str, Any]]:
        assert said == {"Bucket": "b", "Prefix": "k"}
        yield {"Uploads": [*self.listed]}
        yield {}


WHERE = {"Bucket": "b", "Key": "k"}
EXTRA = {"Metadata": {"fn-sha256": DIGEST}}


def test_parts_arrive_in_order_each_proven_and_the_version_is_that_of_the_answer() -> None:
    bucket, told = Bucket(), list[int]()
    data = b"a" * SIZE + b"b" * SIZE + b"c"
    assert upload_in_parts(bucket, WHERE, data, EXTRA, told.append) == "v3"
    assert b"".join(bucket.sent[number][0] for number in (1, 2, 3)) == data
    assert [part["ETag"] for part in bucket.parts] == ["e1", "e2", "e3"]
    assert all(part["ChecksumSHA256"] == sha256(bucket.sent[part["PartNumber"]][0]) for part in bucket.parts)
    assert sum(told) == len(data) and bucket.aborted == []


def test_a_part_that_fails_ends_the_upload_and_leaves_nothing() -> None:
    bucket = Bucket(fails=2)
    with pytest.raises(ClientError, match="BadDigest"):
        upload_in_parts(bucket, WHERE, bytes(2 * SIZE), EXTRA, lambda _: None)
    assert bucket.aborted == ["new"] and bucket.parts == []


def test_uploads_that_killed_processes_left_are_aborted_once_they_are_old() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    ages = {"old": timedelta(days=2), "young": timedelta(hours=3), "another": timedelta(days=9)}
    bucket = Bucket(
        listed=[
            {"Key": "k-2" if name == "another" else "k", "UploadId": name, "Initiated": now - age}
            for name, age in ages.items()
        ]
    )
    assert abort_stale(bucket, WHERE, now) == 1
    assert bucket.aborted == ["old"]


def test_an_upload_whose_end_was_told_twice_has_ended(session: Session) -> None:
    data = bytes(2 * SIZE + 1)
    with Stubber(session.service("s3")) as stubber:
        stubber.add_client_error("head_object", "404", "Not Found", 404)
        stubber.add_response("list_multipart_uploads", {})
        stubber.add_client_error("create_multipart_upload", "NoSuchUpload", "", 404)
        stubber.add_response("head_object", {"VersionId": "v2", "Metadata": {"fn-sha256": DIGEST}})
        assert upload(session, "b", "k", data, DIGEST) == "v2"


def test_who_may_not_list_uploads_can_upload_all_the_same(session: Session) -> None:
    with Stubber(session.service("s3")) as stubber:
        stubber.add_client_error("list_multipart_uploads", "AccessDenied", http_status_code=403)
        assert abort_stale(session.service("s3"), WHERE) == 0
