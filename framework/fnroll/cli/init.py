"""`fn init`: a project from a template, or the files of a function that exists."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fnroll.cli.app import App
from fnroll.errors import FnError, UsageError

if TYPE_CHECKING:
    from fnroll.aws import FunctionState

ZIP = "function.zip"
_OF_A_FUNCTION = ("download", "unzip", "qualifier", "function_url", "with_settings", "jsonnet", "force_overwrite")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--runtime", default="perl", show_default=True, help="Which template to start from.")
@click.option("--function-name", metavar="FUNCTION", help="Write the files of this function, here or to NAME.")
@click.option(
    "--from",
    "origin",
    type=click.Choice(["lambroll", "sam", "serverless"]),
    help="Write our files for the functions of such a project in the directory NAME, by default this one.",
)
@click.option("--qualifier", metavar="WHICH", help="Of this version or alias of it.")
@click.option("--download", is_flag=True, help=f"Save its code as {ZIP}.")
@click.option("--unzip", is_flag=True, help="Unpack its code.")
@click.option("--function-url", is_flag=True, help="Write its function_url.json.")
@click.option(
    "--with-settings",
    is_flag=True,
    help="Write the key Fn too: concurrency, event sources, permissions and the like, of the alias current or that of "
    "--qualifier. lambroll does not know it.",
)
@click.option("--jsonnet", is_flag=True, help="Write .jsonnet, not .json.")
@click.option("--force-overwrite", is_flag=True, help="Replace files that are there, without a question.")
@click.pass_context
def init(ctx: click.Context, /, name: str | None, runtime: str, **said: Any) -> None:
    """Start from a template, or from a function that exists.

    From a template: makes the directory NAME with a handler, a function.json whose FunctionName is NAME, and a sample
    event. With --function-name: writes what is deployed as a function.json, members at their default left out. With
    --from: converts a project, each function into its directory, and lists what has no counterpart.
    """
    origin = said.pop("origin")
    if origin is not None:
        for option in ("function_name", *(each for each in _OF_A_FUNCTION if each != "force_overwrite")):
            if said[option]:
                raise UsageError(f"--from and --{option.replace('_', '-')} exclude each other")
        from fnroll.cli.converting import convert

        convert(ctx.obj, origin, Path(name or "."), said["force_overwrite"])
        return
    if said["function_name"] is not None:
        if ctx.get_parameter_source("runtime") is not ParameterSource.DEFAULT:
            raise UsageError("--runtime and --function-name exclude each other")
        _from_function(ctx.obj, Path(name or "."), **said)
        return
    for option in _OF_A_FUNCTION:
        if said[option]:
            raise UsageError(f"--{option.replace('_', '-')} needs --function-name")
    if name is None:
        raise UsageError("what shall the function be called?", hint="fn init NAME, or fn init --function-name FUNCTION")
    _from_template(ctx.obj, Path(name), runtime)


def _from_template(app: App, target: Path, runtime: str) -> None:
    from fnroll.layers import write_template

    written = write_template(runtime, target.name, target)
    for path in written:
        app.say(f"wrote {path}")
    built = "make && " if (target / "Makefile").exists() else ""
    app.say(f"next: cd {target} && {built}fn run --event event.json")


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be written: files by their name, and the code, if it was asked for."""

    files: Mapping[str, bytes]
    unpacked: bytes | None
    exists: bool


def _from_function(app: App, target: Path, *, function_name: str, force_overwrite: bool, **said: Any) -> None:
    if not _NAME.fullmatch(function_name):
        hint = "the name alone: letters, digits, - and _"
        raise UsageError(f"{function_name!r} cannot be the name of a function", hint=hint)
    found = _read(app, function_name, **said)
    with tempfile.TemporaryDirectory(prefix="fn-init-") as scratch:
        ready = Path(scratch) / "ready"
        _lay_out(found, ready)
        names = sorted(path.relative_to(ready) for path in ready.rglob("*") if not path.is_dir() or path.is_symlink())
        _ask(target, names, force_overwrite)
        try:
            for name in names:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                _move(ready / name, target / name)
        except OSError as error:
            raise FnError(f"cannot be written: {error.strerror}", where=str(error.filename or target)) from error
    for path in found.files:
        app.say(f"wrote {target / path}")
    if found.unpacked is not None:
        app.say(f"unpacked {len(names) - len(found.files)} files of code")
    app.say("next: fn diff" if found.exists else "next: fn validate")


def _read(
    app: App,
    name: str,
    *,
    qualifier: str | None,
    download: bool,
    unzip: bool,
    function_url: bool,
    with_settings: bool,
    jsonnet: bool,
) -> _Found:
    """All that is asked of AWS, before anything is written."""
    from fnroll.aws.code import download_code
    from fnroll.aws.functions import find_function, get_function
    from fnroll.cli.existing import code_signing, settings_of
    from fnroll.deploy.written import definition_of, skeleton

    session = app.session()
    wanted = download or unzip or qualifier is not None or function_url or with_settings
    control = session.control
    state = get_function(control, name, qualifier) if wanted else find_function(control, name)
    suffix = "jsonnet" if jsonnet else "json"
    if state is None:
        app.warn(f"there is no function {name}: a definition is written to start from; its Role is yours to name")
        return _Found({f"function.{suffix}": _encoded(skeleton(name), jsonnet)}, None, False)
    definition = definition_of(state, _tags(app, state))
    if arn := code_signing(app, state):
        definition["CodeSigningConfigArn"] = arn
    if with_settings and (extras := settings_of(app, state, qualifier, url_apart=function_url)):
        definition["Fn"] = extras
    files = {f"function.{suffix}": _encoded(definition, jsonnet)}
    if function_url and (url := _url(app, name, qualifier)):
        files[f"function_url.{suffix}"] = _encoded(url, jsonnet)
    if (download or unzip) and state.package_type == "Image":
        app.warn("an image holds the code: there is no package to download")
        download = unzip = False
    code = download_code(session, name, qualifier) if download or unzip else None
    if code is not None and download:
        files[ZIP] = code
    return _Found(files, code if unzip else None, True)


def _tags(app: App, state: FunctionState) -> Mapping[str, str] | None:
    """AWS gives tags with the function, not with a version of it."""
    from fnroll.aws.functions import list_tags
    from fnroll.errors import AwsError

    arn = ":".join(state.arn.split(":")[:7])
    try:
        return list_tags(app.session().control, arn)
    except AwsError as error:
        app.warn(f"the tags could not be read and are left out: {error.message}")
        return None


def _url(app: App, name: str, qualifier: str | None) -> dict[str, Any] | None:
    from fnroll.aws.urls import find_url, policy_statements
    from fnroll.deploy.written import url_file_of

    control = app.session().control
    url = find_url(control, name, qualifier)
    if url is None:
        where = f"the alias {qualifier}" if qualifier else "$LATEST"
        app.warn(f"there is no function URL on {where}: function_url.json is not written")
        return None
    return url_file_of(url, qualifier, policy_statements(control, name, qualifier))


def _encoded(value: Any, jsonnet: bool) -> bytes:
    from fnroll.definition import writing

    text = writing.as_jsonnet(value) if jsonnet else writing.as_json(value)
    return f"{writing.escaped(text)}\n".encode()


def _lay_out(found: _Found, ready: Path) -> None:
    """The files as they shall stand, in a directory of their own: what is wrong with the code is found here."""
    from fnroll.archive import unpack

    if found.unpacked is not None:
        unpack(found.unpacked, ready)
    ready.mkdir(exist_ok=True)
    for name, data in found.files.items():
        (ready / name).write_bytes(data)


def _ask(target: Path, names: list[Path], force: bool) -> None:
    there = [str(target / name) for name in names if (target / name).exists() or (target / name).is_symlink()]
    if not there or force:
        return
    shown = ", ".join(there[:3]) + (f" and {len(there) - 3} more" if len(there) > 3 else "")
    if not sys.stdin.isatty():
        message = f"{shown} {'is' if len(there) == 1 else 'are'} there already; nothing was written"
        raise UsageError(message, hint="add --force-overwrite")
    click.confirm(f"Replace {shown}?", abort=True, err=True)


def _move(source: Path, target: Path) -> None:
    """A link that stands at `target` is replaced, not followed."""
    target.unlink(missing_ok=True)
    shutil.move(source, target)
