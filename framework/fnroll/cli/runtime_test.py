"""`fn runtime test` and `fn runtime new`: whether a runtime keeps Lambda's contract, and what one starts from."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, sandbox_option
from fnroll.cli.run import rootfs_of
from fnroll.errors import LayerError, UsageError

if TYPE_CHECKING:
    from fnroll.conformance import Case, Subject, Verdict

_MARKS = {"passed": ("ok", "green"), "failed": ("FAILED", "red"), "skipped": ("left out", "yellow")}


@click.command()
@click.argument("name", metavar="[NAME|DIR]", default=".")
@click.option("--case", "names", metavar="CASE", multiple=True, help="Only this case. Repeatable.")
@click.option(
    "--arch",
    type=click.Choice(["x86_64", "arm64"]),
    help="Test the layer that brings its interpreter, for this architecture.  [default: this machine's with --rootfs "
    "empty, else a layer that runs on the machine's interpreter]",
)
@sandbox_option
@click.option(
    "--rootfs", metavar="DIR|empty", help="What it sees as its system; empty proves that its layer brings all it needs."
)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: a list of the cases, each with outcome and detail.",
)
@click.pass_obj
def test(
    app: App, name: str, names: tuple[str, ...], arch: str | None, sandbox: str, rootfs: str | None, output: str
) -> None:
    """Hold a runtime to Lambda's contract.

    NAME is a runtime of the project or one that comes with fn; DIR a runtime's folder, by default this one. Its layer
    is built, and each case runs in a sandbox of its own: events, errors, limits, connections, logs, streams. The
    runtime's own folder conformance/ holds the handlers for it. A directory with a bootstrap and no manifest is a
    program of its own, tested as it is. Exit code 1 if a case fails.

    \b
    fn runtime test perl
    fn runtime test perl --rootfs empty
    fn runtime test runtimes/mine --case echo --case error
    """
    from fnroll.conformance import CASES, prepare
    from fnroll.layers.elf import of_this_machine

    cases = [case for case in CASES if not names or case.name in names]
    if unknown := set(names) - {case.name for case in CASES}:
        known = ", ".join(case.name for case in CASES)
        raise UsageError(f"there is no case {sorted(unknown)[0]!r}", hint=f"known: {known}")
    with tempfile.TemporaryDirectory(prefix="fn-test-", ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o711)  # Lambda's user has to get in, where no namespace shows him the way
        architecture = arch or (of_this_machine() if rootfs == "empty" else None)
        subject = prepare(name, app.directory, Path(scratch), architecture, lambda text: app.say(text, dim=True))
        verdicts = asyncio.run(_tested(app, subject, cases, sandbox, rootfs_of(rootfs), output == "text"))
    if output == "json":
        app.show_json(
            [{"case": one.case.name, "outcome": one.outcome, "detail": one.detail or None} for one in verdicts]
        )
    failed = sum(one.outcome == "failed" for one in verdicts)
    if failed:
        raise LayerError(f"{failed} of {len(verdicts)} cases failed", where=subject.name)


async def _tested(
    app: App, subject: Subject, cases: Sequence[Case], tier: Any, rootfs: Any, talk: bool
) -> list[Verdict]:
    from fnroll.conformance import per_invocation, run
    from fnroll.sandbox import open_host

    host = await open_host(tier, rootfs=rootfs)
    verdicts: list[Verdict] = []
    try:
        async for verdict in run(subject, host, cases):
            verdicts.append(verdict)
            if talk:
                app.show(_line(verdict))
    finally:
        await host.close()
    passed = sum(one.outcome == "passed" for one in verdicts)
    skipped = sum(one.outcome == "skipped" for one in verdicts)
    taken = per_invocation(verdicts)
    time = f", {taken:.2f} ms from event to answer" if taken is not None else ""
    app.say(f"{subject.name}: {passed} passed, {skipped} left out, in the {host.tier} sandbox{time}")
    return verdicts


def _line(verdict: Verdict) -> str:
    mark, color = _MARKS[verdict.outcome]
    detail = f": {verdict.detail}" if verdict.detail else ""
    return f"{click.style(f'{mark:8}', fg=color)} {verdict.case.name} ({verdict.case.proves}){detail}"


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--command", metavar="PROGRAM", help="The interpreter, as the machine has it.  [default: NAME]")
@click.option("--extension", metavar=".EXT", help="What handler files end in.  [default: .NAME]")
@click.pass_obj
def new(app: App, name: str, command: str | None, extension: str | None) -> None:
    """Start a runtime of your own.

    Writes runtimes/NAME with a manifest, a bootstrap, a loop to be filled in, and the handlers that fn runtime test
    holds it to.

    \b
    fn runtime new tcl --command tclsh --extension .tcl
    """
    from fnroll.layers import write_runtime

    for path in write_runtime(name, command or name, extension or f".{name}", app.directory):
        app.say(f"wrote {path.relative_to(app.directory) if path.is_relative_to(app.directory) else path}")
    app.say(f"next: fill in the loop, then fn runtime test {name}")
