"""The table: handler does X, and what the caller, the log and the report then say, in three languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios import answers, endings, entrypoints, environment, errors, extensions, init, json_logs, runtime_api
from scenarios.languages import Built, Missing, build
from scenarios.running import Stage
from scenarios.vocabulary import ALL, Scenario

TABLE: tuple[Scenario, ...] = (
    *answers.TABLE,
    *errors.TABLE,
    *endings.TABLE,
    *init.TABLE,
    *entrypoints.TABLE,
    *environment.TABLE,
    *runtime_api.TABLE,
    *extensions.TABLE,
    *json_logs.TABLE,
)


def rows() -> Iterator[object]:
    for row in TABLE:
        for language in row.languages:
            reason = row.pending.get(language) or row.pending.get("all")
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            yield pytest.param(row, language, id=f"{row.name}-{language}".replace(" ", "-"), marks=marks)


@pytest.fixture(scope="session")
def stage(home: Path) -> Iterator[Stage]:
    opened = Stage(home)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def functions(home: Path) -> dict[str, Built | Missing]:
    found: dict[str, Built | Missing] = {}
    for language in ALL:
        try:
            found[language] = build(language, home / language)
        except Missing as reason:
            found[language] = reason
    return found


def needs(row: Scenario) -> set[str]:
    """What the machine must be able to give: what the row says, and Lambda's paths where it speaks of them."""
    paths = any(path in repr(row) for path in ("/tmp/", "/var/task", "/opt/"))
    return {*row.needs, *(("paths",) if paths else ())}


@pytest.mark.parametrize(("row", "language"), list(rows()))
def test_scenario(row: Scenario, language: str, stage: Stage, functions: dict[str, Built | Missing]) -> None:
    built = functions[language]
    if isinstance(built, Missing):
        pytest.skip(str(built))
    if lacking := stage.missing() & needs(row):
        pytest.skip(f"this machine does not give: {', '.join(sorted(lacking))}")
    stage.run(stage.perform(row, built, language))


def test_the_table_is_what_it_claims() -> None:
    names = [row.name for row in TABLE]
    assert len(set(names)) == len(names)
    assert len(names) >= 60
    assert {language for row in TABLE for language in row.languages} == set(ALL)
