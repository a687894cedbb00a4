"""States of several accounts last; states that an earlier fn wrote, when there was one account, open and are its."""

from __future__ import annotations

import json
import signal
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud_accounts_support import DEFAULT, ONE, TWO, arn
from cloud_support import client, make, package, process, served
from fnroll.cloud import carry
from fnroll.cloud.migrations import MIGRATIONS
from fnroll.cloud.state import State

BEFORE = 7
"""The versions of the database in which everything was one account's."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A state of one account as version 7 kept it: a function in two regions and one of everything."""
    directory = tmp_path / "state"
    with served(directory) as (endpoint, _):
        for region in ("us-east-1", "eu-west-1"):
            api = client(endpoint, region=region)
            layer = api.publish_layer_version(LayerName="words", Content={"ZipFile": package({"word": "x"})})
            make(api, Publish=True, Layers=[layer["LayerVersionArn"]], Description=region, Tags={"a": "b"})
            api.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
            api.create_function_url_config(FunctionName="hello", AuthType="NONE")
            permission = {"StatementId": "s", "Principal": "*"}
            api.add_permission(FunctionName="hello", Action="lambda:InvokeFunction", **permission)
            api.add_layer_version_permission(
                LayerName="words", VersionNumber=1, Action="lambda:GetLayerVersion", **permission
            )
            api.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=7)
            profile = f"arn:aws:signer:{region}:{DEFAULT}:/signing-profiles/p/abcdefghij"
            api.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [profile]})
            queue = client(endpoint, "sqs", region).create_queue(QueueName="q")["QueueUrl"]
            assert queue
            api.create_event_source_mapping(
                FunctionName="hello", EventSourceArn=f"arn:aws:sqs:{region}:{DEFAULT}:q", Enabled=False
            )
    written_back(directory / "cloud.db")
    return directory


def written_back(database: Path) -> None:
    """Make a database what version 7 would have written: its tables, with the same rows."""
    older = database.with_name("older.db")
    with closing(sqlite3.connect(older, isolation_level=None)) as db:
        for script in MIGRATIONS[:BEFORE]:
            db.executescript(script)
        db.execute("ATTACH ? AS newer", (str(database),))
        tables = [row[0] for row in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
        db.execute(
            "INSERT INTO event (region, name, request_id, payload, accepted, due) VALUES"
            " ('us-east-1', 'hello', 'waiting', X'31', 4000000000, 0)"
        )
        db.execute(f"PRAGMA user_version={BEFORE}")
        assert "account" not in str(db.execute("SELECT GROUP_CONCAT(sql) FROM main.sqlite_master").fetchone())
    for ending in ("", "-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
    older.replace(database)


@contextmanager
def checked(directory: Path) -> Iterator[Any]:
    """A cloud over a state that `old` made, in which everything is there."""
    with served(directory) as (endpoint, fake):
        for region in ("us-east-1", "eu-west-1"):
            api = client(endpoint, region=region, key=DEFAULT)
            (found,) = api.list_functions()["Functions"]
            assert (found["FunctionArn"], found["Description"]) == (arn(DEFAULT, region=region), region)
            assert api.invoke(FunctionName="hello:live")["ExecutedVersion"] == "1"
            assert api.list_tags(Resource=found["FunctionArn"])["Tags"] == {"a": "b"}
            assert len(api.list_function_url_configs(FunctionName="hello")["FunctionUrlConfigs"]) == 1
            assert json.loads(api.get_policy(FunctionName="hello")["Policy"])["Statement"]
            assert json.loads(api.get_layer_version_policy(LayerName="words", VersionNumber=1)["Policy"])["Statement"]
            assert api.get_function_concurrency(FunctionName="hello")["ReservedConcurrentExecutions"] == 7
            assert fake.reserved[arn(DEFAULT, region=region)] == 7
            assert len(api.list_code_signing_configs()["CodeSigningConfigs"]) == 1
            assert len(api.list_event_source_mappings()["EventSourceMappings"]) == 1
            layer = api.publish_layer_version(LayerName="words", Content={"ZipFile": package({"word": "y"})})
            assert layer["Version"] == 2
            assert client(endpoint, key=ONE, region=region).list_functions()["Functions"] == []
        while not any(invocation.request_id == "waiting" for _, invocation in fake.seen):
            client(endpoint).get_account_settings()
        yield endpoint


def test_a_state_of_one_account_opens_as_the_default_accounts(old: Path) -> None:
    with checked(old) as endpoint:
        make(client(endpoint, key=ONE))
        client(endpoint).delete_function(FunctionName="hello")
    with closing(sqlite3.connect(old / "cloud.db")) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        left = {row[0] for row in db.execute("SELECT account || region FROM function")}
        assert left == {ONE + "us-east-1", DEFAULT + "eu-west-1"}
        # What belonged to the deleted function went with it: the tables still refer to each other.
        for table in ("version", "alias", "url", "statement", "policy", "setting"):
            owners = {row[0] for row in db.execute(f"SELECT function_id FROM {table}")}
            assert owners <= {row[0] for row in db.execute("SELECT id FROM function")}, table
        (rows,) = db.execute("SELECT COUNT(*) FROM version").fetchone()
        assert rows == 3


def test_an_export_of_one_account_is_imported_as_the_default_accounts(old: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as out:
        out.write(old / "cloud.db", "cloud.db")
        for each in (old / "packages").iterdir():
            out.write(each, f"packages/{each.name}")
    assert carry.restore(tmp_path / "new", tmp_path / "old.zip") == 2
    with checked(tmp_path / "new"):
        pass


def test_a_state_of_one_account_is_exported_without_having_been_opened(old: Path, tmp_path: Path) -> None:
    before = (old / "cloud.db").read_bytes()
    assert carry.export(old, tmp_path / "out.zip") == 2
    assert (old / "cloud.db").read_bytes() == before
    carry.restore(tmp_path / "new", tmp_path / "out.zip")
    with checked(tmp_path / "new"):
        pass


def test_every_migration_leaves_the_tables_of_a_new_state(tmp_path: Path, old: Path) -> None:
    schemas = []
    for directory in (old, tmp_path / "fresh"):
        State(directory).close()
        with closing(sqlite3.connect(directory / "cloud.db")) as db:
            schemas.append(sorted(db.execute("SELECT type, name, sql FROM sqlite_master").fetchall(), key=str))
    assert schemas[0] == schemas[1]


def test_what_two_accounts_have_survives_kill_9_and_a_journey(tmp_path: Path) -> None:
    with process(tmp_path / "state") as (running, url):
        for account in (ONE, TWO):
            api = client(url, key=account)
            make(api, Description=account, Code={"ZipFile": package({account: ""})})
            api.publish_layer_version(LayerName="words", Content={"ZipFile": package({"word": account})})
            api.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=int(account[0]))
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert carry.export(tmp_path / "state", tmp_path / "cloud.zip") == 4
    carry.restore(tmp_path / "other", tmp_path / "cloud.zip")
    for directory in ("state", "other"):
        with served(tmp_path / directory) as (endpoint, fake):
            for account in (ONE, TWO):
                api = client(endpoint, key=account)
                (found,) = api.list_functions()["Functions"]
                assert (found["FunctionArn"], found["Description"]) == (arn(account), account)
                assert api.invoke(FunctionName="hello")["StatusCode"] == 200
                assert [each.name for each in fake.seen[-1][0].task.iterdir()] == [account]
                assert len(api.list_layers()["Layers"]) == 1
            assert fake.reserved == {arn(ONE): 1, arn(TWO): 2}
            assert client(endpoint).list_functions()["Functions"] == []
