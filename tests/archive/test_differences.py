"""Where gitignore and lambroll read a line of .lambdaignore differently, on the files at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive_support import plant
from fnroll.archive import load_rules, survey
from fnroll.archive.differences import differences

TREE = {
    "handler.pl": b"",
    "a.bin": b"",
    "lib/b.bin": b"",
    "lib/secret.txt": b"",
    "secret.txt": b"",
    "skip/one": b"",
    "skip/deep/two": b"",
    "lib/skip/three": b"",
    "[x]": b"",
    "!important": b"",
}


WAYS = ("/*kip/*o", "/*kip/*/**/*o", "/*/**/*kip/*o", "/*/**/*kip/*/**/*o")
"""gitignore's ways to say that each of two stars reaches over slashes."""


def found(tmp_path: Path, text: str) -> list[tuple[int, list[str], list[str], tuple[str, ...] | None]]:
    root = plant(tmp_path / "t", TREE | {".lambdaignore": text.encode()})
    rules = load_rules(root)
    return [
        (one.rule.line, list(one.dropped), list(one.kept), one.instead)
        for one in differences(rules, survey(root, rules))
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*.bin\n", []),
        ("# nothing\n\n", []),
        ("secret.txt\n", [(1, ["lib/secret.txt"], [], ("/secret.txt",))]),
        ("skip/*\n", []),
        ("skip/\n", [(1, ["lib/skip/", "skip/"], [], ())]),
        ("/handler.pl\n", [(1, ["handler.pl"], [], ())]),
        ("*.bin\n!a.bin\n", [(1, [], ["a.bin"], ("*.bin",))]),
        ("lib*\n", []),
        ("*secret*\n", []),
        ("**/b.bin\n", []),
        ("**/a.bin\n", [(1, ["a.bin"], [], ())]),
        (
            "lib/*.txt\n\n*kip/*o\n",
            [(3, [], ["skip/deep/two"], ("/*kip/*o", "/*kip/*/**/*o", "/*/**/*kip/*o", "/*/**/*kip/*/**/*o"))],
        ),
        ("[x]\n", [(1, [], ["[x]"], (r"\[x]",))]),
        ("!important\n", [(1, [], ["!important"], (r"\!important",))]),
    ],
)
def test_what_differs_and_the_line_that_says_the_same(tmp_path: Path, text: str, expected: list[object]) -> None:
    assert found(tmp_path, text) == expected


def test_the_proposed_line_settles_it(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", TREE | {".lambdaignore": b"secret.txt\n*kip/*o\n"})
    wanted = {entry.name for entry in survey(root, load_rules(root, style="lambroll")).entries}
    rules = load_rules(root)
    lines = [line for one in differences(rules, survey(root, rules)) for line in one.instead or ()]
    (root / ".lambdaignore").write_text("\n".join(lines))
    assert {entry.name for entry in survey(root, load_rules(root)).entries} == wanted


def test_a_line_of_the_file_says_the_style(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", TREE | {".lambdaignore": b"# ignore-style: lambroll\nsecret.txt\n"})
    rules = load_rules(root)
    assert (rules.style, rules.chosen) == ("lambroll", True)
    assert "lib/secret.txt" in {entry.name for entry in survey(root, rules).entries}
