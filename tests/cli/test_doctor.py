"""What `fn doctor` makes of what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from fnroll.cli.doctor import Check, chosen, directory, extras, interpreter, limits, outbound, room, tiers
from fnroll.emulator.policy import MAX_ENVIRONMENTS, capacity
from fnroll.layers import Runtime
from fnroll.sandbox.api import Missing, Verdict

MEMORY = Missing("memory limit", "no control group", "run as root")
FILES = Missing("file system isolation", "a plain process", "use linux")
REFUSED = Missing("isolation", "EPERM", "allow it")
WHOLE, PART, NONE = Verdict("linux", None, ()), Verdict("process", None, (FILES, MEMORY)), Verdict("linux", REFUSED, ())


def test_each_tier_has_a_line() -> None:
    assert tiers([WHOLE, PART]) == [
        Check("sandbox", "linux", "yes", "taken by --sandbox auto"),
        Check("sandbox", "process", "partly", "without file system isolation, memory limit"),
    ]
    assert tiers([NONE, PART]) == [
        Check("sandbox", "linux", "no", "EPERM", "allow it"),
        Check("sandbox", "process", "partly", "taken by --sandbox auto; without file system isolation, memory limit"),
    ]


def test_the_chosen_tier_is_the_first_that_works() -> None:
    assert [chosen(verdicts) for verdicts in ([WHOLE, PART], [NONE, PART], [NONE], [])] == [
        "linux", "process", None, None,
    ]  # fmt: skip


def test_what_the_chosen_tier_lacks_has_lines_with_the_way_to_it() -> None:
    assert {each.what: each.state for each in limits([WHOLE])} == dict.fromkeys(
        ["memory limit", "CPU share", "process limit", "freezer"], "yes"
    )
    found = {each.what: each for each in limits([NONE, PART])}
    assert found["memory limit"] == Check("process", "memory limit", "no", "no control group", "run as root")
    assert found["file system isolation"].state == "no"
    assert found["freezer"].state == "yes"
    assert limits([NONE]) == []


def test_extras_are_named_with_their_install_line() -> None:
    assert [each.state for each in extras(lambda _: True)] == ["yes"] * len(extras(lambda _: True))
    assert all("pip install 'fnroll[" in each.mend for each in extras(lambda _: False))


def runtime(command: str | None) -> Runtime:
    return Runtime("x", Path(), "1", "", "provided.al2023", ("arm64",), (".x",), "a.b", "bootstrap", (), "MIT", command)


def test_an_interpreter_counts_where_a_sandbox_sees_it() -> None:
    places = {"perl": "/usr/bin/perl", "ruby": None}

    def which(command: str, path: str | None) -> str | None:
        return places.get(command) if path else {"ruby": "/home/me/ruby"}.get(command, places.get(command))

    assert interpreter(runtime(None), which).state == "yes"
    assert interpreter(runtime("perl"), which).detail == "/usr/bin/perl"
    assert interpreter(runtime("ruby"), which).state == "partly"
    assert interpreter(runtime("cobol"), which).state == "no"


def test_the_way_out_is_looked_for(tmp_path: Path) -> None:
    device = tmp_path / "tun"
    assert outbound(None, device).mend == "install the package slirp4netns"
    assert outbound("/usr/bin/slirp4netns", device).mend.startswith("sudo modprobe tun")
    device.touch()
    assert outbound("/usr/bin/slirp4netns", device).state == "yes"


def test_a_directory_is_tried_by_writing(tmp_path: Path) -> None:
    assert directory("state", tmp_path / "not" / "made" / "yet") == Check(
        "directories", "state", "yes", str(tmp_path / "not" / "made" / "yet")
    )
    (tmp_path / "file").touch()
    assert not (tmp_path / "not").exists()
    refused = directory("cache", tmp_path / "file" / "below")
    assert (refused.state, refused.mend) == ("no", "FN_CACHE names another directory")
    assert directory("cache", Path("/proc/1/nothing/here")).state == "no"


@pytest.mark.parametrize(
    ("memory", "descriptors", "state", "words"),
    [
        (64 << 30, 1 << 20, "yes", ""),
        (64 << 30, 1024, "partly", "ulimit -Hn"),
        (1 << 30, 1 << 20, "partly", "more memory"),
    ],
)
def test_how_many_environments_fit(memory: int, descriptors: int, state: str, words: str) -> None:
    found = room(memory, descriptors, MAX_ENVIRONMENTS, capacity)
    assert found.state == state
    assert words in found.mend
    assert f"{capacity(memory, descriptors):,} environments" in found.detail
