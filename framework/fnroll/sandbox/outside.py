"""What the fork server takes from outside its own mount namespace: directories of the host, and every /tmp that
outlives its sandbox, a tmpfs each. A sandbox gets a copy of a mount, attached by its descriptor.
"""

# pathlib would double the fork server's start-up time.
# ruff: noqa: PTH102, PTH106

from __future__ import annotations

import os

from fnroll.sandbox import rootfs, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fnroll.sandbox.rootfs import Ground


class Within:
    """For the time of a `with`, in another mount namespace, given by a descriptor; `here` is the way back."""

    def __init__(self, namespace: int, here: int) -> None:
        self._namespace = namespace
        self._here = here

    def __enter__(self) -> None:
        syscalls.setns(self._namespace, syscalls.CLONE_NEWNS)

    def __exit__(self, *_: object) -> None:
        syscalls.setns(self._here, syscalls.CLONE_NEWNS)


class Outside:
    """See the module. Every /tmp has a key."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._keys: set[int] = set()

    def within(self) -> Within:
        """Among the host's files."""
        return Within(self._ground.outside, self._ground.here)

    def shown(self, path: str) -> int:
        """A detached, read-only copy of a directory or file of the host, as a descriptor. Raises OSError."""
        with self.within():
            copy = syscalls.copy_of_mount(path)
        syscalls.set_copy(copy, syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV)
        return copy

    def make(self, key: int, size_mb: int) -> None:
        """Where it cannot be made, the sandbox that wants to use it fails and says so."""
        try:
            with self.within():
                os.mkdir(_place(key), 0o755)
                rootfs.mount_scratch(_place(key), size_mb)
        except OSError:
            return
        self._keys.add(key)

    def copy(self, key: int) -> int:
        """A detached copy of the mount, as a descriptor. Raises OSError."""
        with self.within():
            return syscalls.copy_of_mount(_place(key))

    def written(self, name: str, text: str) -> int:
        """As `shown`: a small file of ours."""
        path = f"{rootfs.ROOT}/{name}"
        with self.within():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            os.write(descriptor, text.encode())
            os.fchmod(descriptor, 0o644)
            os.close(descriptor)
        return self.shown(path)

    def drop(self, key: int) -> None:
        """It is gone when the last sandbox that uses it is."""
        if key in self._keys:
            self._keys.discard(key)
            with self.within():
                syscalls.detach(_place(key))
                os.rmdir(_place(key))


def _place(key: int) -> str:
    return f"{rootfs.ROOT}/{key}"
