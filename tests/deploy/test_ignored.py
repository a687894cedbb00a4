"""--ignore: what paths mean, and that what is deployed stays in place of what is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.deploy.ignored import MISSING, kept, parse
from fnroll.errors import UsageError

PATHS: dict[str, Any] = {
    ".A": (("A",),),
    ".A.B": (("A", "B"),),
    ' .A , ."b c".D ': (("A",), ("b c", "D")),
    '.A["x.y"]': (("A", "x.y"),),
    '.A."x\\"y"': (("A", 'x"y'),),
    ".A[0].B": (("A", 0, "B"),),
    ".A.[1]": (("A", 1),),
    ".A[-1]": (("A", -1),),
    ".A[].B": (("A", None, "B"),),
}


@pytest.mark.parametrize("text", PATHS)
def test_a_path(text: str) -> None:
    assert parse(text) == PATHS[text]


@pytest.mark.parametrize("text", ["", ".", "A", ".A,", ",.A", ".A | .B", ".A..B", ".[0]", 'select(.A == "x")', ".A?"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no path at column"):
        parse(text)


@given(st.text(alphabet='.,[]"0aA_ -\\|?', max_size=30))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        paths = parse(text)
    except UsageError:
        return
    assert all(isinstance(path[0], str) for path in paths)


KEPT: list[tuple[Any, Any, str, Any]] = [
    ({"A": 1}, {"A": 2}, ".A", {"A": 2}),
    ({"A": 1}, {}, ".A", {}),
    ({}, {"A": 2}, ".A", {"A": 2}),
    ({"A": {"B": 1, "C": 2}}, {"A": {"B": 3}}, ".A.B", {"A": {"B": 3, "C": 2}}),
    ({"A": {"B": 1}}, {}, ".A.B", {"A": {}}),
    ({}, {"A": {"B": 3, "C": 4}}, ".A.B", {"A": {"B": 3}}),
    ({}, {}, ".A.B", {}),
    ({"A": [1, 2]}, {"A": [8, 9]}, ".A[1]", {"A": [1, 9]}),
    ({"A": [1, 2]}, {"A": [8]}, ".A[1]", {"A": [1]}),
    ({"A": [{"B": 1, "C": 1}, {"B": 2}]}, {"A": [{"B": 8}, {}]}, ".A[].B", {"A": [{"B": 8, "C": 1}, {}]}),
    ({"A": 1}, {"A": {"B": 2}}, ".A.B", {"A": 1}),
    ({"A": 1}, {"A": 2}, ".A[0]", {"A": 1}),
]


@pytest.mark.parametrize(("wanted", "deployed", "path", "result"), KEPT)
def test_what_is_deployed_takes_its_place(wanted: Any, deployed: Any, path: str, result: Any) -> None:
    assert kept(wanted, deployed, parse(path)[0]) == result


json_values = st.recursive(
    st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ABC"), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("ABC"), json_values), st.dictionaries(st.sampled_from("ABC"), json_values))
def test_a_whole_member_is_exactly_what_is_deployed(wanted: dict[str, Any], deployed: dict[str, Any]) -> None:
    result = kept(wanted, deployed, ("A",))
    assert result.get("A", MISSING) == deployed.get("A", MISSING)
    assert {key: value for key, value in result.items() if key != "A"} == {
        key: value for key, value in wanted.items() if key != "A"
    }
