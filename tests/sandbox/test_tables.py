"""The sandbox's tables and pure functions, and that its page tells the same story as its code."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpf_support import ALLOW, ARCHITECTURES, KILL, judge
from fnroll.sandbox import cells, channel, enter, landlock, missing, rootfs, seccomp, supervise, tree
from fnroll.sandbox.api import StepFailed
from fnroll.sandbox.missing import Surroundings
from fnroll.sandbox.running import step_failed

ROOT = Path(__file__).parents[2]
EPERM, ENOSYS, EAFNOSUPPORT = 0x50001, 0x50026, 0x50061
X86, ARM = ARCHITECTURES["x86_64"], ARCHITECTURES["aarch64"]


@pytest.mark.parametrize(
    ("machine", "arch", "number", "argument", "verdict"),
    [
        pytest.param("x86_64", X86, 0, 0, ALLOW, id="x86-read"),
        pytest.param("x86_64", X86, 59, 0, ALLOW, id="x86-execve"),
        pytest.param("x86_64", X86, 165, 0, EPERM, id="x86-mount"),
        pytest.param("x86_64", X86, 56, 0x11, ALLOW, id="x86-fork"),
        pytest.param("x86_64", X86, 56, 0x10000011, EPERM, id="x86-clone-userns"),
        pytest.param("x86_64", X86, 435, 0, ENOSYS, id="x86-clone3"),
        pytest.param("x86_64", X86, 41, 2, ALLOW, id="x86-inet"),
        pytest.param("x86_64", X86, 41, 16, ALLOW, id="x86-netlink"),
        pytest.param("x86_64", X86, 41, 40, EAFNOSUPPORT, id="x86-vsock"),
        pytest.param("x86_64", X86, 0x40000000, 0, KILL, id="x32"),
        pytest.param("x86_64", 0x40000003, 0, 0, KILL, id="i386"),
        pytest.param("aarch64", ARM, 63, 0, ALLOW, id="arm-read"),
        pytest.param("aarch64", ARM, 40, 0, EPERM, id="arm-mount"),
        pytest.param("aarch64", ARM, 165, 0, ALLOW, id="arm-getrusage-is-not-x86-mount"),
        pytest.param("aarch64", ARM, 220, 0x40000011, EPERM, id="arm-clone-netns"),
        pytest.param("aarch64", ARM, 435, 0, ENOSYS, id="arm-clone3"),
        pytest.param("aarch64", ARM, 198, 40, EAFNOSUPPORT, id="arm-vsock"),
        pytest.param("aarch64", X86, 63, 0, KILL, id="arm-foreign"),
    ],
)
def test_filter(machine: str, arch: int, number: int, argument: int, verdict: int) -> None:
    assert judge(seccomp.program(machine), arch, number, argument) == verdict


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_listed_call_is_denied_and_every_other_reaches_the_kernel(machine: str) -> None:
    column = ("x86_64", "aarch64").index(machine)
    arch, program = ARCHITECTURES[machine], seccomp.program(machine)
    denied = {pair[column] for pair in seccomp.DENIED.values()}
    special = {435, {"x86_64": 41, "aarch64": 198}[machine]}
    for number in range(600):
        if number not in special:
            assert judge(program, arch, number) == (EPERM if number in denied else ALLOW), number


words = st.lists(st.text(st.characters(exclude_categories=("Cs", "Z", "C"))), min_size=1, max_size=6)


@given(st.lists(words, max_size=5))
def test_lines_survive_the_channel(lines: list[list[str]]) -> None:
    data = b"".join(channel.line(line) for line in lines)
    assert channel.split(data + b"unfinished") == (lines, b"unfinished")


@given(st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.text()), st.integers(1, 10_240))
def test_messages_survive_the_channel(path: str, argv: list[str], env: dict[str, str], size: int) -> None:
    job = channel.Job(path, path, "none", path, size, size, size, path, size)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel.send(ours, channel.encode(["sandbox", channel.packed(job), [argv, path, env]]))  # type: ignore[arg-type]
        message = channel.receive_message(theirs)  # type: ignore[arg-type]
    assert message is not None
    kind, packed, program = message[0]
    back = channel.unpacked(packed)
    assert all(getattr(job, name) == getattr(back, name) for name in channel.Job.__slots__)
    assert (kind, program) == ("sandbox", [argv, path, env])


@pytest.mark.parametrize("word", ["a\tb", "a\nb", "a\r\nb"])
def test_a_word_cannot_break_a_line(word: str) -> None:
    assert channel.split(channel.line([word, "c"])) == ([["a b", "c"]], b"")


def test_a_failed_step_is_told_in_full() -> None:
    error = step_failed(["0", "exec", str(errno.EACCES), "Permission denied", "/var/task/bootstrap"])
    assert (error.step, error.errno, error.where) == ("exec", errno.EACCES, "/var/task/bootstrap")
    assert "chmod +x" in str(error)
    assert step_failed(["0", "scratch", "0", "ValueError: odd"]).where is None


FAILED = StepFailed("step own mounts", step="own mounts", errno=errno.EPERM)


@pytest.mark.parametrize(
    ("failure", "around", "expected"),
    [
        pytest.param(FAILED, Surroundings("darwin"), "run on Linux", id="macos"),
        pytest.param(
            StepFailed("", step="system directories", errno=errno.ENOSYS),
            Surroundings("linux"),
            "5.12",
            id="old-kernel",
        ),
        pytest.param(FAILED, Surroundings("linux", container="docker"), "--privileged", id="docker"),
        pytest.param(FAILED, Surroundings("linux", container="podman"), "unmask=ALL", id="podman"),
        pytest.param(FAILED, Surroundings("linux", namespaces_limit=0), "max_user_namespaces", id="no-namespaces"),
        pytest.param(FAILED, Surroundings("linux", clone_forbidden=True), "unprivileged_userns_clone", id="debian"),
        pytest.param(FAILED, Surroundings("linux", apparmor_restricts=True), "AppArmor", id="ubuntu"),
        pytest.param(FAILED, Surroundings("linux"), "root", id="unknown"),
    ],
)
def test_mend(failure: StepFailed, around: Surroundings, expected: str) -> None:
    assert expected in missing.mend(failure, around)


def test_a_lost_process_limit_and_lost_daemons_are_named() -> None:
    refused = {"pids": "read-only", "memory": "read-only"}
    assert {item.what for item in missing.of_linux(True, refused)} == {"memory limit"}
    assert {item.what for item in missing.of_linux(False, refused)} == {"memory limit", "process limit"}
    assert missing.of_linux(False, {}) == ()
    assert "daemons" in {item.what for item in missing.of_process("darwin")}
    assert "daemons" not in {item.what for item in missing.of_process("linux")}


@pytest.mark.parametrize(
    ("abi", "own_user", "what", "said"),
    [
        pytest.param(7, True, "process isolation", "sees the host's other processes", id="seen"),
        pytest.param(5, True, "process isolation", "signal", id="signals-before-6"),
        pytest.param(7, True, "network isolation", "listens on", id="own-ports"),
        pytest.param(3, True, "network isolation", "every TCP port", id="ports-before-4"),
        pytest.param(7, False, "file system isolation", "modes and times of the caller's files", id="caller's-modes"),
        pytest.param(7, False, "user", "the caller", id="caller"),
        pytest.param(7, True, "freezer", "SIGSTOP", id="no-groups"),
    ],
)
def test_what_landlock_lacks_is_named_by_its_version(abi: int, own_user: bool, what: str, said: str) -> None:
    found = {item.what: item.why for item in missing.of_landlock(abi, own_user)}
    assert said in found[what]
    assert len(found) == len(missing.of_landlock(abi, own_user))
    assert ("user" in found) != own_user


@pytest.mark.parametrize(
    ("heading", "steps"),
    [
        ("Preparing the ground", rootfs.PREPARE),
        ("Ahead of the job", enter.AHEAD),
        ("With the job", cells.JOB),
        ("Starting a program without namespaces", supervise.PROCESS),
        ("Starting a program with Landlock", landlock.STEPS),
    ],
    ids=["prepare", "ahead", "job", "process", "landlock"],
)
def test_the_page_lists_the_steps_of_the_code(heading: str, steps: tuple[tuple[str, object], ...]) -> None:
    page = (ROOT / "docs" / "sandbox.md").read_text()
    section = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    assert re.findall(r"^\d+\. \*\*(.+?)\*\*", section, re.MULTILINE) == [name for name, _ in steps]


def test_the_fork_server_stays_small() -> None:
    """Each of these would be paid for at every start and in every fork."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import fnroll.sandbox.{}; print(*sys.modules)"
    for module in ("forkserver", "cells", "landlock"):
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code.format(module), str(ROOT / "framework")],
            capture_output=True,
            text=True,
            check=True,
        )
        heavy = {"typing", "enum", "re", "json", "dataclasses", "pathlib", "socket", "signal", "asyncio", "subprocess"}
        assert heavy & set(done.stdout.split()) == set()


def test_a_tree_is_found_from_its_root() -> None:
    script = "import os; r, w = os.pipe(); os.fork() or os.fork(); os.write(1, b'x'); os.read(r, 1)"
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as output:
        for _ in range(3):
            output.read(1)
        family = tree.descendants(child.pid)
        assert len(family) == 2
        assert child.pid in tree.children(os.getpid())
        assert tree.peak_memory([child.pid, *family]) > 3 * 1024 * 1024
        for pid in (*reversed(family), child.pid):
            os.kill(pid, 9)
        child.wait()
    assert tree.children(child.pid) == []
    assert tree.peak_memory([child.pid]) == 0


def test_deleting_follows_no_link_and_enters_locked_directories(tmp_path: Path) -> None:
    kept, gone = tmp_path / "kept", tmp_path / "gone"
    kept.mkdir()
    (kept / "file").touch()
    (gone / "locked" / "within").mkdir(parents=True)
    (gone / "locked" / "file").touch()
    (gone / "locked" / "within").chmod(0)
    (gone / "locked").chmod(0)
    (gone / "link").symlink_to(kept)
    supervise.remove(str(gone))
    assert not gone.exists()
    assert (kept / "file").exists()


def test_deleting_does_not_follow_a_link_in_the_trees_own_place(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    supervise.remove(str(tmp_path / "link"))
    assert (tmp_path / "kept" / "file").exists()


def test_no_tree_is_too_deep_to_be_deleted(tmp_path: Path) -> None:
    """Deeper than a path can be long, and than Python recurses."""
    deep = "import os, sys\nfor _ in range(3000): os.mkdir('d'); open('f', 'w').close(); os.chdir('d')"
    gone = tmp_path / "gone"
    gone.mkdir()
    subprocess.run([sys.executable, "-c", deep], cwd=gone, check=True)
    supervise.remove(str(gone))
    assert not gone.exists()
