"""Whole-process time of `fn validate` on a plain definition, beside `python3 -c pass` and `fn --help`.

    python benchmarks/validate.py [ROUNDS]

No Python program starts faster than the first; the second is `fn` with nothing to do. All are run in turn, round by
round, so that a busy moment hits each alike.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from start import clock

DEFINITION = {
    "FunctionName": "hello",
    "Role": "arn:aws:iam::123456789012:role/fn",
    "Runtime": "python3.13",
    "Handler": "app.handler",
    "MemorySize": 256,
    "Environment": {"Variables": {"STAGE": "{{ env `STAGE` `dev` }}"}},
}


def main(rounds: int) -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    python = sys.executable
    fn = shutil.which("fn", path=str(Path(python).parent)) or "fn"
    floor, name = "python3 -c pass", "fn validate"
    commands = {floor: [python, "-c", "pass"], "fn --help": [fn, "--help"], name: [fn, "validate"]}
    times: dict[str, list[float]] = {command: [] for command in commands}
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        (project / "function.json").write_text(json.dumps(DEFINITION))
        (project / "app.py").write_text("def handler(event, context):\n    return event\n")
        for command in commands.values():
            clock(command, project)
        for _ in range(rounds):
            for said, command in commands.items():
                times[said].append(clock(command, project))
    medians = {said: statistics.median(values) for said, values in times.items()}
    for said, median in medians.items():
        print(f"{said:18}{median:10.1f} ms{median / medians[floor]:8.1f} x {floor}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
