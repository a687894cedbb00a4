"""Versions, hashes and revisions: what moves with which write (facts/release.md 2.2)."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cloud_support import Held, Raw, client, make, package, served
from exact.vocabulary import ALIASES, FUNCTIONS, HELLO, LIVE, ROLE, STALE, ask, compact, new_function, user
from fnroll.cloud import Endpoint

VERSIONS = f"{HELLO}/versions"
CONFIGURATION = f"{HELLO}/configuration"
CODE = f"{HELLO}/code"


def zipped(word: str) -> dict[str, str]:
    return {"ZipFile": base64.b64encode(package({"handler.py": word})).decode()}


def said(got: Raw) -> dict[str, Any]:
    assert got.status in (200, 201), got
    members: dict[str, Any] = json.loads(got.body)
    return members


def revision(endpoint: Endpoint, qualifier: str = "$LATEST") -> str:
    found: str = said(ask(endpoint, "GET", f"{CONFIGURATION}?Qualifier={qualifier}"))["RevisionId"]
    return found


@pytest.fixture
def made(endpoint: Endpoint) -> Endpoint:
    """hello, not published."""
    make(client(endpoint))
    return endpoint


def test_publishing_again_gives_the_same_version(made: Endpoint) -> None:
    """The fact "release 2.2 publish again"."""
    first = ask(made, "POST", VERSIONS, {"Description": "first"})
    assert (first.status, said(first)["Version"], said(first)["Description"]) == (201, "1", "first")
    for given in ({}, {"Description": "second"}, {"CodeSha256": said(first)["CodeSha256"]}):
        again = ask(made, "POST", VERSIONS, given)
        assert (again.status, said(again)) == (201, said(first))
    assert len(said(ask(made, "GET", VERSIONS))["Versions"]) == 2


def test_a_changed_configuration_publishes_the_same_code(made: Endpoint) -> None:
    """The fact "release 2.2 configuration publishes"."""
    first = said(ask(made, "POST", VERSIONS, {}))
    ask(made, "PUT", CONFIGURATION, {"Description": "changed"})
    second = said(ask(made, "POST", VERSIONS, {}))
    assert (second["Version"], second["Description"]) == ("2", "changed")
    assert second["CodeSha256"] == first["CodeSha256"]


def test_a_wrong_hash_names_both(made: Endpoint) -> None:
    """The fact "release 2.2 wrong hash"."""
    found = said(ask(made, "GET", CONFIGURATION))["CodeSha256"]
    got = ask(made, "POST", VERSIONS, {"CodeSha256": "x"})
    words = (
        f"CodeSHA256 (x) is different from current CodeSHA256 in $LATEST ({found}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )
    assert (got.status, got.headers["x-amzn-errortype"]) == (400, "InvalidParameterValueException")
    assert got.body.decode() == compact(user(words))


def test_a_wrong_revision_publishes_nothing(made: Endpoint) -> None:
    """The fact "release 2.2 wrong revision"."""
    got = ask(made, "POST", VERSIONS, {"RevisionId": "old"})
    assert (got.status, got.headers["x-amzn-errortype"]) == (412, "PreconditionFailedException")
    assert got.body.decode() == compact(user(STALE))
    assert len(said(ask(made, "GET", VERSIONS))["Versions"]) == 1


def test_the_hash_of_the_code_is_that_of_the_zip(made: Endpoint) -> None:
    """The fact "release 2.2 CodeSha256"."""
    given = zipped("new")
    expected = base64.b64encode(hashlib.sha256(base64.b64decode(given["ZipFile"])).digest()).decode()
    assert said(ask(made, "PUT", CODE, given))["CodeSha256"] == expected
    digest = "0123456789abcdef" * 4
    image = f"000000000000.dkr.ecr.us-east-1.amazonaws.com/x@sha256:{digest}"
    body = {"FunctionName": "image", "Role": ROLE, "PackageType": "Image", "Code": {"ImageUri": image}}
    created = said(ask(made, "POST", FUNCTIONS, body))
    assert (created["CodeSha256"], created["CodeSize"]) == (digest, 0)
    found = said(ask(made, "GET", f"{FUNCTIONS}/image"))["Code"]
    assert found == {"RepositoryType": "ECR", "ImageUri": image, "ResolvedImageUri": image}


def test_the_hashes_tell_whether_a_publish_would_make_a_version(made: Endpoint) -> None:
    """The fact "release 2.2 ConfigSha256"."""

    def hashes(qualifier: str) -> tuple[str, str]:
        found = said(ask(made, "GET", f"{CONFIGURATION}?Qualifier={qualifier}"))
        return found["CodeSha256"], found["ConfigSha256"]

    version = 0
    for path, change in (
        (VERSIONS, {"Description": "of the version"}),
        (CODE, zipped("other")),
        (CODE, zipped("other")),
        (CONFIGURATION, {"Timeout": 9}),
        (CONFIGURATION, {"Timeout": 9}),
        (CONFIGURATION, {"Environment": {"Variables": {"KEY": "value"}}}),
        (CONFIGURATION, {"Environment": {}}),
        (CONFIGURATION, {"Description": "of the function"}),
    ):
        before = version
        if path != VERSIONS:
            assert ask(made, "PUT", path, change).status == 200
        differs = version == 0 or hashes("$LATEST") != hashes(str(version))
        given = change if path == VERSIONS else {}
        version = int(said(ask(made, "POST", VERSIONS, given))["Version"])
        assert (version > before) == differs
        assert hashes("$LATEST") == hashes(str(version))
    assert version == 6


def test_which_revision_moves_with_what(made: Endpoint) -> None:
    """The fact "release 2.2 revisions", for a cloud that is done with an update when it answers."""
    seen = [revision(made)]

    def moved(latest: bool) -> None:
        seen.append(revision(made))
        assert (seen[-1] != seen[-2]) == latest

    ask(made, "PUT", CODE, zipped("a"))
    moved(latest=True)
    ask(made, "PUT", CONFIGURATION, {"Timeout": 9})
    moved(latest=True)
    ask(made, "PUT", CONFIGURATION, {"Timeout": 9})
    moved(latest=True)
    version = said(ask(made, "POST", VERSIONS, {}))["RevisionId"]
    moved(latest=True)
    ask(made, "POST", VERSIONS, {})
    moved(latest=False)
    alias = said(ask(made, "POST", ALIASES, {"Name": "live", "FunctionVersion": "1"}))["RevisionId"]
    moved(latest=False)
    assert said(ask(made, "PUT", LIVE, {}))["RevisionId"] != alias
    moved(latest=False)
    ask(made, "PUT", CODE, zipped("b"))
    moved(latest=True)
    assert revision(made, "1") == version
    assert revision(made, "live") == version


def test_update_publish_and_dry_run(made: Endpoint) -> None:
    """The fact "release 2.2 update and publish"."""
    current = revision(made)
    dry = said(ask(made, "PUT", CODE, {**zipped("a"), "DryRun": True, "RevisionId": current}))
    assert revision(made) == current
    done = said(ask(made, "PUT", CODE, {**zipped("a"), "Publish": True, "RevisionId": current}))
    assert (done["Version"], done["CodeSha256"]) == ("1", dry["CodeSha256"])
    late = ask(made, "PUT", CODE, {**zipped("b"), "Publish": True, "RevisionId": current})
    assert (late.status, late.body.decode()) == (412, compact(user(STALE)))
    assert len(said(ask(made, "GET", VERSIONS))["Versions"]) == 2


def test_a_version_that_is_made_with_its_function_is_pending(tmp_path: Path) -> None:
    """The fact "release 2.2 update and publish"."""
    with served(tmp_path, realistic=True, clock=Held()) as (endpoint, _):
        got = said(ask(endpoint, "POST", FUNCTIONS, new_function(Publish=True)))
        assert (got["Version"], got["State"], got["StateReasonCode"]) == ("1", "Pending", "Creating")
        assert "LastUpdateStatus" not in got


def test_a_safe_deploy(tmp_path: Path) -> None:
    """The facts "release 2.2 safe deploy" and "release 2.2 revisions": a revision that was read before the update was
    done is stale, and each write on the one read last goes through."""
    clock = Held()
    with served(tmp_path, realistic=True, clock=clock) as (endpoint, _):

        def wait() -> str:
            while (found := said(ask(endpoint, "GET", CONFIGURATION))).get("LastUpdateStatus") != "Successful":
                clock.pass_time()
            current: str = found["RevisionId"]
            return current

        ask(endpoint, "POST", FUNCTIONS, new_function(FunctionName="hello"))
        revisions = [wait()]
        accepted = said(ask(endpoint, "PUT", CODE, {**zipped("a"), "RevisionId": revisions[-1]}))["RevisionId"]
        revisions += [accepted, wait()]
        late = ask(endpoint, "PUT", CONFIGURATION, {"Timeout": 9, "RevisionId": accepted})
        assert late.status == 412
        accepted = said(ask(endpoint, "PUT", CONFIGURATION, {"Timeout": 9, "RevisionId": revisions[-1]}))["RevisionId"]
        revisions += [accepted, wait()]
        sha256 = said(ask(endpoint, "GET", CONFIGURATION))["CodeSha256"]
        version = said(ask(endpoint, "POST", VERSIONS, {"CodeSha256": sha256, "RevisionId": revisions[-1]}))
        assert (version["Version"], version["State"]) == ("1", "Active")
        revisions.append(wait())
        assert len(set(revisions)) == len(revisions)
        alias = said(ask(endpoint, "POST", ALIASES, {"Name": "live", "FunctionVersion": "$LATEST"}))["RevisionId"]
        moved = {"FunctionVersion": "1", "RevisionId": alias}
        assert said(ask(endpoint, "PUT", LIVE, moved))["FunctionVersion"] == "1"
        assert ask(endpoint, "PUT", LIVE, moved).status == 412
