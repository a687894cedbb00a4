"""--envfile in lambroll's dialect: values, quotes, escapes, comments; what is refused, with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.cli.exported import parse, read, variables
from fnroll.errors import UsageError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("A = spaced out  # why", "spaced out"),
        ("export A=x", "x"),
        ("\texport \tA=x", "x"),
        ("A=", ""),
        ("A=# nothing", ""),
        ("A=x#y", "x"),
        ("A='it # stays'", "it # stays"),
        ("A=' x '", " x "),
        ('A="a\\tb\\n\\"\\\\ \\u00e9 \\ud83d\\ude00"', 'a\tb\n"\\ é 😀'),
        ("A=\"a\"'b'c", "abc"),
        ("A=a=b", "a=b"),
        ("A=x\\n", "x\\n"),
        ("A='\\n'", "\\n"),
        ("A=é", "é"),
        ('A="two  " ', "two  "),
    ],
)
def test_values(line: str, value: str) -> None:
    assert parse(f"# first\n\n{line}\r\nB=2", "e") == {"A": value, "B": "2"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("A", "this is not NAME=VALUE: A"),
        ("=x", "this is not NAME=VALUE"),
        ("1A=x", "this is not NAME=VALUE"),
        ("A B=x", "this is not NAME=VALUE"),
        ('A="x', 'the quote " is not closed'),
        ("A=don't", "the quote ' is not closed"),
        ('A="\\q"', "an escape in .* is not known"),
        ('A="\\u00"', "an escape in .* is not known"),
        ('A="\\u0000"', "cannot hold a NUL byte"),
    ],
)
def test_what_is_refused_with_its_line(line: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse(f"B=1\n{line}", "e.env")
    assert caught.value.where == "e.env:2"


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]\w{0,9}", fullmatch=True).filter(str.isascii), st.text(), max_size=5))
def test_whatever_json_can_write_is_read(wanted: dict[str, str]) -> None:
    wanted = {name: value.replace("\0", "") for name, value in wanted.items()}
    text = "\n".join(f"{name}={json.dumps(value)}" for name, value in wanted.items())
    assert parse(text, "e") == wanted


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text, "e")
    except UsageError:
        pass


def test_later_files_win_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A=1\nB=1")
    (tmp_path / "b").write_text("B=2")
    assert variables([tmp_path / "a", tmp_path / "b"]) == {"A": "1", "B": "2"}
    with pytest.raises(UsageError, match="cannot read the environment file: No such file"):
        read(tmp_path / "none")
    (tmp_path / "c").write_bytes(b"A=\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        read(tmp_path / "c")
