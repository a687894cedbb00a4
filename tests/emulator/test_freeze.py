"""Between invocations an environment is frozen: what a function left running stands still, and runs on afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from emulator_support import function, opened

COUNTER = """
our $child = fork;
if (!$child) {
    $SIG{TERM} = 'IGNORE';
    my $n = 0;
    while (1) {
        open my $to, '>', "$ENV{SCRATCH}/new"; print $to ++$n; close $to;
        rename "$ENV{SCRATCH}/new", "$ENV{SCRATCH}/count";
        select undef, undef, undef, 0.001;
    }
}
"""
READ = 'open my $f, "<", "$ENV{SCRATCH}/count" or 0; respond(scalar(<$f>) // 0);'
WAIT_FOR = """
my $n = 0;
until ($n >= %d) {
    if (open my $f, "<", "$ENV{SCRATCH}/count") { $n = <$f> // 0 }
    select undef, undef, undef, 0.001;
}
respond($n);
"""


@pytest.mark.parametrize("tier", ["linux", "process"])
def test_a_background_counter_stands_still_between_invocations(tmp_path: Path, tier: str) -> None:
    async def main() -> None:
        def script(text: str) -> str:
            return text.replace("$ENV{SCRATCH}", "/tmp" if tier == "linux" else "$ENV{TMPDIR}")

        config = function(tmp_path, init=script(COUNTER), timeout=30)
        async with opened(tier) as run:
            before = int((await run(config, script(WAIT_FOR % 50))).payload)
            ours = 0  # what a counter of the same pace reaches meanwhile
            while ours < 400:
                await asyncio.sleep(0.001)
                ours += 1
            after = int((await run(config, script(READ))).payload)
            assert after - before < 100
            onwards = int((await run(config, script(WAIT_FOR % (after + 50)))).payload)
            assert onwards >= after + 50
            assert len(run.host.made) == 1

    asyncio.run(main())
