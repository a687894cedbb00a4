"""The state directory: held by one process, durable at kill -9, found by who asks, removed alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cloud_support import FakeEmulator, client, make, package, process, raw, served
from fnroll import cloud
from fnroll.cloud.migrations import MIGRATIONS
from fnroll.cloud.state import State
from fnroll.errors import CloudError


def test_an_answered_update_survives_kill_9_five_times(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_, Publish=True)
        lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    answered: dict[str, Any] = {}
    for number in range(5):
        with process(tmp_path) as (running, url):
            lambda_ = client(url)
            found = lambda_.get_alias(FunctionName="hello", Name="live")
            if answered:
                assert (found["Description"], found["RevisionId"]) == (answered["Description"], answered["RevisionId"])
            answered = lambda_.update_alias(FunctionName="hello", Name="live", Description=str(number))
            running.send_signal(signal.SIGKILL)
            running.wait()
    with served(tmp_path) as (endpoint, _):
        found = client(endpoint).get_alias(FunctionName="hello", Name="live")
        assert (found["Description"], found["RevisionId"]) == ("4", answered["RevisionId"])


def test_an_answered_package_survives_kill_9(tmp_path: Path) -> None:
    with process(tmp_path) as (running, url):
        make(client(url))
        running.send_signal(signal.SIGKILL)
        running.wait()
    with served(tmp_path) as (endpoint, _):
        assert client(endpoint).invoke(FunctionName="hello")["StatusCode"] == 200


def test_a_second_cloud_over_the_same_state_is_told_who_has_it(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _), pytest.raises(CloudError) as raised:
        asyncio.run(cloud.serve(tmp_path, stop=asyncio.Event(), port=0, wait=0.0, emulator=FakeEmulator().open))
    assert f"pid {os.getpid()}, port {endpoint.port}" in str(raised.value)
    assert "fn local down" in str(raised.value)


def test_a_port_in_use_is_named_with_a_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CloudError, match=f"port {port} is in use") as raised:
            asyncio.run(cloud.serve(tmp_path, stop=asyncio.Event(), port=port, emulator=FakeEmulator().open))
    assert "--port" in str(raised.value)
    State(tmp_path).close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.com"])
def test_only_loopback_is_listened_on(tmp_path: Path, host: str) -> None:
    with pytest.raises(CloudError, match="loopback"):
        asyncio.run(cloud.serve(tmp_path, stop=asyncio.Event(), host=host, port=0, emulator=FakeEmulator().open))


def test_running_finds_the_cloud_that_is_up(tmp_path: Path) -> None:
    assert cloud.running(tmp_path) is None
    with served(tmp_path) as (endpoint, _):
        assert cloud.running(tmp_path) == endpoint
    assert cloud.running(tmp_path) is None
    assert not (tmp_path / "endpoint").exists()


def test_an_endpoint_file_that_a_crash_left_is_not_believed(tmp_path: Path) -> None:
    with process(tmp_path) as (running, _):
        assert cloud.running(tmp_path) is not None
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert (tmp_path / "endpoint").exists()
    assert cloud.running(tmp_path) is None


def test_a_process_that_took_the_port_is_not_taken_for_the_cloud(tmp_path: Path) -> None:
    with served(tmp_path / "a"):
        fields = json.loads((tmp_path / "a" / "endpoint").read_text())
        (tmp_path / "endpoint").write_text(json.dumps({**fields, "pid": os.getppid()}))
        assert cloud.running(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_broken_endpoint_file_is_no_cloud(tmp_path: Path, text: str) -> None:
    (tmp_path / "endpoint").write_text(text)
    assert cloud.running(tmp_path) is None


def test_reset_removes_what_is_the_clouds_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with served(tmp_path) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_)
        lambda_.invoke(FunctionName="hello")
        with pytest.raises(CloudError, match="in use"):
            cloud.reset(tmp_path)
    cloud.reset(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "mine"]
    with served(tmp_path) as (endpoint, _):
        assert client(endpoint).list_functions()["Functions"] == []


def test_reset_of_no_state_is_no_error(tmp_path: Path) -> None:
    cloud.reset(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_state_of_a_newer_fn_is_left_alone(tmp_path: Path) -> None:
    State(tmp_path).close()
    with sqlite3.connect(tmp_path / "cloud.db") as database:
        database.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    database.close()
    with pytest.raises(CloudError, match="newer fn"):
        State(tmp_path)


def test_a_database_that_is_none_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "cloud.db").write_bytes(b"not a database" * 100)
    with pytest.raises(CloudError, match="fn local reset"):
        State(tmp_path)
    cloud.reset(tmp_path)
    State(tmp_path).close()


def test_a_failing_transaction_leaves_nothing(tmp_path: Path) -> None:
    state = State(tmp_path)
    with pytest.raises(RuntimeError), state.transaction() as db:
        db.execute("INSERT INTO layer VALUES ('a', 'r', 'n', 1)")
        raise RuntimeError
    assert state.read.execute("SELECT COUNT(*) FROM layer").fetchone()[0] == 0
    state.close()


def test_a_block_that_raises_still_stops_its_cloud(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), served(tmp_path):
        raise RuntimeError
    State(tmp_path).close()


def test_an_emulator_that_does_not_open_leaves_the_state_free(tmp_path: Path) -> None:
    async def broken(tier: str, sink: Any) -> Any:
        raise CloudError("no tier")

    with pytest.raises(CloudError, match="no tier"), cloud.embedded(tmp_path, emulator=broken):
        pass
    State(tmp_path).close()


def test_a_tree_that_a_crash_left_half_unpacked_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "trees" / ".half").mkdir(parents=True)
    (tmp_path / "trees" / ".half" / "x").write_text("x")
    with served(tmp_path) as (endpoint, _):
        assert raw(endpoint, "GET", "/.fn/health").status == 200
        assert not (tmp_path / "trees" / ".half").exists()


def test_what_nothing_names_any_more_goes_at_the_next_start(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _):
        lambda_ = client(endpoint)
        layer = lambda_.publish_layer_version(LayerName="l", Content={"ZipFile": package({"layer": ""})})
        make(lambda_, "kept", Layers=[layer["LayerVersionArn"]])
        make(lambda_, "gone", Code={"ZipFile": package({"gone": ""})})
        for name in ("kept", "gone"):
            lambda_.invoke(FunctionName=name)
        lambda_.delete_function(FunctionName="gone")
        lambda_.delete_layer_version(LayerName="l", VersionNumber=1)
        assert len(list((tmp_path / "packages").iterdir())) == len(list((tmp_path / "trees").iterdir())) == 3
    with served(tmp_path) as (endpoint, _):
        assert len(list((tmp_path / "packages").iterdir())) == len(list((tmp_path / "trees").iterdir())) == 2
        assert client(endpoint).invoke(FunctionName="kept")["StatusCode"] == 200
