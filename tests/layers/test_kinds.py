"""A runtime's kind and source: one that travels in the package, one that is a program, one that is AWS's own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fnroll.conformance import prepare
from fnroll.definition import load
from fnroll.errors import LayerError
from fnroll.layers import assemble, build, find_runtime
from fnroll.layers.launcher import launcher
from runtime_folders import runtime_folder

BINARY: dict[str, Any] = {"source": {"type": "binary"}, "entry": "bin/{architecture}/start", "files": ...}


def project_with(tmp_path: Path, **manifest: Any) -> Path:
    folder = runtime_folder(tmp_path, "mine", **{"files": ["lib"], "entry": "start", **manifest})
    (folder / "lib").mkdir()
    (folder / "lib" / "help.lua").write_text("-- help\n")
    (folder / "start").write_text("#!/bin/sh\necho started\n")
    (tmp_path / "handler.lua").write_text("-- handle\n")
    role = "arn:aws:iam::123456789012:role/r"
    definition = {"FunctionName": "f", "Handler": "handler.handle", "Role": role, "Layers": ["runtime:mine"]}
    (tmp_path / "function.json").write_text(json.dumps(definition))
    (tmp_path / ".lambdaignore").write_text("/runtimes/\n/scratch*/\n")
    return folder


def test_a_runtime_of_kind_package_travels_in_the_package(tmp_path: Path) -> None:
    project_with(tmp_path, kind="package")
    parts = assemble(load(tmp_path, env={}), architecture="arm64")
    assert parts.layers == ()
    assert [entry.name for entry in parts.entries] == ["bootstrap", "fn/mine/lib/help.lua", "handler.lua"]
    (tmp_path / "scratch").mkdir()
    task, opt = parts.stage(tmp_path / "scratch")
    assert opt is None
    assert subprocess.run([task / "bootstrap"], capture_output=True, check=True).stdout == b"started\n"


def test_it_is_tested_as_a_package(tmp_path: Path) -> None:
    handlers = project_with(tmp_path, kind="package") / "conformance"
    handlers.mkdir()
    (handlers / "handler.lua").write_text("-- verbs\n")
    (tmp_path / "scratch").mkdir()
    subject = prepare("mine", tmp_path, tmp_path / "scratch")
    assert subject.opt is None and subject.self_contained
    assert {path.name for path in subject.task.iterdir()} == {"bootstrap", "fn", "handler.lua"}


def test_two_of_one_name_are_told(tmp_path: Path) -> None:
    project_with(tmp_path, kind="package")
    (tmp_path / "bootstrap").write_text("#!/bin/sh\n")
    with pytest.raises(LayerError, match="the package and the runtime mine both have the file bootstrap"):
        assemble(load(tmp_path, env={}))


def test_its_handler_is_looked_for_all_the_same(tmp_path: Path) -> None:
    project_with(tmp_path, kind="package")
    (tmp_path / "handler.lua").unlink()
    with pytest.raises(Exception, match=r"handler\.lua does not exist"):
        assemble(load(tmp_path, env={}))


@pytest.mark.parametrize("kind", ["layer", "package"])
def test_a_program_for_each_architecture(tmp_path: Path, kind: str) -> None:
    folder = project_with(tmp_path, kind=kind, architectures=["x86_64", "arm64"], **BINARY)
    programs = {name: launcher(name, ["/bin/true", "true"]) for name in ("x86_64", "arm64")}
    for name, content in programs.items():
        path = folder / "bin" / name / "start"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        path.chmod(0o755)
    for name, content in programs.items():
        parts = assemble(load(tmp_path, env={}), architecture=name)
        scratch = tmp_path / f"scratch {name}"
        scratch.mkdir()
        task, opt = parts.stage(scratch)
        root = task if opt is None else opt
        assert (root / "bootstrap").read_bytes() == content
        if kind == "layer":
            assert (parts.built_layers[0].architecture, parts.built_layers[0].self_contained) == (name, True)
    (folder / "bin/arm64/start").write_bytes(programs["x86_64"])
    with pytest.raises(LayerError, match="is a program for x86_64, and the function runs on arm64"):
        assemble(load(tmp_path, env={}), architecture="arm64")
    (folder / "bin/arm64/start").write_text("#!/bin/sh\n")
    with pytest.raises(LayerError, match="is no program: not an ELF file"):
        assemble(load(tmp_path, env={}), architecture="arm64")
    (folder / "bin/arm64/start").chmod(0o644)
    with pytest.raises(LayerError, match="is not executable"):
        assemble(load(tmp_path, env={}), architecture="arm64")
    (folder / "bin/arm64/start").unlink()
    with pytest.raises(LayerError, match="the entry bin/arm64/start does not exist"):
        assemble(load(tmp_path, env={}), architecture="arm64")


def test_modules_that_were_not_installed_are_told(tmp_path: Path) -> None:
    wanted = {"file": "cpanfile", "directory": "local/lib", "install": "cpanm -L local --installdeps ."}
    project_with(tmp_path, modules=wanted)

    def told() -> list[str]:
        said: list[str] = []
        assemble(load(tmp_path, env={}), say=said.append)
        return said

    assert told() == []
    (tmp_path / "cpanfile").write_text("requires 'JSON';\n")
    assert told() == ["cpanfile asks for modules, and local/lib is not there: cpanm -L local --installdeps ."]
    (tmp_path / "local" / "lib").mkdir(parents=True)
    (tmp_path / "local" / "lib" / "A.pm").write_text("1;")
    assert told() == []
    with (tmp_path / ".lambdaignore").open("a") as file:
        file.write("/local/\n")
    assert told() == ["cpanfile asks for modules, and the ignore rules leave local/lib out of the package"]


def test_a_managed_runtime_is_listed_and_is_no_layer(tmp_path: Path) -> None:
    python = find_runtime("python", tmp_path)
    assert (python.kind, python.base) == ("managed", "python3.13")
    with pytest.raises(LayerError, match=r"the runtime python is AWS's own: it is no layer") as caught:
        build("runtime:python", tmp_path)
    assert '"Runtime": "python3.13"' in str(caught.value.hint)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "image"}, "'kind' must be layer, package or managed"),
        ({"kind": "package", "source": {"type": "host", "command": "lua"}}, "'kind' package needs a 'source'"),
        ({"modules": {"file": "../up", "directory": "x", "install": "y"}}, "'modules' must be"),
        ({"entry": "bin/{architecture}/start"}, "only where 'source' is binary"),
        ({"source": {"type": "binary"}, "architectures": ["x86_64", "arm64"]}, "'entry' must hold {architecture}"),
    ],
)
def test_keys_that_do_not_go_together(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    runtime_folder(tmp_path, **changes)
    with pytest.raises(LayerError) as caught:
        find_runtime("lua", tmp_path)
    assert words in caught.value.message
