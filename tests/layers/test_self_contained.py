"""A layer that brings its interpreter, built from a small archive of our own and started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import debian_support
from archive_support import harvest
from fnroll.archive import unpack
from fnroll.errors import LayerError, LayerUnavailable
from fnroll.layers import LayerPackage, Runtime, Supply, find_runtime, relock, self_contained
from fnroll.layers.store import Store
from runtime_folders import GOOD

pytestmark = pytest.mark.skipif(bool(debian_support.why_not()), reason=debian_support.why_not() or "")

ARCHITECTURE = debian_support.ARCHITECTURE
MANIFEST = {
    **GOOD,
    "name": "dash",
    "version": "0.5",
    "architectures": ["x86_64", "arm64"],
    "source": {"type": "host", "command": "dash"},
    "files": ["loop.sh"],
    "handler": {"extensions": [".sh"], "example": "handler.handle"},
    "layer": {
        "suite": "bookworm",
        "packages": ["shell"],
        "interpreter": "usr/bin/dash",
        "keep": {"usr/share/shell": "share"},
        "drop": ["*.pod"],
        "arguments": ["-e", "{layer}/fn/dash/loop.sh", "first"],
        "environment": {"HERE": "{layer}/fn/dash/share", "GIVEN": "by the layer", "EMPTY": ""},
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FN_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "runtimes" / "dash"
    folder.mkdir(parents=True)
    (folder / "runtime.json").write_text(json.dumps(MANIFEST))
    (folder / "bootstrap").write_text("#!/bin/sh\n")
    (folder / "loop.sh").write_text('. "$HERE/profile"; echo "$greeting $* $GIVEN ${EMPTY-unset}"\n')
    debian_support.mirror(tmp_path / "mirror")
    return tmp_path


def supply(project: Path, **more: str) -> Supply:
    settings = {"FN_DEB_MIRROR": (project / "mirror").as_uri(), **more}
    return Supply(Store(project / "files"), settings, root=project)


def dash(project: Path) -> Runtime:
    return find_runtime("dash", project)


def built(project: Path, **more: str) -> LayerPackage:
    return self_contained(dash(project), ARCHITECTURE, supply(project, **more))


def test_it_starts_without_anything_of_the_system(project: Path) -> None:
    layer = built(project)
    assert layer.self_contained
    unpack(layer.data, project / "opt")
    done = subprocess.run(
        [project / "opt/bootstrap", "and more"],
        env={"GIVEN": "by the caller"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("hello first and more by the caller \n", "", 0)
    script = project / "script.sh"
    script.write_text('echo "$0 $1 $GIVEN"\n')
    done = subprocess.run([project / "opt/bin/dash", script, "x"], env={}, capture_output=True, text=True, check=False)
    assert done.stdout == f"{script} x by the layer\n"


def test_what_is_in_it(project: Path) -> None:
    layer = built(project)
    unpack(layer.data, project / "opt")
    loader = debian_support.elf.LOADERS[ARCHITECTURE]
    home = "fn/dash"
    assert sorted(harvest(project / "opt")) == sorted(
        ["bin/dash", "bootstrap"]
        + [f"{home}/{name}" for name in ("bin/dash", "loop.sh", "share/profile", "lib/libc.so.6", f"lib/{loader}")]
        + [f"{home}/licenses/{name}" for name in ("NOTICE", "shell", "libc6")]
    )
    notice = (project / "opt/fn/dash/licenses/NOTICE").read_text()
    assert "shell 1.0-1 (source shell 1.0-1)" in notice
    assert os.access(project / "opt/fn/dash/lib" / loader, os.X_OK)


def test_two_builds_are_the_same_bytes(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(project)
    monkeypatch.setenv("FN_CACHE", str(tmp_path / "another"))
    again = self_contained(dash(project), ARCHITECTURE, replace_store(project))
    assert (first.data, first.code_sha256, first.digest) == (again.data, again.code_sha256, again.digest)


def replace_store(project: Path) -> Supply:
    found = supply(project)
    found.files = Store(project / "other files")
    return found


def test_what_is_built_needs_no_network(project: Path) -> None:
    first = built(project)
    assert built(project, FN_OFFLINE="1").data == first.data
    (project / "files").rename(project / "gone")
    with pytest.raises(LayerUnavailable, match="not in the cache, and FN_OFFLINE forbids"):
        built(project, FN_OFFLINE="1")


def test_the_lock_is_written_once_and_decides(project: Path) -> None:
    before = built(project)
    lock = project / f"runtimes/dash/lock-{ARCHITECTURE}.json"
    text = lock.read_text()
    assert "://" not in text and str(project) not in text
    debian_support.mirror(project / "mirror", "1.1-1")
    assert built(project).data == before.data
    assert lock.read_text() == text
    relock(dash(project), ARCHITECTURE, supply(project))
    assert "1.1-1" in lock.read_text()
    unpack(built(project).data, project / "new")
    assert "shell 1.1-1" in (project / "new/fn/dash/licenses/NOTICE").read_text()


def test_a_package_that_is_not_what_was_locked_is_refused(project: Path) -> None:
    relock(dash(project), ARCHITECTURE, supply(project))
    (changed,) = (project / "mirror").rglob("libc6_*.deb")
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    with pytest.raises(LayerError, match="is not what was asked for: its SHA-256 is another"):
        built(project)
    changed.unlink()
    with pytest.raises(LayerUnavailable, match=r"no mirror has libc6 1.0-1 any more"):
        built(project)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"packages": ["shel"]}, "the archive has no package 'shel', which the manifest asks for"),
        ({"interpreter": "usr/bin/zsh"}, "the packages hold no usr/bin/zsh"),
        ({"keep": {"usr/share/zsh": "share"}}, "the packages hold nothing in usr/share/zsh"),
        ({"libraries": ["libz.so.9"]}, "the manifest needs the library libz.so.9, which no package holds"),
        ({"suite": "trixie"}, "trixie/InRelease does not exist"),
    ],
)
def test_what_cannot_be_built_is_said(project: Path, change: dict[str, object], words: str) -> None:
    manifest = MANIFEST | {"layer": MANIFEST["layer"] | change}  # type: ignore[operator]
    (project / "runtimes/dash/runtime.json").write_text(json.dumps(manifest))
    with pytest.raises(LayerError, match=words):
        built(project)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ([], "'layer' must be an object"),
        ({"suite": "bookworm"}, "'layer.packages' is missing: a list of package names"),
        ({"suit": 1}, "unknown key 'layer.suit'; did you mean 'suite'?"),
        ({"keep": {"/usr": "x"}}, "'layer.keep' must be an object"),
        ({"interpreter": "../x"}, "'layer.interpreter' must be a path"),
        ({"environment": {"A": 1}}, "'layer.environment' must be an object"),
    ],
)
def test_a_recipe_that_is_none_is_told_key_by_key(project: Path, layer: object, words: str) -> None:
    (project / "runtimes/dash/runtime.json").write_text(json.dumps(MANIFEST | {"layer": layer}))
    with pytest.raises(LayerError) as caught:
        dash(project)
    assert words in caught.value.message


KILLED = """
import os, signal, sys
from pathlib import Path
from fnroll.layers import Supply, find_runtime, self_contained
from fnroll.layers.store import Store
project, architecture = Path(sys.argv[1]), sys.argv[2]
runtime, calls = find_runtime("dash", project), 0

def build(at):  # in a process of its own, which is killed at its at-th step on our files; its hash, "" if it was
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        def counted(event, arguments):
            global calls
            text = str(arguments)
            mine = f"{project}/files" in text or f"{project}/cache" in text
            if event in ("open", "os.rename", "os.remove", "os.mkdir") and mine:
                calls += 1
                if calls == at: os.kill(os.getpid(), signal.SIGKILL)
        supply = Supply(Store(project / "files"), {"FN_DEB_MIRROR": (project / "mirror").as_uri()}, root=project)
        sys.addaudithook(counted)
        os.write(write, self_contained(runtime, architecture, supply).code_sha256.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said

for at in range(1, 90, int(sys.argv[3])):
    for name in ("files", "cache"):
        if (project / name).exists():
            (project / name).rename(project / f"{name}-{at}")
    said = build(at)
    print(at, said or "killed", build(0), flush=True)
    if said:
        break
"""


@pytest.mark.parametrize("stride", [5, pytest.param(1, marks=pytest.mark.soak)])
def test_killed_at_any_step_the_next_build_is_right(project: Path, stride: int) -> None:
    expected = built(project).code_sha256
    words = [sys.executable, "-c", KILLED, str(project), ARCHITECTURE, str(stride)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rounds = [line.split() for line in done.stdout.splitlines()]
    assert len(rounds) > 5
    assert [first for _, first, _ in rounds] == ["killed"] * (len(rounds) - 1) + [expected]
    assert {then for _, _, then in rounds} == {expected}
    assert (project / f"runtimes/dash/lock-{ARCHITECTURE}.json").is_file()


def test_a_damaged_cache_is_built_anew(project: Path) -> None:
    expected = built(project).data
    for path in [*(project / "files").rglob("*"), *(project / "cache").rglob("*")]:
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-3])
    assert built(project).data == expected


def test_another_processor_is_refused(project: Path) -> None:
    other = "arm64" if ARCHITECTURE == "x86_64" else "x86_64"
    runtime = replace(dash(project), architectures=(ARCHITECTURE,))
    with pytest.raises(LayerError, match=f"is not for {other}"):
        self_contained(runtime, other, supply(project))
