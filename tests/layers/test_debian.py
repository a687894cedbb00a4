"""Debian packages without Debian: versions, indexes, mirrors, signatures, and what is inside a .deb."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debian_support import deb
from fnroll.errors import LayerError, LayerUnavailable
from fnroll.layers.debian import version
from fnroll.layers.debian.control import Index, Relation, fields, relations
from fnroll.layers.debian.deb import files, merged
from fnroll.layers.debian.mirrors import Archive, archives
from fnroll.layers.debian.release import verified
from fnroll.layers.debian.resolve import resolve
from fnroll.layers.lock import Locked

ORDERED = [
    "1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-0.1", "1.0-1~bpo1", "1.0-1", "1.0-1+b1", "1.0-1+deb12u2", "1.0-1+deb12u10",
    "1.0-2", "1.0a", "1.0+dfsg-1", "1.0.1", "1.2", "1.10", "1:0.1", "2:0~",
]  # fmt: skip
"""Debian policy 5.6.12, ascending."""


def test_versions_stand_in_dpkgs_order() -> None:
    for before, after in itertools.combinations(ORDERED, 2):
        assert version.key(before) < version.key(after), (before, after)
    assert version.satisfies("1.10", ">>", "1.9") and version.satisfies("1.0", "<=", "1.0")


@given(st.text(max_size=12))
def test_any_text_has_a_place_among_versions(text: str) -> None:
    assert version.key(text) == version.key(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("a", ((Relation("a"),),)),
        ("a (>= 1), b | c:any (<< 2~)", ((Relation("a", ">=", "1"),), (Relation("b"), Relation("c", "<<", "2~")))),
    ],
)
def test_dependencies(text: str, expected: object) -> None:
    assert relations(text) == expected


def test_what_is_no_dependency_is_refused() -> None:
    with pytest.raises(LayerError, match=r"'a \[\] b' is no dependency"):
        relations("a [] b")


def paragraph(name: str, number: str = "1", depends: str = "", **more: str) -> str:
    found = {
        "Package": name,
        "Version": number,
        "Filename": f"pool/{name}_{number}_all.deb",
        "Size": "1",
        "SHA256": "00",
    }
    found |= ({"Depends": depends} if depends else {}) | more
    return "".join(f"{key}: {value}\n" for key, value in found.items())


def names(*texts: str, wanted: str, without: tuple[str, ...] = ()) -> list[str]:
    found = resolve(Index(["\n".join(texts)]), wanted.split(), without)
    return [f"{one.name} {one.version}" for one in found]


def test_everything_needed_comes_along_once_and_in_its_newest_version() -> None:
    texts = [
        paragraph("a", depends="b (>= 2), c | d"), paragraph("b", "1"), paragraph("b", "3"), paragraph("b", "2"),
        paragraph("c", depends="a"), paragraph("d"), paragraph("e"),
    ]  # fmt: skip
    assert names(*texts, wanted="a") == ["a 1", "b 3", "c 1"]


def test_what_only_an_installed_system_needs_is_left_out() -> None:
    texts = [paragraph("a", depends="dpkg, debconf | x, base"), paragraph("base", Essential="yes"), paragraph("dpkg")]
    assert names(*texts, wanted="a") == ["a 1"]
    assert names(*texts, wanted="a base") == ["a 1", "base 1"]


def test_a_package_that_provides_another_will_do() -> None:
    texts = [paragraph("a", depends="virtual (>= 2)"), paragraph("p", Provides="virtual (= 1)")]
    with pytest.raises(LayerError, match=r"a 1 needs virtual \(>= 2\), which the archive does not have"):
        names(*texts, wanted="a")
    assert names(*texts, paragraph("q", Provides="virtual (= 3)"), wanted="a") == ["a 1", "q 1"]


def test_fields_go_on_over_lines() -> None:
    assert fields("A: 1\nB:\n x\n y\n") == {"A": "1", "B": "x\ny"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no .deb"),
        (b"!<arch>\n", "without data.tar"),
        (deb({"./a": b"x"})[:-20], "is no intact .deb"),
        (deb({"./a": b"x"}).replace(b"data.tar.xz ", b"data.tar.zst"), "Debian's own packages hold data.tar.xz"),
        (deb({"../../etc/passwd": b"x"}), "holds a file with the name '../../etc/passwd'"),
        (deb({"./a/../../b": b"x"}), "holds a file with the name"),
    ],
)
def test_a_deb_that_is_none(data: bytes, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        list(files(data, "p"))


def test_names_are_those_of_a_merged_usr() -> None:
    assert [merged(name) for name in ("./bin/sh", "lib/x/y", "/usr/bin/a", "etc/x", "lib")] == [
        "usr/bin/sh", "usr/lib/x/y", "usr/bin/a", "etc/x", "lib",
    ]  # fmt: skip


def configured(root: Path, name: str, text: str) -> Path:
    path = root / "etc/apt" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


def test_mirrors_are_those_of_apt_in_either_of_its_forms(tmp_path: Path) -> None:
    root = configured(
        tmp_path,
        "sources.list.d/debian.sources",
        "Types: deb\nURIs: file:///d\nSuites: bookworm bookworm-updates\nComponents: main\n\n"
        "# another\nTypes: deb\nURIs: file:///s\nSuites: bookworm-security\nComponents: main\n",
    )
    expected = [("file:///d", "trixie"), ("file:///d", "trixie-updates"), ("file:///s", "trixie-security")]
    assert [(one.url, one.suite) for one in archives("trixie", {}, root)] == expected
    other = configured(
        tmp_path / "o",
        "sources.list",
        "deb [signed-by=/k.gpg] file:///d/ bookworm main contrib\ndeb-src file:///x bookworm main\n"
        "deb file:///s bookworm-security main # safe\ndeb file:///third stable contrib\n",
    )
    assert [(one.url, one.suite) for one in archives("trixie", {}, other)] == expected


def test_a_mirror_may_be_named_and_none_is_an_error(tmp_path: Path) -> None:
    (main, _, security) = archives("bookworm", {"FN_DEB_MIRROR": "file:///m/"}, tmp_path)
    assert (main.url, security.url, security.optional) == ("file:///m", "file:///m-security", True)
    with pytest.raises(LayerUnavailable, match="knows no mirror of Debian's"):
        archives("bookworm", {}, tmp_path)


@pytest.mark.skipif(shutil.which("gpgv") is None, reason="needs gpgv")
def test_a_release_that_nobody_signed_is_refused_where_that_can_be_checked(tmp_path: Path) -> None:
    keyring = tmp_path / "keys.gpg"
    keyring.write_bytes(b"")
    text = "-----BEGIN PGP SIGNED MESSAGE-----\n\nSuite: x\n-----BEGIN PGP SIGNATURE-----\n\nx\n"
    said: list[str] = []
    with pytest.raises(LayerError, match="is not signed by a key in"):
        verified(text.encode(), Archive("file:///m", "x", (keyring,)), shutil.which("gpgv"), said.append)
    assert verified(text.encode(), Archive("file:///m", "x", ()), None, said.append) == "Suite: x\n"
    assert said == ["the signature of x is not checked: this machine has not gpgv"]


@pytest.mark.parametrize(
    ("name", "source", "path"),
    [
        ("perl-base", "perl", "main/p/perl/perl-base_5.36.0-7_amd64.deb"),
        ("libjson-xs-perl", "libjson-xs-perl", "main/libj/libjson-xs-perl/libjson-xs-perl_5.36.0-7_amd64.deb"),
    ],
)
def test_where_a_locked_package_lies(name: str, source: str, path: str) -> None:
    locked = Locked(name, "1:5.36.0-7", "amd64", source, "5.36.0-7", 1, "00")
    assert locked.paths == (f"pool/{path}", f"pool/updates/{path}")
