"""Every /tmp that outlives its sandbox, as the fork server holds it: a tmpfs each, in a mount namespace of their own.

Of their own, because a sandbox's namespace begins as a copy of the fork server's: it would hold every other's /tmp, and
copying them all would cost more with each. A sandbox gets a copy of one mount, attached from outside.
"""

# pathlib would double the fork server's start-up time.
# ruff: noqa: PTH102, PTH106

from __future__ import annotations

import os

from fnroll.sandbox import rootfs, syscalls


class Within:
    """For the time of a `with`, in another mount namespace, given by a descriptor."""

    _here = -1

    def __init__(self, namespace: int) -> None:
        self._namespace = namespace

    def __enter__(self) -> None:
        if Within._here < 0:
            Within._here = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        syscalls.setns(self._namespace, syscalls.CLONE_NEWNS)

    def __exit__(self, *_: object) -> None:
        syscalls.setns(Within._here, syscalls.CLONE_NEWNS)


class Scratches:
    """By key. `namespace` is the one that rootfs.scratches made."""

    def __init__(self, namespace: int) -> None:
        self._namespace = namespace
        self._keys: set[int] = set()

    def make(self, key: int, size_mb: int) -> None:
        """Where it cannot be made, the sandbox that wants to use it fails and says so."""
        try:
            with Within(self._namespace):
                os.mkdir(_place(key), 0o755)
                rootfs.mount_scratch(_place(key), size_mb)
        except OSError:
            return
        self._keys.add(key)

    def copy(self, key: int) -> int:
        """A detached copy of the mount, as a descriptor. Raises OSError."""
        with Within(self._namespace):
            return syscalls.copy_of_mount(_place(key))

    def drop(self, key: int) -> None:
        """It is gone when the last sandbox that uses it is."""
        if key in self._keys:
            self._keys.discard(key)
            with Within(self._namespace):
                syscalls.detach(_place(key))
                os.rmdir(_place(key))


def _place(key: int) -> str:
    return f"{rootfs.ROOT}/{key}"
