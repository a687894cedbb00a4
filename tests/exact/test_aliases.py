"""What a row cannot say of aliases: what a write leaves behind (facts/release.md 2.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud_support import ARN, Raw, client, make
from exact.vocabulary import ALIASES, HELLO, LIVE, PROVISIONED, STALE, ask, weights
from fnroll.cloud import Endpoint


def said(got: Raw) -> dict[str, Any]:
    """The answer's members; the RevisionId apart from them, as it is new each time."""
    members: dict[str, Any] = json.loads(got.body)
    return members


def alias(version: str, description: str = "", **others: Any) -> dict[str, Any]:
    named = {"AliasArn": f"{ARN}hello:live", "Name": "live"}
    return {**named, "FunctionVersion": version, "Description": description, **others}


@pytest.fixture
def published(endpoint: Endpoint) -> Endpoint:
    """hello with versions 1, 2 and 3."""
    api = client(endpoint)
    make(api, Publish=True)
    for description in ("2", "3"):
        api.update_function_configuration(FunctionName="hello", Description=description)
        api.publish_version(FunctionName="hello")
    return endpoint


def test_a_write_changes_what_it_names_and_nothing_else(published: Endpoint) -> None:
    """The facts "release 2.1 statuses", "release 2.1 omitted members" and "release 2.1 no change"."""
    revisions = []

    def write(method: str, path: str, body: dict[str, Any], status: int, expected: dict[str, Any]) -> None:
        got = ask(published, method, path, body)
        found = said(got)
        revisions.append(found.pop("RevisionId"))
        assert (got.status, found) == (status, expected)

    write("POST", ALIASES, {"Name": "live", "FunctionVersion": "1"}, 201, alias("1"))
    write("PUT", LIVE, {"Description": "d"}, 200, alias("1", "d"))
    routed = weights(v2=0.25)
    write("PUT", LIVE, routed, 200, alias("1", "d", **routed))
    write("PUT", LIVE, {"Description": "e"}, 200, alias("1", "e", **routed))
    write("PUT", LIVE, {"RoutingConfig": {}}, 200, alias("1", "e", **routed))
    write("PUT", LIVE, {}, 200, alias("1", "e", **routed))
    write("PUT", LIVE, {"FunctionVersion": "3"}, 200, alias("3", "e", **routed))
    write("PUT", LIVE, {"RoutingConfig": {"AdditionalVersionWeights": {}}}, 200, alias("3", "e"))
    write("PUT", LIVE, {"Description": ""}, 200, alias("3"))
    assert len(set(revisions)) == len(revisions)
    read = said(ask(published, "GET", LIVE))
    assert read == {**alias("3"), "RevisionId": revisions[-1]}


def test_one_call_moves_all_or_nothing(published: Endpoint) -> None:
    """The facts "release 2.1 compare and swap" and "release 2.1 stale revision"."""
    first = said(ask(published, "POST", ALIASES, {"Name": "live", "FunctionVersion": "1"}))["RevisionId"]
    whole = {"FunctionVersion": "2", "Description": "moved", **weights(v3=0.5)}
    got = said(ask(published, "PUT", LIVE, {**whole, "RevisionId": first}))
    assert got == alias("2", "moved", **weights(v3=0.5), RevisionId=got["RevisionId"])
    late = ask(published, "PUT", LIVE, {"FunctionVersion": "1", "Description": "late", "RevisionId": first})
    assert (late.status, said(late)) == (412, {"Type": "User", "message": STALE})
    assert said(ask(published, "GET", LIVE)) == got


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_weight_at_either_end(published: Endpoint, weight: float) -> None:
    """The fact "release 2.1 weight 1.0", and 0.0 of the model's range."""
    got = ask(published, "POST", ALIASES, {"Name": "live", "FunctionVersion": "1", **weights(v2=weight)})
    assert (got.status, said(got)["RoutingConfig"]) == (201, weights(v2=weight)["RoutingConfig"])
    ran = ask(published, "POST", f"{HELLO}:live/invocations", {})
    assert ran.headers["x-amz-executed-version"] == ("2" if weight else "1")


def test_an_alias_without_weights_may_point_to_latest(published: Endpoint) -> None:
    """The fact "release 2.1 unweighted $LATEST"."""
    got = ask(published, "POST", ALIASES, {"Name": "live", "FunctionVersion": "$LATEST"})
    assert (got.status, said(got)["FunctionVersion"]) == (201, "$LATEST")
    assert ask(published, "POST", f"{HELLO}:live/invocations", {}).headers["x-amz-executed-version"] == "$LATEST"


def test_names_and_descriptions_of_every_length_allowed(published: Endpoint) -> None:
    """The fact "release 2.1 members"."""
    for name in ("a", "-", "_", "1a", "x" * 128):
        body = {"Name": name, "FunctionVersion": "1", "Description": "d" * 256}
        assert ask(published, "POST", ALIASES, body).status == 201


def test_what_is_read_through_an_alias_is_its_primary(published: Endpoint) -> None:
    """The fact "release 2.1 describes primary"."""
    ask(published, "POST", ALIASES, {"Name": "live", "FunctionVersion": "2", **weights(v3=1.0)})
    for path, place in ((HELLO, "Configuration"), (f"{HELLO}/configuration", None)):
        got = said(ask(published, "GET", f"{path}?Qualifier=live"))
        found = got[place] if place else got
        assert (found["Version"], found["Description"]) == ("2", "2")
        assert found["FunctionArn"] == f"{ARN}hello:live"


def test_a_list_by_version(published: Endpoint) -> None:
    """The fact "release 2.1 list filter": by any version that an alias routes to."""
    for name, version, others in (("a", "1", {}), ("b", "2", weights(v1=0.5)), ("c", "3", {})):
        ask(published, "POST", ALIASES, {"Name": name, "FunctionVersion": version, **others})
    for version, names in (("1", ["a", "b"]), ("2", ["b"]), ("3", ["c"]), ("9", [])):
        found = said(ask(published, "GET", f"{ALIASES}?FunctionVersion={version}"))
        assert [item["Name"] for item in found["Aliases"]] == names


def test_a_version_is_provisioned_once(published: Endpoint) -> None:
    """The fact "release 2.1 provisioned once"."""
    for name in ("live", "other"):
        ask(published, "POST", ALIASES, {"Name": name, "FunctionVersion": "1"})
    one = {"ProvisionedConcurrentExecutions": 1}
    assert ask(published, "PUT", f"{PROVISIONED}?Qualifier=live", one).status == 202
    by_number = ask(published, "PUT", f"{PROVISIONED}?Qualifier=1", one)
    assert (by_number.status, by_number.headers["x-amzn-errortype"]) == (409, "ResourceConflictException")
    by_other = ask(published, "PUT", f"{PROVISIONED}?Qualifier=other", one)
    assert (by_other.status, by_other.headers["x-amzn-errortype"]) == (409, "ResourceConflictException")
    assert ask(published, "DELETE", f"{PROVISIONED}?Qualifier=live").status == 204
    assert ask(published, "PUT", f"{PROVISIONED}?Qualifier=1", one).status == 202


def test_a_hundred_aliases_are_no_quota(published: Endpoint) -> None:
    """The fact "release 2.1 alias quota"."""
    for number in range(100):
        body = {"Name": f"a{number}", "FunctionVersion": "1"}
        assert ask(published, "POST", ALIASES, body).status == 201
