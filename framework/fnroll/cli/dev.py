"""`fn dev`: working trees as functions of a local cloud of their own, deployed anew whenever a file changes.

This module is the command line and the loop around the parts: dev_tree.py deploys one function, watching.py tells
when, dev_emulator.py sees the requests, dev_screen.py and dev_lines.py say what is worth it, dev_debug.py has the
debuggers.
"""

from __future__ import annotations

import base64
import json
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fnroll.cli.app import App, alias_option, network_option, sandbox_option
from fnroll.errors import UsageError

if TYPE_CHECKING:
    from fnroll.cli.dev_debug import Debugged
    from fnroll.cli.dev_screen import Screen
    from fnroll.cli.dev_tree import Tree
    from fnroll.cli.shipping import Order
    from fnroll.sandbox.api import Network


@click.command()
@click.argument(
    "directories", nargs=-1, metavar="[DIR]...", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0: any free port.")
@click.option(
    "--debug-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Serve under debuggers that are reached at this port, of several functions at the ports from it on; one "
    "environment at a time, without limits, also of time, and with --network host.",
)
@alias_option
@sandbox_option
@network_option
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: a line on stdout for each URL, request, reload and error.",
)
@click.pass_context
def dev(
    ctx: click.Context,
    directories: tuple[Path, ...],
    port: int,
    debug_port: int | None,
    alias: str,
    sandbox: str,
    network: Network,
    output: str,
) -> None:
    """Serve the working tree, and serve it anew whenever a file changes.

    The function (with several DIRs, all of them) answers at a URL and through Invoke, in a local cloud that forgets
    everything when it ends; --state DIR keeps it. Log lines and a line for each request go to stderr, the URLs to
    stdout. Ctrl-C ends it.
    """
    from fnroll import cloud
    from fnroll.cli.dev_emulator import opener, start_mark
    from fnroll.cli.dev_screen import Screen

    app: App = ctx.obj
    places = [directory.absolute() for directory in directories] or [app.directory]
    if app.settings.endpoint:
        raise UsageError("fn dev has a cloud of its own: it takes no --endpoint")
    mark = start_mark()
    screen = Screen(app, as_json=output == "json")
    debugged: Debugged | None = None
    ports: list[int] = []
    if debug_port is not None:
        given = ctx.get_parameter_source("network") is not click.core.ParameterSource.DEFAULT
        debugged, ports = _debugged(screen, debug_port, len(places), network if given else "host")
        network = "host"
    with ExitStack() as stack:
        state = app.settings.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fn-dev-")))
        endpoint = stack.enter_context(
            cloud.embedded(
                state,
                port=port,
                sink=screen.logged,
                tier=sandbox,
                network=network,
                emulator=opener(screen, mark, debugged.open if debugged is not None else None),
            )
        )
        app.settle({"local": True, "state": state})
        app.say(f"export AWS_ENDPOINT_URL={endpoint.url}  # for any AWS SDK; Ctrl-C stops", dim=True)
        signal.signal(signal.SIGTERM, _interrupt)
        with suppress(KeyboardInterrupt):
            _serve(Work(app, screen, _order(alias), mark, debugged, ports), places)


def _debugged(screen: Screen, first: int, count: int, network: str) -> tuple[Debugged, list[int]]:
    from fnroll.cli.dev_debug import Debugged, ports

    if network != "host":
        raise UsageError(
            f"--debug-port and --network {network} exclude each other: "
            "a debugger reaches the function through this machine's network"
        )
    return Debugged(screen.note), ports(first, count)


def _interrupt(number: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _order(alias: str) -> Order:
    from fnroll.cli.shipping import Order
    from fnroll.deploy import Wishes

    return Order(
        alias=alias,
        dry_run=False,
        wishes=Wishes(publish=False, to_latest=True),
        src=None,
        skip_archive=False,
        exclude_file=None,
        style=None,
        keep_links=False,
        jobs=1,
        fail_fast=False,
    )


@dataclass(frozen=True, slots=True)
class Work:
    """What every function of one `fn dev` shares. `mark`: see dev_emulator.start_mark; `ports`: of debuggers."""

    app: App
    screen: Screen
    order: Order
    mark: str
    debugged: Debugged | None
    ports: Sequence[int]


def _serve(work: Work, places: Sequence[Path]) -> NoReturn:
    from fnroll.cli.dev_tree import Tree
    from fnroll.cli.watching import Watcher

    trees: list[Tree] = []
    watcher = Watcher.open()

    def others(one: Tree) -> set[str]:
        return {tree.name for tree in trees if tree is not one and tree.name is not None}

    def cover() -> None:
        watcher.cover([tree.inputs for tree in trees])

    trees += [Tree(work.app, work.screen, work.order, place, others) for place in places]
    cover()
    found = set(range(len(trees)))
    try:
        while True:
            for number in sorted(found):
                _deploy(work, trees[number], number, cover)
            found = watcher.wait()
    finally:
        watcher.close()


def _deploy(work: Work, tree: Tree, number: int, cover: Callable[[], None]) -> None:
    began, first, debugged = time.perf_counter(), tree.name is None, work.debugged

    def named(name: str) -> None:
        if debugged is not None:
            debugged.assign(name, work.ports[number])

    if not tree.deploy(cover, named) or tree.name is None:
        return
    at_once = debugged is not None or not tree.starts
    if at_once and not first:
        # Its start may have to wait until a debugger lets go of the environment before it.
        work.screen.reloaded(tree.name, (time.perf_counter() - began) * 1000)
    if not tree.starts:
        return
    # In the background: an init may take its time, and there are other functions.
    start = threading.Thread(
        target=_start, args=(work, tree.name, None if at_once or first else began), name="start", daemon=True
    )
    start.start()


def _start(work: Work, name: str, began: float | None) -> None:
    """Have the code started; says whether that went well, and how long it took since `began`, if that is given."""
    context = base64.b64encode(work.mark.encode()).decode()
    try:
        answer = work.app.session().invoker.invoke(FunctionName=name, ClientContext=context)
        works = json.loads(answer["Payload"].read())
    except Exception:
        return
    if not works:
        work.screen.broken(name)
    elif began is not None:
        work.screen.reloaded(name, (time.perf_counter() - began) * 1000)
