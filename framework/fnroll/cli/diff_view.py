"""What `fn diff` prints: lines with their colours, an object, or two files for the user's own tool."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fnroll.errors import FnError, UsageError

if TYPE_CHECKING:
    from fnroll.cli.app import App
    from fnroll.cli.diff import Found
    from fnroll.deploy.diff import Sides
    from fnroll.deploy.diff_code import CodeDiff


def show(app: App, found: Found, external: str | None) -> None:
    from fnroll.deploy.diff import colored

    if found.sides and found.sides.changed:
        if external:
            _external(external, found.sides)
        else:
            lines = found.sides.unified(found.deployed or "(not deployed)", "function.json")
            for line, color in colored(lines):
                _line(app, line, color)
    if found.code:
        for line, color in code_lines(found.code):
            _line(app, line, color)
    for step in found.beside:
        _line(app, f"! {step.kind}: {step.reason}", "yellow")
        for key, value in step.sends.items():
            _line(app, f"    {key}: {value}", None)
    if found.behind is not None:
        app.say(f"$LATEST is as it is here, but the alias serves version {found.behind}, which is not", fg="yellow")
        app.say("fn deploy publishes $LATEST and moves the alias", dim=True)
    elif not found.different:
        app.say(f"no differences: {found.name} is deployed as it is here", fg="green")


def code_lines(code: CodeDiff) -> list[tuple[str, str | None]]:
    """The code's difference as lines, with their colours."""
    if code.unread is not None:
        return [
            (f"code: CodeSha256 {code.deployed} is deployed, {code.wanted} is here", "bold"),
            (f"  its files are not known: {code.unread}", None),
        ]
    if not code.files:
        return [(f"code: the same files, packed otherwise (CodeSha256 {code.deployed}, here {code.wanted})", "bold")]
    count = len(code.files)
    lines: list[tuple[str, str | None]] = [
        (f"code: {count} {'file differs' if count == 1 else 'files differ'}", "bold")
    ]
    for change in code.files:
        before, after = change.deployed, change.wanted
        if before is None or after is None:
            size = (before or after).size if before or after else 0  # type: ignore[union-attr]
            sign, color = ("+", "green") if before is None else ("-", "red")
            lines.append((f"{sign} {change.name}  {size:,} bytes", color))
        elif change.word == "mode":
            lines.append((f"~ {change.name}  {'now' if after.executable else 'no longer'} executable", "yellow"))
        else:
            lines.append((f"~ {change.name}  {before.size:,} -> {after.size:,} bytes", "yellow"))
    return lines


def _line(app: App, text: str, color: str | None) -> None:
    if not color:
        app.show(text)
    else:
        style: dict[str, Any] = {"bold": True} if color == "bold" else {"fg": color}
        click.echo(click.style(text, **style), color=_colored(app))


def _colored(app: App) -> bool:
    if app.settings.color is not None:
        return app.settings.color
    return "NO_COLOR" not in os.environ and sys.stdout.isatty()


def _external(command: str, sides: Sides) -> None:
    """The user's own tool, on two files. Exit codes 0 and 1 are a tool's way to say "equal" and "different"."""
    with tempfile.TemporaryDirectory(prefix="fn-diff-") as scratch:
        paths = []
        for side, document in (("deployed", sides.before), ("wanted", sides.after)):
            path = Path(scratch) / side / "function.json"
            path.parent.mkdir()
            path.write_text(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
            paths.append(str(path))
        try:
            words = shlex.split(command)
            if not words:
                raise ValueError("it is empty")
            sys.stdout.flush()
            status = subprocess.run([*words, *paths], check=False).returncode
        except (OSError, ValueError) as error:
            raise UsageError(f"--external {command!r} cannot be run: {error}") from error
    if status not in (0, 1):
        raise FnError(f"--external {command!r} ended with exit code {status}")


def as_json(found: Found) -> dict[str, Any]:
    changed = found.sides.changed if found.sides else {}
    code = found.code
    return {
        "function": found.name,
        "deployed": found.deployed,
        "different": found.different,
        "behind": found.behind,
        "configuration": {key: {"deployed": pair[0], "wanted": pair[1]} for key, pair in changed.items()},
        "code": None
        if code is None
        else {
            "deployed": code.deployed or None,
            "wanted": code.wanted,
            "unread": code.unread,
            "files": [
                {
                    "name": change.name,
                    "change": change.word,
                    "deployed": change.deployed.size if change.deployed else None,
                    "wanted": change.wanted.size if change.wanted else None,
                }
                for change in code.files
            ],
        },
        "beside": [{"kind": step.kind, "reason": step.reason, "sends": dict(step.sends)} for step in found.beside],
    }
