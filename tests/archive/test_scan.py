"""What becomes an entry: order, modes, links, and what is refused by name."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from archive_support import plant
from fnroll.archive import Entry, load_rules, scan
from fnroll.errors import ArchiveError


def listing(root: Path, **options: bool) -> list[str]:
    return [entry.name for entry in scan(root, load_rules(root), **options)]


def test_files_by_name_without_empty_directories(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"b/z": b"1", "b.txt": b"22", "a": b"", "empty/": b"", "é": b"", "B": b""})
    assert listing(root) == ["B", "a", "b.txt", "b/z", "é"]
    assert [entry.size for entry in scan(root, load_rules(root))] == [0, 0, 2, 1, 0]


@pytest.mark.parametrize(("mode", "executable"), [(0o644, False), (0o755, True), (0o700, True), (0o655, False)])
def test_only_the_owners_execute_bit_counts(tmp_path: Path, mode: int, executable: bool) -> None:
    root = plant(tmp_path / "t", {"bootstrap": b"#!/bin/sh\n"})
    (root / "bootstrap").chmod(mode)
    assert [entry.executable for entry in scan(root, load_rules(root))] == [executable]


def test_excluded_directories_are_never_opened(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"a": b"", ".git/config": b"", "big/x": b"", ".lambdaignore": b"/big/\n"})
    # Walking into either would fail: a link in a circle, and a socket.
    (root / ".git" / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(root / "big")  # a socket's path must be short
        try:
            server.bind("s")
        finally:
            os.chdir(here)
    assert listing(root) == ["a"]


def test_a_file_link_is_its_targets_content(tmp_path: Path) -> None:
    outside = plant(tmp_path, {"outside": b"beyond"}) / "outside"
    root = plant(tmp_path / "t", {"real": b"12345"})
    (root / "inside").symlink_to("real")
    (root / "out").symlink_to(outside)
    assert [(e.name, e.size, e.link) for e in scan(root, load_rules(root))] == [
        ("inside", 5, None),
        ("out", 6, None),
        ("real", 5, None),
    ]


def test_a_directory_link_is_followed_within_the_tree(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"v1/lib/x": b"", "v1/y": b""})
    (root / "current").symlink_to("v1")
    (root / "v1" / "deep").symlink_to("lib")
    names = ["deep/x", "lib/x", "y"]
    assert listing(root) == [f"{top}/{name}" for top in ("current", "v1") for name in names]


def test_the_tree_itself_may_be_reached_by_a_link(tmp_path: Path) -> None:
    root = plant(tmp_path / "real", {"v1/x": b""})
    (root / "current").symlink_to("v1")
    (tmp_path / "link").symlink_to("real")
    assert listing(tmp_path / "link") == ["current/x", "v1/x"]


def test_kept_links_stay_as_written(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"v1/x": b""})
    for name, target in (("dir", "./v1/"), ("out", "/opt/lib"), ("broken", "nowhere")):
        (root / name).symlink_to(target)
    assert [(e.name, e.link) for e in scan(root, load_rules(root), keep_links=True)] == [
        ("broken", "nowhere"),
        ("dir", "./v1/"),
        ("out", "/opt/lib"),
        ("v1/x", None),
    ]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to(target: str) -> object:
    def make(path: Path) -> None:
        path.symlink_to(target)

    return make


REFUSED = [
    ("fifo", pipe, "a named pipe"),
    ("broken", link_to("nowhere"), "broken link: nowhere"),
    ("circle", link_to("circle"), "symbolic links"),
    ("up", link_to(".."), "outside the tree"),
    ("etc", link_to("/etc"), "outside the tree"),
    ("self", link_to("."), "that it lies in"),
    ("null", link_to("/dev/null"), "a device"),
]


@pytest.mark.parametrize(("name", "make", "words"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_cannot_be_packed_is_refused_by_name_unless_excluded(tmp_path: Path, name: str, make, words: str) -> None:
    root = plant(tmp_path / "t", {"a": b""})
    make(root / name)
    with pytest.raises(ArchiveError) as caught:
        scan(root, load_rules(root))
    assert words in caught.value.message
    assert caught.value.where == str(root / name)
    (root / ".lambdaignore").write_text(f"{name}\n")
    assert listing(root) == ["a"]


def test_links_that_lead_round_through_two_directories(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"a/x": b"", "b/y": b""})
    (root / "a" / "to-b").symlink_to("../b")
    assert listing(root) == ["a/to-b/y", "a/x", "b/y"]
    (root / "b" / "to-a").symlink_to("../a")
    with pytest.raises(ArchiveError, match="that it lies in"):
        scan(root, load_rules(root))


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {})
    try:
        (root / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(ArchiveError, match="not UTF-8"):
        scan(root, load_rules(root))


@pytest.mark.parametrize("name", ["absent", "file"])
def test_no_directory(tmp_path: Path, name: str) -> None:
    plant(tmp_path, {"file": b""})
    with pytest.raises(ArchiveError, match="directory"):
        scan(tmp_path / name, load_rules(tmp_path))


def test_entries_are_values() -> None:
    assert Entry("a", Path("a"), 1) == Entry("a", Path("a"), 1, False, None)
