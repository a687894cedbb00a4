"""How much memory packing takes, whatever the tree holds: a process of its own is asked for its peak."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from fnroll.archive.pipeline import AHEAD

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc, which tells the peak")

MIB = 1 << 20
FILES, SIZE = 30, 8 * MIB
"""240 MiB of content, close to all that Lambda takes; on the disk it is one file, or holes."""

PACK = """
import sys
from pathlib import Path
from fnroll.archive import Cache, load_rules, pack, scan

def told(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

tree, cache = Path(sys.argv[1]), sys.argv[2]
entries = scan(tree, load_rules(tree))
before = told("VmRSS:")
package = pack(entries, limit=None, cache=Cache(Path(cache), tree) if cache else None, workers=2)
print(package.unzipped_size, told("VmHWM:") - before)
"""


@pytest.mark.parametrize("content", ["shrinks", "does not"])
def test_a_tree_larger_than_what_is_held_at_once(tmp_path: Path, content: str) -> None:
    """What shrinks is held as it was read, what does not until it is written: to the cache, which `fn` has always."""
    (tmp_path / "tree").mkdir()
    for number in range(FILES):
        path = tmp_path / "tree" / f"{number}.bin"
        if content == "does not" and number > 0:
            path.hardlink_to(tmp_path / "tree" / "0.bin")
            continue
        with path.open("wb") as file:
            file.write(random.Random(4).randbytes(SIZE)) if content == "does not" else file.truncate(SIZE)
    cache = str(tmp_path / "cache") if content == "does not" else ""
    words = [sys.executable, "-c", PACK, str(tmp_path / "tree"), cache]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    unzipped, peak = map(int, done.stdout.split())
    assert unzipped == FILES * SIZE
    # Over what may be held at once: what each thread and the writer have in hand, and what malloc keeps.
    assert peak < AHEAD + 8 * SIZE, f"{peak / MIB:.0f} MiB"
