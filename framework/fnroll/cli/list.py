"""`fn list`: the functions of an account and Region."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App
from fnroll.errors import NotFound, UsageError

if TYPE_CHECKING:
    from fnroll.aws import FunctionState

_READS_AT_ONCE = 8
COLUMNS = {
    "name": "Name",
    "runtime": "Runtime",
    "architecture": "Architecture",
    "memory_mb": "MB",
    "timeout": "Timeout",
    "code_size": "Code bytes",
    "last_modified": "Modified",
}


@click.command("list")
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option("--runtime", metavar="PATTERN", help="Of this Runtime alone: python*, provided.al2023, image.")
@click.option("--tag", "tags", multiple=True, metavar="KEY[=VALUE]", help="With this tag alone; may be repeated.")
@click.option(
    "--output",
    type=click.Choice(["table", "json", "tsv", "definitions"]),
    default="table",
    show_default=True,
    help="definitions: as function.json each, one after the other.",
)
@click.pass_obj
def list_(app: App, /, patterns: tuple[str, ...], runtime: str | None, tags: tuple[str, ...], output: Any) -> None:
    """List the functions of the account and Region.

    PATTERN is a name, with * and ? if need be; without one all are listed. No function.json is needed.
    """
    from fnroll.aws.functions import list_functions
    from fnroll.deploy.described import described

    asked = [_tag(text) for text in tags]
    client = app.session().control
    found = [state for state in list_functions(client) if _fits(state, patterns, runtime)]
    known: Sequence[dict[str, str] | None] = [None] * len(found)
    if asked or output == "definitions":
        known = _all_tags(client, found)
    kept = [
        (state, own)
        for state, own in sorted(zip(found, known, strict=True), key=lambda pair: pair[0].name)
        if all(key in (own or {}) and value in (None, (own or {})[key]) for key, value in asked)
    ]
    if output == "definitions":
        for state, own in kept:
            app.show(json.dumps(described(state.configuration, own), indent=2, ensure_ascii=False))
        return
    app.show_rows(output, [_row(state, own) for state, own in kept], COLUMNS)


def _tag(text: str) -> tuple[str, str | None]:
    """`team=a` -> ("team", "a"); `team` -> ("team", None): whatever its value. Raises UsageError."""
    key, equals, value = text.partition("=")
    if not key:
        raise UsageError(f"--tag {text!r} has no key")
    return key, value if equals else None


def _fits(state: FunctionState, patterns: Sequence[str], runtime: str | None) -> bool:
    if patterns and not any(fnmatchcase(state.name, pattern) for pattern in patterns):
        return False
    return runtime is None or fnmatchcase(_runtime(state), runtime)


def _runtime(state: FunctionState) -> str:
    return state.runtime or state.package_type.lower()


def _all_tags(client: Any, found: Sequence[FunctionState]) -> list[dict[str, str] | None]:
    """A call each, some at a time; None for a function that is gone meanwhile."""
    from concurrent.futures import ThreadPoolExecutor

    from fnroll.aws.functions import list_tags

    def read(state: FunctionState) -> dict[str, str] | None:
        try:
            return list_tags(client, state.arn)
        except NotFound:
            return None

    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        return list(pool.map(read, found))


def _row(state: FunctionState, tags: dict[str, str] | None) -> dict[str, Any]:
    configuration = state.configuration
    row = {
        "name": state.name,
        "arn": state.arn,
        "runtime": _runtime(state),
        "architecture": ", ".join(state.architectures),
        "memory_mb": configuration.get("MemorySize"),
        "timeout": configuration.get("Timeout"),
        "code_size": configuration.get("CodeSize"),
        "code_sha256": state.code_sha256,
        "last_modified": state.last_modified,
        "description": state.description,
    }
    return row if tags is None else row | {"tags": tags}
