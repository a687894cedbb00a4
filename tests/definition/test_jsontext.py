"""The JSON reader: the standard library's values, places of every member, and what is wrong in plain words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definition_support import told
from fnroll.definition import jsontext
from fnroll.definition.positions import Places, SourceMap, pointer
from fnroll.errors import DefinitionError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> tuple[Any, Places]:
    value, places, _ = jsontext.read(text, SourceMap("f", text))
    return value, places


def refusal(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        read(text)
    return told(caught.value)


@given(json_values, st.sampled_from([None, 0, 2]), st.booleans())
def test_reads_what_json_writes(value: Any, indent: int | None, ascii_only: bool) -> None:
    assert read(json.dumps(value, indent=indent, ensure_ascii=ascii_only))[0] == value


@given(json_values, st.sampled_from([None, 2]))
def test_every_member_has_its_place(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    _, places = read(text)
    lines = text.split("\n")

    def visit(item: Any, steps: tuple[str | int, ...]) -> None:
        line, column = places.value(pointer(steps))
        start = json.dumps(item, indent=indent).split("\n")[0]
        assert lines[line - 1][column - 1 :].startswith(start[0] if isinstance(item, (dict, list)) else start)
        for key, inner in item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ():
            visit(inner, (*steps, key))
            if isinstance(key, str):
                line, column = places.key(pointer((*steps, key)))
                assert lines[line - 1][column - 1 :].startswith(json.dumps(key))

    visit(value, ())


@given(st.text() | st.lists(st.sampled_from(list('{}[],:"\\u0d81truefalsnx-.eE+/* \n\t\x01\x7f'))).map("".join))
def test_agrees_with_the_standard_library_on_what_json_is(text: str) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("duplicate")
        return dict(pairs)

    def constant(word: str) -> Any:
        raise ValueError(word)

    try:
        wanted = json.loads(text, object_pairs_hook=unique, parse_constant=constant)
    except ValueError:
        try:
            _, _, warnings = jsontext.read(text, SourceMap("f", text))
        except DefinitionError:
            return
        assert warnings, "what is read beyond JSON is told"
    else:
        if "\\u" not in text and float("inf") not in [wanted]:
            assert read(text)[0] == wanted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud83dx"', "\ufffdx"),
        (r'"x\ude00"', "x\ufffd"),
        (r'"\/\b\f\n\r\t\\\""', '/\b\f\n\r\t\\"'),
        ("-0.5e+1", -5.0),
        (" [ ] ", []),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert read(text)[0] == value


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["f:1:1: the file is empty\n  fn init --runtime perl NAME writes one to start from"]),
        ("\ufeff{}", ["f:1:1: the file begins with a byte order mark\n  save it as UTF-8 without one"]),
        ("{} {}", ["f:1:4: unexpected text after the end of the JSON value\n  a definition is one JSON object"]),
        ('{"a": 1,,}', ["f:1:9: expected a key or '}', not ','"]),
        ("[,]", ["f:1:2: expected a value, not ','"]),
        ("{ /* why\n}", ["f:1:3: this comment is never closed\n  write */ behind it"]),
        ('{"a" 1}', ["f:1:6: expected ':' after the key \"a\", not '1'"]),
        ('{"a": 1 "b": 2}', ["f:1:9: expected ',' or '}' after the value of \"a\", not '\"'"]),
        ("[1 2]", ["f:1:4: expected ',' or ']' after entry 1 of the list, not '2'"]),
        ("{a: 1}", ['f:1:2: the key "a" is not quoted\n  write "a"']),
        ("{'a': 1}", ["f:1:2: expected a key or '}', not a single quote\n  JSON's strings stand in double quotes"]),
        ("{\"a\": 'b'}", ["f:1:7: expected a value, not a single quote\n  JSON's strings stand in double quotes"]),
        ('{"a": ', ["f:1:7: expected a value, but the file ends"]),
        (
            '{"a": [1',
            ["f:1:9: expected ',' or ']' after entry 1 of the list, but the file ends\n  the '[' at 1:7 is not closed"],
        ),
        ('{"a": "b\n}', ['f:1:7: this string is never closed\n  close it with "; a line break inside is \\n']),
        ('"a\tb"', ["f:1:3: the control character U+0009 stands in a string\n  write \\u0009"]),
        (r'"\q"', ['f:1:2: unknown escape "\\\\q" in a string\n  a backslash is written "\\\\"']),
        (r'"\u12"', ["f:1:2: \\u needs four hexadecimal digits"]),
        ("[01]", ['f:1:2: "01" is not a number of JSON\n  numbers are like 128, -1, 0.5 or 1e3']),
        ("[True]", ["f:1:2: True is no JSON\n  write true"]),
        ("[NaN]", ['f:1:2: unexpected "NaN"\n  a text stands in double quotes']),
        ("1e999", ["f:1:1: the number 1e999 is too large"]),
        ("9" * 401, ["f:1:1: this number is too long"]),
        ("[" * 100_000, ["f:1:65: nested more than 64 deep"]),
        (
            '{"a": 1,\n "a": 2, "a": 3,}',
            [
                'f:2:2: duplicate key "a"\n  it stands at 1:2 already',
                'f:2:10: duplicate key "a"\n  it stands at 2:2 already',
            ],
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_refused(text: str, messages: list[str]) -> None:
    assert refusal(text) == messages


@pytest.mark.parametrize(
    ("text", "value", "warnings"),
    [
        ("{ // why\n}", {}, ["f:1:3: a comment is no JSON: fn reads it, other tools may not"]),
        ("[1 /* a */, 2] # b", [1, 2], ["f:1:4: a comment is no JSON: fn reads it, other tools may not"]),
        ("[1, ]", [1], ["f:1:3: a trailing comma before ']' is no JSON: fn reads it, other tools may not"]),
        (
            '{"a": 1, // one\n}',
            {"a": 1},
            [
                "f:1:10: a comment is no JSON: fn reads it, other tools may not",
                "f:1:8: a trailing comma before '}' is no JSON: fn reads it, other tools may not",
            ],
        ),
    ],
)
def test_comments_and_trailing_commas_are_read_and_told(text: str, value: Any, warnings: list[str]) -> None:
    found, _, said = jsontext.read(text, SourceMap("f", text))
    assert (found, told(said)) == (value, warnings)


def test_a_finding_shows_its_line_with_a_caret() -> None:
    with pytest.raises(DefinitionError) as caught:
        read('{\n\t"a": tru,\n')
    assert str(caught.value) == (
        'f:2:7: unexpected "tru"\n    2 |  "a": tru,\n      |       ^\n  a text stands in double quotes'
    )


def test_of_a_long_line_the_part_around_the_column_is_shown() -> None:
    with pytest.raises(DefinitionError) as caught:
        read(json.dumps({"a": "x" * 300})[:-1] + ', "b": nope, "c": "' + "y" * 300 + '"}')
    shown, caret = (caught.value.findings[0].excerpt or "").splitlines()
    assert len(shown) < 110
    assert shown[caret.index("^") :].startswith("nope")


def test_a_pointer_escapes_and_falls_back_to_its_parent() -> None:
    _, places = read('{"a/b": {"~": 1}}')
    assert places.value("/a~1b/~0") == (1, 15)
    assert places.value("/a~1b/absent/deeper") == places.value("/a~1b") == (1, 9)
    assert places.where("/absent") == "f:1:1"
