"""Trees of processes, read from Linux's /proc: who descends from whom, and how much memory they hold.

Read-only questions; on other systems every answer is empty.
"""

# pathlib would double the fork server's start-up time.
# ruff: noqa: PTH112, PTH208

from __future__ import annotations

import os


def descendants(pid: int) -> list[int]:
    """Every living descendant of `pid`, parents before children. Zombies are among them until they are reaped."""
    found, queue = [], [pid]
    while queue:
        for child in children(queue.pop(0)):
            found.append(child)
            queue.append(child)
    return found


def children(pid: int) -> list[int]:
    """The direct children of `pid`, whichever of its threads started them."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    except FileNotFoundError:
        return _children_by_scan(pid) if os.path.isdir(f"/proc/{pid}/task") else []  # a kernel without PROC_CHILDREN
    except (OSError, ValueError):
        return []
    return found


def _children_by_scan(pid: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(_read(f"/proc/{name}/stat").rpartition(b")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            if parent == pid:
                found.append(int(name))
    return found


ROUNDS, ROUND = 200, 0.0005
"""How often a freeze by SIGSTOP looks whether all stand still, and seconds in between."""


def awake(pids: list[int]) -> list[int]:
    """Those that are not stopped. A process that waits in the kernel for its disk or its vfork child is not awake."""
    return [pid for pid in pids if _state(pid) not in (b"T", b"t", b"D", b"Z", b"X", b"")]


def _state(pid: int) -> bytes:
    """A letter as in /proc/PID/stat; none for a process that has gone."""
    try:
        return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return b""


def peak_memory(pids: list[int]) -> int:
    """Sum of the highest resident sizes of these processes so far, in bytes; pages they share count once for each."""
    return sum(_peak(pid) for pid in pids)


def own_memory(pids: list[int]) -> int:
    """What these processes hold now beside the files they map, in bytes; what they share counts once for each."""
    return sum(_field(pid, "status", b"RssAnon:") + _field(pid, "status", b"RssShmem:") for pid in pids)


def divided_memory(pids: list[int]) -> int:
    """As `own_memory`, with what they share counted once. A tenth of a millisecond for each process and more."""
    return sum(_field(pid, "smaps_rollup", b"Pss_Anon:") + _field(pid, "smaps_rollup", b"Pss_Shmem:") for pid in pids)


def _peak(pid: int) -> int:
    return _field(pid, "status", b"VmHWM:")


def _field(pid: int, file: str, name: bytes) -> int:
    """A size from a file of /proc/PID, in bytes; 0 if there is none."""
    try:
        status = _read(f"/proc/{pid}/{file}")
    except OSError:
        return 0
    at = status.find(name)
    return int(status[at + len(name) :].split(None, 1)[0]) * 1024 if at >= 0 else 0


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, 65536)
        while more := os.read(descriptor, 65536):
            data += more
        return data
    finally:
        os.close(descriptor)
