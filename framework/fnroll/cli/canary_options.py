"""What the canary's commands share: the options, the target that they make, exit codes, and a tick's line."""

from __future__ import annotations

import functools
import getpass
import os
import platform
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from fnroll.cli.app import App, alias_option
from fnroll.errors import FnError, NotFound, PreconditionFailed, UsageError

if TYPE_CHECKING:
    from fnroll.release.drive import Target

PROMOTED, ROLLED_BACK, HELD, LOST, FAILED = 0, 1, 2, 3, 4
"""Exit codes (facts (release) 5). FAILED: the command itself could not be done; the alias says what is on."""

_PLAN_OPTIONS: Final = (
    click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="The plan.  [default: release.json]"),
    click.option(
        "--step",
        "steps",
        metavar="WEIGHT[:MINUTES[:REQUESTS]]",
        multiple=True,
        help="A step: the canary's share, its bake and requests at least. Repeatable.  [default: 5%:10:300 25% 50%]",
    ),
    click.option("--alpha", type=click.FloatRange(0.000001, 0.5), help="How often a healthy canary may fail."),
    click.option("--r0", "ratio_floor", type=click.FloatRange(0.1, 100), help="How many times worse is still good."),
    click.option("--on-fail", type=click.Choice(["rollback", "hold-weight", "hold-zero"]), help="When it fails."),
    click.option("--on-hold", type=click.Choice(["rollback", "hold-weight", "hold-zero"]), help="When undecided."),
    click.option("--hold-hours", type=click.FloatRange(0, 336), help="How long a step may be undecided."),
)


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The alias and the plan: what every tick of a run has to be given alike."""
    for option in reversed((alias_option, *_PLAN_OPTIONS)):
        command = option(command)
    return command


def target_of(app: App, said: Mapping[str, Any]) -> Target:
    """The function of this directory, by the plan. Raises DefinitionError, UsageError."""
    return replace(plan_target(app, said), function=app.definition(full=False).name)


def plan_target(app: App, said: Mapping[str, Any]) -> Target:
    """As `target_of`, of no function yet."""
    from fnroll.release.drive import Target
    from fnroll.release.plan_file import load_plan, with_flags
    from fnroll.release.record import owner_name

    hours = said["hold_hours"]
    plan = with_flags(
        load_plan(app.directory, said["plan_file"]),
        said["steps"],
        alpha=said["alpha"],
        ratio_floor=said["ratio_floor"],
        on_fail=said["on_fail"],
        on_hold=said["on_hold"],
        hold_limit=hours * 3600 if hours is not None else None,
    )
    owner = owner_name(os.environ.get("USER") or _user(), platform.node())
    return Target("", said["alias"], plan, owner, app.settings.local)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"


def answered(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Errors of a canary's command are exit code 4, one that somebody else was quicker 3: 1 and 2 are verdicts."""

    @functools.wraps(command)
    def wrapped(*words: Any, **said: Any) -> int | None:
        try:
            return command(*words, **said)
        except UsageError:
            raise
        except PreconditionFailed as error:
            lost = FnError("somebody else moved the alias meanwhile; nothing was written", where=error.where)
            lost.exit_code = LOST
            raise lost from error
        except FnError as error:
            error.exit_code = FAILED
            raise

    return wrapped


def gate(app: App) -> Callable[[str, Mapping[str, str]], str | None]:
    """Runs a step's command in the project's directory, with its output on stderr."""

    def run(command: str, variables: Mapping[str, str]) -> str | None:
        app.say(f"  $ {command}", dim=True)
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=app.directory,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=2,
            check=False,
        )
        return None if done.returncode == 0 else f"{shlex.split(command)[0]} ended with status {done.returncode}"

    return run


def events(app: App, paths: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """The smoke events of a plan. Raises NotFound for a file that is not there."""
    found = []
    for path in paths:
        try:
            found.append((path, (app.directory / path).read_bytes()))
        except OSError as error:
            raise NotFound(f"the smoke event cannot be read: {error.strerror}", where=path) from error
    return found
