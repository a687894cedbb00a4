"""Broken definitions, each with exactly the message that it is to give: `broken/NAME/function.json`, `expected.txt`.

A reader must be able to mend each from the message alone. To record one anew, read it first.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fnroll import definition
from fnroll.errors import DefinitionError

CASES = sorted(path.parent for path in (Path(__file__).parent / "broken").glob("*/function.json"))


def test_there_are_forty_of_them() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_message_is_as_recorded(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case)
    with pytest.raises(DefinitionError) as caught:
        definition.load(Path(), env={})
    assert f"{caught.value}\n" == (case / "expected.txt").read_text()
