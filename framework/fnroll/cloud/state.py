"""The local cloud's memory: one state directory, held by one process at a time.

    lock          held by flock while a cloud is up
    endpoint      JSON: where that cloud answers (url, port, pid, tier, missing, started)
    cloud.db      SQLite in WAL mode: everything that an API call can change
    packages/     zips by SHA-256 (store.py)
    trees/        zips unpacked, a cache (store.py)
    ephemeral/    all of this for a cloud that keeps nothing, while it is up (ephemeral.py)

A transaction is committed before its answer is sent, so an answered write survives kill -9. `synchronous` is NORMAL:
a power cut may lose the last moments, and never leaves half a write. Two connections, both to be used from one
thread each: `write` for the control plane, `read` for the invoke path, which so never waits for a writer.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fnroll.cloud.migrations import migrate
from fnroll.errors import CloudError

EPHEMERAL = "ephemeral"
"""The state of a cloud that keeps none (ephemeral.py), below the directory it is up over."""

_OWN = ("endpoint", "cloud.db", "cloud.db-wal", "cloud.db-shm", "packages", "trees", EPHEMERAL)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a cloud answers. `started` is ISO 8601, UTC; `missing` names what the sandbox tier cannot enforce;
    `ephemeral`: it forgets everything when it ends."""

    url: str
    port: int
    pid: int
    tier: str
    started: str
    missing: tuple[str, ...] = ()
    ephemeral: bool = False


class State:
    """An open state directory. `close` releases it; a process that dies releases it too."""

    def __init__(self, directory: Path, *, wait: float = 0.0) -> None:
        """Take the directory, waiting up to `wait` seconds for its holder. Raises CloudError."""
        self.directory = directory
        self.changes = 0
        """How often something was committed: what was read before may be out of date once this has moved."""
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _take(directory, wait)
        except OSError as error:
            raise CloudError(
                f"the state directory cannot be used: {error}", hint="choose another with --state"
            ) from error
        try:
            self.write = _connect(directory / "cloud.db")
            migrate(self.write, directory / "cloud.db")
            self.read = _connect(directory / "cloud.db")
            self.read.execute("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            os.close(self._lock)
            raise CloudError(
                f"the local cloud's database cannot be opened: {error}",
                where=str(directory / "cloud.db"),
                hint="fn local reset removes the state, all functions in it included",
            ) from error
        except CloudError:
            os.close(self._lock)
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed when the block ends, rolled back if it raises."""
        self.write.execute("BEGIN IMMEDIATE")
        try:
            yield self.write
        except BaseException:
            self.write.execute("ROLLBACK")
            raise
        self.write.execute("COMMIT")
        self.changes += 1

    def publish(self, endpoint: Endpoint) -> None:
        """Write the endpoint file, whole or not at all."""
        write_whole(self.directory / "endpoint", json.dumps(asdict(endpoint)).encode())

    def close(self) -> None:
        """Idempotent. The endpoint file goes before the lock, so nobody reads a stale one of a clean stop."""
        if self._lock >= 0:
            (self.directory / "endpoint").unlink(missing_ok=True)
            self.read.close()
            self.write.close()
            os.close(self._lock)
            self._lock = -1


def read_endpoint(directory: Path) -> Endpoint | None:
    """What the endpoint file says, if there is one and its process is alive."""
    try:
        fields: dict[str, Any] = json.loads((directory / "endpoint").read_bytes())
        endpoint = Endpoint(**{**fields, "missing": tuple(fields["missing"])})
        os.kill(endpoint.pid, 0)
    except PermissionError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return endpoint


def remove(directory: Path, *, wait: float) -> None:
    """Remove what a cloud keeps in `directory`, and nothing else there. CloudError while one is up.

    `wait`: seconds for one that is just stopping.
    """
    if not directory.is_dir():
        return
    with hold(directory, wait=wait):
        try:
            for name in _OWN:
                path = directory / name
                if path.is_dir():
                    make_removable(path)
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise CloudError(f"the state could not be removed: {error}", where=str(directory)) from error


@contextmanager
def hold(directory: Path, *, wait: float) -> Iterator[None]:
    """Keep clouds away from `directory`, which is made, for the length of the block. CloudError while one is up."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _take(directory, wait)
    except OSError as error:
        raise CloudError(f"the state directory cannot be used: {error}", hint="choose another with --state") from error
    try:
        yield
    finally:
        os.close(lock)


def make_removable(tree: Path) -> None:
    """Give the owner write permission on every directory, which a zip may have taken away."""
    for path, _, _ in os.walk(tree):
        with suppress(OSError):
            os.chmod(path, 0o700)  # noqa: PTH101 - os.walk gives strings


def write_whole(path: Path, data: bytes) -> None:
    """Write and fsync beside `path`, then rename: a reader, or a crash, meets the old file or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _take(directory: Path, wait: float) -> int:
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            os.close(lock)
            raise _held(directory) from None
        return lock


def _held(directory: Path) -> CloudError:
    endpoint = read_endpoint(directory)
    holder = f"pid {endpoint.pid}, port {endpoint.port}" if endpoint else "a process that is starting or stopping"
    return CloudError(
        f"the state is in use by another local cloud ({holder})",
        where=str(directory),
        hint="stop it with fn local down, or choose another directory with --state",
    )


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection is used from one thread at a time, but not from the one that opened it.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    connection.row_factory = sqlite3.Row
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection
