"""JSON values in a row: each in its own bytes, and a clear word for what is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.cli.payloads import values
from fnroll.errors import UsageError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(JSON, st.booleans(), st.sampled_from([None, 2])), max_size=5), st.sampled_from(" \n\r\t"))
def test_values_in_a_row_come_out_in_their_own_bytes(rows: list[tuple[object, bool, int | None]], space: str) -> None:
    texts = [
        json.dumps(value, ensure_ascii=ascii, indent=indent).encode("utf-8", "surrogatepass")
        for value, ascii, indent in rows
    ]
    assert list(values(space.encode().join(texts) + b"\n", "f")) == texts


def test_lambroll_weakness_invoke_re_encodes_payloads() -> None:
    """Large integers lose precision and keys their order there (facts 3, invoke)."""
    number = b"9" * 5000
    exact = b'{"n": ' + number + b', "b":1.10,\t"a" : "\\u00e4"}'
    assert list(values(exact + exact + b'[1]"x"2 3', "f")) == [exact, exact, b"[1]", b'"x"', b"2", b"3"]


@pytest.mark.parametrize(
    ("data", "where", "words"),
    [
        (b"{", "f:1:2", "not JSON"),
        (b'{"a": 1}\n{"b": x}', "f:2:7", "not JSON"),
        (b"1 hello", "f:1:3", "not JSON"),
        (b"12true", "f:1:3", "runs into the next"),
        (b"[NaN]", "f:1:1", "NaN is no value of JSON"),
        (b'"\xff"', "f", "not UTF-8"),
        (b"[" * 100_000, "f:1:1", "not JSON"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(data: bytes, where: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        list(values(data, "f", hint="mend it"))
    assert (caught.value.where, caught.value.hint) == (where, "mend it")


def test_nothing_is_no_value() -> None:
    assert list(values(b" \n\t ", "f")) == []
