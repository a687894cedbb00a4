"""--assume-role-arn: calls go out with the credentials that STS gave, asked for once."""

from __future__ import annotations

from typing import Any

import pytest

from deploy_support import REGION, moto_session
from fnroll.aws import AwsOptions, Session
from fnroll.errors import AwsError

ROLE = "arn:aws:iam::123456789012:role/deployer"


def test_calls_are_made_as_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with moto_session() as (other, _):
        session = Session(AwsOptions(region=REGION, endpoint=other.options.endpoint, assume_role=ROLE))
        who = session.service("sts").get_caller_identity()
        assert ":assumed-role/deployer/fnroll-" in who["Arn"]
        keys: list[str] = []

        def note(request: Any, **_: Any) -> None:
            keys.append(request.headers["Authorization"].decode())

        session.control.meta.events.register("before-send.lambda", note)
        session.control.list_functions()
        assert "Credential=mine/" not in keys[0]


def test_a_role_that_cannot_be_had_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    from fnroll.aws.functions import find_function

    session = Session(AwsOptions(region=REGION, endpoint="http://127.0.0.1:9", assume_role=ROLE), attempts=1)
    with pytest.raises(AwsError, match="Could not connect"):
        find_function(session.control, "hello")
