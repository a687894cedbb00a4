"""A whole cloud as one file: exported, and imported elsewhere.

The file is a zip of `cloud.db` and of the packages that its rows name. What comes from a file is not trusted: the
database must have our tables and no others, each package the digest it is named by, and nothing is changed before all
is seen.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path

from fnroll.cloud.layers import referenced
from fnroll.cloud.migrations import MIGRATIONS, migrate
from fnroll.cloud.standing import WAIT
from fnroll.cloud.state import hold
from fnroll.cloud.store import MAX_ZIPPED, is_key
from fnroll.errors import CloudError

DATABASE = "cloud.db"
MAX_DATABASE = 4 << 30
MAX_PACKAGE = 5 * MAX_ZIPPED
"""Bytes: a package from S3 may be larger than one in a request; unpacked it is 250 MB at most."""

_WHEN = (1980, 1, 1, 0, 0, 0)


def export(state_dir: Path, target: Path) -> int:
    """Write the cloud in `state_dir` to `target`, whole or not at all; how many packages went with it.

    A cloud that is up over it may go on: what it has answered before is in the file. Raises CloudError.
    """
    if not (state_dir / DATABASE).is_file():
        raise CloudError(f"there is no local cloud in {state_dir}", hint="name another state directory with --state")
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory(prefix="fn-export-") as scratch:
            copy = Path(scratch) / DATABASE
            _copy(state_dir / DATABASE, copy)
            with closing(_opened(copy)) as db:
                migrate(db, state_dir / DATABASE)
                packages = sorted(referenced(db)[0])
            with zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as out:
                _put(out, copy, DATABASE, zipfile.ZIP_DEFLATED)
                for key in packages:
                    _put(out, state_dir / "packages" / f"{key}.zip", f"packages/{key}.zip", zipfile.ZIP_STORED)
        beside.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise CloudError(f"the state could not be exported: {error}", where=str(target)) from error
    finally:
        beside.unlink(missing_ok=True)
    return len(packages)


def restore(state_dir: Path, source: Path, *, replace: bool = False) -> int:
    """Make the state in `state_dir` that of the file; how many functions it has.

    Raises CloudError, with nothing changed, if the file is none of `export`'s, a cloud is up over the state, or the
    state has functions and `replace` is not given.
    """
    with hold(state_dir, wait=WAIT):
        if not replace and _functions(state_dir / DATABASE):
            raise CloudError(
                f"the state in {state_dir} has functions of its own",
                hint="--replace forgets them; --state names another directory",
            )
        scratch = Path(tempfile.mkdtemp(prefix=".import-", dir=state_dir))
        try:
            found = _unpack(source, scratch)
            for name in ("packages", "trees"):
                (state_dir / name).mkdir(exist_ok=True)
            for package in (scratch / "packages").iterdir():
                package.replace(state_dir / "packages" / package.name)
            # The log of the database that goes must not be taken for one of the database that comes.
            for ending in ("-wal", "-shm"):
                (state_dir / (DATABASE + ending)).unlink(missing_ok=True)
            (scratch / DATABASE).replace(state_dir / DATABASE)
        except (OSError, sqlite3.Error, zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
            raise CloudError(f"this is no exported local cloud: {error}", where=str(source)) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return found


def _unpack(source: Path, scratch: Path) -> int:
    """The file's database and packages, checked, in `scratch`; how many functions. Raises ValueError and its kind."""
    (scratch / "packages").mkdir()
    with zipfile.ZipFile(source) as opened:
        for entry in opened.infolist():
            key = entry.filename.removeprefix("packages/").removesuffix(".zip")
            if entry.filename == DATABASE:
                limit, data_path = MAX_DATABASE, scratch / DATABASE
            elif is_key(key) and entry.filename == f"packages/{key}.zip":
                limit, data_path = MAX_PACKAGE, scratch / "packages" / f"{key}.zip"
            else:
                raise ValueError(f"it has an entry {entry.filename!r}")
            if entry.file_size > limit:
                raise ValueError(f"{entry.filename} is too large")
            digest = _written(opened, entry, data_path, limit)
            if entry.filename != DATABASE and digest != key:
                raise ValueError(f"{entry.filename} has been changed")
    if not (scratch / DATABASE).exists():
        raise ValueError(f"it has no {DATABASE}")
    with closing(_opened(scratch / DATABASE)) as db:
        _check(db)
        migrate(db, source)
        for key in sorted(referenced(db)[0]):
            if not (scratch / "packages" / f"{key}.zip").exists():
                raise ValueError(f"the package {key} is missing")
        return int(db.execute("SELECT COUNT(*) FROM function").fetchone()[0])


def _written(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, limit: int) -> str:
    digest, size = hashlib.sha256(), 0
    with opened.open(entry) as source, target.open("xb") as out:
        while piece := source.read(1 << 20):
            size += len(piece)
            if size > limit:
                raise ValueError(f"{entry.filename} is too large")
            digest.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _check(db: sqlite3.Connection) -> None:
    """Raises ValueError unless the database is whole, and has the tables of one of our versions and nothing else."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise ValueError("a newer fn has written it")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        for script in MIGRATIONS[:version]:
            fresh.executescript(script)
        if _schema(db) != _schema(fresh):
            raise ValueError("its database has other tables")
    if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        raise ValueError("its database is damaged")


def _schema(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    rows = db.execute("SELECT type, name, COALESCE(sql, '') FROM sqlite_master ORDER BY type, name")
    return [(row[0], row[1], row[2]) for row in rows]


def _functions(database: Path) -> int:
    if not database.is_file():
        return 0
    try:
        with closing(_opened(database)) as db:
            return int(db.execute("SELECT COUNT(*) FROM function").fetchone()[0])
    except sqlite3.Error:
        return 0


def _opened(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _copy(database: Path, target: Path) -> None:
    """A consistent copy, while another process may write; in one file, without a log beside it."""
    with closing(sqlite3.connect(database, timeout=10.0)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")


def _put(out: zipfile.ZipFile, path: Path, name: str, method: int) -> None:
    entry = zipfile.ZipInfo(name, _WHEN)
    entry.compress_type, entry.file_size = method, path.stat().st_size
    with path.open("rb") as source, out.open(entry, "w") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
