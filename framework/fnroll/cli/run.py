"""`fn run`: the working tree as execution environments, invoked on the spot.

This module is the command line: options to a `Plan`, with what does not go together refused. running.py carries it
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from fnroll.cli import envfile
from fnroll.cli.app import network_option, sandbox_option
from fnroll.cli.events import InOrder, in_order, read_events
from fnroll.errors import FunctionFailed, UsageError

if TYPE_CHECKING:
    from fnroll.sandbox.api import Network


@dataclass(frozen=True, slots=True)
class Plan:
    """One run, as asked for. `timeout` and `memory` None: as the definition has them."""

    events: tuple[bytes, ...]
    concurrency: int
    variables: Mapping[str, str]
    timeout: int | None
    memory: int | None
    network: Network
    sandbox: str
    rootfs: Path | Literal["empty"] | None
    limits: bool
    keep: bool
    credentials: bool
    as_json: bool
    debug_port: int | None

    @property
    def tagged(self) -> bool:
        """Whether log lines need the number of their event: several may be written at a time."""
        return self.concurrency > 1 and len(self.events) > 1


@click.command(cls=InOrder)
@click.option("-e", "text", metavar="JSON", multiple=True, help="An event. Repeatable, like the next two.")
@click.option(
    "--event", "file", metavar="FILE", multiple=True, help="A file that holds an event; - for standard input."
)
@click.option(
    "--events-from", "stream", metavar="FILE", multiple=True, help="A file of events, one a line; - likewise."
)
@click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Go through all events so often.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Invoke so many at a time, each in an environment of its own; results come in the order of the events.",
)
@click.option("--env", "variables", metavar="NAME=VALUE", multiple=True, help="Set or replace a variable. Repeatable.")
@click.option(
    "--envfile", metavar="FILE", multiple=True, help="Variables from NAME=VALUE lines; --env wins. Repeatable."
)
@click.option("--timeout", type=click.IntRange(1, 900), metavar="SECONDS", help="Instead of the definition's Timeout.")
@click.option("--memory", type=click.IntRange(128, 10240), metavar="MB", help="Instead of the definition's MemorySize.")
@network_option
@sandbox_option
@click.option(
    "--rootfs",
    metavar="DIR|empty",
    help="What the function sees as its system: a directory, or nothing but its code and layers; "
    "else this machine's /usr.",
)
@click.option("--no-limits", is_flag=True, help="Limit neither memory nor CPU, and freeze nothing between invocations.")
@click.option(
    "--debug-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Run under a debugger that is reached at this port; without limits, also of time, and with --network host.",
)
@click.option("--aws-credentials", "credentials", is_flag=True, help="Give the function your own AWS credentials.")
@click.option("--keep", is_flag=True, help="Leave the directories of /var/task and /opt in place, and say where.")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: a line for each event, with payload, function_error, report and log.",
)
@click.pass_context
def run(ctx: click.Context, /, **given: Any) -> None:
    """Run the working tree once, in a sandbox; no deploy.

    Results go to stdout, a line each; log lines to stderr. Events are taken in the order in which they are written;
    without any, what is piped in is the event, else {}. Environments are used again as on Lambda: the first event finds
    a cold one, the next a warm one. Exit code 3 if the function answers with an error.

    \b
    fn run -e '{"name": "world"}'
    fn run --event event.json --repeat 3
    fn run --events-from events.jsonl --concurrency 8 --output json
    """
    import asyncio

    from fnroll.cli.running import execute

    plan = planned(ctx, given)
    if not plan.events:
        ctx.obj.say("there is no event in the stream, so nothing was invoked")
        return
    try:
        failed = asyncio.run(execute(ctx.obj, plan))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # SIGTERM
    if failed:
        many = f"{failed} of {len(plan.events)} invocations ended with an error"
        raise FunctionFailed("the function answered with an error" if len(plan.events) == 1 else many)


def planned(ctx: click.Context, given: Mapping[str, Any]) -> Plan:
    """The plan of one run. Reads events and variables, which may come from files; raises UsageError."""
    said = {name for name in given if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT}
    debug_port: int | None = given["debug_port"]
    _check_together(given, said, ctx.obj.settings.local)
    variables: dict[str, str] = {}
    for file in given["envfile"]:
        variables |= envfile.read(Path(file))
    variables |= dict(envfile.variable(item) for item in given["variables"])
    events = read_events(in_order(ctx, {name: given[name] for name in ("text", "file", "stream")}))
    return Plan(
        events=tuple(events) * given["repeat"],
        concurrency=given["concurrency"],
        variables=variables,
        timeout=given["timeout"],
        memory=given["memory"],
        network="host" if debug_port else given["network"],
        sandbox=given["sandbox"],
        rootfs=rootfs_of(given["rootfs"]),
        limits=not (given["no_limits"] or debug_port),
        keep=given["keep"],
        credentials=given["credentials"],
        as_json=given["output"] == "json",
        debug_port=debug_port,
    )


def _check_together(given: Mapping[str, Any], said: set[str], local: bool) -> None:
    if given["debug_port"]:
        if given["concurrency"] > 1:
            raise UsageError("--debug-port and --concurrency exclude each other: a debugger holds one environment")
        if "timeout" in said:
            raise UsageError(
                "--debug-port and --timeout exclude each other: under a debugger there is no limit of time"
            )
        if "network" in said and given["network"] != "host":
            raise UsageError(
                f"--debug-port and --network {given['network']} exclude each other: "
                "a debugger reaches the function through this machine's network"
            )
    if given["rootfs"] is not None and given["sandbox"] in ("process", "landlock"):
        raise UsageError(f"the {given['sandbox']} sandbox has no root of its own: --rootfs takes --sandbox linux")
    if given["credentials"] and local:
        raise UsageError("--aws-credentials and --local exclude each other: the local cloud knows no real keys")


def rootfs_of(text: str | None) -> Path | Literal["empty"] | None:
    if text is None or text == "empty":
        return "empty" if text else None
    path = Path(text)
    if not path.is_dir():
        raise UsageError("--rootfs takes a directory, or the word empty", where=text)
    return path.resolve()


def missing_line(tier: str, gaps: list[str]) -> str:
    """One line that names the tier and what it cannot give here: a missing limit is never silent."""
    return f"sandbox: {tier}" + (f"; not enforced here: {', '.join(gaps)} (fn doctor says why)" if gaps else "")
