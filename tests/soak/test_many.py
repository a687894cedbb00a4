"""A thousand environments alive at once, all invoked twice, none lost; and then nothing is left of them."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator_support import event, function, opened
from fnroll.emulator import Outcome
from fnroll.sandbox import tree

COUNT = int(os.environ.get("FN_SOAK_ENVIRONMENTS", "1000"))

WAIT = 'until (-e "go") {{ select undef, undef, undef, 0.2 }} respond("{}:$$");'
"""Perl: an environment is busy until the file is there, so each invocation needs one of its own."""


@pytest.fixture
def descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def left_behind(servers: set[int]) -> dict[str, set[str]]:
    """What an environment could leave: processes, descriptors, mounts, and control groups of these fork servers."""
    groups: set[str] = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup" in line:
            groups |= {str(path) for pid in servers for path in Path(line.split()[4]).glob(f"**/fn-{pid}-*")}
    return {
        "processes": {str(pid) for pid in tree.descendants(os.getpid())},
        "descriptors": {entry.name for entry in Path("/proc/self/fd").iterdir()},
        "mounts": set(Path("/proc/self/mountinfo").read_text().splitlines()),
        "groups": groups,
    }


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("descriptors")
def test_a_thousand_environments(tmp_path: Path) -> None:
    before = left_behind(set())
    servers = asyncio.run(thousand(tmp_path))
    after = left_behind(servers)
    for what, found in after.items():
        assert found - before[what] == set(), what


async def thousand(tmp_path: Path) -> set[int]:
    """The fork servers that it took."""
    config = function(tmp_path, timeout=300)
    async with opened("auto", max_environments=COUNT, idle_seconds=3600) as run:

        async def round_of(name: str) -> list[Outcome]:
            tasks = [
                run.emulator.invoke(config, event(WAIT.format(f"{name}-{n}"), f"{name}-{n}")) for n in range(COUNT)
            ]
            return await asyncio.gather(*tasks)

        first = asyncio.create_task(round_of("cold"))
        while len(run.host.made) < COUNT and not first.done():
            await asyncio.sleep(0.1)
        (config.task / "go").touch()
        for name, outcomes in (("cold", await first), ("warm", await round_of("warm"))):
            said = [outcome.payload.decode().split(":")[0] for outcome in outcomes]
            assert said == [f"{name}-{n}" for n in range(COUNT)]
        assert len(run.host.made) == COUNT
        return set(tree.children(os.getpid()))
