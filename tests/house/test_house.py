"""The house rules that a linter does not know: size and opening of modules, help texts, documents that stay true."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fnroll.cli.group import COMMANDS
from fnroll.cli.main import fn
from fnroll.cli.manual import manual

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "framework").rglob("*.py"))
LONGEST = 400
"""Lines; the aim is 300, and what passes this line holds two things."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "framework/fnroll")))
def test_module_opens_with_its_purpose_and_stays_readable(path: Path) -> None:
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, "a module opens with what it is for"
    assert len(text.splitlines()) <= LONGEST


def test_no_test_patches_what_it_tests() -> None:
    patching = re.compile(r"mock\.patch|monkeypatch\.setattr|from unittest import mock")
    guilty = [
        path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__) and patching.search(path.read_text())
    ]
    assert guilty == []


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_help_in_the_table_is_the_commands_own(row) -> None:
    command = fn.get_command(click.Context(fn), row.name)
    assert command is not None
    assert (command.help or "").strip().splitlines()[0] == row.help
    done = subprocess.run(
        [sys.executable, "-m", "fnroll", row.name, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""


def test_the_reference_page_is_the_help_texts() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == manual(), "run `make docs`"


def test_documents_name_only_files_that_exist() -> None:
    named = re.compile(r"\]\((?!https?:)([^)#]+)")
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in named.findall(page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_page_about_lambroll_names_only_tests_that_exist() -> None:
    defined = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"def (test_\w+)", path.read_text()))
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "lambroll.md").read_text()))
    assert named - defined == set()


LAMBROLL: dict[str, str] = {
    "": "option function log-level log-format color region profile tfstate prefixed-tfstate endpoint envfile ext-str "
    "ext-code",
    "deploy": "src publish alias alias-to-latest dry-run skip-archive keep-versions ignore function-url "
    "skip-configuration skip-function exclude-file symlink",
    "init": "function-name download unzip jsonnet qualifier function-url force-overwrite",
    "rollback": "dry-run alias version delete-version",
    "delete": "dry-run force",
    "invoke": "async log-tail qualifier payload",
    "archive": "src dest exclude-file symlink",
    "logs": "since follow format filter-pattern",
    "diff": "src code qualifier function-url ignore exit-code skip-function external mask exclude-file symlink",
    "render": "jsonnet function-url mask",
    "status": "qualifier output",
    "versions": "output delete keep-versions",
}
"""Command ("" for all of them) -> lambroll's flags (v1.5)."""


def test_each_flag_of_lambroll_is_ours_too_with_a_test_or_is_named_as_missing() -> None:
    page = (ROOT / "docs" / "lambroll.md").read_text()
    tested = set(re.findall(r"^\| `fn ?(\w*)` \| `--([\w-]+)` \| `test_", page, re.MULTILINE))
    missing = set(re.findall(r"`(\w+) --([\w-]+)`", page[page.index("## Not here yet") :]))
    flags = {(command, flag) for command, row in LAMBROLL.items() for flag in row.split()}
    assert tested - flags == set()
    assert flags - tested - missing == set()
    for name, flag in tested:
        command = fn.get_command(click.Context(fn), name) if name else fn
        params = command.params if command else []
        assert f"--{flag}" in {option for param in params for option in param.opts}, f"fn {name} --{flag}"
