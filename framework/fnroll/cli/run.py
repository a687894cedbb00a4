"""`fn run`: the working tree as one execution environment, invoked on the spot."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from fnroll.cli.app import App, network_option, sandbox_option
from fnroll.cli.events import read_event
from fnroll.errors import FunctionFailed, UsageError

if TYPE_CHECKING:
    from fnroll.emulator import FunctionConfig, LogLine
    from fnroll.layers import Parts

ACCOUNT = "000000000000"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "fn", "AWS_SECRET_ACCESS_KEY": "fn", "AWS_SESSION_TOKEN": "fn"}
"""What the function sees: never the user's own keys."""


@click.command()
@click.option("-e", "text", metavar="JSON", help="The event.")
@click.option("--event", "file", metavar="FILE", help="A file that holds the event; - for standard input.")
@click.option("--env", "variables", metavar="NAME=VALUE", multiple=True, help="Set or replace a variable. Repeatable.")
@click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Invoke so many times.")
@network_option
@sandbox_option
@click.pass_obj
def run(
    app: App, text: str | None, file: str | None, variables: tuple[str, ...], repeat: int, network: str, sandbox: str
) -> None:
    """Run the working tree once, in a sandbox; no deploy.

    The result goes to stdout, the function's log lines to stderr. The event is -e, --event, or what is piped in;
    else {}. Exit code 3 if the function answers with an error.

    \b
    fn run -e '{"name": "world"}'
    fn run --event event.json --repeat 3
    """
    from fnroll.layers import assemble

    event = read_event(app, text, file)
    extra = dict(_variable(item) for item in variables)
    parts = assemble(app.definition(full=False))
    with tempfile.TemporaryDirectory(prefix="fn-run-") as scratch:
        config = _config(app, parts, Path(scratch), extra, network)
        failed = asyncio.run(_invoke(app, config, event, repeat, sandbox))
    if failed:
        raise FunctionFailed("the function answered with an error", where=config.name)


def _variable(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not name or not equals:
        raise UsageError(f"--env takes NAME=VALUE, not {item!r}")
    return name, value


def _config(app: App, parts: Parts, scratch: Path, extra: dict[str, str], network: str) -> FunctionConfig:
    """The working tree, staged as Lambda would unpack it, as an execution environment's configuration."""
    from fnroll.emulator import FunctionConfig

    definition = parts.definition
    for entry in parts.foreign_layers:
        app.warn(f"layer {entry} is on AWS; it is left out here")
    task, opt = parts.stage(scratch)
    region = app.settings.region or "us-east-1"
    return FunctionConfig(
        name=definition.name,
        arn=f"arn:aws:lambda:{region}:{ACCOUNT}:function:{definition.name}",
        version="$LATEST",
        revision="working-tree",
        task=task,
        opt=opt,
        handler=definition.handler,
        runtime=definition.runtime,
        memory_mb=definition.memory_mb,
        timeout=definition.timeout,
        tmp_mb=definition.tmp_mb,
        environment={**definition.environment, **extra},
        credentials=CREDENTIALS,
        region=region,
        network="host" if network == "host" else "none",
    )


async def _invoke(app: App, config: FunctionConfig, event: bytes, repeat: int, sandbox: str) -> bool:
    from fnroll.emulator import Emulator, Invocation

    def print_line(line: LogLine) -> None:
        sys.stderr.write(line.text + "\n")
        sys.stderr.flush()

    emulator = await Emulator.open(tier=sandbox, sink=print_line)
    failed = False
    try:
        app.say(missing_line(emulator.tier, [gap.what for gap in emulator.missing]), dim=True)
        for _ in range(repeat):
            outcome = await emulator.invoke(config, Invocation(str(uuid4()), event, config.arn))
            sys.stdout.buffer.write(outcome.payload + b"\n")
            sys.stdout.buffer.flush()
            failed = failed or outcome.function_error is not None
    finally:
        await emulator.close()
    return failed


def missing_line(tier: str, gaps: list[str]) -> str:
    """One line that names the tier and what it cannot give here: a missing limit is never silent."""
    return f"sandbox: {tier}" + (f"; not enforced here: {', '.join(gaps)} (fn doctor says why)" if gaps else "")
