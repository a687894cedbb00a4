"""The landlock tier's tables: its filter, the rights of each version, what is shown; and its errors, tried."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sandbox_support
from bpf_support import ALLOW, ARCHITECTURES, ERRNO, judge
from fnroll.sandbox import channel, landlock, open_host, seccomp
from fnroll.sandbox.api import Program, SandboxSpec, StepFailed

EPERM, EACCES, ENOSYS, EPROTONOSUPPORT, EOPNOTSUPP, EAFNOSUPPORT = (ERRNO | n for n in (1, 13, 38, 93, 95, 97))
X86 = ARCHITECTURES["x86_64"]
NONBLOCK = socket.SOCK_NONBLOCK


@pytest.mark.parametrize(
    ("number", "arguments", "api_only", "anywhere"),
    [
        pytest.param(41, (2, 1, 0), ALLOW, ALLOW, id="tcp"),
        pytest.param(41, (10, 1 | NONBLOCK, 6), ALLOW, ALLOW, id="tcp6"),
        pytest.param(41, (2, 2, 0), EACCES, ALLOW, id="udp"),
        pytest.param(41, (10, 2 | NONBLOCK, 17), EACCES, ALLOW, id="udp6"),
        pytest.param(41, (2, 1, 262), EPROTONOSUPPORT, ALLOW, id="mptcp"),
        pytest.param(41, (16, 3, 0), ALLOW, ALLOW, id="netlink"),
        pytest.param(41, (1, 1, 0), EAFNOSUPPORT, EAFNOSUPPORT, id="unix"),
        pytest.param(41, (40, 1, 0), EAFNOSUPPORT, EAFNOSUPPORT, id="vsock"),
        pytest.param(53, (1, 1, 0), ALLOW, ALLOW, id="pair"),
        pytest.param(53, (1, 2 | NONBLOCK, 0), EACCES, EACCES, id="pair-of-datagrams-which-can-be-connected-anew"),
        pytest.param(53, (30, 1, 0), EACCES, EACCES, id="pair-of-tipc"),
        pytest.param(44, (3, 0, 0, 0x20000000), EOPNOTSUPP, ALLOW, id="sendto-fast-open"),
        pytest.param(46, (3, 0, 0x20004000), EOPNOTSUPP, ALLOW, id="sendmsg-fast-open"),
        pytest.param(307, (3, 0, 1, 0x20000000), EOPNOTSUPP, ALLOW, id="sendmmsg-fast-open"),
        pytest.param(44, (3, 0, 0, 0x4000), ALLOW, ALLOW, id="sendto"),
        pytest.param(302, (0, 7), ALLOW, ALLOW, id="own-limit"),
        pytest.param(302, (1, 7), EPERM, EPERM, id="limit-of-another"),
        pytest.param(141, (0, 0, 5), ALLOW, ALLOW, id="nice"),
        pytest.param(141, (0, 1, 5), EPERM, EPERM, id="nice-of-another"),
        pytest.param(141, (2, 0, 5), EPERM, EPERM, id="nice-of-the-user"),
        pytest.param(251, (3, 0, 5), EPERM, EPERM, id="disk-priority-of-the-user"),
        pytest.param(203, (-1, 8), EPERM, EPERM, id="affinity-of-another"),
        pytest.param(30, (5,), EPERM, EPERM, id="shared-memory"),
        pytest.param(240, (5,), EPERM, EPERM, id="queue"),
        pytest.param(165, (), EPERM, EPERM, id="mount"),
        pytest.param(435, (), ENOSYS, ENOSYS, id="clone3"),
        pytest.param(56, (0x10000011,), EPERM, EPERM, id="clone-userns"),
        pytest.param(76, (), ALLOW, ALLOW, id="truncate"),
        pytest.param(437, (), ALLOW, ALLOW, id="openat2"),
    ],
)
def test_filter(number: int, arguments: tuple[int, ...], api_only: int, anywhere: int) -> None:
    assert judge(seccomp.shared_program("x86_64", 7, False), X86, number, *arguments) == api_only
    assert judge(seccomp.shared_program("x86_64", 7, True), X86, number, *arguments) == anywhere


@pytest.mark.parametrize(
    ("number", "arguments", "verdict"),
    [
        pytest.param(76, (), EPERM, id="truncate"),
        pytest.param(437, (), ENOSYS, id="openat2"),
        pytest.param(2, (0, os.O_RDONLY | os.O_TRUNC), EACCES, id="open-read-and-truncate"),
        pytest.param(257, (0, 0, os.O_RDONLY | os.O_TRUNC | os.O_CLOEXEC), EACCES, id="openat-read-and-truncate"),
        pytest.param(257, (0, 0, 3 | os.O_TRUNC), EACCES, id="openat-odd-mode"),
        pytest.param(257, (0, 0, os.O_WRONLY | os.O_TRUNC | os.O_CREAT), ALLOW, id="openat-write"),
        pytest.param(257, (0, 0, os.O_RDWR), ALLOW, id="openat-both"),
        pytest.param(257, (0, 0, os.O_RDONLY), ALLOW, id="openat-read"),
    ],
)
def test_before_version_3_truncation_is_the_filters(number: int, arguments: tuple[int, ...], verdict: int) -> None:
    assert judge(seccomp.shared_program("x86_64", 2, False), X86, number, *arguments) == verdict


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("anywhere", [True, False])
def test_what_the_linux_tier_denies_is_denied_here_too(machine: str, anywhere: bool) -> None:
    filters = seccomp.program(machine), seccomp.shared_program(machine, 7, anywhere)
    for number in range(600):
        ours, theirs = (judge(program, ARCHITECTURES[machine], number) for program in filters)
        assert theirs == ours or ours == ALLOW, number


@given(st.integers(1, 9), st.integers(0, (1 << 64) - 1), st.booleans())
def test_a_rule_names_only_rights_that_are_handled(abi: int, rights: int, directory: bool) -> None:
    given_rights = landlock.allowed(rights, abi, directory)
    assert given_rights & ~landlock.refused(abi, "none")[0] == 0
    assert directory or given_rights & ~0xC007 == 0  # execute, write, read, truncate, ioctl: what the kernel takes


@pytest.mark.parametrize(
    ("abi", "network", "refused"),
    [
        pytest.param(1, "none", (0x1FFF,), id="1"),
        pytest.param(2, "none", (0x3FFF,), id="2-move"),
        pytest.param(3, "none", (0x7FFF,), id="3-truncate"),
        pytest.param(4, "none", (0x7FFF, 2), id="4-ports"),
        pytest.param(4, "host", (0x7FFF, 0), id="4-host"),
        pytest.param(5, "none", (0xFFFF, 2), id="5-devices"),
        pytest.param(6, "host", (0xFFFF, 0, 3), id="6-scopes"),
        pytest.param(7, "none", (0xFFFF, 2, 3), id="7"),
    ],
)
def test_each_version_refuses_what_it_knows(abi: int, network: str, refused: tuple[int, ...]) -> None:
    assert landlock.refused(abi, network) == refused


def test_only_the_scratch_and_devices_are_written() -> None:
    job = channel.Job("/code", "/layers", "none", "/own", 1, writable="/own/tmp", port=9)
    shown = {path: rights for path, rights, _ in landlock.shown(job, ["passwd", "python3.11", "shadow", "ssh"])}
    written = {path for path, rights in shown.items() if rights & landlock.WRITE_FILE}
    assert written == {"/own/tmp", *(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))}
    assert {path for path in shown if path.startswith("/etc/python")} == {"/etc/python3.11"}
    assert not {"/etc/passwd", "/etc/shadow", "/etc/ssh", "/etc/resolv.conf", "/etc", "/home", "/"} & set(shown)
    host = channel.Job("/code", "", "host", "/own", 1, writable="/own/tmp")
    assert {path for path, _, _ in landlock.shown(host, [])} - set(shown) == {"/etc/resolv.conf", "/etc/gai.conf"}


@pytest.mark.skipif(os.geteuid() != 0, reason="the caller can read his own code")
def test_code_that_lambdas_user_cannot_read_is_an_error_that_says_so(tmp_path: Path) -> None:
    if reason := sandbox_support.why_not("landlock", "root"):
        pytest.skip(reason)
    task = tmp_path / "private" / "task"
    task.mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)

    async def refused() -> StepFailed:
        host = await open_host("landlock")
        try:
            await host.create(SandboxSpec(lambda layout: Program(("/bin/true",), {}, layout.task), task))
        except StepFailed as error:
            return error
        finally:
            await host.close()
        raise AssertionError("created")

    error = asyncio.run(refused())
    assert (error.step, error.errno, error.where) == ("reach", 13, str(task))
    assert "user 993 may not enter it: chmod a+rx" in error.message
