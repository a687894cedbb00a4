"""An external extension made with AWS's own crate beside a function with AWS's own client: registration, INVOKE and
SHUTDOWN, and telemetry that the crate's types can read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.toolchains import CLIENTS, Functions, asked_for, extension
from conformance.verbs import event
from fnroll.emulator import FunctionConfig, Invocation, Outcome
from scenarios.languages import Built
from scenarios.running import Stage
from scenarios.vocabulary import Scenario

asked_for()
pytestmark = pytest.mark.timeout(1500)

ID = "8f507cfc-1d2e-4f6b-9d1c-00000000000{}"


@pytest.fixture(scope="session")
def extended(functions: Functions, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Rust's function with the extension in its layer."""
    client = functions("rust")
    opt = tmp_path_factory.mktemp("layer") / "opt"
    (opt / "extensions").mkdir(parents=True)
    shutil.copy(extension(CLIENTS["rust"]), opt / "extensions" / "watcher")
    return replace(client, opt=opt)


class Watched:
    """One function under way, and what its extension says."""

    def __init__(self, stage: Stage, built: Built, **changes: object) -> None:
        self._stage = stage
        self.config: FunctionConfig = replace(stage.function(Scenario("extended", ()), built, "rust"), **changes)

    async def invoke(self, number: int, do: str, **members: object) -> Outcome:
        emulator = await self._stage.emulator()
        return await emulator.invoke(self.config, Invocation(ID.format(number), event(do, **members), self.config.arn))

    async def until(self, text: str) -> None:
        await self._stage.until(self.config.name, text=f"extension: {text}")

    async def retire(self) -> None:
        await (await self._stage.emulator()).retire(self.config.arn)

    def said(self) -> list[str]:
        lines = (line.text for line in self._stage.lines(self.config.name))
        return [line.removeprefix("extension: ") for line in lines if line.startswith("extension: ")]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Of its own for every test, which may close it to see everything through to its end."""
    opened = Stage(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def watched(stage: Stage, extended: Built) -> Iterator[Watched]:
    yield Watched(stage, extended, timeout=2)


def events_of(said: list[str]) -> list[str]:
    return [line for line in said if not line.startswith("telemetry ")]


def test_it_gets_every_invoke_and_shutdown_at_the_end(stage: Stage, watched: Watched) -> None:
    arn = watched.config.arn

    async def main() -> list[bytes]:
        payloads = [(await watched.invoke(number, "count")).payload for number in (1, 2, 3)]
        await watched.until(f"INVOKE {ID.format(3)} {arn}")
        await watched.retire()
        await watched.until("SHUTDOWN spindown")
        return payloads

    assert stage.run(main()) == [b"1", b"2", b"3"]
    stage.close()
    assert events_of(watched.said()) == [*(f"INVOKE {ID.format(n)} {arn}" for n in (1, 2, 3)), "SHUTDOWN spindown"]


def test_it_gets_the_telemetry_of_init_and_of_an_invocation(stage: Stage, watched: Watched) -> None:
    async def main() -> None:
        await watched.invoke(1, "print", text="hello")
        await watched.retire()
        await watched.until("SHUTDOWN spindown")

    stage.run(main())
    stage.close()
    kinds = [line.split()[1] for line in watched.said() if line.startswith("telemetry ")]
    assert set(kinds[:-4]) == {
        "PlatformInitStart",
        "PlatformTelemetrySubscription",
        "PlatformInitRuntimeDone",
        "PlatformInitReport",
        "PlatformExtension",
    }
    assert kinds[-4:] == ["PlatformStart", "Function", "PlatformRuntimeDone", "PlatformReport"]


@pytest.mark.parametrize(
    ("do", "members", "reason"),
    [("sleep", {"text": "on", "size": 60_000}, "timeout"), ("exit", {"size": 3}, "failure")],
    ids=["timeout", "crash"],
)
def test_a_reset_is_a_shutdown_with_its_reason(
    stage: Stage, watched: Watched, do: str, members: dict[str, object], reason: str
) -> None:
    async def main() -> tuple[Outcome, Outcome]:
        ended = await watched.invoke(1, do, **members)
        await watched.until(f"SHUTDOWN {reason}")
        return ended, await watched.invoke(2, "count")

    ended, after = stage.run(main())
    assert ended.function_error == "Unhandled"
    assert after.payload == b"1"
    arn = watched.config.arn
    assert events_of(watched.said())[:2] == [f"INVOKE {ID.format(1)} {arn}", f"SHUTDOWN {reason}"]
    stage.run(watched.until(f"INVOKE {ID.format(2)} {arn}"))


def test_its_registration_and_subscription_are_in_the_log(stage: Stage, watched: Watched) -> None:
    stage.run(watched.invoke(1, "count"))
    lines = [line.text for line in stage.lines(watched.config.name)]
    assert "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]" in lines
    assert "TELEMETRY\tName: watcher\tState: Subscribed\tTypes: [Platform, Function]" in lines
