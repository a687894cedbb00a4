"""`fn local`: the local cloud as a foreground process or a daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, network_option, output_option, sandbox_option
from fnroll.errors import CloudError

if TYPE_CHECKING:
    from fnroll.cloud import Endpoint
    from fnroll.emulator import LogLine
    from fnroll.sandbox.api import Network

PRINTED_AFTER = 0.02
"""Seconds after which the lines that functions have logged are shown, together."""

START_LIMIT = 30.0
"""Seconds a detached cloud may take until it answers."""


@click.group()
def local() -> None:
    """The local cloud: up, down, status, reset, export, import.

    Lambda's API, function URLs and (through moto) the other services, on one loopback port.
    """


@local.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0: any free port.")
@click.option("-d", "--detach", is_flag=True, help="Go on in the background once it is up.")
@click.option(
    "--fast-clock",
    "speed",
    metavar="N",
    type=click.FloatRange(1, 10_000),
    default=1.0,
    help="Let time pass N times as fast for retries, the age of events, and schedules.",
)
@click.option(
    "--require-signatures",
    "signatures",
    is_flag=True,
    help="Refuse API calls that are not signed right, as AWS does (docs/local-cloud.md says by which keys).",
)
@click.option(
    "--request-rates",
    "rates",
    is_flag=True,
    help="Throttle the control plane as Lambda does: 15 calls a second, GetFunction 100.",
)
@click.option(
    "--realistic",
    is_flag=True,
    help="Take Lambda's time: functions are Pending, then Active; updates InProgress, then Successful. Throttle too.",
)
@click.option("--ephemeral", is_flag=True, help="Begin with nothing and forget everything at the end.")
@sandbox_option
@network_option
@click.pass_obj
def up(
    app: App,
    port: int,
    detach: bool,
    speed: float,
    signatures: bool,
    rates: bool,
    realistic: bool,
    ephemeral: bool,
    sandbox: str,
    network: Network,
) -> None:
    """Serve the local cloud until interrupted.

    Any AWS SDK works against it with its endpoint set to the address printed. Functions and all of Lambda lie in the
    state directory and survive restarts; what other services hold (buckets, queues, tables, logs, metrics) lies in
    memory and ends with the cloud.
    """
    from fnroll import cloud
    from fnroll.emulator.loop import run

    running = cloud.running(app.state)
    if running is not None:
        raise CloudError(
            f"a local cloud is already up at {running.url} (pid {running.pid})",
            hint="stop it with fn local down, or use another --state",
        )
    if detach:
        options = {"--port": port, "--fast-clock": speed, "--sandbox": sandbox, "--network": network}
        words = [str(part) for option in options.items() for part in option]
        flags = {
            "--require-signatures": signatures,
            "--request-rates": rates,
            "--realistic": realistic,
            "--ephemeral": ephemeral,
        }
        endpoint = _start(app.state, words + [flag for flag, given in flags.items() if given])
        app.show(endpoint.url)
        app.say(f"the local cloud is up (pid {endpoint.pid}); its log is {app.state / 'cloud.log'}")
        return
    given: dict[str, Any] = {"port": port, "tier": sandbox, "network": network, "speed": speed}
    given |= {"signatures": signatures, "rates": rates, "realistic": realistic}
    if not ephemeral:
        run(_serve(app, app.state, lambda endpoint: None, given))
        return
    from fnroll.cloud.ephemeral import ephemeral as forgotten

    with forgotten(app.state) as one:
        run(_serve(app, one.place, one.publish, given))


async def _serve(app: App, state: Path, publish: Callable[[Endpoint], None], options: Mapping[str, Any]) -> None:
    from fnroll import cloud
    from fnroll.cli.run import missing_line

    def ready(endpoint: Endpoint) -> None:
        publish(endpoint)
        app.show(endpoint.url)
        sys.stdout.flush()
        app.say(missing_line(endpoint.tier, list(endpoint.missing)), dim=True)
        app.say(f"export AWS_ENDPOINT_URL={endpoint.url}  # for any AWS SDK; Ctrl-C stops", dim=True)

    printed: list[str] = []

    def print_line(line: LogLine) -> None:
        """Lines go out together a moment later: a write for each would cost the invocation that it is of."""
        if not printed:
            loop.call_later(PRINTED_AFTER, print_all)
        printed.append(f"{line.function}[{line.version}] {line.text}\n")

    def print_all() -> None:
        sys.stderr.write("".join(printed))
        sys.stderr.flush()
        printed.clear()

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await cloud.serve(state, on_ready=ready, sink=print_line, stop=stop, keys=_own_keys(), **options)
    finally:
        print_all()


def _own_keys() -> dict[str, str]:
    """The access key of this environment, which its user's clients are likely to sign with."""
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    return {key_id: secret} if key_id and secret else {}


def _start(state: Path, options: list[str]) -> Endpoint:
    """Start `fn local up` as a daemon and wait until it answers. Raises CloudError with its last words."""
    from fnroll import cloud

    state.mkdir(parents=True, exist_ok=True)
    log = state / "cloud.log"
    command = [sys.executable, "-m", "fnroll", "--state", str(state.resolve()), "local", "up", *options]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        endpoint = cloud.running(state)
        if endpoint is not None and endpoint.pid == process.pid:
            return endpoint
        if process.poll() is not None:
            words = log.read_text(errors="replace").strip().removeprefix("error: ")
            raise CloudError(words or f"the local cloud ended with status {process.returncode}")
        time.sleep(0.02)
    process.terminate()
    raise CloudError(f"the local cloud did not answer within {START_LIMIT:.0f} s", hint=f"see {log}")


@local.command()
@click.pass_obj
def down(app: App) -> None:
    """Stop the local cloud. Lambda's state stays; buckets, queues and what else is not Lambda's ends with it."""
    from fnroll import cloud

    endpoint = cloud.running(app.state)
    if endpoint is None:
        app.say("no local cloud is up")
        return
    os.kill(endpoint.pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while cloud.running(app.state) is not None:
        if time.monotonic() > deadline:
            raise CloudError(f"the local cloud (pid {endpoint.pid}) did not stop within 10 s")
        time.sleep(0.02)
    cloud.wait_until_free(app.state, deadline - time.monotonic())
    app.say("the local cloud is down")


@local.command()
@output_option("table", "json")
@click.pass_obj
def status(app: App, output: Any) -> None:
    """Say whether a local cloud is up, where, and in which sandbox tier. Exit code 1 if none is."""
    from fnroll import cloud

    endpoint = cloud.running(app.state)
    if endpoint is None:
        if output == "json":
            app.show_json({"up": False, "state": str(app.state)})
        else:
            app.say(f"no local cloud is up (state: {app.state})")
        raise click.exceptions.Exit(1)
    row = {
        "up": True,
        "url": endpoint.url,
        "pid": endpoint.pid,
        "tier": endpoint.tier,
        "missing": list(endpoint.missing),
        "started": endpoint.started,
        "ephemeral": endpoint.ephemeral,
        "state": str(app.state),
    }
    if output == "json":
        app.show_json(row)
    else:
        app.show_rows(
            "table", [row], {"url": "URL", "pid": "PID", "tier": "Sandbox", "started": "Started", "state": "State"}
        )


@local.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset(app: App, yes: bool) -> None:
    """Forget every function and all other state of the local cloud."""
    from fnroll import cloud
    from fnroll.cli.ask import confirm

    confirm(f"Remove the whole state in {app.state}?", yes)
    cloud.reset(app.state)
    app.say("the local cloud's state is gone")


@local.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def export_(app: App, file: Path) -> None:
    """Write the whole local cloud to one FILE, for fn local import.

    Functions with their versions, packages, aliases, URLs and settings, layers, and the events that wait; a cloud that
    is up may go on. What other services keep (buckets, queues) is not part of it.
    """
    from fnroll.cloud import carry, standing

    packages = carry.export(standing.place(app.state), file)
    app.say(f"the local cloud and its {packages} packages are in {file}")


@local.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Forget the functions that the state has now.")
@click.pass_obj
def import_(app: App, file: Path, replace: bool) -> None:
    """Make the local cloud that of a FILE of fn local export. None may be up."""
    from fnroll.cloud import carry

    functions = carry.restore(app.state, file, replace=replace)
    app.say(f"the local cloud has {functions} function{'' if functions == 1 else 's'} now (state: {app.state})")
