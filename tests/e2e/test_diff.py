"""`fn diff` as a process: what it prints and how it ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from e2e_support import Fn


@pytest.fixture
def deployed(fn: Fn, hello: Path, cloud: str) -> Path:
    """A function with a secret and a file beside its handler, deployed to a local cloud that is up."""
    change(hello, Environment={"Variables": {"TOKEN": "s3cret-1", "PLAIN": "kept-value"}})
    (hello / "old.txt").write_text("old")
    fn("deploy", "--local", cwd=hello)
    return hello


def change(project: Path, **members: object) -> None:
    path = project / "function.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | members, indent=2))


def test_an_unchanged_tree_has_no_difference(fn: Fn, deployed: Path) -> None:
    done = fn("diff", "--local", "--exit-code", cwd=deployed)
    assert (done.stdout, done.stderr) == ("", "no differences: hello is deployed as it is here\n")
    found = json.loads(fn("diff", "--local", "--output", "json", cwd=deployed).stdout)
    assert (found["different"], found["configuration"], found["code"], found["beside"]) == (False, {}, None, [])


def test_lambroll_issue_516_code_as_a_list_of_files(fn: Fn, deployed: Path) -> None:
    (deployed / "old.txt").unlink()
    (deployed / "new.txt").write_text("four")
    with (deployed / "handler.pl").open("a") as handler:
        handler.write("# more\n")
    size = (deployed / "handler.pl").stat().st_size
    done = fn("diff", "--local", "--code-only", "--exit-code", cwd=deployed, status=2)
    assert done.stdout.splitlines() == [
        "code: 3 files differ",
        f"~ handler.pl  {size - 7:,} -> {size:,} bytes",
        "+ new.txt  4 bytes",
        "- old.txt  3 bytes",
    ]
    assert fn("diff", "--local", "--no-code", "--exit-code", cwd=deployed).stdout == ""
    assert fn("diff", "--local", "--skip-function", "--exit-code", cwd=deployed).stdout == ""
    found = json.loads(fn("diff", "--local", "--output", "json", cwd=deployed).stdout)
    assert [(row["name"], row["change"]) for row in found["code"]["files"]] == [
        ("handler.pl", "changed"),
        ("new.txt", "added"),
        ("old.txt", "removed"),
    ]


def test_secrets_are_hidden_in_every_form_of_it(fn: Fn, deployed: Path, tmp_path: Path) -> None:
    change(deployed, Environment={"Variables": {"TOKEN": "s3cret-2", "PLAIN": "kept-value"}}, MemorySize=1024)
    tool = f"{sys.executable} -c 'import sys; [print(open(name).read()) for name in sys.argv[1:]]; sys.exit(1)'"
    for words in ([], ["--output", "json"], ["--external", tool]):
        done = fn("diff", "--local", *words, cwd=deployed)
        assert "*** (as deployed)" in done.stdout and "1024" in done.stdout
        assert "s3cret" not in done.stdout + done.stderr
        assert "kept-value" not in done.stdout + done.stderr
    shown = fn("diff", "--local", "--show-secrets", "--mask", "TOKEN", cwd=deployed).stdout
    assert "kept-value" in shown and "s3cret" not in shown
    assert "s3cret-2" in fn("diff", "--local", "--show-secrets", cwd=deployed).stdout


def test_lambroll_issues_486_and_601_exit_code_and_own_tool(fn: Fn, deployed: Path) -> None:
    change(deployed, Timeout=77)
    done = fn("diff", "--local", "--exit-code", cwd=deployed, status=2)
    assert '+  "Timeout": 77' in done.stdout
    assert fn("diff", "--local", cwd=deployed).returncode == 0
    show = f"{sys.executable} -c 'import sys, pathlib; print(*[pathlib.Path(p).parent.name for p in sys.argv[1:]])'"
    assert fn("diff", "--local", cwd=deployed, LAMBROLL_DIFF_COMMAND=show).stdout == "deployed wanted\n"
    assert "cannot be run" in fn("diff", "--local", "--external", "/no/such/tool", cwd=deployed, status=2).stderr
    assert "exit code 3" in fn("diff", "--local", "--external", "sh -c 'exit 3'", cwd=deployed, status=1).stderr


def test_colour_only_where_it_is_asked_for(fn: Fn, deployed: Path) -> None:
    change(deployed, Timeout=77)
    assert "\x1b[" not in fn("diff", "--local", cwd=deployed).stdout
    assert '\x1b[32m+  "Timeout": 77,\x1b[0m' in fn("diff", "--local", "--color", cwd=deployed).stdout


def test_what_is_not_deployed_yet_is_added(fn: Fn, hello: Path, cloud: str) -> None:
    done = fn("diff", "--local", "--exit-code", cwd=hello, status=2)
    assert "--- (not deployed)" in done.stdout
    assert "+ handler.pl" in done.stdout
    assert "fn-perl: a new version" in done.stdout
    assert "! create-url: " in done.stdout


def test_another_version_is_compared_by_its_number(fn: Fn, deployed: Path) -> None:
    change(deployed, Timeout=77)
    (deployed / "new.txt").write_text("four")
    fn("deploy", "--local", cwd=deployed)
    assert fn("diff", "--local", "--exit-code", "--qualifier", "2", cwd=deployed).stdout == ""
    done = fn("diff", "--local", "--qualifier", "1", "--exit-code", cwd=deployed, status=2)
    assert "+ new.txt  4 bytes" in done.stdout and '+  "Timeout": 77' in done.stdout
    assert fn("diff", "--local", "--qualifier", "9", cwd=deployed, status=1).stderr.startswith("error: hello:9")


def test_an_alias_that_was_rolled_back_is_told_of(fn: Fn, deployed: Path) -> None:
    """$LATEST is what lambroll's diff compares with, and --exit-code goes by; what is served may be something else."""
    change(deployed, Timeout=77)
    fn("deploy", "--local", cwd=deployed)
    fn("rollback", "--local", cwd=deployed)
    done = fn("diff", "--local", "--exit-code", cwd=deployed)
    assert "$LATEST is as it is here, but the alias serves version 1, which is not" in done.stderr
    found = json.loads(fn("diff", "--local", "--output", "json", cwd=deployed).stdout)
    assert (found["different"], found["behind"]) == (False, "1")
    assert "Working tree     as $LATEST, but the alias serves version 1" in fn("status", "--local", cwd=deployed).stdout
    fn("deploy", "--local", cwd=deployed)
    assert "no differences" in fn("diff", "--local", cwd=deployed).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--code-only", "--skip-function"], "exclude each other"),
        (["--external", "x", "--output", "json"], "exclude each other"),
        (["--mask", ".A | .B"], "--mask '.A | .B': no path"),
        (["--ignore", "A"], "--ignore 'A': no path"),
    ],
)
def test_what_makes_no_sense_is_refused(fn: Fn, hello: Path, words: list[str], said: str) -> None:
    assert said in fn("diff", "--endpoint", "http://127.0.0.1:1", *words, cwd=hello, status=2).stderr
