"""`fn dev`: working trees as functions of a local cloud of their own, deployed anew whenever a file changes.

What a change costs is a deploy: the same reading, packing and calls as `fn deploy`, to $LATEST. So an invocation that
runs goes on in its environment, and the next one gets the new code. What is printed of requests is in dev_lines.py.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from fnroll.cli.app import App, alias_option, network_option, sandbox_option
from fnroll.errors import FnError, UsageError

if TYPE_CHECKING:
    from fnroll.cli.shipping import Order
    from fnroll.emulator import LogLine
    from fnroll.sandbox.api import Network

LOOK_EVERY: Final = 0.08
"""Seconds between two looks at a tree; more where looking takes long."""

SETTLE: Final = 0.02
"""Seconds that a tree must hold still: editors and compilers write in several steps."""

Stamp = tuple[tuple[str, int, int, int], ...]


@click.command()
@click.argument(
    "directories", nargs=-1, metavar="[DIR]...", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0: any free port.")
@alias_option
@sandbox_option
@network_option
@click.pass_obj
def dev(app: App, directories: tuple[Path, ...], port: int, alias: str, sandbox: str, network: Network) -> None:
    """Serve the working tree, and serve it anew whenever a file changes.

    The function (with several DIRs, all of them) answers at a URL and through Invoke, in a local cloud that forgets
    everything when it ends; --state DIR keeps it. Log lines and a line for each request go to stderr, the URLs to
    stdout. Ctrl-C ends it.
    """
    from fnroll import cloud
    from fnroll.cli.dev_lines import shown

    def show_line(line: LogLine) -> None:
        for text, style in shown(line):
            app.say(text, **style)

    places = [directory.absolute() for directory in directories] or [app.directory]
    if app.settings.endpoint:
        raise UsageError("fn dev has a cloud of its own: it takes no --endpoint")
    with ExitStack() as stack:
        state = app.settings.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fn-dev-")))
        endpoint = stack.enter_context(cloud.embedded(state, port=port, sink=show_line, tier=sandbox, network=network))
        app.settle({"local": True, "state": state})
        app.say(f"export AWS_ENDPOINT_URL={endpoint.url}  # for any AWS SDK; Ctrl-C stops", dim=True)
        signal.signal(signal.SIGTERM, _interrupt)
        with suppress(KeyboardInterrupt):
            _serve(app, places, alias)


def _interrupt(number: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


@dataclass(slots=True)
class _Tree:
    directory: Path
    stamp: Stamp = ()
    url: str | None = None


def _serve(app: App, places: Sequence[Path], alias: str) -> NoReturn:
    from fnroll.cli.shipping import Order
    from fnroll.deploy import Wishes

    order = Order(
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
    trees = [_Tree(place) for place in places]
    while True:
        began = time.monotonic()
        for tree in trees:
            now = stamp(tree.directory)
            if now == tree.stamp:
                continue
            while True:
                time.sleep(SETTLE)
                now, before = stamp(tree.directory), now
                if now == before:
                    break
            first, tree.stamp = not tree.stamp, now
            _deploy(app, order, tree, first)
        time.sleep(max(LOOK_EVERY, 4 * (time.monotonic() - began)))


def _deploy(app: App, order: Order, tree: _Tree, first: bool) -> None:
    """What cannot be deployed is told, and what was deployed before goes on."""
    from fnroll.cli import dev_managed
    from fnroll.cli.shipping import definition_of, deploy_one

    began = time.perf_counter()
    try:
        definition = dev_managed.provided(app, definition_of(app, tree.directory))
        done = deploy_one(app, order, tree.directory, definition, say=lambda text, aside: None)
        assert done.result is not None
        name = done.result.name
        dev_managed.publish(app, definition)
        url = done.result.function_url or _open_url(app, name)
    except FnError as error:
        app.complain(str(error))
        if error.hint:
            app.say(f"hint: {error.hint}", dim=True)
        return
    if url != tree.url:
        tree.url = url
        app.show(f"{name}\t{url}" if first else url)
    if done.result.changed and not first:
        app.say(f"{name} reloaded in {(time.perf_counter() - began) * 1000:.0f} ms", fg="green")


def _open_url(app: App, name: str) -> str:
    """A URL of $LATEST, open to all: for a function whose definition has none."""
    from fnroll.aws.urls import create_url, find_url

    client = app.session().control
    if (found := find_url(client, name, None)) is not None:
        return found.url
    url = create_url(client, name, None, {"AuthType": "NONE"})
    permit: dict[str, Any] = {"FunctionName": name, "Principal": "*"}
    client.add_permission(
        **permit, StatementId="fn-dev-url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE"
    )
    client.add_permission(
        **permit, StatementId="fn-dev-invoke", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True
    )
    return url.url


def stamp(directory: Path) -> Stamp:
    """What tells one state of a project from another: its package's files, and those that lie beside the definition."""
    from fnroll.archive import load_rules, scan

    paths: set[Path] = set()
    with suppress(OSError):
        paths.update(path for path in directory.iterdir() if path.is_file())
    with suppress(FnError):
        paths.update(entry.path for entry in scan(directory, load_rules(directory)))
    found = []
    for path in sorted(paths):
        with suppress(OSError):
            said = path.stat()
            found.append((str(path), said.st_mtime_ns, said.st_size, said.st_mode))
    return tuple(found)
