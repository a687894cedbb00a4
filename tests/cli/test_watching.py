"""Which changes concern a function, and that they are told: by inotify where there is one, else by comparing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fnroll.archive import load_rules
from fnroll.cli.inotify import Change, Inotify, Overflow, open_inotify
from fnroll.cli.watching import Inputs, Source, Watcher, named_files, walk

A_WHILE = 0.4
"""Seconds in which a change would have been told, if it were: what inotify tells is there at once."""


def inputs_of(*roots: Path, files: tuple[Path, ...] = ()) -> Inputs:
    sources = tuple(Source(str(root), load_rules(root)) for root in roots)
    return Inputs(sources, frozenset(map(str, files)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "project"
    (root / "lib/deep").mkdir(parents=True)
    (root / "logs").mkdir()
    (root / ".lambdaignore").write_text("*.log\n/logs/\n")
    for name in ("handler.pl", "lib/deep/a.pl", "logs/x", "run.log"):
        (root / name).write_text(name)
    return root


@pytest.mark.parametrize(
    ("path", "is_dir", "concerned"),
    [
        ("p/handler.pl", False, True),
        ("p/new", True, True),
        ("p/a/b/c.txt", False, True),
        ("p/run.log", False, False),
        ("p/node/run.log", False, False),
        ("p/logs", True, False),
        ("p/logs/deep/x", False, False),
        ("p/.git/index", False, False),
        ("p/function.json", False, True),
        ("p/release.json", False, False),
        ("p/.handler.pl.swp", False, False),
        ("p/handler.pl~", False, False),
        ("p/4913", False, False),
        ("p/.#handler.pl", False, False),
        ("p/handler.pl___jb_tmp___", False, False),
        ("p", True, True),
        ("", True, True),
        ("other/x", False, False),
        ("project/x", False, False),
        ("shared/common.libsonnet", False, True),
    ],
)
def test_the_rule(tmp_path: Path, path: str, is_dir: bool, concerned: bool) -> None:
    root = tmp_path / "p"
    root.mkdir()
    (root / ".lambdaignore").write_text("*.log\n/logs/\n")
    files = (root / "function.json", tmp_path / "shared/common.libsonnet")
    assert inputs_of(root, files=files).concerns(str(tmp_path / path) if path else str(tmp_path), is_dir) is concerned


@pytest.fixture(params=["inotify", "comparing"])
def watcher(request: pytest.FixtureRequest) -> Iterator[Watcher]:
    inotify = open_inotify() if request.param == "inotify" else None
    if inotify is None and request.param == "inotify":
        pytest.skip("no inotify here")
    watcher = Watcher(inotify)
    yield watcher
    watcher.close()


def in_place(root: Path) -> None:
    (root / "handler.pl").write_text("longer than it was")


def by_rename(root: Path) -> None:
    (root / ".handler.pl.tmp~").write_text("longer than it was")
    (root / ".handler.pl.tmp~").replace(root / "handler.pl")


def anew(root: Path) -> None:
    (root / "handler.pl").unlink()
    (root / "handler.pl").write_text("longer than it was")


def removed(root: Path) -> None:
    (root / "lib/deep/a.pl").unlink()


def made_executable(root: Path) -> None:
    (root / "handler.pl").chmod(0o755)


def a_new_directory(root: Path) -> None:
    (root / "new/deeper").mkdir(parents=True)
    (root / "new/deeper/file").write_text("x")


def a_directory_moved(root: Path) -> None:
    (root / "lib").rename(root / "libs")


def the_whole_project_gone(root: Path) -> None:
    shutil.rmtree(root)


@pytest.mark.parametrize(
    "change",
    [in_place, by_rename, anew, removed, made_executable, a_new_directory, a_directory_moved, the_whole_project_gone],
)
def test_a_change_is_told_once(watcher: Watcher, project: Path, change: Callable[[Path], None]) -> None:
    watcher.cover([inputs_of(project)])
    change(project)
    assert watcher.wait() == {0}
    assert watcher.wait(A_WHILE) == set()


def test_what_lies_in_a_new_or_moved_directory_is_told(watcher: Watcher, project: Path) -> None:
    watcher.cover([inputs_of(project)])
    a_new_directory(project)
    assert watcher.wait() == {0}
    (project / "new/deeper/file").write_text("other")
    assert watcher.wait() == {0}
    (project / "new").rename(project / "newer")
    assert watcher.wait() == {0}
    (project / "newer/deeper/more").write_text("x")
    assert watcher.wait() == {0}


def test_a_project_that_comes_back_is_told(watcher: Watcher, project: Path) -> None:
    watcher.cover([inputs_of(project)])
    project.rename(project.with_name("elsewhere"))
    assert watcher.wait() == {0}
    project.with_name("elsewhere").rename(project)
    assert watcher.wait() == {0}
    in_place(project)
    assert watcher.wait() == {0}


@pytest.mark.parametrize("name", ["more.log", "logs/x", "logs/new", ".git/index", ".handler.pl.swp", "4913"])
def test_what_no_package_holds_is_not_told(watcher: Watcher, project: Path, name: str) -> None:
    (project / ".git").mkdir()
    watcher.cover([inputs_of(project)])
    watcher.wait(0)
    (project / name).write_text("changed")
    assert watcher.wait(A_WHILE) == set()
    in_place(project)
    assert watcher.wait() == {0}


def test_only_those_are_told_whom_it_concerns(watcher: Watcher, project: Path, tmp_path: Path) -> None:
    other, shared = tmp_path.resolve() / "other", tmp_path.resolve() / "shared"
    for root in (other, shared):
        root.mkdir()
        (root / "x").write_text("x")
    watcher.cover([inputs_of(project, shared), inputs_of(other), inputs_of(other, shared)])
    (shared / "x").write_text("changed")
    assert watcher.wait() == {0, 2}
    in_place(project)
    assert watcher.wait() == {0}
    (other / "x").write_text("changed")
    assert watcher.wait() == {1, 2}


def test_what_a_link_leads_to_is_told(watcher: Watcher, project: Path, tmp_path: Path) -> None:
    target = tmp_path.resolve() / "common.pl"
    target.write_text("x")
    (project / "common.pl").symlink_to(target)
    watcher.cover([inputs_of(project)])
    target.write_text("changed")
    assert watcher.wait() == {0}


def test_what_is_covered_later_is_told_and_what_was_before_is_not_forgotten(watcher: Watcher, project: Path) -> None:
    other, layer = project.with_name("other"), project.with_name("layer")
    other.mkdir()
    layer.mkdir()
    watcher.cover([inputs_of(project), inputs_of(other)])
    in_place(project)
    watcher.cover([inputs_of(project), inputs_of(other, layer)])
    assert watcher.wait() == {0}
    (layer / "x").write_text("x")
    assert watcher.wait() == {1}


def test_where_changes_were_dropped_all_may_have_changed(project: Path) -> None:
    class Dropping(Inotify):
        def __init__(self) -> None:
            self.reads = 0

        def watch(self, directories: object) -> None:
            pass

        def read(self, seconds: float) -> list[Change]:
            self.reads += 1
            if self.reads == 1:
                raise Overflow
            return []

    watcher = Watcher(Dropping())
    watcher.cover([inputs_of(project), inputs_of(project / "lib")])
    assert watcher.wait() == {0, 1}


def test_without_watches_left_it_compares(project: Path) -> None:
    class Full(Inotify):
        def __init__(self) -> None:
            pass

        def watch(self, directories: object) -> None:
            raise OSError(28, os.strerror(28))

        def close(self) -> None:
            pass

    watcher = Watcher(Full())
    watcher.cover([inputs_of(project)])
    in_place(project)
    assert watcher.wait() == {0}


def test_a_circle_of_links_ends_the_walk(project: Path) -> None:
    (project / "lib/round").symlink_to(project / "lib")
    (project / "out").symlink_to("/")
    (project / "broken").symlink_to("nowhere")
    seen = walk(inputs_of(project))
    assert {path.removeprefix(f"{project}/") for path in seen.stamps} == {
        "handler.pl",
        "lib/deep/a.pl",
    }


def test_the_files_that_a_definition_names(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/names.libsonnet").write_text("{ a: importstr './text.txt', b: import 'function.jsonnet' }")
    (tmp_path / "lib/text.txt").write_text("'deep'")
    (tmp_path / "deep").write_text("no import")
    (tmp_path / "app.zip").write_text("")
    main = tmp_path / "function.jsonnet"
    main.write_text('local n = import "lib/names.libsonnet"; { Description: `file_sha256 "app.zip"`, no: "lib" }')
    found = {Path(path).relative_to(tmp_path).as_posix() for path in named_files(main, main.read_text())}
    assert found == {"lib/names.libsonnet", "lib/text.txt", "app.zip"}
