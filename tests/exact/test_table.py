"""The exact table: a request in; status, error type, headers and body out, to the letter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloud_support import client
from exact import aliases, beyond, invoking, management
from exact.facts import FACTS
from exact.vocabulary import BEYOND, Row, ask, check
from fnroll.cloud import Endpoint

TABLE = (*invoking.TABLE, *management.TABLE, *aliases.TABLE, *beyond.TABLE)
FACT = re.compile(r'"((?:emulators|release) \d\.\d [^"]+)"')


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.fact}: {row.name}".replace(" ", "-"))
def test_a_row(prepared: Endpoint, row: Row) -> None:
    check(row, ask(prepared, row.method, row.path, row.body, row.sent))


def test_what_is_too_large(prepared: Endpoint) -> None:
    for row in management.code():
        check(row, ask(prepared, row.method, row.path, row.body, row.sent))


def test_no_row_changed_what_the_others_ask(prepared: Endpoint) -> None:
    """A refusal changes nothing, whatever was refused before."""
    api = client(prepared)
    for row in TABLE:
        ask(prepared, row.method, row.path, row.body, row.sent)
    assert [item["FunctionName"] for item in api.list_functions()["Functions"]] == ["hello", "reserved"]
    versions = api.list_versions_by_function(FunctionName="hello")["Versions"]
    assert [item["Version"] for item in versions] == ["$LATEST", "1", "2", "3", "4"]
    found = {alias["Name"]: alias for alias in api.list_aliases(FunctionName="hello")["Aliases"]}
    assert {name: alias["FunctionVersion"] for name, alias in found.items()} == {
        "live": "1",
        "newest": "$LATEST",
        "split": "2",
    }
    assert found["split"]["RoutingConfig"] == {"AdditionalVersionWeights": {"1": 0.5}}
    assert "RoutingConfig" not in found["live"]


def test_every_fact_is_held_and_every_row_names_one() -> None:
    """facts.py against what the rows and tests of this folder say that they hold."""
    here = Path(__file__)
    texts = {path.name: path.read_text() for path in here.parent.glob("*.py")}
    held = {fact for name, text in texts.items() if name not in ("facts.py", here.name) for fact in FACT.findall(text)}
    assert held - FACTS.keys() == set(), "facts.py does not have them"
    assert FACTS.keys() - held == set(), "no row and no test holds them"
    assert {row.fact for row in TABLE} <= {*FACTS, BEYOND}
    names = [(row.fact, row.name) for row in TABLE]
    assert len(set(names)) == len(names)
