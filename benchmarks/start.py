"""Whole-process time of `fn --help` and `fn run`, beside the floors under them.

    python benchmarks/start.py [ROUNDS]

The floors: `python3 -c pass` (no Python program starts faster) and plain `perl` running the same handler on the same
event without any Lambda around it. All are run in turn, round by round, so that a busy moment hits each alike.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EVENT = '{"name": "world"}'
# The same handler without Lambda around it: the context is an object whose methods all answer 1.
PLAIN_PERL = """
package Context { our $AUTOLOAD; sub AUTOLOAD { 1 } }
use JSON::PP;
do "./handler.pl"; die $@ if $@;
print encode_json(handle(decode_json(shift), bless {}, "Context"));
"""


def clock(command: list[str], directory: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=directory, capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{command[:3]} failed: {done.stderr.decode()}")
    return took * 1000


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["FN_CACHE"] = f"{scratch}/cache"
        # An installed program has its bytecode; some machines are told not to write any.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        python = sys.executable
        fn = shutil.which("fn", path=str(Path(python).parent)) or "fn"
        subprocess.run([fn, "init", "hello"], cwd=scratch, check=True, capture_output=True)
        project = Path(scratch) / "hello"
        commands = {
            "python3 -c pass": [python, "-c", "pass"],
            "fn --help": [fn, "--help"],
            "perl handler": ["perl", "-e", PLAIN_PERL, EVENT],
            "fn run": [fn, "run", "-e", EVENT],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for command in commands.values():
            clock(command, project)
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(clock(command, project))
    floors = {"fn --help": "python3 -c pass", "fn run": "perl handler"}
    print(f"{'':18}{'median ms':>10}{'best ms':>9}   ratio of the medians")
    for name, values in times.items():
        median = statistics.median(values)
        floor = floors.get(name)
        ratio = f"{median / statistics.median(times[floor]):.1f} x {floor}" if floor else ""
        print(f"{name:18}{median:10.1f}{min(values):9.1f}   {ratio}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
