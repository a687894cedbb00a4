"""Unpacking: honest zips become trees, hostile ones leave nothing behind, layers merge as /opt does."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive_support import LINK, REGULAR, harvest, patched, plant, zipped
from fnroll.archive import MAX_UNZIPPED, Like, load_rules, pack, scan, unpack, unpack_layers
from fnroll.errors import ArchiveError

DEFLATED = zipfile.ZIP_DEFLATED


def test_modes_and_links(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        unpack(
            zipped(
                ("./bootstrap", b"#!", stat.S_IFREG | 0o500),
                ("lib/", b"", stat.S_IFDIR | 0o700),
                ("lib/deep/x", b"x", stat.S_IFREG | 0o4600),
                ("lib/link", b"../bootstrap", LINK),
                ("lib/down", b"./deep/x", LINK),
            ),
            tmp_path / "t",
        )
    finally:
        os.umask(umask)
    modes = {
        path.relative_to(tmp_path / "t").as_posix(): oct(path.lstat().st_mode)
        for path in [tmp_path / "t", *(tmp_path / "t").rglob("*")]
        if not path.is_symlink()
    }
    directory, file, program = oct(0o40755), oct(0o100644), oct(0o100755)
    assert modes == {".": directory, "lib": directory, "lib/deep": directory, "lib/deep/x": file, "bootstrap": program}
    assert (tmp_path / "t/lib/link").read_bytes() == b"#!"
    assert (tmp_path / "t/lib/down").read_bytes() == b"x"


def test_a_zip_made_on_windows_has_no_executables(tmp_path: Path) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        info = zipfile.ZipInfo("bootstrap")
        info.create_system, info.external_attr = 0, 0o100755 << 16
        file.writestr(info, b"x")
    unpack(buffer.getvalue(), tmp_path / "t")
    assert (tmp_path / "t/bootstrap").stat().st_mode & 0o777 == 0o644


def test_a_zip_of_our_own_comes_back(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"a": b"1" * 5000, "b/é": b"2", "c": b""})
    unpack(pack(scan(root, load_rules(root))).data, tmp_path / "back")
    assert harvest(tmp_path / "back") == harvest(root)


def bomb() -> bytes:
    """A member that says it is small and is not: 300 MB of zeros, deflated, declared as 1,000 bytes."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = b"".join(engine.compress(bytes(1 << 20)) for _ in range(300)) + engine.flush()
    return patched(zipped(("zeros", body)), method=8, size=1000)


def declared(size: int, count: int) -> bytes:
    """Members that claim so many bytes, in as many as could hold them."""
    filler = b"x" * (size // 1000 + 1)
    return patched(zipped(*((f"n{number}", filler) for number in range(count))), method=8, size=size)


def elsewhere(data: bytes, offset: int) -> bytes:
    """`data`, whose end record says that the directory begins at `offset`."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, data.rindex(b"PK\x05\x06") + 16, offset)
    return bytes(changed)


def overlapping() -> bytes:
    """Two members, the second of which is the first's bytes under another name."""
    data = bytearray(zipped(("one", b"x" * 500), ("two", b"x" * 500)))
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 42, 0)
    return bytes(data)


def renamed_inside() -> bytes:
    return zipped(("innocent", b"x")).replace(b"innocent", b"etc/host", 1)


def deflated(content: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(content) + engine.flush()


HOSTILE = {
    "absolute": (zipped(("/etc/passwd", b"x")), "absolute"),
    "drive": (zipped(("C:/x", b"x")), "absolute"),
    "up": (zipped(("../x", b"x")), "out of the zip"),
    "up-inside": (zipped(("a/../../x", b"x")), "out of the zip"),
    "up-at-the-end": (zipped(("a/..", b"x")), "out of the zip"),
    "backslash-up": (zipped(("..\\x", b"x")), "backslash"),
    "backslash": (zipped(("a\\b", b"x")), "backslash"),
    "nul": (zipped(("a\0b", b"x")), "NUL"),
    "no-name": (zipped((".", b"x")), "without a name"),
    "twice": (zipped(("a", b"1"), ("a", b"2")), "twice"),
    "twice-in-disguise": (zipped(("a/b", b"1"), ("a/./b", b"2")), "twice"),
    "file-and-directory": (zipped(("a", b"1"), ("a/b", b"2")), "lies below a, which is a file"),
    "below-a-link": (zipped(("a", b".", LINK), ("a/b", b"2")), "lies below a, which is a link"),
    "link-absolute": (zipped(("a", b"/etc/passwd", LINK)), "leads out of the tree"),
    "link-up": (zipped(("a", b"../x", LINK)), "leads out of the tree"),
    "link-up-deeper": (zipped(("d/a", b"../../x", LINK)), "leads out of the tree"),
    "link-down-and-up": (zipped(("p/d", b"..", LINK), ("p/e", b"d/../x", LINK)), "leads out of the tree"),
    "link-empty": (zipped(("a", b"", LINK)), "leads out of the tree"),
    "link-endless": (zipped(("a", b"x/" * 4000, LINK)), "endless"),
    "fifo": (zipped(("a", b"", stat.S_IFIFO | 0o644)), "neither file"),
    "device": (zipped(("a", b"", stat.S_IFCHR | 0o644)), "neither file"),
    "encrypted": (patched(zipped(("a", b"x")), flags=1), "without a password"),
    "bzip2": (zipped(("a", b"x" * 99), method=zipfile.ZIP_BZIP2), "bzip2 (number 12)"),
    "unknown-method": (patched(zipped(("a", b"x")), method=77), "unknown method (number 77)"),
    "bomb-declared": (declared(MAX_UNZIPPED // 2, 3), "250.0 MiB"),
    "bomb-hidden": (bomb(), "cannot be unpacked"),
    "wrong-crc": (zipped(("a", b"hello")).replace(b"hello", b"jello"), "cannot be unpacked"),
    "cut-off": (zipped(("a", b"x" * 999))[:-40], "no readable zip"),
    "double-slash": (zipped(("//server/share", b"x")), "absolute"),
    "drive-relative": (zipped(("c:x", b"x")), "absolute"),
    "up-alone": (zipped(("..", b"x")), "out of the zip"),
    "up-directory": (zipped(("../", b"", stat.S_IFDIR | 0o755)), "out of the zip"),
    "up-deep": (zipped(("a/b/../../../x", b"x")), "out of the zip"),
    "up-dotted": (zipped(("./.././x", b"x")), "out of the zip"),
    "backslash-absolute": (zipped(("\\etc\\passwd", b"x")), "backslash"),
    "nul-at-the-end": (zipped(("bootstrap\0.txt", b"x")), "NUL"),
    "nothing-but-dots": (zipped(("./.", b"x")), "without a name"),
    "directory-and-file": (zipped(("a/", b"", stat.S_IFDIR | 0o755), ("a", b"x")), "twice"),
    "directory-and-link": (zipped(("a/", b"", stat.S_IFDIR | 0o755), ("a", b"b", LINK)), "twice"),
    "link-twice": (zipped(("a", b"b", LINK), ("a", b"c", LINK)), "twice"),
    "far-below-a-link": (zipped(("a", b".", LINK), ("a/b/c/d", b"2")), "lies below a, which is a link"),
    "link-root": (zipped(("a", b"/", LINK)), "leads out of the tree"),
    "link-up-alone": (zipped(("a", b"..", LINK)), "leads out of the tree"),
    "link-dot-up": (zipped(("a", b"./..", LINK)), "leads out of the tree"),
    "link-up-twice": (zipped(("d/a", b"..//..//x", LINK)), "leads out of the tree"),
    "link-nul": (zipped(("a", b"b\0/../..", LINK)), "leads out of the tree"),
    "socket": (zipped(("a", b"", stat.S_IFSOCK | 0o644)), "neither file"),
    "disk": (zipped(("a", b"", stat.S_IFBLK | 0o644)), "neither file"),
    "encrypted-strongly": (patched(zipped(("a", b"x")), flags=0x41), "without a password"),
    "encrypted-directory": (patched(zipped(("a", b"x")), flags=0x2000), "without a password"),
    "aes": (patched(zipped(("a", b"x")), method=99), "AES encryption (number 99)"),
    "lzma": (patched(zipped(("a", b"x")), method=14), "LZMA (number 14)"),
    "zstandard": (patched(zipped(("a", b"x")), method=93), "Zstandard (number 93)"),
    "xz": (patched(zipped(("a", b"x")), method=95), "XZ (number 95)"),
    "implode": (patched(zipped(("a", b"x")), method=6), "Implode (number 6)"),
    "shrink": (patched(zipped(("a", b"x")), method=1), "Shrink (number 1)"),
    "bomb-of-one-byte": (patched(zipped(("a", b"x")), method=8, size=100_000_000), "no content packs into"),
    "bomb-stored": (patched(zipped(("a", b"x" * 70_000)), size=140_000_000), "no content packs into"),
    "bomb-overlapping": (overlapping(), "shares its bytes with"),
    "another-name-inside": (renamed_inside(), "cannot be unpacked"),
    "deflate-garbage": (patched(zipped(("a", b"\xff" * 40)), method=8), "cannot be unpacked"),
    "deflate-cut-off": (
        patched(zipped(("a", deflated(b"xy" * 50)[:-2])), method=8, size=300),
        "cannot be unpacked",
    ),
    "claims-less": (patched(zipped(("a", deflated(b"hello" * 9))), method=8, size=5), "cannot be unpacked"),
    "twice-by-slashes": (zipped(("a/b", b"1"), ("a//b", b"2")), "twice"),
    "directory-elsewhere": (elsewhere(zipped(("a", b"x")), 40_000), "lies outside the zip"),
    "name-not-utf-8": (zipped(("\u00e9", b"x")).replace(b"\xc3\xa9", b"\xc3\x28"), "no readable zip"),
    "no-zip": (b"not a zip at all", "no readable zip"),
    "empty": (b"", "no readable zip"),
}


def test_there_are_sixty_of_them() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_are_refused_and_leave_nothing(tmp_path: Path, case: str) -> None:
    data, words = HOSTILE[case]
    target = tmp_path / "room" / "task"
    target.parent.mkdir()
    with pytest.raises(ArchiveError) as caught:
        unpack(data, target)
    assert words in str(caught.value)
    assert list((tmp_path / "room").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["room"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_zip_is_one_clear_error_or_a_tree(data: st.DataObject) -> None:
    good = zipped(("a/b", b"text" * 20), ("link", b"a/b", LINK), ("c", b"c", REGULAR), method=DEFLATED)
    damaged = bytearray(good)
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(0, 255)), max_size=4)):
        damaged[at] = value
    scratch = Path(tempfile.mkdtemp())
    try:
        unpack(bytes(damaged), scratch / "t")
    except ArchiveError:
        assert list(scratch.iterdir()) == []
    else:
        real = os.path.realpath(scratch / "t")
        assert all(os.path.realpath(path).startswith(real) for path in (scratch / "t").rglob("*"))
    finally:
        shutil.rmtree(scratch)


# the target


def test_a_target_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"mine": b"1"})
    with pytest.raises(ArchiveError, match="in the way"):
        unpack(zipped(("a", b"x")), root)
    assert harvest(root) == {"mine": b"1"}


def test_an_empty_directory_and_missing_parents_will_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    unpack(zipped(("a", b"x")), tmp_path / "empty")
    unpack(zipped(("a", b"x")), tmp_path / "not" / "there" / "yet")
    assert harvest(tmp_path / "empty") == harvest(tmp_path / "not/there/yet") == {"a": b"x"}


def test_a_target_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(ArchiveError, match="in the way"):
        unpack(zipped(("a", b"x")), tmp_path / "link")


def test_a_name_too_long_for_the_disk(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be written"):
        unpack(zipped(("n" * 300, b"x")), tmp_path / "t")
    assert list(tmp_path.iterdir()) == []


# layers

MERGES = [
    ([[("a", b"1"), ("b", b"1")], [("b", b"2"), ("c", b"2")]], {"a": b"1", "b": b"2", "c": b"2"}),
    ([[("lib/x", b"1")], [("lib/y", b"2")], [("lib/x", b"3")]], {"lib/x": b"3", "lib/y": b"2"}),
    ([[("a", b"1")], [("a/b", b"2")]], {"a/b": b"2"}),
    ([[("a/b", b"1"), ("a/c", b"1"), ("ab", b"1")], [("a", b"2")]], {"a": b"2", "ab": b"1"}),
    ([[("a/b/c", b"1")], [("a/b", b"2")], [("a/b/d", b"3")]], {"a/b/d": b"3"}),
    ([[("d/x", b"1")], [("d", b"e", LINK)], [("d/y", b"3")]], {"d/y": b"3"}),
    ([], {}),
]


@pytest.mark.parametrize(("layers", "merged"), MERGES, ids=range(len(MERGES)))
def test_the_last_layer_wins(tmp_path: Path, layers, merged: dict[str, bytes]) -> None:
    unpack_layers([zipped(*members) for members in layers], tmp_path / "opt")
    assert harvest(tmp_path / "opt") == merged


def test_layers_share_one_limit(tmp_path: Path) -> None:
    half = declared(MAX_UNZIPPED // 2, 1)
    with pytest.raises(ArchiveError, match=r"250\.0 MiB"):
        unpack_layers([half, half, declared(2, 1)], tmp_path / "opt")


def test_what_a_like_tree_has_is_linked_from_it_and_nothing_else(tmp_path: Path) -> None:
    program = stat.S_IFREG | 0o755
    before = zipped(
        ("same", b"s" * 90, REGULAR),
        ("deep/same", b"d", REGULAR),
        ("changed", b"one", REGULAR),
        ("mode", b"m", REGULAR),
        ("gone", b"g", REGULAR),
        ("lost", b"l", REGULAR),
        ("link", b"same", LINK),
    )
    after = zipped(
        ("changed", b"two", REGULAR),
        ("deep/same", b"d", REGULAR),
        ("new", b"n", REGULAR),
        ("mode", b"m", program),
        ("lost", b"l", REGULAR),
        ("link", b"same", LINK),
        ("same", b"s" * 90, REGULAR),
    )
    old, new, alone = tmp_path / "old", tmp_path / "new", tmp_path / "alone"
    unpack(before, old)
    (old / "lost").unlink()
    unpack(after, new, Like(before, old))
    unpack(after, alone)
    assert harvest(new) == harvest(alone)
    names = ("same", "deep/same", "changed", "mode", "new", "lost")
    linked = [name for name in names if (new / name).stat().st_nlink > 1]
    assert linked == ["same", "deep/same"]
    assert harvest(old)["changed"] != harvest(new)["changed"]


@pytest.mark.parametrize("before", [b"", b"no zip"])
def test_a_like_tree_without_a_zip_is_no_help_and_no_harm(tmp_path: Path, before: bytes) -> None:
    unpack(zipped(("x", b"x", REGULAR)), tmp_path / "t", Like(before, tmp_path / "none"))
    assert (tmp_path / "t/x").read_bytes() == b"x"
