"""What the commands that pack a function share: the options, the project read from a directory or a zip, what is worth
saying about it, and progress.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fnroll.cli.app import App

if TYPE_CHECKING:
    from fnroll.archive import Package, Style
    from fnroll.archive.differences import Difference
    from fnroll.definition import Definition
    from fnroll.layers import Parts

exclude_option = click.option(
    "--exclude-file", type=click.Path(path_type=Path), help="Ignore rules, instead of .lambdaignore."
)
symlink_option = click.option("--symlink", is_flag=True, help="Keep links as links.")
style_option = click.option(
    "--ignore-style",
    type=click.Choice(["gitignore", "lambroll"]),
    help="What the lines of the ignore rules mean.  [default: what a line '# ignore-style: …' in them says, else "
    "gitignore]",
)

_SHOWN = 5
_SLOW = 0.7
"""Seconds of packing after which a terminal is told how far it is."""


def project(
    app: App,
    definition: Definition,
    scratch: Path,
    *,
    src: Path | None = None,
    exclude_file: Path | None = None,
    keep_links: bool = False,
    style: Style | None = None,
    layers: bool = True,
    quiet: bool = False,
) -> Parts:
    """The function's files: of its directory, of the directory `src`, or of the zip `src`, unpacked below `scratch`.

    `layers` False: nobody asks for the layers as Lambda needs them, so none is built that takes long.

    Warns of ignore rules that lambroll would read otherwise, and says what is not installed, unless `quiet`. Raises
    DefinitionError, LayerError, ArchiveError.
    """
    from fnroll.archive import unpack
    from fnroll.archive.differences import differences
    from fnroll.layers import assemble

    if src is not None and src.is_file():
        unpack(src.read_bytes(), scratch / "src")
        # What somebody packed is meant to go: rules are for directories.
        src, exclude_file, keep_links = scratch / "src", Path(os.devnull), True
    parts = assemble(
        definition,
        exclude_file=exclude_file,
        keep_links=keep_links,
        src=src,
        style=style,
        architecture=architecture_of(definition) if layers and not app.settings.local else None,
        say=lambda text: None if quiet else app.say(f"  {text}", dim=True),
    )
    if not parts.rules.chosen and not quiet:
        warn_of(app, differences(parts.rules, parts.survey))
    return parts


def architecture_of(definition: Definition) -> str:
    """What Lambda will run it on: Architectures, or what it takes without."""
    found = definition.request.get("Architectures") or ["x86_64"]
    return str(found[0])


def warn_of(app: App, found: tuple[Difference, ...]) -> None:
    if not found:
        return
    lines = [f"{found[0].rule.source} is read in gitignore's syntax; lambroll takes these lines otherwise:"]
    for one in found:
        lines.append(f"  line {one.rule.line}, {one.rule.pattern}")
        ways = ((one.dropped, "leaves out {}; lambroll packs"), (one.kept, "packs {}; lambroll leaves out"))
        for names, words in ways:
            if names:
                more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                them = "it" if len(names) == 1 else "them"
                lines.append(f"    this {words.format(', '.join(names[:_SHOWN]) + more)} {them}")
        lines.append(f"    {_instead(one)}")
    lines.append("  to settle it, write one of these as a line of the file: # ignore-style: gitignore (or lambroll)")
    app.warn("\n".join(lines))


def _instead(one: Difference) -> str:
    if one.instead is None:
        return "no gitignore line says what lambroll takes it to mean for these files"
    if not one.instead:
        return "to lambroll it means nothing: the same in gitignore's syntax is to delete the line"
    return f"the same in gitignore's syntax: {' and '.join(one.instead)}"


def say_rewritten(app: App, src: Path | None, package: Package | None) -> None:
    """A zip of somebody else's is not sent as it is, so its CodeSha256 is another one."""
    if package is None or src is None or not src.is_file():
        return
    if base64.b64encode(hashlib.sha256(src.read_bytes()).digest()).decode() != package.code_sha256:
        app.say(
            f"{src.name} is sent in reproducible form: the same {package.files} files, {package.size} bytes, "
            f"CodeSha256 {package.code_sha256}"
        )


class Progress:
    """A line on a terminal that says how far the packing is, once it takes long; nothing anywhere else."""

    def __init__(self, app: App) -> None:
        self._shows = sys.stderr.isatty() and app.settings.log_format != "json"
        self._since = time.monotonic()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        if not self._shows or total == 0:
            return
        now = time.monotonic()
        if done >= total:
            if self._shown:
                click.echo("\r\x1b[K", nl=False, err=True)
        elif now - self._since > _SLOW:
            self._since = now - _SLOW + 0.1
            self._shown = True
            click.echo(f"\rpacking: {done / 1e6:.0f} of {total / 1e6:.0f} MB", nl=False, err=True)
