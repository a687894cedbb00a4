"""Environment files: what each line means, where a bad one is, and that what can be written can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.cli.envfile import parse, read, variable
from fnroll.definition.rules import RESERVED_VARIABLES
from fnroll.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("\n# a comment\n   # another\n", {}),
        ("A=1", {"A": "1"}),
        ("export A=1\nexport\tB=2\n", {"A": "1", "B": "2"}),
        ("  A = 1  \n", {"A": "1"}),
        ("A=one two # and a comment", {"A": "one two"}),
        ("A=a#b", {"A": "a#b"}),
        ("A=#b", {"A": "#b"}),
        ("A= # nothing", {"A": ""}),
        ("A=\nB=2", {"A": "", "B": "2"}),
        ("A=x=y", {"A": "x=y"}),
        ("A='$X \\n \"' # c", {"A": '$X \\n "'}),
        ('A="$X \\n \\" \\\\ \\$ \\q"', {"A": '$X \n " \\ $ \\q'}),
        ("A='one\ntwo'\nB=3", {"A": "one\ntwo", "B": "3"}),
        ('A="one\ntwo"\nB=3', {"A": "one\ntwo", "B": "3"}),
        ("A=1\nA=2", {"A": "2"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("_A1=x", {"_A1": "x"}),
    ],
)
def test_what_is_read(text: str, expected: dict[str, str]) -> None:
    assert parse(text, "f") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A", "f:1: this is not NAME=VALUE: A"),
        ("A=1\n\n1B=2", "f:3: this is not NAME=VALUE: 1B=2"),
        ("export A", "f:1: this is not NAME=VALUE: export A"),
        ("A=1\nB='x\n", "f:2: the quote ' is not closed"),
        ('A="x\\"', 'f:1: the quote " is not closed'),
        ('A="x" y', "f:1: something follows the closing quote"),
        ("A='x\ny' z", "f:1: something follows the closing quote"),
        ("A=1\nAWS_REGION=x", "f:2: AWS_REGION is set by Lambda and cannot be given\n  --region chooses the region"),
        ("A=a\0b", "f:1: a variable cannot hold a NUL byte"),
    ],
)
def test_what_is_refused_and_where(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "f")
    assert str(caught.value) == message


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: name not in RESERVED_VARIABLES
)
values = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))


@given(st.dictionaries(names, values), st.booleans())
def test_what_is_written_in_quotes_is_read_as_it_was(variables: dict[str, str], export: bool) -> None:
    def quoted(value: str) -> str:
        if "'" not in value and "\r" not in value:
            return f"'{value}'"
        for plain, escape in (("\\", "\\\\"), ('"', '\\"'), ("\r", "\\r"), ("$", "\\$")):
            value = value.replace(plain, escape)
        return f'"{value}"'

    text = "".join(f"{'export ' * export}{name}={quoted(value)} # c\n" for name, value in variables.items())
    assert parse(text, "f") == variables


@given(st.text())
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        found = parse(text, "f")
    except UsageError as error:
        assert error.where is not None
        assert 1 <= int(error.where.removeprefix("f:")) <= text.count("\n") + 1
    else:
        assert len(found) <= text.count("=")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "none")
    (tmp_path / "latin").write_bytes(b"A=\xe9")
    with pytest.raises(UsageError, match="not UTF-8"):
        read(tmp_path / "latin")


def test_a_variable_of_the_command_line() -> None:
    assert variable("A=b=c") == ("A", "b=c")
    for item in ("A", "=b", ""):
        with pytest.raises(UsageError, match="NAME=VALUE"):
            variable(item)
    with pytest.raises(UsageError, match="_HANDLER is set by Lambda"):
        variable("_HANDLER=x")
