"""Which tier is taken, tried on this machine and inside our own system call filter, which refuses namespaces."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sandbox_support
from fnroll.sandbox import diagnose, open_host

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")

CONFINED = """
import asyncio, json, sys
sys.path.insert(0, sys.argv[1])
from fnroll.errors import SandboxError
from fnroll.sandbox import diagnose, enter, open_host, syscalls
from fnroll.sandbox.missing import of_process

async def main():
    host = await open_host("auto")
    found = {"tier": host.tier, "first": host.missing[0].what, "why": host.missing[0].why}
    found["rest"] = host.missing[1:] == of_process()
    await host.close()
    try:
        await open_host("linux")
    except SandboxError as error:
        found["linux"] = str(error)
    found["verdicts"] = [[verdict.tier, verdict.refused is None] for verdict in await diagnose()]
    print(json.dumps(found))

syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
syscalls.install_filter(enter.FILTER)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def confined() -> dict[str, Any]:
    framework = Path(__file__).parents[2] / "framework"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CONFINED, str(framework)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return dict(json.loads(done.stdout))


@linux_only
def test_auto_falls_back_and_says_which_step_was_refused(confined: dict[str, Any]) -> None:
    assert (confined["tier"], confined["first"], confined["rest"]) == ("process", "isolation", True)
    assert "own mounts" in confined["why"]
    assert "EPERM" in confined["why"]


@linux_only
def test_linux_is_refused_with_the_step_and_a_way_out(confined: dict[str, Any]) -> None:
    message, hint = confined["linux"].splitlines()
    assert "own mounts" in message
    assert hint.strip()


@linux_only
def test_diagnosis_of_a_confined_machine(confined: dict[str, Any]) -> None:
    assert confined["verdicts"] == [["linux", False], ["process", True]]


def test_auto_takes_linux_where_it_works() -> None:
    who = "root" if sandbox_support.why_not("linux", "root") is None else "user"
    if reason := sandbox_support.why_not("linux", who):
        pytest.skip(reason)

    async def tier() -> str:
        host = await open_host("auto")
        await host.close()
        return host.tier

    assert asyncio.run(tier()) == "linux"
    assert [verdict.refused for verdict in asyncio.run(diagnose())] == [None, None]
