"""What each tier cannot give, why a step was refused, and what would mend it: tables and pure functions.

The only I/O is `surroundings`, which reads what this machine says about itself. It serves the hints alone: whether a
tier works is decided by trying it (host.py), since no setting tells.
"""

from __future__ import annotations

import errno as codes
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fnroll.sandbox.api import Missing, StepFailed

_DELEGATE = "run as root, or as: systemd-run --user --scope -p Delegate=yes fn ..."
_WATCHED = (
    "resident sizes are looked at every 10 ms instead: a short burst above MemorySize may pass, "
    "and memory that lies in no process (files in memory, buffers of sockets and pipes) is not seen"
)
_SIGNALS = (
    "SIGSTOP is used instead: a process inside could notice a stopped child, and a handler SIGCONT, "
    "and a timer that sends SIGCONT wakes who set it"
)

_GROUPS = {
    "memory": ("memory limit", f"no memory control group ({{why}}); {_WATCHED}"),
    "cpu": ("CPU share", "no CPU control group ({why}): a function gets whole CPUs whatever its MemorySize"),
    "freezer": ("freezer", f"no freezer control group ({{why}}); {_SIGNALS}"),
}
_NO_GROUPS = dict.fromkeys(_GROUPS, "this tier has none")
_SHARED_COUNT = Missing(
    "process limit",
    "no user namespace for each sandbox, so processes could only be counted for all sandboxes together",
    "allow nested user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)",
)

_USE_LINUX = "use the linux tier"
_NO_SIZE = "the scratch directory is on the host's disk, which has no limit per directory"
_TMP_SIZE = Missing("/tmp size", _NO_SIZE, _USE_LINUX)
_PROCESS: tuple[Missing, ...] = (
    Missing("file system isolation", "a plain process sees the host's files, with the caller's rights", _USE_LINUX),
    Missing("process isolation", "a plain process sees and may signal the caller's other processes", _USE_LINUX),
    Missing("network isolation", "a plain process shares the host's network and loopback", _USE_LINUX),
    Missing("system call filter", "a filter without namespaces would refuse what host programs need", _USE_LINUX),
    Missing("user", "the program runs as the caller, not as Lambda's user 993", _USE_LINUX),
    _TMP_SIZE,
    Missing("paths", "code and layers lie at their own paths, not at /var/task and /opt", _USE_LINUX),
    Missing("process limit", "the kernel counts processes per user, and the user is the caller", _USE_LINUX),
)

_LANDLOCK: tuple[Missing, ...] = (
    _TMP_SIZE,
    Missing("paths", "code, layers and /tmp lie at paths of their own, not at /var/task, /opt and /tmp", _USE_LINUX),
    Missing("process limit", "the kernel counts processes per user, not per sandbox", _USE_LINUX),
    Missing("unix sockets", "refused but for pairs, since they would lead to the host's services", _USE_LINUX),
    Missing("shared memory", "System V's and POSIX queues are refused, since they are the machine's", _USE_LINUX),
)
_CALLER = Missing("user", "the program runs as the caller, not as Lambda's user 993", "run as root")
_NEWER = "Linux {} or newer, or the linux tier"
_NAMES = "Landlock shuts what lies in files, not their names: a program may ask whether a path of the host exists"
_MODES = "and change modes and times of the caller's files"
_SEEN = "a program sees the host's other processes and their command lines"
_SIGNALLED = f"{_SEEN}, may signal those of its own user, and may be signalled by other sandboxes"
_OWN_PORTS = "what a program listens on is on the host's network, and other programs inside cannot connect to it"
_ALL_PORTS = "a program can connect to every TCP port that the host can reach, its loopback included"

_NO_REAPER = Missing(
    "daemons",
    "this system has no sub-reapers: a process that leaves the program's process group is not found again",
    "run functions that start daemons on Linux",
)


def of_groups(refused: Mapping[str, str]) -> tuple[Missing, ...]:
    """What goes with each control group that is out of reach; `refused`: controller -> why."""
    named = {name: why for name, why in refused.items() if name in _GROUPS}
    return tuple(Missing(_GROUPS[name][0], _GROUPS[name][1].format(why=why), _DELEGATE) for name, why in named.items())


def of_linux(own_users: bool, refused: Mapping[str, str]) -> tuple[Missing, ...]:
    """`own_users`: a sandbox can have a user namespace of its own, whose processes are counted apart."""
    uncounted = () if own_users or "pids" not in refused else (_SHARED_COUNT,)
    return (*of_groups(refused), *uncounted)


def of_process(platform: str = sys.platform) -> tuple[Missing, ...]:
    daemons = () if platform == "linux" else (_NO_REAPER,)
    return (*_PROCESS, *daemons, *of_groups(_NO_GROUPS))


def of_landlock(abi: int, own_user: bool) -> tuple[Missing, ...]:
    """`abi`: the version of the kernel's Landlock; `own_user`: a program is Lambda's user, not the caller."""
    seen, processes_mend = (_SEEN, _USE_LINUX) if abi >= 6 else (_SIGNALLED, _NEWER.format("6.12"))
    ports, network_mend = (_OWN_PORTS, _USE_LINUX) if abi >= 4 else (_ALL_PORTS, _NEWER.format("6.7"))
    return (
        Missing("file system isolation", _NAMES if own_user else f"{_NAMES}, {_MODES}", _USE_LINUX),
        Missing("process isolation", seen, processes_mend),
        Missing("network isolation", ports, network_mend),
        *(() if own_user else (_CALLER,)),
        *_LANDLOCK,
        *of_groups(_NO_GROUPS),
    )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machine says about itself. `container` is "docker", "podman" or ""."""

    platform: str
    container: str = ""
    apparmor_restricts: bool = False
    clone_forbidden: bool = False
    namespaces_limit: int | None = None


def surroundings() -> Surroundings:
    container = "docker" if Path("/.dockerenv").exists() else ""
    container = "podman" if Path("/run/.containerenv").exists() else container
    limit = _number("/proc/sys/user/max_user_namespaces")
    return Surroundings(
        platform=sys.platform,
        container=container,
        apparmor_restricts=_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1,
        clone_forbidden=_number("/proc/sys/kernel/unprivileged_userns_clone") == 0,
        namespaces_limit=limit,
    )


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None


def isolation(failures: Sequence[tuple[str, StepFailed]], around: Surroundings) -> Missing:
    """Why the tiers that would be preferred do not work here: (tier, what failed), strongest first."""
    why = "; ".join(f"the {tier} tier failed at {failure.message}" for tier, failure in failures)
    return Missing("isolation", why, mend(failures[0][1], around, failures[0][0]))


def mend(failure: StepFailed, around: Surroundings, tier: str = "linux") -> str:
    """What a user could change so that the step that failed works; the likeliest cause first."""
    if around.platform != "linux":
        return "run on Linux"
    if tier == "landlock":
        return "the landlock tier needs Linux 5.13 or newer on x86_64 or arm64, with landlock in its list lsm="
    if failure.errno == codes.ENOSYS or failure.step == "machine":
        return "the linux tier needs Linux 5.12 or newer on x86_64 or arm64"
    if around.container == "docker":
        return "start the container with --privileged (Docker's default seccomp profile refuses namespaces)"
    if around.container == "podman":
        return "start the container with --security-opt unmask=ALL (a masked /proc cannot be mounted anew)"
    if around.namespaces_limit == 0:
        return "sudo sysctl user.max_user_namespaces=10000"
    if around.clone_forbidden:
        return "sudo sysctl kernel.unprivileged_userns_clone=1"
    if around.apparmor_restricts:
        return (
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, "
            "or give this Python an AppArmor profile that allows userns"
        )
    return "run as root, or ask whoever runs this machine to allow user namespaces"
