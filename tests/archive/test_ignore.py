"""The exclude rules: built-in ones, gitignore's meaning, and git itself as the judge of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnroll.archive import IgnoreRules, load_rules
from fnroll.errors import ArchiveError


def rules(tmp_path: Path, text: str) -> IgnoreRules:
    (tmp_path / ".lambdaignore").write_text(text, encoding="utf-8")
    return load_rules(tmp_path)


# (rules, path, included); a path ending in "/" is a directory.
TABLE = [
    ("", "handler.pl", True),
    ("*.md", "README.md", False),
    ("*.md", "docs/deep/README.md", False),
    ("*.md", "README.mdx", True),
    ("/*.md", "docs/README.md", True),
    ("/*.md", "README.md", False),
    ("t/", "t/basic.t", False),
    ("t/", "lib/t/basic.t", False),
    ("t/", "t", True),
    ("/t/", "lib/t/basic.t", True),
    ("lib/t", "lib/t", False),
    ("lib/t", "other/lib/t", True),
    ("*.pl\n!handler.pl", "handler.pl", True),
    ("*.pl\n!handler.pl", "other.pl", False),
    ("!handler.pl\n*.pl", "handler.pl", False),
    ("build/\n!build/keep.txt", "build/keep.txt", False),
    ("build/*\n!build/keep.txt", "build/keep.txt", True),
    ("build/**\n!build/keep.txt", "build/keep.txt", True),
    ("build/**\n!build/keep.txt", "build/deep/keep.txt", False),
    ("*\n!*/\n!*.pl", "lib/deep/x.pl", True),
    ("*\n!*/\n!*.pl", "lib/deep/x.txt", False),
    ("*.txt\n!notes/", "notes/a.txt", False),
    ("a/**/z", "a/z", False),
    ("a/**/z", "a/b/c/z", False),
    ("a/?.txt", "a/bc.txt", True),
    ("[a-c].txt", "b.txt", False),
    ("[!a-c].txt", "b.txt", True),
    ("# comment", "# comment", True),
    ("\\#literal", "#literal", False),
    ("\\!literal", "!literal", False),
    ("trailing   ", "trailing", False),
    ("*.txt\r\n!a.txt\r\n", "a.txt", True),
    ("é*.txt", "éclair.txt", False),
]


@pytest.mark.parametrize(("text", "path", "included"), TABLE, ids=repr)
def test_gitignore_meaning(tmp_path: Path, text: str, path: str, included: bool) -> None:
    decision = rules(tmp_path, text).decide(path.rstrip("/"), path.endswith("/"))
    assert decision.included is included


BUILT_IN = [
    (".git/", False),
    (".git", False),
    ("vendor/.git/config", False),
    (".terraform/providers/x", False),
    ("terraform.tfstate", False),
    ("env/terraform.tfstate.backup", False),
    ("lib/__pycache__/x.pyc", False),
    ("function.json", False),
    ("function_url.jsonnet", False),
    ("release.json", False),
    ("function.zip", False),
    (".lambdaignore", False),
    ("data/function.json", True),
    ("data/.lambdaignore", True),
    ("handler.pl", True),
    (".env", True),
    ("git/x", True),
]


@pytest.mark.parametrize(("path", "included"), BUILT_IN, ids=str)
@pytest.mark.parametrize("text", ["", "!*\n!.git\n!function.json"], ids=["no-rules", "re-included"])
def test_built_in_excludes_always_apply(tmp_path: Path, text: str, path: str, included: bool) -> None:
    decision = rules(tmp_path, text).decide(path.rstrip("/"), path.endswith("/"))
    assert decision.included is included
    if not included:
        assert str(decision.rule).startswith("built-in exclude ")


def test_side_files_of_a_layer_are_its_own(tmp_path: Path) -> None:
    layer = load_rules(tmp_path, side_files=False)
    assert layer.decide("function.json", False).included
    assert not layer.decide(".git", True).included


def test_the_rule_that_decided_is_named(tmp_path: Path) -> None:
    found = rules(tmp_path, "# tests\n\nt/\n*.pl\n!handler.pl\n")
    assert str(found.decide("t/deep/x", False).rule) == ".lambdaignore:3 (t/)"
    assert str(found.decide("x.pl", False).rule) == ".lambdaignore:4 (*.pl)"
    assert str(found.decide("handler.pl", False).rule) == ".lambdaignore:5 (!handler.pl)"
    assert found.decide("x.txt", False).rule is None


def test_another_exclude_file(tmp_path: Path) -> None:
    (tmp_path / ".lambdaignore").write_text("*.a\n")
    other = tmp_path / "other.ignore"
    other.write_text("\ufeff*.b\n", encoding="utf-8")
    found = load_rules(tmp_path, other)
    assert found.decide("x.a", False).included
    assert str(found.decide("x.b", False).rule) == "other.ignore:1 (*.b)"
    assert not found.decide("x.b", False).included


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot read"), (b"\xff\xfe*", "not UTF-8"), (b"ok\n[z-a]x\n", ":2"), (b"!\n", ":1")],
    ids=["missing", "not-utf8", "bad-range", "lone-bang"],
)
def test_a_bad_exclude_file_is_one_clear_error(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "my.ignore"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArchiveError) as caught:
        load_rules(tmp_path, path)
    assert words in str(caught.value)
    assert "my.ignore" in str(caught.value)


# git as the judge

PATHS = ["a", "b", "a/a", "a/b", "b/a", "a/b/a", "a/b/b", "b/b/b/a", "ab", "a/ab", "b/ab/a"]
SEGMENT = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "?", "[ab]", "[!a]", "*b"])


@st.composite
def lines(draw: st.DrawFn) -> str:
    body = "/".join(draw(st.lists(SEGMENT, min_size=1, max_size=3)))
    return draw(st.sampled_from(["", "!"])) + draw(st.sampled_from(["", "/"])) + body + draw(st.sampled_from(["", "/"]))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is the judge here, and it is not installed")
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", "."], cwd=root, check=True, capture_output=True)
    return root


@settings(max_examples=60, deadline=None)
@given(patterns=st.lists(lines(), min_size=1, max_size=4))
def test_agrees_with_git(repository: Path, patterns: list[str]) -> None:
    text = "\n".join(patterns) + "\n"
    (repository / ".gitignore").write_text(text)
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=repository,
        input="\n".join(PATHS),
        capture_output=True,
        text=True,
        check=False,
    )
    excluded_by_git = set(done.stdout.split())
    found = load_rules(repository, repository / ".gitignore")
    assert {path for path in PATHS if not found.decide(path, False).included} == excluded_by_git
