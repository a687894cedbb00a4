"""`fn init`: what it writes, what it refuses, and that the Perl template answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from archive_support import harvest, plant
from fnroll.archive import load_rules, scan, unpack
from fnroll.errors import FnError, LayerError, UsageError
from fnroll.layers import build, list_runtimes, list_templates, write_template
from runtimes_support import Event, run_bootstrap

MANAGED = {"python": "python3.13", "python-wsgi": "python3.13", "node": "nodejs22.x", "native": "provided.al2023"}
"""Templates that need no layer."""


def test_every_runtime_has_a_template(tmp_path: Path) -> None:
    runtimes = {runtime.name for runtime in list_runtimes(tmp_path)}
    assert set(list_templates()) == runtimes | set(MANAGED)


@pytest.mark.parametrize("template", list_templates())
def test_the_name_is_put_in_everywhere(tmp_path: Path, template: str) -> None:
    target = tmp_path / "deep" / "hello"
    written = write_template(template, "my_Function-1", target)
    assert {path.relative_to(target).as_posix() for path in written} == set(harvest(target))
    assert list(written) == sorted(written)
    assert all(b"__NAME__" not in content for content in harvest(target).values())
    definition = json.loads((target / "function.json").read_text())
    assert definition["FunctionName"] == "my_Function-1"
    if template in MANAGED:
        assert definition["Runtime"] == MANAGED[template]
    else:
        assert f"runtime:{template}" in definition["Layers"]
    assert len((target / "README.md").read_text().splitlines()) <= 10
    json.loads((target / "event.json").read_text())


def test_only_the_handler_is_shipped(tmp_path: Path) -> None:
    write_template("perl", "hello", tmp_path / "hello")
    plant(tmp_path / "hello", {"t/basic.t": b"", "lib/A.pm": b""})
    entries = scan(tmp_path / "hello", load_rules(tmp_path / "hello"))
    assert [entry.name for entry in entries] == ["handler.pl", "lib/A.pm"]


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    assert write_template("perl", "hello", tmp_path)


@pytest.mark.parametrize("what", ["file", "holding"])
def test_what_is_there_is_not_touched(tmp_path: Path, what: str) -> None:
    plant(tmp_path, {"file": b"mine", "holding/x": b"mine"})
    before = harvest(tmp_path)
    with pytest.raises(LayerError, match="not empty"):
        write_template("perl", "hello", tmp_path / what)
    assert harvest(tmp_path) == before


@pytest.mark.parametrize(
    ("runtime", "name", "kind", "words"),
    [
        ("perl", "", UsageError, "letters"),
        ("perl", "with space", UsageError, "letters"),
        ("perl", "é", UsageError, "letters"),
        ("perl", "x" * 65, UsageError, "1 to 64"),
        ("pearl", "hello", LayerError, "did you mean perl?"),
        ("cobol", "hello", LayerError, "known: "),
        ("../perl", "hello", LayerError, "known: "),
    ],
)
def test_bad_names(tmp_path: Path, runtime: str, name: str, kind: type[FnError], words: str) -> None:
    with pytest.raises(kind) as caught:
        write_template(runtime, name, tmp_path / "new")
    assert words in str(caught.value)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(shutil.which("perl") is None, reason="needs the machine's perl")
def test_the_perl_handler_greets(tmp_path: Path) -> None:
    write_template("perl", "hello", tmp_path / "hello")
    unpack(build("runtime:perl", tmp_path).data, tmp_path / "opt")
    url = {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET"}}}
    events = [
        ({"name": "Ada"}, "Hello, Ada"),
        ({}, "Hello, world"),
        ([1], "Hello, world"),
        (None, "Hello, world"),
        (url, "Hello, world"),
        (url | {"queryStringParameters": {"name": "Zoë"}}, "Hello, Zoë"),
    ]
    run = run_bootstrap(
        tmp_path / "opt" / "bootstrap",
        tmp_path / "hello",
        [Event(json.dumps(event).encode()) for event, _ in events],
        env={"AWS_LAMBDA_FUNCTION_NAME": "hello", "AWS_LAMBDA_FUNCTION_VERSION": "1", "PERL5OPT": "-w"},
    )
    found = [json.loads(post.body) for post in run.posts]
    assert [answer["message"] for answer in found] == [message for _, message in events]
    assert {(answer["function"], answer["version"]) for answer in found} == {("hello", "1")}
    assert isinstance(found[0]["pid"], int)
    assert b'"version":"1"' in run.posts[0].body
    assert run.log == ""
