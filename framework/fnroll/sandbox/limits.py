"""What the host does with a sandbox's control groups while it runs: freeze, thaw, share out CPU, watch the memory.

By path, since the host sees the machine's own /sys; the groups themselves are the fork server's (cgroups.py). Every
method says whether the groups could do it: where they could not, running.py has another way or does without.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from fnroll.sandbox import cgroups, tree

_FREEZER = {1: ("freezer.state", b"FROZEN", b"THAWED"), 2: ("cgroup.freeze", b"1", b"0")}
_KILLS = {1: "memory.oom_control", 2: "memory.events"}
_PEAK = {1: "memory.max_usage_in_bytes", 2: "memory.peak"}


class Places:
    """Where the fork server has its groups: controller -> (version, directory); and why not, for the others."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.directories: dict[str, tuple[int, str]] = {}
        self.refused: dict[str, str] = {}
        for word in words:
            name, mark, rest = word.partition("=") if "=" in word.split("!")[0] else word.partition("!")
            if mark == "=":
                version, _, path = rest.partition(":")
                self.directories[name] = int(version), path
            else:
                self.refused[name] = rest


class Group:
    """One sandbox's groups. `close` releases the descriptors; the groups go with the sandbox."""

    def __init__(self, places: Places, number: int) -> None:
        self._places = places
        self._number = number
        self._freezer = -1
        self._words = b"", b""
        self._highest = self._peak = 0
        self._open: dict[str, int] = {}

    @property
    def counts_memory(self) -> bool:
        return "memory" in self._places.directories and self._number > 0

    def _path(self, controller: str, name: str) -> str:
        return f"{self._places.directories[controller][1]}/{self._number}/{name}"

    def freeze(self) -> bool:
        return self._write_freezer(0)

    def thaw(self) -> bool:
        return self._write_freezer(1)

    def _write_freezer(self, which: int) -> bool:
        if self._freezer < 0:
            if "freezer" not in self._places.directories or self._number == 0:
                return False
            name, *words = _FREEZER[self._places.directories["freezer"][0]]
            self._words = words[0], words[1]
            try:
                self._freezer = os.open(self._path("freezer", name), os.O_WRONLY | os.O_CLOEXEC)
            except OSError:
                return False
        try:
            os.pwrite(self._freezer, self._words[which], 0)
        except OSError:
            return False
        return True

    def share_cpu(self, memory_mb: int) -> bool:
        """From now on `memory_mb`/1769 of a CPU."""
        version, _ = self._places.directories.get("cpu", (0, ""))
        quota = cgroups.quota_us(memory_mb)
        try:
            if version == 1:
                cgroups.write(self._path("cpu", "cpu.cfs_period_us"), str(cgroups.PERIOD_US))
                cgroups.write(self._path("cpu", "cpu.cfs_quota_us"), str(quota))
            elif version == 2:
                cgroups.write(self._path("cpu", "cpu.max"), f"{quota} {cgroups.PERIOD_US}")
        except OSError:
            return False
        return bool(version)

    def usage(self) -> int:
        """Bytes that the kernel counts now, everything in it."""
        return self._number_in(cgroups.USAGE)

    def own_bytes(self, used: int, scratch: int) -> int:
        """What of `used` bytes the function holds itself, with `scratch` bytes in its /tmp."""
        stat = cgroups.parse_stat(cgroups.read(self._path("memory", "memory.stat")))
        return cgroups.own_bytes(used, stat, scratch)

    def peak(self, scratch: Callable[[], int]) -> int:
        """The most memory that the function held at a time, in bytes, without files and without what lies in its /tmp
        (asked by `scratch`). Looked into only when the kernel's own peak has moved."""
        highest = self._number_in(_PEAK)
        if highest > self._highest:
            try:
                self._peak = max(self._peak, self.own_bytes(highest, scratch()))
                self._highest = highest
            except (OSError, ValueError):
                pass
        return self._peak

    def _number_in(self, file: Mapping[int, str]) -> int:
        """What a file of the memory group says, by version; its descriptor is kept. 0 if the group is gone."""
        version, _ = self._places.directories["memory"]
        name = file[version]
        try:
            if name not in self._open:
                self._open[name] = os.open(self._path("memory", name), os.O_RDONLY | os.O_CLOEXEC)
            return int(os.pread(self._open[name], 32, 0))
        except (OSError, ValueError):
            return 0

    def largest(self, spared: int) -> int:
        """The process that holds the most, as the kernel's own killer would pick it; not `spared`. 0: there is none."""
        try:
            pids = [int(pid) for pid in cgroups.read_all(self._path("memory", "cgroup.procs")).split()]
        except OSError:
            return 0
        sizes = {pid: tree.own_memory([pid]) for pid in pids if pid != spared}
        return max(sizes, key=lambda pid: sizes[pid], default=0)

    def kernel_killed(self) -> bool:
        """Whether the kernel itself killed one of its processes for want of memory."""
        if not self.counts_memory:
            return False
        version, _ = self._places.directories["memory"]
        try:
            told = cgroups.parse_stat(cgroups.read(self._path("memory", _KILLS[version])))
        except (OSError, ValueError):
            return False
        return told.get(b"oom_kill", 0) > 0

    def close(self) -> None:
        for descriptor in (*self._open.values(), self._freezer):
            if descriptor >= 0:
                os.close(descriptor)
        self._open.clear()
        self._freezer = -1
