"""Secrets in a diff: never shown, and still told apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.deploy.diff import Sides
from fnroll.deploy.diff_masks import VARIABLES, masked, paths_of
from fnroll.errors import UsageError

ENV = "Environment"


def variables(**values: str) -> dict[str, Any]:
    return {ENV: {"Variables": values}}


def test_lambroll_issue_615_secrets_printed_by_diff() -> None:
    found = masked(
        Sides(variables(SAME="s1", OLD="s2", GONE="s3"), variables(SAME="s1", OLD="s4", NEW="s5")), [VARIABLES]
    )
    assert found.before == variables(SAME="***", OLD="*** (as deployed)", GONE="*** (as deployed)")
    assert found.after == variables(SAME="***", OLD="*** (as in the file)", NEW="*** (as in the file)")


@given(st.dictionaries(st.text(), st.text(), max_size=4), st.dictionaries(st.text(), st.text(), max_size=4))
def test_masking_neither_hides_nor_makes_a_difference(before: dict[str, str], after: dict[str, str]) -> None:
    plain = Sides(variables(**before), variables(**after))
    hidden = masked(plain, [VARIABLES])
    assert bool(plain.changed) == bool(hidden.changed)
    marks = {"***", "*** (as deployed)", "*** (as in the file)"}
    for side in (hidden.before, hidden.after):
        assert set(side[ENV]["Variables"].values()) <= marks


@pytest.mark.parametrize(
    ("mask", "before", "after", "expected"),
    [
        ("KEY", variables(KEY="a", B="b"), variables(KEY="a", B="b"), variables(KEY="***", B="b")),
        (".Description", {"Description": "x"}, {"Description": "x"}, {"Description": "***"}),
        (".Layers[0]", {"Layers": ["a", "b"]}, {"Layers": ["a", "b"]}, {"Layers": ["***", "b"]}),
        (".Layers[]", {"Layers": ["a", "b"]}, {"Layers": ["a", "b"]}, {"Layers": ["***", "***"]}),
        (
            ".Tags",
            {"Tags": {"a": "1", "b": {"c": [1]}}},
            {"Tags": {"a": "1", "b": {"c": [1]}}},
            {"Tags": {"a": "***", "b": {"c": ["***"]}}},
        ),
        (".Absent.At[3].All", {"A": 1}, {"A": 1}, {"A": 1}),
        (".A.B", {"A": "text"}, {"A": "text"}, {"A": "text"}),
    ],
)
def test_a_mask_is_a_path_or_the_name_of_a_variable(mask: str, before: Any, after: Any, expected: Any) -> None:
    found = masked(Sides(before, after), paths_of([mask]))
    assert found == Sides(expected, expected)


def test_a_block_beside_a_plain_value_hides_both() -> None:
    found = masked(Sides({"A": {"B": "s"}}, {"A": "secret"}), paths_of([".A"]))
    assert found == Sides({"A": {"B": "*** (as deployed)"}}, {"A": "*** (as in the file)"})


def test_a_selector_that_is_none_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"--mask '\.A \| \.B': no path at column"):
        paths_of([".A | .B"])
