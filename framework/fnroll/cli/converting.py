"""`fn init --from`: a project of another tool's as projects of ours, and what has no counterpart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fnroll.cli.app import App
from fnroll.definition.foreign import Converted
from fnroll.errors import FnError, UsageError

_IGNORE_STYLE = "# ignore-style: lambroll\n"


def convert(app: App, origin: str, directory: Path, force: bool) -> None:
    """Raises DefinitionError for files that cannot be read, UsageError for files that are there already."""
    if not directory.is_dir():
        raise UsageError("there is no such directory", where=str(directory))
    if origin == "lambroll":
        _from_lambroll(app, directory)
        return
    from fnroll.definition.from_sam import from_sam
    from fnroll.definition.from_serverless import from_serverless

    found = from_sam(directory) if origin == "sam" else from_serverless(directory)
    files = _placed(directory, found)
    there = [str(path) for path in files if path.exists()]
    if there and not force:
        raise UsageError(f"{', '.join(there)}: there already; nothing was written", hint="add --force-overwrite")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        app.say(f"wrote {path}")
    for one in found:
        for note in dict.fromkeys(one.notes):
            app.warn(f"{one.key}: {note}")
    app.say("next: fn validate in each directory, then fn diff against what is deployed")


def _placed(directory: Path, found: list[Converted]) -> Mapping[Path, str]:
    """One function stands where its code lies; of several in one directory each gets a file of its own name."""
    homes = [directory / one.code for one in found]
    files = {}
    for one, home in zip(found, homes, strict=True):
        alone = homes.count(home) == 1
        files[home / ("function.json" if alone else f"function-{one.key}.json")] = one.text()
    return files


def _from_lambroll(app: App, directory: Path) -> None:
    """Its definitions are read as they are; only what .lambdaignore means has to be said."""
    names = ("function.json", "function.jsonnet")
    if not any((directory / name).is_file() for name in names):
        raise FnError(f"no lambroll project in {directory}: {' or '.join(names)}")
    ignore = directory / ".lambdaignore"
    if ignore.is_file():
        text = ignore.read_text(encoding="utf-8")
        if "# ignore-style:" not in text:
            ignore.write_text(_IGNORE_STYLE + text, encoding="utf-8")
            app.say(f"wrote {ignore}: its lines mean what they meant to lambroll")
    app.say("function.json, function_url.json, templates, Jsonnet and the option file are read as they are")
    app.say("next: fn validate, fn diff; docs/lambroll.md lists what differs")
