"""Objects on S3, where AWS answers otherwise than the stand-ins do."""

from __future__ import annotations

import pytest
from botocore.stub import ANY, Stubber

from fnroll.aws import AwsOptions, Session
from fnroll.aws.objects import stored_version, upload
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
        stubber.add_response("head_object", {"VersionId": "v1", "Metadata": {}}, {"Bucket": "b", "Key": "k"})
        assert upload(session, "b", "k", DATA, DIGEST) == "v1"
        stubber.assert_no_pending_responses()


def test_another_error_is_told(session: Session) -> None:
    with Stubber(session.service("s3")) as stubber:
        stubber.add_client_error("head_object", "400", "Bad Request", 400, expected_params={"Bucket": "b", "Key": ANY})
        with pytest.raises(AwsError):
            stored_version(session, "b", "k", DIGEST)
