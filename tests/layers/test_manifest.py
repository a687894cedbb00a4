"""Runtimes at hand: which there are, what a manifest must say, which file a Handler names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fnroll.errors import LayerError
from fnroll.layers import find_runtime, handler_file, list_runtimes
from runtime_folders import GOOD, runtime_folder


def test_perl_is_shipped(tmp_path: Path) -> None:
    perl = find_runtime("perl", tmp_path)
    assert (perl.name, perl.base, perl.extensions, perl.command) == ("perl", "provided.al2023", (".pl",), "perl")
    assert perl.self_contained is False
    assert perl in list_runtimes(tmp_path)


def test_the_projects_own_come_too_and_hide_shipped_ones(tmp_path: Path) -> None:
    runtime_folder(tmp_path)
    folder = runtime_folder(tmp_path, "perl", version="9")
    (tmp_path / "runtimes" / "no-manifest").mkdir()
    found = {one.name: one.version for one in list_runtimes(tmp_path)}
    assert list(found) == sorted(found)
    assert (found["lua"], found["perl"]) == ("5.4", "9")
    assert "no-manifest" not in found
    assert find_runtime("perl", tmp_path).directory == folder
    assert find_runtime("lua", tmp_path).self_contained is True


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("perll", "did you mean runtime:perl?"),
        ("cobol", "known: "),
        ("", "known: "),
        ("../perl", "lua"),
    ],
)
def test_an_unknown_runtime_names_the_known_and_the_nearest(tmp_path: Path, name: str, words: str) -> None:
    runtime_folder(tmp_path)
    with pytest.raises(LayerError) as caught:
        find_runtime(name, tmp_path)
    assert words in str(caught.value)
    assert repr(name) in str(caught.value)


WRONG = [
    ({"version": ...}, "'version' is missing"),
    ({"descripton": "x"}, "did you mean 'description'?"),
    ({"name": "other"}, "'name' is 'other' in a folder named 'lua'"),
    ({"name": "Lua!"}, "'name' must be"),
    ({"entry": "../escape"}, "'entry' must be"),
    ({"entry": "/bin/sh"}, "'entry' must be"),
    ({"files": ["ok", ""]}, "'files' must be"),
    ({"architectures": ["riscv"]}, "'architectures' must be"),
    ({"architectures": [["x86_64"]]}, "'architectures' must be"),
    ({"source": {"type": "host"}}, "'source' must be"),
    ({"source": {"type": "deb", "command": "x"}}, "'source' must be"),
    ({"handler": {"extensions": ["lua"], "example": "a.b"}}, "'handler' must be"),
    ({"handler": []}, "'handler' must be"),
    ({"license": "x" * 513}, "'license' must be"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG, ids=[row[1] + str(n) for n, row in enumerate(WRONG)])
def test_a_wrong_manifest_is_named_with_what_is_wrong(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    folder = runtime_folder(tmp_path, **{key: item for key, item in changes.items() if key != "name"})
    if "name" in changes:
        (folder / "runtime.json").write_text(json.dumps(GOOD | changes))
    with pytest.raises(LayerError) as caught:
        find_runtime("lua", tmp_path)
    assert words in caught.value.message
    assert caught.value.where == str(folder / "runtime.json")


@pytest.mark.parametrize("text", ['{"name": }', "[]", "\xff"], ids=["syntax", "list", "latin-1"])
def test_a_manifest_that_is_no_json_object(tmp_path: Path, text: str) -> None:
    (runtime_folder(tmp_path) / "runtime.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(LayerError, match=r"runtime\.json"):
        find_runtime("lua", tmp_path)


HANDLERS = [
    ("handler.handle", "handler.pl"),
    ("lib/foo.handle", "lib/foo.pl"),
    ("v1.2.handle", "v1.2.pl"),
    ("handler.My::Pkg::run", "handler.pl"),
]


@pytest.mark.parametrize(("handler", "file"), HANDLERS, ids=[row[0] for row in HANDLERS])
def test_the_file_that_a_handler_names(tmp_path: Path, handler: str, file: str) -> None:
    assert handler_file(find_runtime("perl", tmp_path), handler, tmp_path) == tmp_path / file


def test_of_several_extensions_the_one_that_exists(tmp_path: Path) -> None:
    runtime_folder(tmp_path)
    lua = find_runtime("lua", tmp_path)
    assert handler_file(lua, "h.run", tmp_path).name == "h.lua"
    (tmp_path / "h.luac").write_bytes(b"")
    assert handler_file(lua, "h.run", tmp_path).name == "h.luac"


@pytest.mark.parametrize(
    "handler", ["", "handler", ".handle", "handler.", "../up.handle", "/abs.handle", "a//b.handle"]
)
def test_a_handler_that_names_no_file(tmp_path: Path, handler: str) -> None:
    with pytest.raises(LayerError, match=r"handler\.handle") as caught:
        handler_file(find_runtime("perl", tmp_path), handler, tmp_path)
    assert repr(handler) in caught.value.message
