"""A cloud as one file: what comes out goes in, and nothing else does."""

from __future__ import annotations

import io
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_support import client, make, package, served
from fnroll.cloud import carry
from fnroll.errors import CloudError

Entries = dict[str, bytes]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cloud with hello (version 1, a layer, alias live, a URL), exported while it is up."""
    place = tmp_path_factory.mktemp("carried")
    with served(place / "state") as (endpoint, _):
        lambda_ = client(endpoint)
        layer = lambda_.publish_layer_version(LayerName="l", Content={"ZipFile": package({"layer": "x"})})
        make(lambda_, Publish=True, Layers=[layer["LayerVersionArn"]])
        lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
        lambda_.create_function_url_config(FunctionName="hello", AuthType="NONE")
        assert carry.export(place / "state", place / "cloud.zip") == 2
    return place / "cloud.zip"


def test_what_was_exported_is_there_after_the_import(exported: Path, tmp_path: Path) -> None:
    assert carry.restore(tmp_path / "new", exported) == 1
    with served(tmp_path / "new") as (endpoint, _):
        lambda_ = client(endpoint)
        assert lambda_.get_alias(FunctionName="hello", Name="live")["FunctionVersion"] == "1"
        assert lambda_.get_function_url_config(FunctionName="hello")["AuthType"] == "NONE"
        assert lambda_.invoke(FunctionName="hello:live")["ExecutedVersion"] == "1"
    assert sorted(path.name for path in (tmp_path / "new").iterdir() if path.name.startswith(".")) == []


def test_a_state_with_functions_is_replaced_only_if_told(exported: Path, tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _):
        make(client(endpoint), "mine")
        with pytest.raises(CloudError, match="in use"):
            carry.restore(tmp_path, exported, replace=True)
    with pytest.raises(CloudError, match="functions of its own") as refused:
        carry.restore(tmp_path, exported)
    assert "--replace" in str(refused.value)
    carry.restore(tmp_path, exported, replace=True)
    with served(tmp_path) as (endpoint, _):
        names = [each["FunctionName"] for each in client(endpoint).list_functions()["Functions"]]
        assert names == ["hello"]


def test_a_log_that_a_killed_cloud_left_is_not_mixed_in(exported: Path, tmp_path: Path) -> None:
    carry.restore(tmp_path, exported)
    (tmp_path / "cloud.db-wal").write_bytes(b"left by another")
    carry.restore(tmp_path, exported, replace=True)
    with served(tmp_path) as (endpoint, _):
        assert len(client(endpoint).list_functions()["Functions"]) == 1


def changed_database(entries: Entries, script: str, tmp_path: Path) -> None:
    path = tmp_path / "changed.db"
    path.write_bytes(entries["cloud.db"])
    with sqlite3.connect(path) as db:
        db.executescript(script)
    db.close()
    entries["cloud.db"] = path.read_bytes()


def first(entries: Entries) -> str:
    return min(name for name in entries if name.startswith("packages/"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries, place: entries.pop("cloud.db"), "no cloud.db"),
        (lambda entries, place: entries.pop(first(entries)), "is missing"),
        (lambda entries, place: entries.update({first(entries): b"other"}), "has been changed"),
        (lambda entries, place: entries.update({"../escaped": b"x"}), "has an entry '../escaped'"),
        (lambda entries, place: entries.update({"packages/x.zip": b"x"}), "has an entry"),
        (lambda entries, place: entries.update({"cloud.db": b"no database" * 100}), "no exported local cloud"),
        (lambda entries, place: changed_database(entries, "PRAGMA user_version=99", place), "newer fn"),
        (lambda entries, place: changed_database(entries, "CREATE TABLE other (x)", place), "other tables"),
        (
            lambda entries, place: changed_database(
                entries, "CREATE TRIGGER t AFTER DELETE ON event BEGIN DELETE FROM function; END", place
            ),
            "other tables",
        ),
    ],
    ids=["no-db", "no-package", "changed", "escape", "name", "not-sqlite", "newer", "table", "trigger"],
)
def test_a_file_that_is_not_ours_changes_nothing(
    exported: Path, tmp_path: Path, change: Callable[[Entries, Path], object], message: str
) -> None:
    with zipfile.ZipFile(exported) as opened:
        entries = {name: opened.read(name) for name in opened.namelist()}
    change(entries, tmp_path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, data in entries.items():
            out.writestr(name, data)
    (tmp_path / "bad.zip").write_bytes(buffer.getvalue())
    with pytest.raises(CloudError, match=message):
        carry.restore(tmp_path / "state", tmp_path / "bad.zip")
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["lock"]
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x05\x06" + b"\0" * 18])
def test_a_file_that_is_no_export(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(CloudError, match="no exported local cloud"):
        carry.restore(tmp_path / "state", tmp_path / "file")


def test_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(CloudError, match="no local cloud"):
        carry.export(tmp_path, tmp_path / "out.zip")
    assert list(tmp_path.iterdir()) == []
