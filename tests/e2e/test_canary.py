"""A canary through the real `fn`: deployed beside what serves, looked at, stopped, ended."""

from __future__ import annotations

import json
from pathlib import Path

from e2e_support import Fn


def traffic(fn: Fn, directory: Path) -> dict[str, float]:
    (row,) = json.loads(fn("alias", "list", "--local", "--output", "json", cwd=directory).stdout)
    served: dict[str, float] = row["traffic"]
    return served


RELEASE = {"steps": [{"weight": 0.5, "bake_minutes": 1, "requests": 1}]}


def test_from_a_deploy_beside_what_serves_to_its_end(fn: Fn, hello: Path, cloud: str) -> None:
    fn("deploy", "--local", cwd=hello)
    handler = hello / "handler.pl"
    handler.write_text(handler.read_text() + "# second\n")
    (hello / "release.json").write_text(json.dumps(RELEASE))
    started = fn("deploy", "--local", "--canary", cwd=hello)
    assert "canary 2 beside 1" in started.stderr
    refused = fn("deploy", "--local", cwd=hello, status=1)
    assert "a canary is on alias current" in refused.stderr and "--supersede" in refused.stderr
    shown = json.loads(fn("canary", "status", "--local", "--output", "json", cwd=hello).stdout)
    assert (shown["baseline"], shown["canary"], shown["step"], shown["phase"]) == ("1", "2", 1, "go")
    assert shown["traffic"] == {"1": 0.5, "2": 0.5}
    page = fn("canary", "report", "--local", "--file", "-", cwd=hello).stdout
    assert page.startswith("<!doctype html>") and "1 -&gt; 2" in page
    other = fn("canary", "tick", "--local", "--alpha", "0.2", cwd=hello, status=3)
    assert "foreign-plan" in other.stdout
    fn("canary", "pause", "--local", cwd=hello)
    assert "paused by hand" in fn("canary", "tick", "--local", cwd=hello).stdout
    fn("canary", "resume", "--local", cwd=hello)
    handler.write_text(handler.read_text() + "# third\n")
    instead = fn("deploy", "--local", "--canary", "--supersede", cwd=hello)
    assert "canary 3 beside 1" in instead.stderr
    fn("canary", "promote", "--local", cwd=hello)
    assert traffic(fn, hello) == {"3": 1.0}
    fn("canary", "undo", "--local", cwd=hello)
    assert traffic(fn, hello) == {"1": 1.0}
    fn("canary", "start", "--local", cwd=hello)
    fn("canary", "abort", "--local", cwd=hello)
    ended = fn("canary", "abort", "--local", cwd=hello, status=4)
    assert "no canary is on alias current" in ended.stderr
    assert traffic(fn, hello) == {"1": 1.0}


def test_what_would_be_needed_is_told_before(fn: Fn, hello: Path, cloud: str) -> None:
    fn("deploy", "--local", cwd=hello)
    told = json.loads(fn("canary", "plan", "--local", "--output", "json", "--step", "5%:10:300", cwd=hello).stdout)
    assert [(row["weight"], row["minutes"]) for row in told["steps"]] == [(0.05, None)]
    nothing = fn("canary", "start", "--local", cwd=hello, status=4)
    assert "the newest version is 1, which the alias serves already" in nothing.stderr
    wrong = fn("canary", "start", "--local", "--step", "nonsense", cwd=hello, status=2)
    assert "WEIGHT[:MINUTES[:REQUESTS]]" in wrong.stderr
    role = "arn:aws:iam::000000000000:role/x"
    assert "which only AWS has" in fn("canary", "start", "--local", "--dead-man-role", role, cwd=hello, status=2).stderr


def test_a_rehearsal_finds_what_is_injected(fn: Fn, tmp_path: Path) -> None:
    words = ("canary", "rehearse", "--rps", "4", "--step", "50%:1:20", "--output", "json")
    bad = json.loads(fn(*words, "--error-rate", "0.5", status=1).stdout)
    assert (bad["verdict"], bad["exit_code"]) == ("rollback", 1)
    assert bad["canary"]["failed"] > 10 and bad["minutes"] <= 5
    assert bad["failed_more"] <= bad["canary"]["failed"]
    good = json.loads(fn(*words, "--error-rate", "0", "--baseline-error-rate", "0").stdout)
    assert good["verdict"] == "promote"


def test_a_rehearsal_of_two_published_versions(fn: Fn, hello: Path, cloud: str) -> None:
    fn("deploy", "--local", cwd=hello)
    (hello / "handler.pl").write_text("sub handle { die 'broken' if $_[0]{name} eq 'x'; return 1 } 1;")
    fn("deploy", "--local", cwd=hello)
    (hello / "event.json").write_text('{"name": "x"}')
    words = ("canary", "rehearse", "--local", "--rps", "1", "--step", "50%:1:20", "--output", "json")
    versions = ("--baseline", "1", "--canary", "2", "--event", "event.json")
    found = json.loads(fn(*words, *versions, cwd=hello, status=1).stdout)
    assert (found["verdict"], found["baseline"]["failed"]) == ("rollback", 0)
    assert found["canary"]["failed"] == found["canary"]["requests"] > 5
    alone = fn(*words, "--canary", "2", cwd=hello, status=2).stderr
    assert "--baseline and --canary go together" in alone
    assert "give --baseline and --canary" in fn(*words, "--event", "event.json", cwd=hello, status=2).stderr
    missing = fn(*words, "--baseline", "1", "--canary", "9", cwd=hello, status=4).stderr
    assert "not found" in missing.lower()
