"""`fn runtime`: the custom runtimes at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli import runtime_test
from fnroll.cli.app import App, output_option

if TYPE_CHECKING:
    from fnroll.layers import Runtime


@click.group()
def runtime() -> None:
    """The custom runtimes at hand.

    A function uses one by listing "runtime:NAME" in its Layers.
    """


runtime.add_command(runtime_test.new)
runtime.add_command(runtime_test.test)


@runtime.command("list")
@output_option("table", "json")
@click.pass_obj
def list_(app: App, output: Any) -> None:
    """List the runtimes: the project's own in ./runtimes, then those shipped with fn."""
    from fnroll.layers import list_runtimes

    rows = [
        {
            "name": found.name,
            "version": found.version,
            "kind": found.kind,
            "needs": found.command or "nothing",
            "layer": "yes" if found.kind == "layer" and (found.recipe or found.self_contained) else "no",
            "description": found.description,
            "directory": str(found.directory),
        }
        for found in list_runtimes(app.directory)
    ]
    app.show_rows(
        output,
        rows,
        {
            "name": "Name",
            "version": "Version",
            "kind": "Kind",
            "needs": "Runs here with",
            "layer": "Own layer",
            "description": "Description",
        },
    )


architecture_option = click.option(
    "--arch",
    "architectures",
    type=click.Choice(["x86_64", "arm64"]),
    multiple=True,
    help="Lambda's architecture. Repeatable.  [default: all that the runtime is for]",
)


def _chosen(app: App, name: str, architectures: tuple[str, ...]) -> tuple[Runtime, tuple[str, ...]]:
    from fnroll.layers import find_runtime

    found = find_runtime(name, app.directory)
    return found, architectures or found.architectures


@runtime.command("build")
@click.argument("name", metavar="NAME")
@architecture_option
@click.option(
    "--dest",
    type=click.Path(path_type=Path, file_okay=False),
    help="A directory for NAME-ARCH.zip.  [default: only the cache]",
)
@output_option("table", "json")
@click.pass_obj
def build(app: App, name: str, architectures: tuple[str, ...], dest: Path | None, output: Any) -> None:
    """Build the layer that a runtime needs on Lambda.

    It brings its interpreter, made of the packages that the lock beside its manifest names (written where there is
    none): Debian's with a libc of their own, or wheels that pip finds. Nothing is installed, no Docker is needed, and
    any machine builds the same bytes. fn deploy builds what is missing by itself. FN_DEB_MIRROR names a mirror where
    apt knows none; FN_OFFLINE=1 takes the cache alone.

    \b
    fn runtime build perl --arch arm64 --dest .
    """
    from fnroll.layers import build as build_layer
    from fnroll.layers import self_contained

    found, wanted = _chosen(app, name, architectures)
    rows = []

    def say(text: str) -> None:
        app.say(text, dim=True)

    for architecture in wanted:
        if found.self_contained and found.recipe is None:
            layer = build_layer(f"runtime:{name}", app.directory, architecture=architecture)
        else:
            layer = self_contained(found, architecture, say=say)
        path = dest / f"{found.name}-{architecture}.zip" if dest else None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(layer.data)
        rows.append(
            {
                "name": found.name,
                "architecture": architecture,
                "size": len(layer.data),
                "unzipped_size": layer.unzipped_size,
                "code_sha256": layer.code_sha256,
                "path": str(path) if path else None,
            }
        )
    app.show_rows(
        output,
        rows,
        {
            "name": "Name",
            "architecture": "Architecture",
            "size": "Zip",
            "unzipped_size": "Unzipped",
            "code_sha256": "CodeSha256",
            "path": "File",
        },
    )


@runtime.command("lock")
@click.argument("name", metavar="NAME")
@architecture_option
@click.pass_obj
def lock(app: App, name: str, architectures: tuple[str, ...]) -> None:
    """Take the packages of today for a runtime's layer.

    Writes lock-ARCH.json beside its manifest: names, versions and SHA-256 of every package, from the suite's signed
    index (of wheels: from what pip finds). What changed is said. Layers are built from the lock alone, so nothing
    changes between two locks.
    """
    from fnroll.layers import Supply, relock
    from fnroll.layers.lock import read_lock

    found, wanted = _chosen(app, name, architectures)
    for architecture in wanted:
        before = read_lock(found.directory, architecture)
        after = relock(found, architecture, Supply(), lambda text: app.say(text, dim=True))
        then, now = before.versions if before else {}, after.versions
        for package in sorted(then.keys() | now.keys()):
            if then.get(package) != now.get(package):
                app.show(f"{architecture}: {package} {then.get(package, '-')} -> {now.get(package, '-')}")


@runtime.command("info")
@click.argument("name", metavar="NAME")
@output_option("table", "json")
@click.pass_obj
def info(app: App, name: str, output: Any) -> None:
    """What a runtime is: handlers, what it runs with here, what its layer is made of."""
    from fnroll.layers import find_runtime
    from fnroll.layers.lock import read_lock

    found = find_runtime(name, app.directory)
    locks = {architecture: read_lock(found.directory, architecture) for architecture in found.architectures}
    facts: dict[str, Any] = {
        "name": found.name,
        "description": found.description,
        "kind": found.kind,
        "directory": str(found.directory),
        "base": found.base,
        "architectures": list(found.architectures),
        "handler": found.example,
        "extensions": list(found.extensions),
        "runs_here_with": found.command,
        "license": found.licence,
        "packages_of": found.recipe.type if found.recipe else None,
        "suite": found.recipe.suite if found.recipe else None,
        "packages": {architecture: one.versions for architecture, one in locks.items() if one is not None},
    }
    if output == "json":
        app.show_json(facts)
        return
    packages = facts.pop("packages")
    for key, value in facts.items():
        if value is not None:
            app.show(f"{key.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")
    for architecture, one in packages.items():
        app.show(f"packages of the layer for {architecture}:")
        for package, version in one.items():
            app.show(f"  {package} {version}")
