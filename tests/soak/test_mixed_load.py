"""Mixed load on a local cloud at full speed, real functions in real sandboxes: nothing grows.

FN_SOAK_MINUTES says how long (60). After a fifth of it, and at the end, the cloud's memory, descriptors, processes and
files are counted.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud_support import client, make, package
from fnroll.sandbox import tree

MINUTES = float(os.environ.get("FN_SOAK_MINUTES", "60"))
CALLERS = 6
SLACK = {"megabytes": 40, "descriptors": 30, "processes": 30, "files": 60}
"""What may differ between two moments: environments come and go."""

BOOTSTRAP = """#!/usr/bin/python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2018-06-01/runtime/invocation/"
while True:
    api.request("GET", base + "next")
    answer = api.getresponse()
    event, id = answer.read(), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    print("got", len(event))
    if b"crash" in event:
        os._exit(3)
    api.request("POST", base + id + "/response", event)
    api.getresponse().read()
"""


def code(number: int) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        out.writestr(entry, BOOTSTRAP + f"# {number}\n")
    return buffer.getvalue()


@contextmanager
def up(state: Path) -> Iterator[tuple[int, str]]:
    words = ["-m", "fnroll", "--state", str(state), "local", "up", "--port", "0", "--fast-clock", "100"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=quiet, text=True) as running:
        try:
            assert running.stdout is not None
            yield running.pid, running.stdout.readline().strip()
        finally:
            running.terminate()
            running.wait(30)


def counted(pid: int, state: Path) -> dict[str, float]:
    processes = [pid, *tree.descendants(pid)]
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {
        "megabytes": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "processes": len(processes),
        "files": sum(1 for _ in state.rglob("*")),
    }


def works(url: str, name: str, chance: random.Random) -> list[Callable[[], object]]:
    lambda_, s3, sqs = client(url), client(url, "s3"), client(url, "sqs")
    s3.create_bucket(Bucket=f"bucket-{name}")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    make(lambda_, name, Runtime="provided.al2023", Handler="x", Code={"ZipFile": code(0)}, Timeout=10, Publish=True)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")

    def invoke() -> None:
        answer = lambda_.invoke(FunctionName=f"{name}:live", Payload=b'{"n":1}')
        assert json.loads(answer["Payload"].read()) == {"n": 1}

    def crash() -> None:
        assert lambda_.invoke(FunctionName=f"{name}:live", Payload=b'"crash"')["FunctionError"]

    def release() -> None:
        lambda_.update_function_code(FunctionName=name, ZipFile=code(chance.randrange(2)))
        version = lambda_.publish_version(FunctionName=name)["Version"]
        old = lambda_.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
        lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
        if old != version:
            lambda_.delete_function(FunctionName=name, Qualifier=old)

    def come_and_go() -> None:
        make(lambda_, f"{name}-short", Code={"ZipFile": package()})
        lambda_.delete_function(FunctionName=f"{name}-short")

    def message() -> None:
        sqs.send_message(QueueUrl=queue, MessageBody="m")
        for each in sqs.receive_message(QueueUrl=queue).get("Messages", ()):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])

    def event() -> None:
        lambda_.invoke(FunctionName=f"{name}:live", InvocationType="Event", Payload=b"{}")

    def store() -> None:
        s3.put_object(Bucket=f"bucket-{name}", Key="k", Body=b"x" * 1000)

    def look() -> None:
        lambda_.list_functions()

    often: list[Callable[[], object]] = [invoke] * 30 + [event] * 5
    return [*often, look, store, message, crash, release, come_and_go]


def load(url: str, name: str, seed: int, until: float, done: Counter[str], failed: list[BaseException]) -> None:
    chance = random.Random(seed)
    try:
        found = works(url, name, chance)
        while time.monotonic() < until and not failed:
            work = chance.choice(found)
            work()
            done[work.__name__] += 1
    except BaseException as error:
        failed.append(error)


def loaded(state: Path, seconds: float) -> tuple[dict[str, float], dict[str, float], Counter[str]]:
    """What is counted early and at the end, and what was done."""
    done, failed = Counter[str](), list[BaseException]()
    with up(state) as (pid, url):
        counts = []
        for part, seeds in ((seconds / 5, itertools.count(0)), (seconds * 4 / 5, itertools.count(100))):
            until = time.monotonic() + part
            threads = [
                threading.Thread(target=load, args=(url, f"f{seed}", seed, until, done, failed))
                for seed in itertools.islice(seeds, CALLERS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if failed:
                raise failed[0]
            lambda_: Any = client(url)
            for each in lambda_.list_functions()["Functions"]:
                lambda_.delete_function(FunctionName=each["FunctionName"])
            counts.append(counted(pid, state))
    return counts[0], counts[1], done


@pytest.mark.soak
@pytest.mark.timeout(MINUTES * 60 + 600)
def test_nothing_grows(tmp_path: Path) -> None:
    before, after, done = loaded(tmp_path, MINUTES * 60)
    print(before, after, dict(done))
    for what, slack in SLACK.items():
        assert after[what] <= before[what] + slack, (what, before, after)
