"""One function of `fn dev`: what it is made of, and its deployment into the cloud of `fn dev`.

What a change costs is a deploy: the same reading, packing and calls as `fn deploy`, to $LATEST. So an invocation that
runs goes on in its environment, and the next one gets the new code. What cannot be deployed is told, and what was
there goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fnroll.cli.watching import Inputs, Source, named_files
from fnroll.errors import ArchiveError, FnError, LayerError, UsageError

if TYPE_CHECKING:
    from fnroll.cli.app import App
    from fnroll.cli.dev_screen import Screen
    from fnroll.cli.shipping import Order
    from fnroll.definition import Definition

_BESIDE = ("function.json", "function.jsonnet", "function_url.json", "function_url.jsonnet", ".lambdaignore")


class Tree:
    """`directory` is absolute. `others`: the names of the functions that are served beside it."""

    def __init__(self, app: App, screen: Screen, order: Order, directory: Path, others: Callable[[Tree], set[str]]):
        self._app = app
        self._screen = screen
        self._order = order
        self._others = others
        self.directory = directory
        self.name: str | None = None
        self.url: str | None = None
        self.starts = True
        """Whether its code can be started before anybody asks: not if environments are a tenant's each. Such a function
        has no URL."""
        self.inputs = self._inputs(None)
        self._warned: tuple[str, ...] = ()

    def deploy(self, covered: Callable[[], None], named: Callable[[str], None]) -> bool:
        """Whether something has changed. `covered` is called when all that counts is known, before it is read;
        `named` when the function's name is."""
        try:
            return self._deploy(covered, named)
        except FnError as error:
            self._screen.failed(str(self.directory), error)
        except OSError as error:  # what was listed a moment ago is gone
            text = f"cannot be read: {error.strerror}"
            self._screen.failed(str(self.directory), FnError(text, where=str(error.filename or self.directory)))
        return False

    def _deploy(self, covered: Callable[[], None], named: Callable[[str], None]) -> bool:
        from fnroll.cli import dev_managed
        from fnroll.cli.shipping import deploy_one

        definition = self._definition()
        self.inputs = self._inputs(definition)
        covered()
        if definition.name in self._others(self):
            raise UsageError(f"another directory defines the function {definition.name} too", where=str(self.directory))
        named(definition.name)
        definition = dev_managed.provided(self._app, definition)
        order = replace(self._order, quiet=self.name is not None)
        done = deploy_one(self._app, order, self.directory, definition, say=lambda text, aside: None)
        assert done.result is not None
        dev_managed.publish(self._app, definition)
        self.starts = "TenancyConfig" not in definition.request
        url = done.result.function_url or (_open_url(self._app, definition.name) if self.starts else None)
        before, self.name = self.name, definition.name
        if url != self.url or before != self.name:
            self.url = url
            self._screen.serving(definition.name, url)
        if before is not None and before != definition.name:
            self._app.session().control.delete_function(FunctionName=before)
            self._screen.note(f"{before} is now {definition.name}, and no longer there")
        return done.result.changed

    def _definition(self) -> Definition:
        from fnroll import definition

        if not self.directory.is_dir():
            raise UsageError("the directory is gone; the function goes on as it was", where=str(self.directory))
        try:
            os.getcwd()  # noqa: PTH109 - of a directory that was removed and made anew
        except FileNotFoundError:
            os.chdir(self.directory)
        name = self._app.settings.function
        path = self.directory / name if name else None
        loaded = definition.load(self.directory, path, env=os.environ, book=self._app.book)
        warnings = tuple(map(str, loaded.warnings))
        if warnings != self._warned:
            self._warned = warnings
            for warning in warnings:
                self._app.warn(warning)
        return loaded

    def _inputs(self, definition: Definition | None) -> Inputs:
        """What it is made of by its definition; None, and where a layer is not there yet: as far as that is known."""
        root = os.path.realpath(self.directory)
        sources = [_source(root, side_files=True)]
        files = {f"{root}/{name}" for name in _BESIDE}
        if self._app.settings.function is not None:
            files.add(os.path.realpath(self.directory / self._app.settings.function))
        if definition is None:
            return Inputs(tuple(sources), frozenset(files))
        with suppress(OSError, UnicodeDecodeError):
            files.update(map(os.path.realpath, named_files(definition.path, definition.path.read_text("utf-8"))))
        for entry in definition.layers:
            if (place := _layer(entry, self.directory)) is not None:
                layer = os.path.realpath(place)
                sources.append(_source(layer, side_files=False))
                files.add(f"{layer}/.lambdaignore")
        return Inputs(tuple(sources), frozenset(files))


def _source(root: str, *, side_files: bool) -> Source:
    from fnroll.archive import IgnoreRules, load_rules

    try:
        return Source(root, load_rules(Path(root), side_files=side_files))
    except ArchiveError:  # malformed; whoever packs it says so
        return Source(root, IgnoreRules())


def _layer(entry: str, project: Path) -> Path | None:
    from fnroll.layers import find_runtime

    if entry.startswith(("./", "../")):
        return Path(os.path.normpath(project / entry))
    if entry.startswith("runtime:"):
        with suppress(LayerError):
            return find_runtime(entry.removeprefix("runtime:"), project).directory
    return None


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
