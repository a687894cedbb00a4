"""`network="nat"`: with slirp4netns where it is installed, and with a stand-in for how it is started and ended."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sandbox_support
from fnroll.errors import SandboxError
from fnroll.sandbox import open_host
from fnroll.sandbox.api import Program, SandboxSpec
from sandbox_contract import text_of

pytestmark = pytest.mark.skipif(bool(sandbox_support.why_not("linux", "root")), reason="no linux sandbox as root here")

STAND_IN = """#!{python} -ISu
import os, select, sys
words = dict(word[2:].split("=") for word in sys.argv[1:] if "=" in word)
namespace = os.readlink(sys.argv[-2])
descriptors = sorted(os.listdir("/proc/self/fd"))[:-1]  # the last is that of the directory
with open("{told}", "a") as told: print(os.getpid(), namespace, descriptors, file=told)
if os.path.exists("{told}.refuse"): sys.exit(3)
os.write(int(words["ready-fd"]), b"1")
os.read(int(words["exit-fd"]), 1)
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    told = tmp_path / "told"
    program = tmp_path / "slirp4netns"
    program.write_text(STAND_IN.format(python=sys.executable, told=told))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return told


async def _run(script: str, network: str = "nat") -> str:
    host = await open_host("linux")
    try:
        spec = SandboxSpec(lambda _: Program(("/bin/sh", "-c", script), {}, "/"), Path("/usr"), network=network)  # type: ignore[arg-type]
        sandbox = await host.create(spec)
        return await text_of(sandbox)
    finally:
        await host.close()


def _ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_is_up_before_the_function_and_gone_with_the_sandbox(told: Path) -> None:
    text = asyncio.run(_run("cat /etc/resolv.conf; readlink /proc/self/ns/net"))
    pid, namespace, descriptors = told.read_text().split(" ", 2)
    assert text.split("\n") == ["nameserver 10.0.2.3", namespace, ""]
    assert descriptors.split() == ["['0',", "'1',", "'2',", "'3',", "'4',", "'5']"]
    assert _ended(int(pid))


def test_none_is_started_where_none_is_asked_for(told: Path) -> None:
    asyncio.run(_run(":", "none"))
    assert not told.exists()


def test_one_that_ends_at_once_is_told_and_leaves_nothing(told: Path) -> None:
    Path(f"{told}.refuse").touch()
    with pytest.raises(SandboxError, match="step outbound: slirp4netns ended with status 3"):
        asyncio.run(_run(":"))
    assert _ended(int(told.read_text().split()[0]))


def test_without_the_program_the_way_to_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError) as caught:
        asyncio.run(_run(":"))
    assert caught.value.message == "network nat needs slirp4netns, which is not installed here"
    assert caught.value.hint == "install the package slirp4netns, or use --network host"


@pytest.mark.skipif(not shutil.which("slirp4netns"), reason="slirp4netns is not installed")
def test_the_world_is_reached_and_the_loopback_is_not() -> None:
    """The world is this machine's own address, where a server listens; on its loopback another does."""
    with socket.create_server(("0.0.0.0", 0)) as outer, socket.create_server(("127.0.0.1", 0)) as inner:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            own = probe.getsockname()[0]
        ways = [(own, outer), ("127.0.0.1", inner), ("10.0.2.2", inner)]
        script = "".join(
            f'perl -MIO::Socket::INET -e \'print IO::Socket::INET->new(PeerAddr => "{address}", '
            f'PeerPort => {there.getsockname()[1]}, Timeout => 5) ? "in" : "out", "\\n"\'\n'
            for address, there in ways
        )
        assert asyncio.run(_run(script)).split() == ["in", "out", "out"]
