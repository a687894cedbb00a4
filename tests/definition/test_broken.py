"""Broken definitions and the exact words about each: a reader can mend the file from the message alone.

broken/NAME.json (or .jsonnet) is the definition, broken/NAME.txt what is said of it. A message that was changed on
purpose is recorded anew with FN_RECORD=1, and read before it is committed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from fnroll import definition
from fnroll.errors import DefinitionError

CASES = sorted(path for path in (Path(__file__).parent / "broken").iterdir() if path.suffix != ".txt")
ENV = {"EMPTY": "", "TIMEOUT": "ten", "BROKEN": '"', "STAGE": "prod"}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_exact_message(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if path.suffix == ".jsonnet":
        pytest.importorskip("_gojsonnet")
    monkeypatch.chdir(tmp_path)
    shutil.copy(path, tmp_path / f"function{path.suffix}")
    with pytest.raises(DefinitionError) as caught:
        definition.load(tmp_path, env=ENV)
    recorded = path.with_suffix(".txt")
    if os.environ.get("FN_RECORD"):
        recorded.write_text(f"{caught.value}\n")
    assert f"{caught.value}\n" == recorded.read_text()


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 40


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "function.json").write_text('{"FunctionName": "f", "MemorySze": 1, "Timeout": "x", "Role": "me"}')
    with pytest.raises(DefinitionError) as caught:
        definition.load(tmp_path, env={})
    assert len(caught.value.findings) >= 4


def test_no_definition_names_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"no function.json in .*\n.*fn init"):
        definition.load(tmp_path, env={})
