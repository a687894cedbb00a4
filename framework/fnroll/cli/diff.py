"""`fn diff`: what a deploy would change."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli import packing
from fnroll.cli.app import App, alias_option, output_option
from fnroll.cli.function_url import function_url_option, read_function_url
from fnroll.errors import FnError, UsageError

if TYPE_CHECKING:
    from fnroll.archive import Entry
    from fnroll.aws import FunctionState
    from fnroll.deploy import Desired, Step
    from fnroll.deploy.diff import Sides
    from fnroll.deploy.diff_code import CodeDiff

DIFFERENT = 2


@click.command()
@alias_option
@click.option("--qualifier", metavar="NAME", help="Compare with this version or alias.  [default: $LATEST]")
@click.option("--src", type=click.Path(exists=True, path_type=Path), help="The code: a directory, or a zip as it is.")
@click.option("--code/--no-code", default=True, show_default=True, help="Compare the code too, file by file.")
@click.option("--code-only", is_flag=True, help="Compare the code alone.")
@click.option("--skip-function", is_flag=True, help="Compare the key Fn alone: no code, no configuration.")
@click.option("--ignore", metavar="PATHS", default="", help="Leave these members out (.A.B, .C[0]).")
@click.option("--show-secrets", is_flag=True, help="Show the values of environment variables.")
@click.option("--mask", metavar="WHAT", multiple=True, help="Hide this too: a path (.A.B), or a variable's name.")
@click.option("--exit-code", is_flag=True, help="Exit with 2 if something differs.")
@click.option(
    "--external",
    metavar="COMMAND",
    envvar=["FN_DIFF_COMMAND", "LAMBROLL_DIFF_COMMAND"],
    show_envvar=True,
    help="Show the configuration by COMMAND DEPLOYED WANTED, two files.",
)
@function_url_option
@packing.exclude_option
@packing.style_option
@packing.symlink_option
@output_option("table", "json")
@click.pass_obj
def diff(app: App, /, **said: Any) -> int:
    """Show what a deploy would change.

    The configuration with layers and tags as a unified diff, the code as a list of files, and what else the definition
    manages (URL, permissions, the key Fn). Environment variables are hidden: only whether one differs is shown. Reads
    alone are sent. A member that a deploy would leave as it is makes no difference here.
    """
    if said["code_only"] and said["skip_function"]:
        raise UsageError("--code-only and --skip-function exclude each other")
    if said["external"] and said["output"] == "json":
        raise UsageError("--external and --output json exclude each other")
    from fnroll.cli.diff_view import as_json, show

    found = compare_tree(app, said)
    if said["output"] == "json":
        app.show_json(as_json(found))
    else:
        show(app, found, said["external"])
    return DIFFERENT if said["exit_code"] and found.different else 0


@dataclass(frozen=True, slots=True)
class Found:
    """All that was compared; None for what was not. `behind`: the version that the alias serves, if $LATEST is what is
    here and that version is not."""

    name: str
    deployed: str | None
    sides: Sides | None
    code: CodeDiff | None
    beside: tuple[Step, ...]
    behind: str | None

    @property
    def different(self) -> bool:
        return bool((self.sides and self.sides.changed) or self.code or self.beside)


AS_DEPLOYED: dict[str, Any] = {
    "alias": "current",
    "qualifier": None,
    "src": None,
    "code": True,
    "code_only": False,
    "skip_function": False,
    "ignore": "",
    "show_secrets": False,
    "mask": (),
    "function_url": None,
    "exclude_file": None,
    "ignore_style": None,
    "symlink": False,
}
"""The options of a comparison that a plain `fn deploy` would go by."""


def compare_tree(app: App, said: dict[str, Any], *, download: bool = True) -> Found:
    """The working tree beside what is deployed. Without `download` code that differs is not looked into."""
    from fnroll import deploy as engine
    from fnroll.aws.functions import get_function
    from fnroll.deploy import diff as comparison
    from fnroll.deploy.desired import undeployed
    from fnroll.deploy.diff_masks import VARIABLES, masked, paths_of

    hidden = (*(() if said["show_secrets"] else (VARIABLES,)), *paths_of(said["mask"]))
    ignored = engine.parse_ignored(said["ignore"]) if said["ignore"].strip() else ()
    with_code = said["code"] and not said["skip_function"]
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fn-diff-")))
        desired, entries = _project(app, said, scratch, with_code or said["code_only"])
        session = app.session()
        actual = engine.read_actual(
            session, desired, said["alias"], progress=lambda words: app.say(f"  {words}", dim=True)
        )
        state = actual.function
        if state is not None and said["qualifier"]:
            state = get_function(session.control, desired.name, said["qualifier"])
        if state is not None:
            tags = actual.function.tags if actual.function else None
            desired = undeployed(desired, state, tags, ignored)
        code = None
        if with_code or said["code_only"]:
            code = _code(app, desired, entries, state, actual.function, said["qualifier"], download)
    sides = None
    if not said["code_only"] and not said["skip_function"]:
        sides = masked(comparison.compare(desired, state, actual), hidden)
    beside = () if said["code_only"] else tuple(comparison.beside(desired, actual, said["alias"]))
    found = Found(desired.name, state.arn if state else None, sides, code, beside, None)
    whole = sides is not None and with_code and not said["qualifier"]
    if whole and not found.different and (served := actual.served) and comparison.is_behind(desired, served, actual):
        return replace(found, behind=served.version)
    return found


def _project(app: App, said: dict[str, Any], scratch: Path, packed: bool) -> tuple[Desired, tuple[Entry, ...]]:
    """The definition, its layers, and (if `packed`) its package with the files in it."""
    from fnroll import deploy as engine

    definition = app.definition()
    parts = packing.project(
        app,
        definition,
        scratch,
        src=said["src"].absolute() if said["src"] else None,
        exclude_file=said["exclude_file"],
        keep_links=said["symlink"],
        style=said["ignore_style"],
    )
    code = definition.request.get("Code", {})
    packed = packed and (not code or "S3Key" in code)
    package = parts.package(limit=not code, progress=packing.Progress(app)) if packed else None
    url = read_function_url(app, definition, said["function_url"])
    return engine.wanted(parts.definition, parts.layers, package, url), parts.entries


def _code(
    app: App,
    desired: Desired,
    entries: tuple[Entry, ...],
    state: FunctionState | None,
    function: FunctionState | None,
    qualifier: str | None,
    download: bool,
) -> CodeDiff | None:
    """None if the code is the same, or an image (whose address stands in the configuration)."""
    from fnroll.aws.code import download_code
    from fnroll.deploy.desired import same_code
    from fnroll.deploy.diff_code import CodeDiff, file_changes, files_in, files_of

    package = desired.package
    if package is None:
        return None
    wanted = files_of(entries)
    if state is None:
        return CodeDiff("", package.code_sha256, file_changes({}, wanted))
    if same_code(desired, state.code_sha256, function.tags if function else None):
        return None
    if not download:
        return CodeDiff(state.code_sha256, package.code_sha256)
    if sys.stderr.isatty():
        size = int(state.configuration.get("CodeSize", 0))
        app.say(f"  the code differs: reading the deployed package ({size:,} bytes)", dim=True)
    try:
        deployed = files_in(download_code(app.session(), desired.name, qualifier))
    except FnError as error:
        return CodeDiff(state.code_sha256, package.code_sha256, unread=str(error))
    return CodeDiff(state.code_sha256, package.code_sha256, file_changes(deployed, wanted))
