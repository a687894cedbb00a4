"""Which tier is taken, tried on this machine and inside our own system call filter, which refuses namespaces; and in
one that refuses Landlock too."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sandbox_support
from fnroll.sandbox import diagnose, missing, open_host

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")

CONFINED = """
import asyncio, json, struct, sys
sys.path.insert(0, sys.argv[1])
from fnroll.errors import SandboxError
from fnroll.sandbox import diagnose, enter, open_host, syscalls

async def main():
    host = await open_host("auto")
    found = {"tier": host.tier, "first": host.missing[0].what, "why": host.missing[0].why, "mend": host.missing[0].mend}
    found["rest"] = [missing.what for missing in host.missing[1:]]
    await host.close()
    for tier in ("linux", "landlock"):
        try:
            await (await open_host(tier)).close()
        except SandboxError as error:
            found[tier] = str(error)
    found["verdicts"] = [[verdict.tier, verdict.refused is None] for verdict in await diagnose()]
    print(json.dumps(found))

syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
syscalls.install_filter(enter.FILTER)
if sys.argv[2] == "without Landlock":  # number 444 answers ENOSYS
    rules = ((0x20, 0, 0, 0), (0x15, 0, 1, 444), (6, 0, 0, 0x50026), (6, 0, 0, 0x7fff0000))
    syscalls.install_filter(b"".join(struct.pack("HBBI", *rule) for rule in rules))
asyncio.run(main())
"""


def confined(how: str) -> dict[str, Any]:
    framework = Path(__file__).parents[2] / "framework"
    command = [sys.executable, "-W", "error", "-c", CONFINED, str(framework), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def without_namespaces() -> dict[str, Any]:
    if reason := sandbox_support.why_not("landlock", "root" if os.geteuid() == 0 else "user"):
        pytest.skip(reason)
    return confined("without namespaces")


@pytest.fixture(scope="module")
def without_landlock() -> dict[str, Any]:
    return confined("without Landlock")


@linux_only
def test_auto_falls_back_and_says_which_step_was_refused(without_namespaces: dict[str, Any]) -> None:
    assert (without_namespaces["tier"], without_namespaces["first"]) == ("landlock", "isolation")
    assert "own mounts" in without_namespaces["why"]
    assert "EPERM" in without_namespaces["why"]
    assert "unix sockets" in without_namespaces["rest"]


@linux_only
def test_auto_falls_back_twice_and_gives_both_reasons(without_landlock: dict[str, Any]) -> None:
    assert (without_landlock["tier"], without_landlock["first"]) == ("process", "isolation")
    assert "the linux tier failed at step own mounts" in without_landlock["why"]
    assert "the landlock tier failed at step landlock" in without_landlock["why"]
    assert without_landlock["rest"] == [item.what for item in missing.of_process()]


@linux_only
def test_linux_is_refused_with_the_step_and_a_way_out(without_landlock: dict[str, Any]) -> None:
    message, hint = without_landlock["linux"].splitlines()
    assert "own mounts" in message
    assert hint.strip()


@linux_only
def test_landlock_is_refused_with_the_step_and_a_way_out(without_landlock: dict[str, Any]) -> None:
    message, hint = without_landlock["landlock"].splitlines()
    assert "ENOSYS" in message
    assert "5.13" in hint


@linux_only
def test_diagnosis_of_a_confined_machine(without_namespaces: dict[str, Any], without_landlock: dict[str, Any]) -> None:
    assert without_namespaces["verdicts"] == [["linux", False], ["landlock", True], ["process", True]]
    assert without_landlock["verdicts"] == [["linux", False], ["landlock", False], ["process", True]]


def test_auto_takes_linux_where_it_works() -> None:
    who = "root" if sandbox_support.why_not("linux", "root") is None else "user"
    if reason := sandbox_support.why_not("linux", who):
        pytest.skip(reason)

    async def tier() -> str:
        host = await open_host("auto")
        await host.close()
        return host.tier

    assert asyncio.run(tier()) == "linux"
    verdicts = {verdict.tier: verdict.refused for verdict in asyncio.run(diagnose())}
    assert verdicts["linux"] is None
    assert verdicts["process"] is None
