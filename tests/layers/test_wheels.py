"""A runtime's layer of wheels: pip finds them, a lock names them, the base image's libc serves."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import wheel_support
from fnroll.archive import unpack
from fnroll.errors import LayerError, LayerUnavailable
from fnroll.layers import LayerPackage, Supply, find_runtime, relock, self_contained
from fnroll.layers.elf import of_this_machine
from fnroll.layers.store import Store
from fnroll.layers.wheels import pip
from fnroll.layers.wheels.wheel import named
from runtime_folders import GOOD

FILE = "greeter-1.0-py3-none-manylinux_2_17_x86_64.whl"
LAYER: dict[str, Any] = {
    "type": "wheel",
    "packages": ["greeter==1.*"],
    "interpreter": "greeter/bin/greet",
    "keep": {"greeter/share": "share"},
    "arguments": ["{layer}/fn/hi/loop", "first"],
    "environment": {"GIVEN": "by the layer"},
}
MANIFEST: dict[str, Any] = {
    **GOOD,
    "name": "hi",
    "architectures": ["x86_64", "arm64"],
    "source": {"type": "host", "command": "greet"},
    "files": ["loop"],
    "handler": {"extensions": [".hi"], "example": "handler.handle"},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FN_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "runtimes" / "hi"
    folder.mkdir(parents=True)
    (folder / "runtime.json").write_text(json.dumps(MANIFEST | {"layer": LAYER}))
    for name in ("bootstrap", "loop"):
        (folder / name).write_text("#!/bin/sh\n")
    return tmp_path


class Index:
    """A `Download` that has these wheels."""

    def __init__(self, wheels: Mapping[str, bytes]) -> None:
        self.wheels = dict(wheels)
        self.asked: list[tuple[Sequence[str], str, str, bool]] = []

    def __call__(self, lines: Sequence[str], suite: str, architecture: str, locked: bool) -> Mapping[str, bytes]:
        self.asked.append((tuple(lines), suite, architecture, locked))
        return self.wheels


def built(project: Path, index: Index, **environment: str) -> LayerPackage:
    supply = Supply(Store(project / "files"), environment, download=index)
    return self_contained(find_runtime("hi", project), "x86_64", supply)


def started(opt: Path) -> str:
    done = subprocess.run([opt / "bootstrap", "more"], env={}, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_layer_is_made_of_the_wheel_and_starts(project: Path) -> None:
    layer = built(project, Index({FILE: wheel_support.wheel()}))
    opt = project / "opt"
    unpack(layer.data, opt)
    names = {path.relative_to(opt).as_posix() for path in opt.rglob("*") if path.is_file()}
    assert names == {"bootstrap", "bin/greet"} | {
        f"fn/hi/{name}"
        for name in ("bin/greet", "loop", "share/greeting", "licenses/NOTICE", "licenses/greeter/LICENSE")
    }
    assert "greeter 1.0" in (opt / "fn/hi/licenses/NOTICE").read_text()
    assert layer.self_contained and layer.architecture == "x86_64"
    if of_this_machine() == "x86_64":
        assert started(opt) == f"hello {opt}/fn/hi/loop first more by the layer\n"


def test_the_lock_decides_and_the_cache_serves_offline(project: Path) -> None:
    index = Index({FILE: wheel_support.wheel()})
    first = built(project, index)
    assert index.asked == [(("greeter==1.*",), "cp313 manylinux_2_34", "x86_64", False)]
    lock = json.loads((project / "runtimes/hi/lock-x86_64.json").read_text())
    digest = hashlib.sha256(index.wheels[FILE]).hexdigest()
    row = {"name": "greeter", "version": "1.0", "file": FILE, "size": len(index.wheels[FILE]), "sha256": digest}
    assert lock == {"suite": "cp313 manylinux_2_34", "architecture": "x86_64", "wheels": [row]}
    assert built(project, index, FN_OFFLINE="1").data == first.data
    (project / "files").rename(project / "gone")
    with pytest.raises(LayerUnavailable, match="not in the cache, and FN_OFFLINE forbids"):
        built(project, index, FN_OFFLINE="1")
    assert built(project, index).data == first.data
    assert index.asked[1:] == [((f"greeter==1.0 --hash=sha256:{digest}",), "cp313 manylinux_2_34", "x86_64", True)]
    (project / "files").rename(project / "gone too")
    index.wheels[FILE] = wheel_support.wheel("1.1")
    with pytest.raises(LayerError, match="not what was asked for: its SHA-256 is another"):
        built(project, index)


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="no pip in this environment")
def test_pip_finds_it_in_the_index_that_it_is_configured_with(project: Path) -> None:
    """pip takes the newest that fits the requirement, this architecture and the base's libc."""
    names = [
        FILE,
        FILE.replace("1.0", "1.2").replace("2_17", "2_39"),
        FILE.replace("1.0", "1.3").replace("x86_64", "aarch64"),
        FILE.replace("1.0", "2.0"),
    ]
    environment = wheel_support.index(project / "index", {name: wheel_support.wheel(named(name)[1]) for name in names})
    supply = Supply(Store(project / "files"), environment)
    lock = relock(find_runtime("hi", project), "x86_64", supply)
    assert [(row.version, row.file) for row in lock.wheels] == [("1.0", FILE)]
    (project / "files").rename(project / "gone")
    assert supply.packages(lock, print).keys() == {"greeter"}


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        (
            "ERROR: Could not find a version (from versions: none)\nERROR: No matching distribution found for a==9\n",
            "No matching distribution found for a==9",
        ),
        ("WARNING: a proxy\nTraceback (most recent call last):\nOSError: no space\n", "OSError: no space"),
        ("", "it gave no reason"),
    ],
)
def test_what_pip_says_last_is_the_reason(printed: str, reason: str) -> None:
    assert pip.said(printed) == reason


def test_the_tags_that_run_on_a_base_image() -> None:
    found = pip.tags("cp313 manylinux_2_26", "arm64")
    assert found[0] == "manylinux_2_26_aarch64" and found[-1] == "manylinux1_aarch64"
    assert "manylinux2014_aarch64" in found and "manylinux_2_27_aarch64" not in found


ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\xb7\x00\x01\x00\x00\x00" + bytes(32) + b"\x38\x00" + bytes(8)
GREETER = wheel_support.FILES


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"x": b""}, "the packages hold nothing in greeter/share"),
        ({**GREETER, "greeter/share/lib.so": ELF}, "share/lib.so is for another processor"),
        ({**GREETER, "../up": b""}, r"\.\./up"),
        ({name: text for name, text in GREETER.items() if "dist-info" not in name}, "says nothing of a licence"),
    ],
    ids=["empty", "processor", "escape", "licence"],
)
def test_a_wheel_that_will_not_do(project: Path, files: dict[str, bytes], words: str) -> None:
    with pytest.raises(LayerError, match=words):
        built(project, Index({FILE: wheel_support.wheel("1.0", files)}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"packages": ["--index-url=x"]}, "'layer.packages' may not hold '--index-url=x'"),
        ({"packages": ["a @ file:///x"]}, "'layer.packages' may not hold"),
        ({"suite": "bookworm"}, "'layer.suite' is for the other type of packages"),
        ({"python": "2.7"}, "'layer.python' must be a version of Python"),
        ({"type": "rpm"}, "'layer.type' must be deb or wheel"),
    ],
)
def test_a_recipe_of_wheels_that_is_none(project: Path, change: dict[str, Any], words: str) -> None:
    (project / "runtimes/hi/runtime.json").write_text(json.dumps(MANIFEST | {"layer": LAYER | change}))
    with pytest.raises(LayerError) as caught:
        find_runtime("hi", project)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("file", "found"),
    [
        (FILE, ("greeter", "1.0")),
        ("Foo_Bar.baz-1.0+local-1-cp313-cp313-linux_x86_64.whl", ("foo-bar-baz", "1.0+local")),
    ],
)
def test_what_a_wheel_is_called(file: str, found: tuple[str, str]) -> None:
    assert named(file) == found


def test_what_is_no_wheel() -> None:
    with pytest.raises(LayerError, match="which is no wheel"):
        named("greeter-1.0.tar.gz")
