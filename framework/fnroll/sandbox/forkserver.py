"""The fork server: a small, single-threaded process that makes sandboxes for a large one.

Forking is cheap in proportion to the process, and a namespace's first process must not share anything with an event
loop; so the host starts this once and sends it jobs (channel.py). It also waits for what it made: a sandbox ends when
the host closes the sandbox's life socket, or when the host is gone.

`main` serves every tier: with namespaces through cells.py, without through supervise.py.
"""

from __future__ import annotations

import _socket
import gc
import os
import resource
import sys

from fnroll.sandbox import channel, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fnroll.sandbox.cgroups import Base
    from fnroll.sandbox.rootfs import Ground


def main(arguments: list[str]) -> None:
    """`arguments`: tier, the control socket's descriptor, the host's pid, the root (a directory, "empty" or "")."""
    tier, descriptor, host, root = arguments[0], int(arguments[1]), int(arguments[2]), arguments[3]
    control = _socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, ceiling))
    except (OSError, ValueError):
        pass  # macOS refuses "infinity"; then the soft limit stays
    if tier != "linux":
        from fnroll.sandbox import supervise

        try:
            facts = supervise.prepare(tier)
        except OSError as error:
            channel.say(control, "failed", *steps.described(tier, error))
            return
        _ready(control, null, *facts)
        supervise.serve(control, null, host, supervise.way_in(tier))
        return
    from fnroll.sandbox.cells import Server  # before the host's files are out of sight

    base = _groups()
    _rename()
    ground = _prepare(control, root, "pids" in base.directories)
    if ground is not None:
        _ready(control, null, int(ground.own_users), *_described(base))
        Server(control, null, ground, base, host).serve()
    base.close()


def _ready(control: _socket.socket, null: int, *facts: object) -> None:
    """From here on the error output, so far the host's ear for a failing start, is silence."""
    gc.collect()
    gc.freeze()
    gc.disable()
    channel.say(control, "ready", *facts)
    os.dup2(null, 2)


def _rename() -> None:
    from fnroll.sandbox import syscalls

    syscalls.rename("fn-sandbox")


def _groups() -> Base:
    """Before the ground is laid, which hides /sys."""
    from fnroll.sandbox import cgroups

    try:
        mounts, own = ((cgroups.read_all(f"/proc/self/{name}")) for name in ("mountinfo", "cgroup"))
        places = cgroups.find(mounts.decode("utf-8", "replace"), own.decode("utf-8", "replace"))
    except (OSError, ValueError):
        places = {}
    return cgroups.Base(cgroups.name_of(os.getpid()), places)


def _described(base: Base) -> list[str]:
    """Each controller as one word: `name=version:path`, or `name!why not`."""
    found = [f"{name}={version}:{path}" for name, (version, path) in base.directories.items()]
    return found + [f"{name}!{reason}" for name, reason in base.refused.items()]


def _prepare(control: _socket.socket, root: str, counted: bool) -> Ground | None:
    from fnroll.sandbox import rootfs, syscalls

    if not syscalls.supported():
        channel.say(control, "failed", "machine", 0, f"no system call table for {syscalls.MACHINE}", "")
        return None
    ground = rootfs.Ground(root, counted)
    for name, step in rootfs.PREPARE:
        try:
            step(ground)
        except Exception as error:  # each is said to the host, which falls back or tells the user
            channel.say(control, "failed", *steps.described(name, error))
            return None
    return ground


if __name__ == "__main__":
    main(sys.argv[1:])
