"""`fn doctor`: what this machine can give a function, each line with how to get what is missing.

Every check is a function from what it finds to `Check` values; nothing is believed that can be tried.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from fnroll.cli.app import App, output_option
from fnroll.errors import FnError

if TYPE_CHECKING:
    from fnroll.layers import Runtime
    from fnroll.sandbox.api import Missing, Verdict

LIMITS = ("memory limit", "CPU share", "process limit", "freezer")
"""What a tier can give wholly, in part or not at all, by the names that it uses in `missing`."""

INSIDE = "/usr/local/bin:/usr/bin:/bin"
"""Where a sandbox finds programs: what lies elsewhere it does not see."""

_EXTRAS = (
    ("moto", "local", "S3, SQS, SNS and other services in the local cloud"),
    ("uvloop", "local", "a faster event loop under the local cloud"),
)
"""Module, extra of ours, what it is for."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `mend` says how to get what is missing; empty where nothing is, or nothing helps."""

    area: str
    what: str
    state: Literal["yes", "no", "partly"]
    detail: str = ""
    mend: str = ""


@click.command()
@output_option("table", "json")
@click.pass_obj
def doctor(app: App, output: Any) -> None:
    """Say what this machine can give a function, and what it cannot.

    Each sandbox tier is tried for real; what is missing is listed with how to get it. Exit code 1 only if no tier
    works.
    """
    import asyncio

    from fnroll import places, sandbox
    from fnroll.layers import list_runtimes

    verdicts = asyncio.run(sandbox.diagnose())
    found = [
        *tiers(verdicts),
        *limits(verdicts),
        outbound(shutil.which("slirp4netns"), Path("/dev/net/tun")),
        *extras(lambda module: find_spec(module) is not None),
        *_interpreters(lambda: list_runtimes(app.directory)),
        directory("state", app.state),
        directory("cache", places.cache_dir()),
        _capacity(),
    ]
    if output == "json":
        app.show_json(
            {"sandbox": chosen(verdicts), "tiers": [_tier(each) for each in verdicts], "checks": found_as(found)}
        )
    else:
        rows = [asdict(each) | {"detail": _cell(each)} for each in found]
        app.show_rows("table", rows, {"area": "Area", "what": "What", "state": "Here", "detail": "Detail"})
    if chosen(verdicts) is None:
        raise FnError("no sandbox works here: functions cannot run on this machine", hint="the lines above say why")


def found_as(checks: Iterable[Check]) -> list[dict[str, str]]:
    return [asdict(each) for each in checks]


def _cell(check: Check) -> str:
    lines = [check.detail, f"-> {check.mend}" if check.mend else ""]
    return "\n".join(line for line in lines if line)


def _tier(verdict: Verdict) -> dict[str, Any]:
    gaps = verdict.missing if verdict.refused is None else (verdict.refused,)
    return {
        "tier": verdict.tier,
        "works": verdict.refused is None,
        "missing": [{"what": gap.what, "why": gap.why, "mend": gap.mend} for gap in gaps],
    }


# the checks


def chosen(verdicts: Sequence[Verdict]) -> str | None:
    """The tier that "auto" takes: the first that works."""
    return next((verdict.tier for verdict in verdicts if verdict.refused is None), None)


def outbound(program: str | None, device: Path) -> Check:
    """What `--network nat` takes in the linux tier."""
    what = "--network nat"
    if program is None:
        return Check("network", what, "no", "slirp4netns is not installed", "install the package slirp4netns")
    if not os.access(device, os.R_OK | os.W_OK):
        return Check("network", what, "no", f"{device} cannot be opened", f"sudo modprobe tun; sudo chmod 666 {device}")
    return Check("network", what, "yes", program)


def tiers(verdicts: Sequence[Verdict]) -> list[Check]:
    """A line for each tier. What the chosen one lacks has lines of its own, what the others lack is only named."""
    best, checks = chosen(verdicts), []
    for verdict in verdicts:
        if verdict.refused is not None:
            checks.append(Check("sandbox", verdict.tier, "no", verdict.refused.why, verdict.refused.mend))
            continue
        lacks = ", ".join(gap.what for gap in verdict.missing)
        detail = ("taken by --sandbox auto" if verdict.tier == best else "") + (f"; without {lacks}" if lacks else "")
        checks.append(Check("sandbox", verdict.tier, "partly" if lacks else "yes", detail.removeprefix("; ")))
    return checks


def limits(verdicts: Sequence[Verdict]) -> list[Check]:
    """What the chosen tier enforces, and what else it lacks."""
    verdict = next((each for each in verdicts if each.refused is None), None)
    if verdict is None:
        return []
    missing: dict[str, Missing] = {gap.what: gap for gap in verdict.missing}
    names = (*LIMITS, *(name for name in missing if name not in LIMITS))
    return [
        Check(verdict.tier, name, "no", missing[name].why, missing[name].mend)
        if name in missing
        else Check(verdict.tier, name, "yes")
        for name in names
    ]


def extras(installed: Callable[[str], bool]) -> list[Check]:
    return [
        Check("python", name, "yes", purpose)
        if installed(name)
        else Check("python", name, "no", f"for {purpose}", f"pip install 'fnroll[{extra}]'")
        for name, extra, purpose in _EXTRAS
    ]


def interpreter(runtime: Runtime, which: Callable[[str, str | None], str | None]) -> Check:
    """What the runtime runs on: its own, or a program of this machine that a sandbox can see."""
    name = f"runtime:{runtime.name}"
    if runtime.command is None:
        return Check("runtimes", name, "yes", "brings its own interpreter")
    if path := which(runtime.command, INSIDE):
        return Check("runtimes", name, "yes", path)
    elsewhere = which(runtime.command, None)
    mend = f"install {runtime.command} from your distribution"
    if elsewhere:
        return Check("runtimes", name, "partly", f"{elsewhere} lies outside {INSIDE}, where no sandbox sees it", mend)
    return Check("runtimes", name, "no", f"there is no {runtime.command} on this machine", mend)


def _interpreters(runtimes: Callable[[], Iterable[Runtime]]) -> list[Check]:
    try:
        custom = [each for each in runtimes() if each.kind != "managed"]
        return [interpreter(each, lambda command, path: shutil.which(command, path=path)) for each in custom]
    except FnError as error:
        return [Check("runtimes", "manifests", "no", str(error))]


def directory(name: str, path: Path) -> Check:
    """Tried by writing: into the directory, or into the nearest above it that exists, where it would be made."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return Check("directories", name, "yes", str(path))
    except OSError as error:
        mend = f"FN_{name.upper()} names another directory"
        return Check("directories", name, "no", f"{path}: {error.strerror} (at {place})", mend)


def _capacity() -> Check:
    from fnroll.emulator.machine import available_memory, raise_descriptor_limit
    from fnroll.emulator.policy import MAX_ENVIRONMENTS, capacity

    return room(available_memory(), raise_descriptor_limit(), MAX_ENVIRONMENTS, capacity)


def room(memory: int, descriptors: int, most: int, capacity: Callable[[int, int], int]) -> Check:
    """How many environments fit, and which of the two bounds that."""
    fit = capacity(memory, descriptors)
    amount = f"{memory >> 20:,} MiB of memory available, " if memory else ""
    detail = f"{fit:,} environments at a time: {amount}{descriptors:,} open files"
    if fit >= most:
        return Check("capacity", "environments", "yes", detail)
    few = capacity(0, descriptors) == fit
    return Check(
        "capacity", "environments", "partly", detail, "raise the hard limit: ulimit -Hn" if few else "more memory"
    )
