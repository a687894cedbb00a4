"""`fn archive`: the package as a file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fnroll.cli.app import App


@click.command()
@click.option(
    "--dest",
    type=click.Path(path_type=Path),
    default=Path("function.zip"),
    show_default=True,
    help="The zip to write; - for standard output.",
)
@click.option(
    "--exclude-file",
    type=click.Path(path_type=Path),
    help="Ignore rules in gitignore's syntax.  [default: .lambdaignore]",
)
@click.option("--symlink", is_flag=True, help="Keep links as links.")
@click.option("--list", "listing", is_flag=True, help="Only list the files that would go in, with their sizes.")
@click.pass_obj
def archive(app: App, dest: Path, exclude_file: Path | None, symlink: bool, listing: bool) -> None:
    """Pack the function as a zip.

    Its bytes depend on names, contents, executable bits and links alone: two checkouts give the same CodeSha256.
    """
    from fnroll.layers import assemble

    parts = assemble(app.definition(full=False), exclude_file=exclude_file, keep_links=symlink)
    if listing:
        for entry in parts.entries:
            app.show(f"{entry.size:>10}  {entry.name}")
        return
    to_stdout = str(dest) == "-"
    package = parts.package(None if to_stdout else dest)
    if to_stdout:
        sys.stdout.buffer.write(package.data)
    app.say(
        f"{dest}: {package.files} files, {package.size} bytes ({package.unzipped_size} unzipped), "
        f"CodeSha256 {package.code_sha256}"
    )
