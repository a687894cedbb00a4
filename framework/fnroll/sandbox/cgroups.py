"""Control groups of the `linux` tier: where this machine has them, one group for each sandbox, and their limits.

Version 1 and 2 side by side: each controller is taken from wherever it is writable, and what is nowhere is named in
`missing`. The fork server owns the groups: it makes them ahead, sets the limits, decides about memory and removes
them; the host only freezes, thaws, shares out CPU and reads the peak (`Group`), by path.

Memory: Lambda's /tmp is a disk and no part of MemorySize, ours is a tmpfs, whose pages the kernel counts as memory of
whoever wrote them; and pages of files that were read count too, until the kernel wants them back. So the kernel's own
limit stands where a full /tmp has room, and the host looks every few milliseconds at what the function itself holds
(`own_bytes`). The kernel could tell of a threshold instead, but registering one waits for every CPU: 7 ms.

Imported by the fork server: see syscalls.py for what such a module may import.
"""

# pathlib would double the fork server's start-up time.
# ruff: noqa: PTH102, PTH106, PTH112, PTH208

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CONTROLLERS = ("memory", "cpu", "pids", "freezer")
FULL_CPU_MB = 1769
"""MemorySize that stands for one whole CPU (facts: sandbox, section 4)."""

PERIOD_US = 20_000
"""The best period: with 100 ms bursts are long, at 5 ms the smallest quota is too large (measured)."""

PROCESSES = 1024
OWN_MB = 2
"""What the sandbox's own init takes, beside the function's memory."""

PREFIX = "fn-"
USAGE = {1: "memory.usage_in_bytes", 2: "memory.current"}
LIMIT = {1: "memory.limit_in_bytes", 2: "memory.max"}


def quota_us(memory_mb: int) -> int:
    """Microseconds of CPU in each `PERIOD_US`."""
    return max(1000, PERIOD_US * memory_mb // FULL_CPU_MB)


def own_bytes(used: int, stat: Mapping[bytes, int], scratch: int) -> int:
    """What a function holds itself: `used` without the pages of files, and without the `scratch` bytes in its /tmp."""
    files = stat.get(b"cache", stat.get(b"file", 0)) - stat.get(b"shmem", 0)
    return used - max(0, files) - scratch


def parse_stat(data: bytes) -> dict[bytes, int]:
    """memory.stat: a word and a number on each line."""
    return {name: int(number) for name, number in (line.split() for line in data.splitlines())}


def find(mounts: str, own: str) -> dict[str, tuple[int, str]]:
    """Where this process may have groups of its own: controller -> (version, directory of our group).

    `mounts` is /proc/self/mountinfo, `own` /proc/self/cgroup. The unified hierarchy stands for every controller that no
    hierarchy of version 1 has; which of them it really gives is for `Base` to see.
    """
    paths = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            paths[name] = path
    found: dict[str, tuple[int, str]] = {}
    unified = ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, place = before.split(" ")[3:5]
        kind, _, options = after.split(" ")[:3]
        if kind == "cgroup2":
            unified = unified or _beneath(place, root, paths.get("", "/"))
        elif kind == "cgroup":
            for name in CONTROLLERS:
                if name in options.split(",") and name in paths and name not in found:
                    found[name] = 1, _beneath(place, root, paths[name])
    if unified:
        for name in CONTROLLERS:
            if name == "freezer" or name not in found:
                found[name] = 2, unified  # freezing is a tenth of the cost there, with or without controllers
    return found


def _beneath(place: str, root: str, path: str) -> str:
    """Our group's directory, where the mount shows the hierarchy from `root` on."""
    inner = path[len(root) :] if root != "/" and path.startswith(root) else path
    return f"{place}/{inner.strip('/')}".rstrip("/")


class Base:
    """The directory beneath which all groups of one fork server lie, in each hierarchy that it may write to.

    Made before the fork server hides /sys, so everything is reached by descriptors. `directories`: controller ->
    (version, path); a controller that is out of reach is not there, and `refused` says why.
    """

    def __init__(self, name: str, places: dict[str, tuple[int, str]]) -> None:
        self.name = name
        self.directories: dict[str, tuple[int, str]] = {}
        self.refused: dict[str, str] = {}
        self._opened: dict[str, tuple[int, int, int]] = {}
        for controller in CONTROLLERS:
            if controller not in places:
                self.refused[controller] = "no such control group hierarchy is mounted"
                continue
            version, parent = places[controller]
            try:
                self._open(controller, version, parent)
            except OSError as error:
                self.refused[controller] = f"{parent}: {error.strerror}"

    def _open(self, controller: str, version: int, parent: str) -> None:
        path = f"{parent}/{self.name}"
        if path not in self._opened:
            sweep(parent)
            os.mkdir(path, 0o755)
            above, handle = (os.open(place, os.O_DIRECTORY | os.O_CLOEXEC) for place in (parent, path))
            self._opened[path] = version, above, handle
        if version == 2 and controller != "freezer":
            if controller.encode() not in read(f"{path}/cgroup.controllers").split():
                write(f"{parent}/cgroup.subtree_control", f"+{controller}")
            write(f"{path}/cgroup.subtree_control", f"+{controller}")
        self.directories[controller] = version, path

    def make(self, number: int) -> Lease:
        """A new group, in every hierarchy. Raises OSError."""
        for _, _, handle in self._opened.values():
            os.mkdir(str(number), 0o755, dir_fd=handle)
        lease = Lease(self, number)
        if "pids" in self.directories:
            lease.write("pids", "pids.max", str(PROCESSES + 1))
        return lease

    def opened(self) -> list[tuple[int, int, int]]:
        """(version, descriptor above, descriptor) of each hierarchy."""
        return list(self._opened.values())

    def handle(self, controller: str) -> int:
        return self._opened[self.directories[controller][1]][2]

    def close(self) -> None:
        """Remove the directories; what still holds a process is left to the next start."""
        for _, above, handle in self._opened.values():
            os.close(handle)
            try:
                os.rmdir(self.name, dir_fd=above)
            except OSError:
                pass
            os.close(above)
        self._opened.clear()


class Lease:
    """One sandbox's groups, as the fork server holds them."""

    __slots__ = ("_base", "number")

    def __init__(self, base: Base, number: int) -> None:
        self.number = number
        self._base = base

    def write(self, controller: str, name: str, value: str) -> None:
        write(f"{self.number}/{name}", value, self._base.handle(controller))

    def directory(self) -> int:
        """A descriptor of the group of version 2, for a child to be born in; -1 if there is none."""
        for version, _, handle in self._base.opened():
            if version == 2:
                return os.open(str(self.number), os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
        return -1

    def join(self, born: bool) -> None:
        """The calling process, and all that it will start, goes into the groups. `born`: in that of version 2 already.

        In version 1 a thread that moves itself needs no lock; a process waits until every CPU has passed by.
        """
        for version, _, handle in self._base.opened():
            if version == 1:
                write(f"{self.number}/tasks", "0", handle)
            elif not born:
                write(f"{self.number}/cgroup.procs", "0", handle)

    def limit(self, memory_mb: int, tmp_mb: int) -> None:
        """The most memory that the kernel lets the sandbox have. Raises OSError."""
        if "memory" in self._base.directories:
            version, _ = self._base.directories["memory"]
            self.write("memory", LIMIT[version], str((memory_mb + OWN_MB + tmp_mb) << 20))
            if version == 1:  # where buffers of inet sockets are counted apart, and only once there is a limit
                self._limit_sockets(memory_mb)

    def _limit_sockets(self, memory_mb: int) -> None:
        try:
            self.write("memory", "memory.kmem.tcp.limit_in_bytes", str(memory_mb << 20))
        except OSError:
            pass  # a kernel without: the machine's own limits of sockets are all there is

    def thaw(self) -> None:
        """So that a kill takes effect: version 1 keeps the frozen alive. Best effort."""
        if self._base.directories.get("freezer", (2, ""))[0] == 1:
            try:
                self.write("freezer", "freezer.state", "THAWED")
            except OSError:
                pass

    def remove(self) -> bool:
        """Whether the groups are gone; one that has just lost its last process may be busy for a moment."""
        gone = True
        for _, _, handle in self._base.opened():
            try:
                os.rmdir(str(self.number), dir_fd=handle)
            except FileNotFoundError:
                pass
            except OSError:
                gone = False
        return gone


def sweep(parent: str) -> None:
    """Remove the groups of fork servers that were killed, with whatever lives in them. Best effort."""
    for name in os.listdir(parent):
        if name.startswith(PREFIX) and not alive(name):
            _remove_tree(f"{parent}/{name}")


def _remove_tree(path: str) -> None:
    for name in os.listdir(path):
        if os.path.isdir(f"{path}/{name}"):
            _remove_tree(f"{path}/{name}")
    try:
        for pid in read(f"{path}/cgroup.procs").split():
            os.kill(int(pid), 9)
        os.rmdir(path)
    except OSError:
        pass  # its processes are on their way out: the start after this one finds it empty


def name_of(pid: int) -> str:
    """The base directory's name for a fork server: pids come again, with another start time."""
    return f"{PREFIX}{pid}-{_started(pid)}"


def alive(name: str) -> bool:
    """Whether the fork server of this directory name lives."""
    pid, _, started = name[len(PREFIX) :].partition("-")
    try:
        return _started(int(pid)) == started
    except (OSError, ValueError):
        return False


def _started(pid: int) -> str:
    return read_all(f"/proc/{pid}/stat").rpartition(b")")[2].split()[19].decode()


def write(path: str, value: str, directory: int | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def read_all(path: str, directory: int | None = None) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        data = b""
        while more := os.read(descriptor, 65536):
            data += more
        return data
    finally:
        os.close(descriptor)


def read(path: str, directory: int | None = None) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
