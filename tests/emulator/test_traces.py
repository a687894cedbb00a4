"""X-Ray's header as a function gets it, and the line after the report of one that is traced."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from emulator_support import event, function, opened
from fnroll.emulator import traces

ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"
HERE = "Parent=[0-9a-f]{16}"


@pytest.mark.parametrize(
    ("header", "active", "handed"),
    [
        (f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1", False, f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1"),
        (f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=0", False, f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=0"),
        (f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=0", True, f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=0"),
        (f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1", True, f"{ROOT};(?!Parent=53995c3f42cd8ad8){HERE};Sampled=1"),
        (ROOT, False, f"{ROOT};Sampled=0"),
        (ROOT, True, f"{ROOT};Sampled=1;{HERE}"),
        (f"Self=1-x;{ROOT}; Sampled=1;Lineage=a:0", False, f"Self=1-x;{ROOT};Sampled=1;Lineage=a:0"),
        ("nonsense", True, f"Sampled=1;{HERE}"),
    ],
)
def test_what_a_function_is_handed(header: str, active: bool, handed: str) -> None:
    assert re.fullmatch(handed, traces.decided(header, active))


def test_a_new_header() -> None:
    assert re.fullmatch(f"Root=1-[0-9a-f]{{8}}-[0-9a-f]{{24}};{HERE}", traces.undecided())


TRACED = r"REPORT .*\t\nXRAY TraceId: 1-[0-9a-f]{8}-[0-9a-f]{24}\tSegmentId: [0-9a-f]{16}\tSampled: true\t\n"


@pytest.mark.parametrize(("active", "sampled"), [(True, b"1"), (False, b"")])
def test_an_invocation(tmp_path: Path, active: bool, sampled: bytes) -> None:
    text = "my ($said) = $head =~ /Trace-Id: .*Sampled=(\\d)/; respond($said // '')"

    async def main() -> tuple[bytes, str]:
        async with opened("plain") as running:
            outcome = await running.emulator.invoke(function(tmp_path, tracing=active), event(text))
            return outcome.payload, outcome.log.decode()

    payload, log = asyncio.run(main())
    assert payload == sampled
    assert bool(re.search(TRACED, log)) is ("XRAY" in log) is active
