"""`fn archive`: the package as a file, or the list of what goes into it and why."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fnroll.archive import MAX_ZIPPED
from fnroll.cli import packing
from fnroll.cli.app import App, output_option
from fnroll.errors import UsageError

if TYPE_CHECKING:
    from fnroll.archive import Style
    from fnroll.layers import Parts


@click.command()
@click.option(
    "--src",
    type=click.Path(path_type=Path, exists=True),
    metavar="DIR|ZIP",
    help="The code, instead of this directory.",
)
@click.option(
    "--dest",
    type=click.Path(path_type=Path),
    default=Path("function.zip"),
    show_default=True,
    help="The zip to write; - for standard output.",
)
@packing.exclude_option
@packing.style_option
@packing.symlink_option
@click.option(
    "--list",
    "listing",
    is_flag=True,
    help="Only list each file with its size, whether it goes in, and the rule that says so.",
)
@output_option("table", "json")
@click.pass_obj
def archive(
    app: App,
    src: Path | None,
    dest: Path,
    exclude_file: Path | None,
    ignore_style: Style | None,
    symlink: bool,
    listing: bool,
    output: Any,
) -> None:
    """Pack the function as a zip.

    Its bytes depend on names, contents, executable bits and links alone: two checkouts give the same CodeSha256.
    """
    to_stdout = str(dest) == "-"
    if to_stdout and output == "json" and not listing:
        raise UsageError("--dest - and --output json exclude each other: both want standard output")
    with tempfile.TemporaryDirectory(prefix="fn-") as scratch:
        parts = packing.project(
            app,
            app.definition(full=False),
            Path(scratch),
            src=src.absolute() if src else None,
            exclude_file=exclude_file,
            keep_links=symlink,
            style=ignore_style,
            layers=False,
        )
        if listing:
            app.show_rows(output, rows(parts), {"size": "Size", "in": "In", "name": "File", "rule": "Rule"})
            return
        package = parts.package(None if to_stdout else dest, limit=False, progress=packing.Progress(app))
    packing.say_rewritten(app, src, package)
    if package.size >= MAX_ZIPPED:
        app.warn(
            f"the zip is {package.size} bytes, over what travels inside a request ({MAX_ZIPPED}): it can go by "
            "way of a bucket only (Code.S3Bucket and Code.S3Key in function.json)"
        )
    if to_stdout:
        sys.stdout.buffer.write(package.data)
    if output == "json":
        app.show_json(
            {
                "path": str(dest),
                "files": package.files,
                "size": package.size,
                "unzipped_size": package.unzipped_size,
                "code_sha256": package.code_sha256,
                "tree_digest": package.tree_digest,
            }
        )
        return
    app.say(
        f"{dest}: {package.files} files, {package.size} bytes ({package.unzipped_size} unzipped), "
        f"CodeSha256 {package.code_sha256}"
    )


def rows(parts: Parts) -> list[dict[str, Any]]:
    """Each file, and each directory that was left out whole (its name ends in "/", its size is not known)."""
    found = [
        {"size": entry.size, "in": "yes", "name": entry.name, "rule": _rule(parts, entry.name)}
        for entry in parts.entries
    ]
    found += [{"size": one.size, "in": "no", "name": one.name, "rule": str(one.rule)} for one in parts.survey.dropped]
    return sorted(found, key=lambda row: str(row["name"]))


def _rule(parts: Parts, name: str) -> str | None:
    """The line that took an exclude back; None where no rule spoke of it."""
    rule = parts.rules.decide(name, False).rule
    return str(rule) if rule else None
