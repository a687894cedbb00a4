"""The zip: the same bytes for the same content, readable by others, bounded before anything is sent."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from base64 import b64encode
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive_support import harvest, plant
from fnroll.archive import MAX_UNZIPPED, Entry, Package, load_rules, pack, scan, unpack
from fnroll.errors import ArchiveError


def packed(root: Path, **options: bool) -> Package:
    return pack(scan(root, load_rules(root), **options))


TREE = {
    "handler.pl": b"sub handle { 1 }\n" * 50,
    "lib/A.pm": b"1;\n",
    "z/é/日本.txt": b"text",
    "empty": b"",
    "a": os.urandom(999),
}


def test_two_checkouts_give_the_same_bytes(tmp_path: Path) -> None:
    first = plant(tmp_path / "one", TREE)
    umask = os.umask(0o077)
    try:
        second = plant(tmp_path / "two" / "deeper", dict(reversed(TREE.items())))
    finally:
        os.umask(umask)
    for number, path in enumerate(second.rglob("*")):
        os.utime(path, (1_700_000_000 + number, 1_600_000_000 + number))
    for root in (first, second):
        (root / "handler.pl").chmod((root / "handler.pl").stat().st_mode | stat.S_IXUSR)
    one, two = packed(first), packed(second)
    assert one == two
    assert one.data == two.data


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "lib/A.pm").write_bytes(b"2;\n"),
        lambda root: (root / "lib/A.pm").chmod(0o755),
        lambda root: (root / "lib/A.pm").rename(root / "lib/B.pm"),
        lambda root: (root / "new").write_bytes(b""),
        lambda root: (root / "empty").unlink(),
    ],
    ids=["content", "mode", "name", "added", "removed"],
)
def test_any_change_shows_in_both_digests(tmp_path: Path, change) -> None:
    root = plant(tmp_path / "t", TREE)
    before = packed(root)
    change(root)
    after = packed(root)
    assert before.tree_digest != after.tree_digest
    assert before.code_sha256 != after.code_sha256


def test_a_link_and_a_file_of_the_same_bytes_differ(tmp_path: Path) -> None:
    linked = plant(tmp_path / "a", {"v/x": b""})
    (linked / "l").symlink_to("v/x")
    plain = plant(tmp_path / "b", {"v/x": b"", "l": b"v/x"})
    assert packed(linked, keep_links=True).tree_digest != packed(plain).tree_digest


def test_what_a_package_says_of_itself(tmp_path: Path) -> None:
    package = packed(plant(tmp_path / "t", TREE))
    assert package.code_sha256 == b64encode(hashlib.sha256(package.data).digest()).decode()
    assert len(bytes.fromhex(package.tree_digest)) == 32
    assert (package.size, package.files) == (len(package.data), len(TREE))
    assert package.unzipped_size == sum(map(len, TREE.values()))


def test_headers_as_the_standard_library_reads_them(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", TREE)
    (root / "handler.pl").chmod(0o711)
    (root / "link").symlink_to("lib/A.pm")
    with zipfile.ZipFile(BytesIO(packed(root, keep_links=True).data)) as file:
        assert file.testzip() is None
        infos = {info.filename: info for info in file.infolist()}
        assert file.read("link") == b"lib/A.pm"
    assert list(infos) == sorted([*TREE, "link"])
    assert {info.date_time for info in infos.values()} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.create_system for info in infos.values()} == {3}
    modes = {name: info.external_attr >> 16 for name, info in infos.items()}
    assert modes == dict.fromkeys(TREE, 0o100644) | {"handler.pl": 0o100755, "link": 0o120777}
    # No data descriptors; stored where deflate does not help.
    assert {info.flag_bits for info in infos.values()} == {0x0800}
    assert infos["a"].compress_type == infos["empty"].compress_type == zipfile.ZIP_STORED
    assert infos["handler.pl"].compress_type == zipfile.ZIP_DEFLATED


NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='/\\:*?"<>|'), min_size=1, max_size=12
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TREES = st.dictionaries(PATHS, st.binary(max_size=300) | st.just(b"A" * 5000), max_size=8)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes]:
    """Trees in which no file is also a directory, and no two names differ in case alone."""
    tree: dict[str, bytes] = {}
    for name, content in draw(TREES).items():
        taken = {known.casefold() for known in tree}
        above = {name.casefold()[:at] for at, letter in enumerate(name.casefold()) if letter == "/"}
        if (
            name.casefold() not in taken
            and not above & taken
            and not any(t.startswith(name.casefold() + "/") for t in taken)
        ):
            tree[name] = content
    return tree


@settings(max_examples=40, deadline=None)
@given(tree=trees())
def test_random_trees_go_there_and_back(tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = plant(Path(scratch) / "t", tree)
        package = packed(root)
        kept = {entry.name for entry in scan(root, load_rules(root))}
        wanted = {name: content for name, content in harvest(root).items() if name in kept}
        with zipfile.ZipFile(BytesIO(package.data)) as file:
            assert file.testzip() is None
            assert {name: file.read(name) for name in file.namelist()} == wanted
        if shutil.which("unzip") and wanted:
            (Path(scratch) / "x.zip").write_bytes(package.data)
            subprocess.run(["unzip", "-tqq", str(Path(scratch) / "x.zip")], check=True)
        unpack(package.data, Path(scratch) / "back")
        assert harvest(Path(scratch) / "back") == wanted


@pytest.mark.skipif(shutil.which("unzip") is None, reason="needs unzip")
def test_unzip_accepts_it(tmp_path: Path) -> None:
    packed_file = tmp_path / "function.zip"
    root = plant(tmp_path / "t", TREE)
    package = pack(scan(root, load_rules(root)), dest=packed_file)
    assert packed_file.read_bytes() == package.data
    done = subprocess.run(["unzip", "-t", str(packed_file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "No errors detected" in done.stdout


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "tr_TR.UTF-8"])
def test_the_locale_does_not_change_the_bytes(tmp_path: Path, locale: str) -> None:
    root = plant(tmp_path / "t", TREE | {"I": b"1", "i": b"2", "\u0131": b"3", "\u0130": b"4"})
    script = (
        "import sys; from pathlib import Path; from fnroll.archive import *\n"
        "root = Path(sys.argv[1]); print(pack(scan(root, load_rules(root))).code_sha256)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(root)],
        env=os.environ | {"LC_ALL": locale, "LANG": locale},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == packed(root).code_sha256


JAVA = """
import java.io.*; import java.util.*; import java.util.zip.*; import java.security.*;
public class Read { public static void main(String[] names) throws Exception {
  for (String name : names) try (ZipFile zip = new ZipFile(name)) {
    TreeMap<String, String> found = new TreeMap<>();
    for (ZipEntry entry : Collections.list(zip.entries())) {
      byte[] data = zip.getInputStream(entry).readAllBytes();
      byte[] sum = MessageDigest.getInstance("SHA-256").digest(data);
      found.put(HexFormat.of().formatHex(entry.getName().getBytes("UTF-8")), HexFormat.of().formatHex(sum));
    }
    System.out.println(found);
  } } }
"""


@pytest.mark.skipif(shutil.which("java") is None, reason="needs java")
def test_java_reads_what_was_written(tmp_path: Path) -> None:
    dice = random.Random(7)
    names = [f"{dice.choice(['', 'a/', 'é/ü/', 'x y/'])}{dice.choice('abcßλ日')}{number}" for number in range(30)]
    expected = []
    for number in range(20):
        chosen = dice.sample(names, dice.randint(0, 30))
        tree = {name: dice.randbytes(dice.randint(0, 900)) * dice.randint(0, 40) for name in chosen}
        root = plant(tmp_path / f"t{number}", tree)
        pack(scan(root, load_rules(root)), dest=tmp_path / f"{number:02}.zip")
        sums = {name.encode().hex(): hashlib.sha256(content).hexdigest() for name, content in tree.items()}
        expected.append("{" + ", ".join(f"{name}={sums[name]}" for name in sorted(sums)) + "}")
    (tmp_path / "Read.java").write_text(JAVA)
    words = ["java", str(tmp_path / "Read.java"), *(str(tmp_path / f"{number:02}.zip") for number in range(20))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == expected


def test_nothing_at_all(tmp_path: Path) -> None:
    package = packed(plant(tmp_path / "t", {}))
    assert (package.files, package.unzipped_size) == (0, 0)
    with zipfile.ZipFile(BytesIO(package.data)) as file:
        assert file.namelist() == []


def test_more_files_than_the_old_format_counts(tmp_path: Path) -> None:
    content = plant(tmp_path, {"x": b""}) / "x"
    package = pack(Entry(f"{number:05}", content, 0) for number in range(65_536))
    with zipfile.ZipFile(BytesIO(package.data)) as file:
        assert len(file.namelist()) == package.files == 65_536


def test_threads_do_not_change_the_bytes(tmp_path: Path) -> None:
    big = {f"f{number}": bytes([number]) * 200_000 + os.urandom(50) for number in range(12)}
    root = plant(tmp_path / "t", big)
    package = packed(root)
    for workers in (1, 2, 5):
        assert pack(scan(root, load_rules(root)), workers=workers).data == package.data
    unpack(package.data, tmp_path / "back")
    assert harvest(tmp_path / "back") == big


# limits


def test_over_the_unzipped_limit_names_the_ten_largest_without_reading(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {f"small{number}": b"x" * number for number in range(12)})
    with (root / "huge.bin").open("wb") as file:
        file.truncate(MAX_UNZIPPED)  # a hole: takes no room on the disk
    with pytest.raises(ArchiveError) as caught:
        packed(root)
    lines = caught.value.message.splitlines()
    assert "250.0 MiB" in lines[0]
    assert len(lines) == 11
    assert lines[1].split() == ["250.0", "MiB", "huge.bin"]
    assert lines[2].split() == ["11", "B", "small11"]
    assert ".lambdaignore" in str(caught.value.hint)


def test_a_byte_less_than_the_unzipped_limit_passes(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {})
    with (root / "huge.bin").open("wb") as file:
        file.truncate(MAX_UNZIPPED - 1)
    assert packed(root).unzipped_size == MAX_UNZIPPED - 1


def test_over_the_zip_limit_names_the_largest(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"noise": os.urandom(5000), "text": b"A" * 9000})
    entries = scan(root, load_rules(root))
    size = pack(entries).size
    assert pack(entries, limit=size + 1).size == size
    assert pack(entries, limit=None).size == size
    with pytest.raises(ArchiveError) as caught:
        pack(entries, limit=size, dest=tmp_path / "out.zip")
    assert caught.value.message.splitlines()[1].split()[-1] == "noise"
    assert not (tmp_path / "out.zip").exists()


def test_a_file_that_went_away(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"a": b"x"})
    entries = scan(root, load_rules(root))
    (root / "a").unlink()
    with pytest.raises(ArchiveError) as caught:
        pack(entries)
    assert caught.value.where == str(root / "a")


def test_one_name_twice(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"a": b"", "b": b""})
    with pytest.raises(ArchiveError, match="two files want the name n"):
        pack([Entry("n", root / "a", 0), Entry("n", root / "b", 0)])


def test_a_destination_that_cannot_be_written(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"a": b""})
    with pytest.raises(ArchiveError, match="cannot be written"):
        pack(scan(root, load_rules(root)), dest=tmp_path / "absent" / "x.zip")
