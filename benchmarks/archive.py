"""Packing, cold and warm, beside `zip -r -6` on the same trees.

    python benchmarks/archive.py [ROUNDS]

The tree: 20,000 small files (what a directory of dependencies is like), and text, machine code and data that is
compressed already. The small files are also packed alone: there it is opening them that takes the time. "fn archive" is
the whole command, from its start to the file on the disk; "pack" what a deploy waits for, which needs no file (the room
`archive/` in this process). Cold: the cache is empty; warm: the same tree was packed before. All are run in turn, round
by round.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fnroll.archive import Cache, load_rules, pack, scan

DEFINITION = (
    '{"FunctionName": "b", "Runtime": "python3.13", "Handler": "m.h", "Role": "arn:aws:iam::123456789012:role/r"}'
)


def small_files(root: Path) -> None:
    dice = random.Random(1)
    words = [f"word{number}" for number in range(4_000)]
    for number in range(20_000):
        directory = root / f"package{number // 100}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"module{number}.py").write_text(" ".join(dice.choices(words, k=dice.randint(20, 400))))


def mixed_data(root: Path) -> None:
    dice = random.Random(2)
    words = [f"word{number}" for number in range(20_000)]
    program = Path(sys.executable).resolve().read_bytes()[:4_000_000]
    root.mkdir(parents=True, exist_ok=True)
    for number in range(25):
        (root / f"text{number}.json").write_text(" ".join(dice.choices(words, k=500_000))[:4_000_000])
    for number in range(15):
        (root / f"lib{number}.so").write_bytes(dice.randbytes(64) + program[dice.randint(0, 1_000_000) :])
    for number in range(12):
        (root / f"image{number}.jpg").write_bytes(dice.randbytes(4_000_000))


def both(root: Path) -> None:
    small_files(root)
    mixed_data(root)


def clock(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def contenders(root: Path, scratch: Path) -> dict[str, Callable[[], object]]:
    fn = shutil.which("fn", path=str(Path(sys.executable).parent)) or "fn"
    cache = scratch / "cache"

    def command(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run(words, cwd=root, check=True, capture_output=True)

    def cold(action: Callable[[], object]) -> Callable[[], object]:
        def emptied() -> object:
            shutil.rmtree(cache, ignore_errors=True)
            return action()

        return emptied

    def packed(dest: Path | None = None) -> object:
        return pack(scan(root, load_rules(root)), limit=None, dest=dest, cache=Cache(cache / "archive", root))

    whole = command(fn, "archive", "--dest", str(scratch / "a.zip"))
    return {
        "zip -r -6": lambda: (
            (scratch / "z.zip").unlink(missing_ok=True),
            command("zip", "-r", "-6", "-q", str(scratch / "z.zip"), ".")(),
        ),
        "pack, cold": cold(packed),
        "pack, warm": packed,
        "pack to a file, warm": lambda: packed(scratch / "p.zip"),
        "fn archive, cold": cold(whole),
        "fn archive, warm": whole,
    }


def main(rounds: int) -> None:
    if shutil.which("zip") is None:
        raise SystemExit("zip is not installed")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name, make in (("20,000 small files and 200 MB of mixed data", both), ("the small files alone", small_files)):
        with tempfile.TemporaryDirectory() as directory:
            scratch = Path(directory)
            os.environ["FN_CACHE"] = str(scratch / "cache")
            root = scratch / "tree"
            make(root)
            (root / "function.json").write_text(DEFINITION)
            time.sleep(2.5)  # what was changed this instant is not believed by its times
            rows = contenders(root, scratch)
            times: dict[str, list[float]] = {row: [] for row in rows}
            for row in rows:
                clock(rows[row])
            for _ in range(rounds):
                for row, action in rows.items():
                    times[row].append(clock(action))
            size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
            print(f"{name} ({size / 1e6:.0f} MB)")
            floor = statistics.median(times["zip -r -6"])
            for row, found in times.items():
                middle = statistics.median(found)
                print(f"  {row:20} {middle * 1000:8.0f} ms   {floor / middle:6.1f} x as fast as zip")
            print(f"  sizes: zip {(scratch / 'z.zip').stat().st_size}, fn {(scratch / 'a.zip').stat().st_size}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
