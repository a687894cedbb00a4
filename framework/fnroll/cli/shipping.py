"""What `fn deploy` does with one function and with several, and how it shows plans and results."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fnroll.cli import packing
from fnroll.cli.function_url import read_function_url
from fnroll.errors import FnError, UsageError

if TYPE_CHECKING:
    from fnroll.archive import Style
    from fnroll.aws import Session
    from fnroll.cli.app import App, Output
    from fnroll.definition import Definition
    from fnroll.deploy import Desired, Event, Plan, Result, Step, Wishes


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked for, checked: the same for every function of the run."""

    alias: str
    dry_run: bool
    wishes: Wishes
    src: Path | None
    skip_archive: bool
    exclude_file: Path | None
    keep_links: bool
    style: Style | None
    jobs: int
    fail_fast: bool
    function_url: Path | None = None
    quiet: bool = False
    """What is worth saying about the files has been said."""

    @classmethod
    def of(cls, app: App, said: dict[str, Any]) -> Order:
        """Raises UsageError for options that do not go together."""
        from fnroll.deploy import Wishes, parse_ignored

        if said["skip_function"]:
            others = ("skip_archive", "skip_configuration", "alias_to_latest", "keep_versions")
            for name in (name for name in others if said[name]):
                raise UsageError(f"--skip-function and --{name.replace('_', '-')} exclude each other")
        wishes = Wishes(
            publish=said["publish"] and not said["alias_to_latest"],
            to_latest=said["alias_to_latest"],
            configuration=not said["skip_configuration"],
            function=not said["skip_function"],
            keep_versions=said["keep_versions"],
            canary=said["canary"],
            ignore=parse_ignored(said["ignore"]) if said["ignore"].strip() else (),
        )
        return cls(
            said["alias"],
            said["dry_run"],
            wishes,
            said["src"].absolute() if said["src"] else None,
            said["skip_archive"],
            said["exclude_file"],
            said["symlink"],
            said["ignore_style"],
            said["jobs"],
            said["fail_fast"],
            said["function_url"],
        )


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one function; `result` is None after a dry run."""

    plan: Plan
    result: Result | None


Say = Callable[[str, bool], None]
"""A line of talk, and whether it is an aside."""


def deploy_one(
    app: App,
    order: Order,
    directory: Path,
    definition: Definition | None = None,
    say: Say | None = None,
) -> Done:
    """Read, plan and, unless it is a dry run, apply."""
    from fnroll import deploy as engine

    tell = say or (lambda text, aside: app.say(f"  {text}", dim=True) if aside else app.say(f"- {text}"))
    with tempfile.TemporaryDirectory(prefix="fn-") as scratch:
        if definition is None:
            definition = definition_of(app, directory)
        desired = _desired(app, order, definition, Path(scratch))
    engine.refuse_host_runtimes(desired, app.settings.local)
    session = app.session()
    actual = engine.read_actual(session, desired, order.alias, order.wishes, progress=lambda words: tell(words, True))
    plan = engine.plan(desired, actual, alias=order.alias, wishes=order.wishes)
    if order.dry_run:
        return Done(plan, None)
    for note in plan.notes:
        tell(note, True)

    def report(event: Event) -> None:
        tell(event.text, event.kind == "wait")

    return Done(plan, engine.apply(plan, session, report))


def definition_of(app: App, directory: Path) -> Definition:
    """The project's definition in this run. Raises DefinitionError."""
    if directory.absolute() == app.directory:
        return app.definition()
    from fnroll import definition

    name = app.settings.function
    loaded = definition.load(directory, directory / name if name else None, env=os.environ, book=app.book)
    for warning in loaded.warnings:
        app.warn(str(warning))
    return loaded


def _desired(app: App, order: Order, definition: Definition, scratch: Path) -> Desired:
    """The definition and its package. Raises UsageError, DefinitionError, LayerError, ArchiveError."""
    from fnroll import deploy as engine

    code = definition.request.get("Code", {})
    on_s3 = "S3Bucket" in code and "S3Key" in code
    if order.skip_archive and not on_s3:
        raise UsageError("--skip-archive needs Code.S3Bucket and Code.S3Key", hint="they say where the code lies")
    parts = packing.project(
        app,
        definition,
        scratch,
        src=order.src,
        exclude_file=order.exclude_file,
        keep_links=order.keep_links,
        style=order.style,
        quiet=order.quiet,
    )
    packed = (not code or on_s3) and not order.skip_archive and order.wishes.function
    package = parts.package(limit=not on_s3, progress=packing.Progress(app)) if packed else None
    packing.say_rewritten(app, order.src, package)
    return engine.wanted(
        parts.definition, parts.layers, package, read_function_url(app, definition, order.function_url)
    )


def show_plan(app: App, plan: Plan, output: Output) -> None:
    if output == "json":
        app.show_json(_plan_json(plan))
        return
    if not plan:
        app.show("no changes")
    for number, step in enumerate(plan.steps, 1):
        app.show(f"{number}. {' '.join(filter(None, (step.kind, step.target)))}: {step.reason}")
        for key, value in masked(step.sends).items():
            app.show(f"     {key}: {value}")
    for note in plan.notes:
        app.say(note, dim=True)


def _plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "function": plan.desired.name,
        "alias": plan.alias,
        "steps": [_step_json(step) for step in plan.steps],
        "notes": list(plan.notes),
    }


def _step_json(step: Step) -> dict[str, Any]:
    target = {"target": step.target} if step.target else {}
    return {"kind": step.kind, **target, "reason": step.reason, "sends": masked(step.sends)}


def show_result(app: App, plan: Plan, result: Result, output: Output) -> None:
    if output == "json":
        app.show_json(_result_json(plan, result))
        return
    text = words(result)
    app.say(text if result.changed else f"no changes, no write sent: {text}", fg="green")
    if result.function_url and app.embedded:
        app.say("its URL answers while a local cloud is up: fn local up, then fn status --local", dim=True)
    elif result.function_url:
        app.show(result.function_url)


def words(result: Result) -> str:
    """Who serves what now."""
    if result.version is None:
        return f"{result.name} is deployed to $LATEST; there is no alias {result.alias}"
    return f"{result.alias} serves version {result.version} of {result.name}"


def _result_json(plan: Plan, result: Result) -> dict[str, Any]:
    return asdict(result) | {"steps": [step.kind for step in plan.steps]}


def masked(sends: Any) -> Any:
    """What a step sends, fit to be shown: values of environment variables hidden, their names kept."""
    if isinstance(sends, dict):
        return {
            key: dict.fromkeys(value, "***") if key == "Variables" and isinstance(value, dict) else masked(value)
            for key, value in sends.items()
        }
    return sends


# several


def deploy_all(app: App, order: Order, directories: Sequence[Path], output: Output) -> None:
    """Each in a thread of its own, `order.jobs` at a time. Raises FnError at the end if one failed."""
    if order.src is not None:
        raise UsageError("--src goes with one function")
    definitions = _distinct(app, directories)
    session: Session = app.session()  # made before the threads share it
    _ = session.control
    board = _Board(app, [name for name, _, _ in definitions])
    outcomes: dict[str, Done | FnError | None] = {name: None for name, _, _ in definitions}
    waiting = list(definitions)
    with ThreadPoolExecutor(order.jobs) as pool:
        running: dict[Any, str] = {}
        while waiting or running:
            while waiting and len(running) < order.jobs:
                name, directory, definition = waiting.pop(0)
                say = board.sayer(name)
                running[pool.submit(deploy_one, app, order, directory, definition, say)] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                try:
                    outcomes[name] = future.result()
                except FnError as error:
                    outcomes[name] = error
                board.ended(name, outcomes[name])
                if order.fail_fast and isinstance(outcomes[name], FnError):
                    waiting.clear()
    _summary(app, outcomes, output)


def _distinct(app: App, directories: Sequence[Path]) -> list[tuple[str, Path, Definition]]:
    """Load every definition before anything is sent. Raises UsageError where two are of one function."""
    found: dict[str, tuple[str, Path, Definition]] = {}
    for directory in directories:
        definition = definition_of(app, directory)
        if definition.name in found:
            both = f"{found[definition.name][1]} and {directory}"
            raise UsageError(f"two directories define the function {definition.name}: {both}")
        found[definition.name] = (definition.name, directory, definition)
    return list(found.values())


class _Board:
    """One line of talk for each thing that happens, with the function's name before it; threads may say at once."""

    def __init__(self, app: App, names: Sequence[str]) -> None:
        self._app = app
        self._width = max(map(len, names))
        self._lock = threading.Lock()

    def sayer(self, name: str) -> Say:
        def say(text: str, aside: bool) -> None:
            # Steps of many functions in a log are noise; on a terminal they are signs of life.
            if sys.stderr.isatty():
                self._line(name, text, dim=True)

        return say

    def ended(self, name: str, outcome: Done | FnError | None) -> None:
        if isinstance(outcome, FnError):
            self._line(name, f"failed: {outcome}", fg="red")
        elif outcome is not None and outcome.result is None:
            self._line(name, f"{len(outcome.plan.steps)} steps planned", fg="green")
        elif outcome is not None and outcome.result is not None:
            text = words(outcome.result) if outcome.result.changed else "no changes"
            self._line(name, text, fg="green")

    def _line(self, name: str, text: str, **style: Any) -> None:
        with self._lock:
            self._app.say(f"{name:{self._width}}  {text}", **style)


def _summary(app: App, outcomes: dict[str, Done | FnError | None], output: Output) -> None:
    rows = [_row(name, outcome) for name, outcome in outcomes.items()]
    columns = {"name": "Function", "outcome": "Outcome", "version": "Version", "function_url": "URL"}
    app.show_rows(output, rows, columns)
    failed = [name for name, outcome in outcomes.items() if isinstance(outcome, FnError)]
    skipped = [name for name, outcome in outcomes.items() if outcome is None]
    if failed:
        more = f"; not begun: {', '.join(skipped)}" if skipped else ""
        raise FnError(f"{len(failed)} of {len(outcomes)} functions failed: {', '.join(failed)}{more}")


def _row(name: str, outcome: Done | FnError | None) -> dict[str, Any]:
    if outcome is None:
        return {"name": name, "outcome": "not begun"}
    if isinstance(outcome, FnError):
        return {"name": name, "outcome": "failed", "error": str(outcome)}
    if outcome.result is None:
        return {"name": name, "outcome": "planned", **_plan_json(outcome.plan)}
    outcome_word = "deployed" if outcome.result.changed else "unchanged"
    return {"outcome": outcome_word, **_result_json(outcome.plan, outcome.result)}
