"""What `fn dev` puts before the emulator: new code is started first, and code that does not start is not served."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fnroll.cli.dev_emulator import DevEmulator, start_mark
from fnroll.cli.dev_lines import Request
from fnroll.emulator import FunctionConfig, Invocation, Outcome, Report
from fnroll.errors import SandboxError

ARN = "arn:aws:lambda:us-east-1:000000000000:function:api"
CONFIG = FunctionConfig("api", ARN, "$LATEST", "one", Path("/x"), "a.b")
MARK = start_mark()


class Inner:
    """Answers with the revision that was invoked. `bad`: revisions that do not start; `gate`: starts wait for it."""

    tier = "none"
    missing = ()

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)
        self.warmed: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def warm(self, config: FunctionConfig) -> bool:
        self.warmed.append(config.revision)
        await self.gate.wait()
        if "impossible" in config.revision:
            raise SandboxError("no sandbox")
        return config.revision not in self.bad

    async def invoke(self, config: FunctionConfig, invocation: Invocation) -> Outcome:
        report = Report(1.0, 1, 128, 1, None, "success")
        return Outcome(config.revision.encode(), None, config.version, report, b"")

    async def retire(self, arn: str) -> None: ...

    def reserve(self, arn: str, concurrency: int | None) -> None: ...

    def limit(self, arn: str, version: str, most: int | None) -> None: ...

    async def provision(self, config: FunctionConfig, count: int) -> None: ...

    async def close(self) -> None: ...


class Heard:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.why: list[str] = []

    def request(self, request: Request) -> None:
        self.requests.append(request)

    def refused(self, name: str, why: str) -> None:
        self.why.append(f"{name}: {why}")


class Tried:
    def __init__(self, inner: Inner) -> None:
        self.inner, self.heard = inner, Heard()
        self.emulator = DevEmulator(inner, self.heard, MARK)

    async def ask(
        self, revision: str, version: str = "$LATEST", context: str | None = None, tenant: str | None = None
    ) -> str:
        config = replace(CONFIG, revision=revision, version=version)
        outcome = await self.emulator.invoke(config, Invocation("id", b"{}", ARN, context, tenant_id=tenant))
        return outcome.payload.decode()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_code_that_does_not_start_leaves_the_code_before_it() -> None:
    async def tried() -> None:
        it = Tried(Inner("two", "three"))
        answers = [await it.ask(revision) for revision in ("one", "two", "two", "three", "four", "two")]
        assert answers == ["one", "one", "one", "one", "four", "four"]
        assert it.inner.warmed == ["one", "two", "three", "four", "two"]

    run(tried())


def test_code_that_never_worked_answers_for_itself() -> None:
    async def tried() -> None:
        it = Tried(Inner("one", "two"))
        assert [await it.ask(revision) for revision in ("one", "two", "three")] == ["one", "two", "three"]

    run(tried())


def test_a_start_is_answered_with_whether_it_works_and_is_no_request() -> None:
    async def tried() -> None:
        it = Tried(Inner("two"))
        assert [await it.ask(revision, context=MARK) for revision in ("one", "two", "two")] == [
            "true",
            "false",
            "false",
        ]
        assert it.heard.requests == []
        assert await it.ask("two", context='{"fn-dev": "another"}') == "one"
        assert len(it.heard.requests) == 1

    run(tried())


def test_requests_wait_for_the_one_start_of_the_code_they_are_for() -> None:
    async def tried() -> None:
        it = Tried(Inner())
        it.inner.gate.clear()
        asked = [asyncio.ensure_future(it.ask("one")) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(one.done() for one in asked)
        it.inner.gate.set()
        assert await asyncio.gather(*asked) == ["one"] * 3
        assert it.inner.warmed == ["one"]

    run(tried())


def test_a_start_whose_caller_went_away_is_made_again() -> None:
    async def tried() -> None:
        it = Tried(Inner())
        it.inner.gate.clear()
        asked = asyncio.ensure_future(it.ask("one"))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        it.inner.gate.set()
        assert await it.ask("one") == "one"
        assert it.inner.warmed == ["one", "one"]

    run(tried())


def test_published_versions_and_tenants_are_not_tried() -> None:
    async def tried() -> None:
        it = Tried(Inner("one"))
        assert await it.ask("one", version="1") == "one"
        assert await it.ask("one", tenant="blue") == "one"
        assert it.inner.warmed == []
        assert await it.ask("one", version="$LATEST.PUBLISHED") == "one"
        assert it.inner.warmed == ["one"]

    run(tried())


def test_what_a_machine_cannot_run_is_told_and_tried_again() -> None:
    async def tried() -> None:
        it = Tried(Inner())
        for _ in range(2):
            with pytest.raises(SandboxError):
                await it.ask("impossible")
        assert it.heard.why == ["api: no sandbox"] * 2
        assert it.inner.warmed == ["impossible"] * 2

    run(tried())


def test_a_function_that_is_gone_is_forgotten() -> None:
    async def tried() -> None:
        it = Tried(Inner("two"))
        await it.ask("one")
        await it.emulator.retire(ARN)
        assert await it.ask("two") == "two"

    run(tried())
