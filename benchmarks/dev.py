"""From saving a file to the first answer of the new code under `fn dev`, and what of it is the function's own start.

    python benchmarks/dev.py [EDITS]

For a Perl and a Python function, each as its template makes it and among 2,000 further files. An edit writes the
handler in place, as an editor does; then its URL is asked every 2 ms until the new code answers. The floor is the cold
start of the same function alone, as the line of the request tells it (`cold, init`): no reload can answer sooner.
"""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

EDITS = 50
MANY = 2000
TO_REACH = 300.0
HANDLERS = {
    "perl": ("handler.pl", "use strict; use warnings;\nsub handle {{ return {{ edit => {0} }} }}\n1;\n"),
    "python": ("app.py", "def handle(event, context):\n    return {{'edit': {0}}}\n"),
}


def project(fn: str, runtime: str, files: int, scratch: Path) -> Path:
    name = f"{runtime}-{files}"
    subprocess.run([fn, "init", "--runtime", runtime, name], cwd=scratch, check=True, capture_output=True)
    for number in range(files):
        path = scratch / name / "data" / f"{number % 40}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the file {number}\n" * 40)
    return scratch / name


class Dev:
    """A running `fn dev` of one function."""

    def __init__(self, fn: str, directory: Path) -> None:
        self._process = subprocess.Popen(
            [fn, "dev", "--port", "0"], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._at = urlsplit(self._process.stdout.readline().split("\t")[1].strip())
        self._connection = http.client.HTTPConnection("127.0.0.1", self._at.port, timeout=30)
        self.inits: list[float] = []
        self.reloads: list[float] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"cold, init (\d+) ms", line):
                self.inits.append(float(found[1]))
            elif found := re.search(r"reloaded in (\d+) ms", line):
                self.reloads.append(float(found[1]))

    def answer(self) -> bytes:
        self._connection.request("GET", "/", headers={"Host": self._at.netloc})
        return self._connection.getresponse().read()

    def end(self) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait()
        self._reader.join()


def measured(dev: Dev, handler: Path, text: str, edits: int) -> list[float]:
    """Milliseconds from the edit to its answer."""
    took = []
    for number in range(edits + 2):
        wanted = f'"edit":{number}}}'.encode()
        began = time.perf_counter()
        handler.write_text(text.format(number))
        while dev.answer().replace(b" ", b"") != b"{" + wanted:
            time.sleep(0.002)
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(0.1 + number % 7 * 0.013)  # at no particular phase of whatever looks for changes
    return took[2:]


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def main(edits: int) -> None:
    fn = str(Path(sys.executable).with_name("fn"))
    print(f"{'':24}{'p50 ms':>8}{'p90 ms':>8}{'max ms':>8}{'reload p50':>12}{'cold p50':>10}   {edits} edits each")
    late = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {"FN_CACHE": f"{scratch}/cache", "NO_COLOR": "1"}
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for runtime, (name, text) in HANDLERS.items():
            for files in (0, MANY):
                directory = project(fn, runtime, files, Path(scratch))
                dev = Dev(fn, directory)
                try:
                    took = measured(dev, directory / name, text, edits)
                finally:
                    dev.end()
                what = f"{runtime}, {files} files" if files else f"{runtime}, template"
                p50, p90 = quantile(took, 0.5), quantile(took, 0.9)
                inner = f"{quantile(dev.reloads, 0.5):12.0f}{quantile(dev.inits, 0.5):10.0f}"
                print(f"{what:24}{p50:8.0f}{p90:8.0f}{max(took):8.0f}{inner}")
                late += [what] if p90 > TO_REACH else []
    print(f"to reach: p90 {TO_REACH:.0f} ms; " + (f"missed by {', '.join(late)}" if late else "reached by all"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EDITS)
