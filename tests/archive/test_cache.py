"""The cache of packed entries: the same bytes as without it, whatever became of its files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archive_support import plant
from fnroll.archive import Cache, Package, load_rules, pack, scan
from fnroll.errors import ArchiveError

FILES = {f"lib/{number}.pm": (f"package P{number};\n" * 400).encode() for number in range(40)} | {"blob": bytes(90_000)}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return plant(tmp_path / "tree", FILES)


LATER = 10_000_000_000
"""Nanoseconds from now: by then what was changed just now is believed by its times."""


def cached(root: Path, where: Path, **options: int) -> Package:
    entries = scan(root, load_rules(root), now=time.time_ns() + LATER)
    return pack(entries, cache=Cache(where, root, smallest=0, **options))


def plain(root: Path) -> bytes:
    return bytes(pack(scan(root, load_rules(root))).data)


def same(first: Package, second: Package) -> bool:
    return bytes(first.data) == bytes(second.data) and first == second


def test_cold_warm_and_without(tree: Path, tmp_path: Path) -> None:
    cold = cached(tree, tmp_path / "cache")
    warm = cached(tree, tmp_path / "cache")
    assert bytes(cold.data) == bytes(warm.data) == plain(tree)
    assert cold == warm == pack(scan(tree, load_rules(tree)))


@pytest.mark.parametrize("keep_links", [False, True])
def test_what_did_not_change_is_not_read(tree: Path, tmp_path: Path, keep_links: bool) -> None:
    (tree / "link").symlink_to("blob")
    rules = load_rules(tree)
    entries = scan(tree, rules, keep_links=keep_links, now=time.time_ns() + LATER)
    first = pack(entries, cache=Cache(tmp_path / "cache", tree, smallest=0))
    memory = Cache(tmp_path / "cache", tree, smallest=0).recall(entries)
    assert memory.whole is not None and bytes(memory.whole.zip) == bytes(first.data)
    (tree / "lib/3.pm").write_text("changed")
    entries = scan(tree, rules, keep_links=keep_links, now=time.time_ns() + LATER)
    memory = Cache(tmp_path / "cache", tree, smallest=0).recall(entries)
    assert memory.whole is None
    assert [entry.name for entry, known in zip(entries, memory.digests, strict=True) if known is None] == ["lib/3.pm"]


def test_what_changed_just_now_is_read_again(tree: Path, tmp_path: Path) -> None:
    """A second change within a tick of the file system's clock leaves the same times."""
    entries = scan(tree, load_rules(tree))
    pack(entries, cache=Cache(tmp_path / "cache", tree, smallest=0))
    assert Cache(tmp_path / "cache", tree, smallest=0).recall(entries).whole is None


def test_small_trees_take_no_cache(tree: Path, tmp_path: Path) -> None:
    pack(scan(tree, load_rules(tree)), cache=Cache(tmp_path / "cache", tree))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("how", ["content", "same size", "new file", "deleted", "renamed", "executable"])
def test_a_change_is_seen(tree: Path, tmp_path: Path, how: str) -> None:
    before = cached(tree, tmp_path / "cache")
    file = tree / "lib/7.pm"
    if how == "content":
        file.write_text("package Other;")
    elif how == "same size":
        stamp = file.stat()
        file.write_bytes(bytes(file.stat().st_size))
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    elif how == "new file":
        (tree / "new").write_text("x")
    elif how == "deleted":
        file.unlink()
    elif how == "renamed":
        file.rename(tree / "lib/other.pm")
    else:
        file.chmod(0o755)
    after = cached(tree, tmp_path / "cache")
    assert bytes(after.data) == plain(tree) != bytes(before.data)
    assert bytes(cached(tree, tmp_path / "cache").data) == plain(tree)


def test_another_tree_takes_what_it_shares(tree: Path, tmp_path: Path) -> None:
    cached(tree, tmp_path / "cache")
    other = plant(tmp_path / "other", FILES | {"more": b"more"})
    assert bytes(cached(other, tmp_path / "cache").data) == plain(other)


@pytest.mark.parametrize("what", ["packages", "trees"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "removed", "directory"])
def test_a_damaged_cache_is_none(tree: Path, tmp_path: Path, what: str, damage: str) -> None:
    cached(tree, tmp_path / "cache")
    (path,) = (tmp_path / "cache" / what).iterdir()
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        data[len(data) // 3] ^= 1
        path.write_bytes(data)
    elif damage == "emptied":
        path.write_bytes(b"")
    else:
        path.unlink()
        if damage == "directory":
            path.mkdir()
    assert bytes(cached(tree, tmp_path / "cache").data) == plain(tree)


def test_a_cache_that_cannot_be_written_is_none(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the directory would be")
    assert bytes(cached(tree, tmp_path / "cache").data) == plain(tree)


def test_it_stays_within_its_bound(tmp_path: Path) -> None:
    for number in range(6):
        root = plant(tmp_path / f"t{number}", {"blob": os.urandom(100_000)})
        package = cached(root, tmp_path / "cache", bound=250_000)
        assert bytes(package.data) == plain(root)
    kept = list((tmp_path / "cache" / "packages").iterdir())
    assert sum(path.stat().st_size for path in kept) <= 250_000
    assert kept


def test_the_limit_holds_for_what_is_remembered(tree: Path, tmp_path: Path) -> None:
    cached(tree, tmp_path / "cache")
    with pytest.raises(ArchiveError, match="in a request"):
        pack(scan(tree, load_rules(tree)), limit=100, cache=Cache(tmp_path / "cache", tree, smallest=0))


def test_what_is_given_away_outlives_the_cache(tree: Path, tmp_path: Path) -> None:
    package = cached(tree, tmp_path / "cache")
    for path in (tmp_path / "cache" / "packages").iterdir():
        path.unlink()
    assert bytes(package.data) == plain(tree)


KILLED = """
import os, signal, sys
from pathlib import Path
from fnroll.archive import Cache, load_rules, pack, scan
at, root, where = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
calls = 0
def counted(event, arguments):
    global calls
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.utime") and str(where) in str(arguments):
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
entries = scan(root, load_rules(root), now=__import__("time").time_ns() + 10**10)
sys.addaudithook(counted)
pack(entries, cache=Cache(where, root, smallest=0))
print("whole")
"""


def test_killed_at_any_step_nothing_wrong_is_left(tree: Path, tmp_path: Path) -> None:
    expected, cache = plain(tree), tmp_path / "cache"
    for at in range(1, 40):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(at), str(tree), str(cache)], capture_output=True, text=True, check=False
        )
        assert bytes(cached(tree, cache).data) == expected
        if done.stdout == "whole\n":
            break
        (tree / "lib/0.pm").write_text(f"package Changed{at};\n")
        expected = plain(tree)
    else:
        raise AssertionError("it never ended by itself")
    assert at > 3


def test_two_processes_at_once(tree: Path, tmp_path: Path) -> None:
    script = (
        "import sys, hashlib; from pathlib import Path; from fnroll.archive import *\n"
        "root, where = map(Path, sys.argv[1:])\n"
        "for _ in range(10): print(pack(scan(root, load_rules(root)), "
        "cache=Cache(where, root, smallest=0)).code_sha256)\n"
    )
    words = [sys.executable, "-c", script, str(tree), str(tmp_path / "cache")]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {line for process in running for line in process.communicate()[0].splitlines()}
    assert said == {pack(scan(tree, load_rules(tree))).code_sha256}
    assert [process.returncode for process in running] == [0, 0, 0]
