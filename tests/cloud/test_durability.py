"""kill -9 at random points under a write load: what was answered is there, what was accepted is delivered and told to
its destination, nothing is half there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from cloud_support import ARN, FakeEmulator, client, heard_line, make, package, process, raw, served
from fnroll import cloud
from fnroll.cloud.others import Others
from fnroll.cloud.protocol import Answer
from fnroll.emulator.wire import Request

WRITERS = 4
SINK = "sink"
"""The function that is told how events ended."""


@dataclass
class Ledger:
    """What one writer was answered. `unsure`: names of what it had asked for when the cloud died."""

    functions: dict[str, str] = field(default_factory=dict)
    """CodeSha256 by name."""
    published: dict[str, int] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """RevisionId of the alias `live`, by function."""
    deleted: set[str] = field(default_factory=set)
    accepted: dict[str, str] = field(default_factory=dict)
    """The function of each event that was answered 202, by request id."""
    unsure: set[str] = field(default_factory=set)


def write(url: str, ledger: Ledger, seed: int) -> None:
    """Write until the cloud is gone."""
    chance, lambda_ = random.Random(seed), client(url)
    number = 0
    name = ""
    try:
        while True:
            number += 1
            name = f"f{seed}-{number}"
            ledger.unsure.add(name)
            code = package({"handler.py": f"# {name} {chance.random()}"})
            made = make(lambda_, name, Code={"ZipFile": code})
            ledger.functions[name] = made["CodeSha256"]
            ledger.published[name] = int(lambda_.publish_version(FunctionName=name)["Version"])
            alias = lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
            ledger.aliases[name] = alias["RevisionId"]
            lambda_.put_function_event_invoke_config(
                FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": ARN + SINK}}
            )
            sent = lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=b'"%d"' % number)
            ledger.accepted[sent["ResponseMetadata"]["RequestId"]] = name
            alias = lambda_.update_alias(FunctionName=name, Name="live", Description=str(number))
            ledger.aliases[name] = alias["RevisionId"]
            ledger.unsure.discard(name)
            if chance.random() < 0.2:
                ledger.unsure.add(name)
                lambda_.delete_function(FunctionName=name)
                ledger.deleted.add(name)
                ledger.unsure.discard(name)
    except (BotoCoreError, ClientError):
        return


def judge(lambda_: Any, ledger: Ledger) -> None:
    """Everything answered is there, and what is there is whole."""
    for name, digest in ledger.functions.items():
        if name in ledger.deleted:
            with pytest.raises(ClientError, match="Function not found"):
                lambda_.get_function(FunctionName=name)
            continue
        try:
            found = lambda_.get_function(FunctionName=name)["Configuration"]
        except ClientError:
            assert name in ledger.unsure, name
            continue
        assert found["CodeSha256"] == digest
        if name in ledger.published:
            versions = lambda_.list_versions_by_function(FunctionName=name)["Versions"]
            assert [each["Version"] for each in versions] == ["$LATEST", "1"]
        if name in ledger.aliases:
            alias = lambda_.get_alias(FunctionName=name, Name="live")
            assert alias["RevisionId"] == ledger.aliases[name] or name in ledger.unsure
            assert lambda_.invoke(FunctionName=f"{name}:live")["ExecutedVersion"] == "1"
    for name in ledger.unsure - set(ledger.functions):
        try:
            lambda_.invoke(FunctionName=name)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceNotFoundException", name


def round_(place: Path, number: int) -> int:
    """One cloud, killed at a random point; how many writes it had answered."""
    chance, state, heard = random.Random(number), place / "state", place / "heard"
    ledgers = [Ledger() for _ in range(WRITERS)]
    with process(state, heard) as (running, url):
        with contextlib.suppress(client(url).exceptions.ResourceConflictException):
            make(client(url), SINK)
        threads = [
            threading.Thread(target=write, args=(url, ledger, number * WRITERS + seed))
            for seed, ledger in enumerate(ledgers)
        ]
        for thread in threads:
            thread.start()
        while not any(ledger.accepted for ledger in ledgers):
            lambda_ = client(url)
            lambda_.get_account_settings()
        # Where in its work the kill meets it is what is random here, not what is asserted.
        time.sleep(chance.random() * 0.3)
        running.send_signal(signal.SIGKILL)
        running.wait()
        for thread in threads:
            thread.join()
    gone = set[str]().union(*(ledger.deleted | ledger.unsure for ledger in ledgers))
    with served(state) as (endpoint, fake):
        lambda_ = client(endpoint)
        for ledger in ledgers:
            judge(lambda_, ledger)
        accepted = {key: name for ledger in ledgers for key, name in ledger.accepted.items()}
        while _waiting(state):
            assert raw(endpoint, "GET", "/.fn/health").status == 200
        delivered = {*_lines(heard), *(heard_line(each) for _, each in fake.seen)}
        # An event for a function that was deleted meanwhile has nobody to go to.
        assert {name for key, name in accepted.items() if key not in delivered} <= gone
        assert {name for key, name in accepted.items() if f"told {key}" not in delivered} <= gone
    return sum(len(ledger.functions) + len(ledger.aliases) + len(ledger.accepted) for ledger in ledgers)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _waiting(state: Path) -> int:
    with sqlite3.connect(f"file:{state / 'cloud.db'}?mode=ro", uri=True) as db:
        (count,) = db.execute("SELECT COUNT(*) FROM event").fetchone()
    db.close()
    return int(count)


def test_kill_9_under_load(tmp_path: Path) -> None:
    assert sum(round_(tmp_path / str(number), number) for number in range(3)) > 0


class Stuck(Others):
    """Never comes back from sending a message, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.sending, self.released = threading.Event(), threading.Event()

    def answer_now(self, request: Request, service: str | None, account: str) -> Answer:
        if request.header("x-amz-target") == "AmazonSQS.SendMessage":
            self.sending.set()
            self.released.wait()
        return super().answer_now(request, service, account)


def test_what_was_on_its_way_to_a_destination_is_sent_after_a_restart(tmp_path: Path) -> None:
    target = "arn:aws:sqs:us-east-1:000000000000:told"
    stuck = Stuck()
    try:
        with served(tmp_path, others=stuck) as (endpoint, _):
            lambda_ = client(endpoint)
            make(lambda_)
            client(endpoint, "sqs").create_queue(QueueName="told")
            lambda_.put_function_event_invoke_config(
                FunctionName="hello", DestinationConfig={"OnSuccess": {"Destination": target}}
            )
            sent = lambda_.invoke(FunctionName="hello", InvocationType="Event")["ResponseMetadata"]["RequestId"]
            assert stuck.sending.wait(30)
    finally:
        stuck.released.set()
    go = threading.Event()

    class Waiting(FakeEmulator):
        """Until there is a queue again: moto's do not outlive their cloud."""

        async def invoke(self, *given: Any) -> Any:
            await asyncio.to_thread(go.wait)
            return await super().invoke(*given)

    with cloud.embedded(tmp_path, emulator=Waiting().open) as endpoint:
        sqs = client(endpoint, "sqs")
        queue = sqs.create_queue(QueueName="told")["QueueUrl"]
        go.set()
        while not (found := sqs.receive_message(QueueUrl=queue).get("Messages")):
            pass
    assert json.loads(found[0]["Body"])["requestContext"]["requestId"] == sent


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kill_9_a_hundred_times(tmp_path: Path) -> None:
    rounds = int(os.environ.get("FN_SOAK_KILLS", "100"))
    written = [round_(tmp_path / str(number % 10), number) for number in range(rounds)]
    print(f"{sum(written)} answered writes in {rounds} rounds")
