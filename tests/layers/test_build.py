"""Layer zips: what lies where, the same bytes everywhere, and entries that cannot be built."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from archive_support import plant
from fnroll.errors import LayerError
from fnroll.layers import LayerPackage, build, find_runtime


def members(layer: LayerPackage) -> dict[str, int]:
    with zipfile.ZipFile(BytesIO(layer.data)) as file:
        return {info.filename: info.external_attr >> 16 & 0o777 for info in file.infolist()}


def test_the_perl_layer(tmp_path: Path) -> None:
    layer = build("runtime:perl", tmp_path)
    found = members(layer)
    assert found["bootstrap"] == 0o755
    assert found["fn/perl/bootstrap.pl"] == found["fn/perl/lib/Fn/Runtime.pm"] == 0o644
    assert all(name == "bootstrap" or name.startswith("fn/perl/") for name in found)
    assert layer.name == "fn-perl"
    assert layer.description == f"fn sha256:{layer.digest[:12]}"
    assert re.fullmatch(r"fn sha256:[0-9a-f]{12}", layer.description)
    assert (layer.license, layer.self_contained) == ("MIT", False)
    assert layer.runtime == find_runtime("perl", tmp_path)


def test_the_same_runtime_elsewhere_makes_the_same_layer(tmp_path: Path) -> None:
    shipped = build("runtime:perl", tmp_path)
    source = find_runtime("perl", tmp_path).directory
    copied = tmp_path / "runtimes" / "perl"
    shutil.copytree(source, copied)
    (copied / "bootstrap").chmod(0o644)  # as an installer may leave it
    (copied / "notes.txt").write_text("not in files")
    own = build("runtime:perl", tmp_path)
    assert own.runtime is not None
    assert own.runtime.directory == copied
    assert own.data == shipped.data


@pytest.mark.parametrize("part", ["entry", "files"])
def test_a_manifest_that_names_a_missing_file(tmp_path: Path, part: str) -> None:
    copied = tmp_path / "runtimes" / "perl"
    shutil.copytree(find_runtime("perl", tmp_path).directory, copied)
    value = json.loads((copied / "runtime.json").read_text())
    value[part] = "absent" if part == "entry" else ["absent"]
    (copied / "runtime.json").write_text(json.dumps(value))
    with pytest.raises(LayerError, match="absent"):
        build("runtime:perl", tmp_path)


def test_a_directory_as_it_is(tmp_path: Path) -> None:
    files = {
        "lib/perl5/A.pm": b"1;",
        "function.json": b"{}",
        "x.log": b"",
        ".lambdaignore": b"*.log\n",
        ".git/config": b"",
    }
    plant(tmp_path / "project" / "Shared_1", files)
    layer = build("./Shared_1", tmp_path / "project")
    assert set(members(layer)) == {"lib/perl5/A.pm", "function.json", ".lambdaignore"}
    assert (layer.name, layer.license, layer.runtime, layer.self_contained) == ("Shared_1", None, None, True)
    beside = plant(tmp_path / "other" / "Shared_1", files)
    assert build("../other/Shared_1/", tmp_path / "project").data == layer.data
    (beside / "lib/perl5/A.pm").write_bytes(b"2;")
    assert build("../other/Shared_1", tmp_path / "project").digest != layer.digest


BAD = [
    ("./absent", "not a directory"),
    ("./file", "not a directory"),
    ("./empty", "no files"),
    ("./my.layer", "rename"),
    ("shared", "runtime:NAME, ./DIR"),
    ("/shared", "runtime:NAME, ./DIR"),
    ("runtime:", "known: "),
    ("runtime:pearl", "did you mean runtime:perl?"),
]


@pytest.mark.parametrize(("entry", "words"), BAD, ids=[row[0] for row in BAD])
def test_an_entry_that_cannot_be_built(tmp_path: Path, entry: str, words: str) -> None:
    plant(tmp_path, {"file": b"", "empty/": b"", "my.layer/x": b""})
    with pytest.raises(LayerError) as caught:
        build(entry, tmp_path)
    assert words in str(caught.value)


def test_a_layer_that_is_too_large_for_a_request_is_refused_before_the_network(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    block = os.urandom(1 << 20)
    with (tmp_path / "big" / "data").open("wb") as file:
        for _ in range(51):
            file.write(block)
    with pytest.raises(LayerError, match=r"layer big is 51\.\d MiB zipped; Lambda takes less than 50\.0 MiB"):
        build("./big", tmp_path)
