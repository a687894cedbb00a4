"""Wheels by way of this machine's pip, whose configuration names the index, the proxy, the certificate and who one is.

pip chooses and downloads; nothing is installed or run. What comes is proven here, by the digests of the lock.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fnroll.errors import LayerUnavailable
from fnroll.layers.recipe import platform_of

Download = Callable[[Sequence[str], str, str, bool], Mapping[str, bytes]]
"""(lines of a requirements file, the platform that a recipe's `suite` names, Lambda's architecture, whether the lines
are all there is to have, with digests) -> file name to content. Raises LayerUnavailable."""

_OLDEST = 5
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
_NAMED = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_ADVICE = (
    "pip's own configuration (pip config list, PIP_INDEX_URL) says where it looks; what is cached needs no network"
)


def command() -> tuple[str, ...]:
    """How pip is started here. Raises LayerUnavailable where there is none."""
    if importlib.util.find_spec("pip") is not None:
        return (sys.executable, "-m", "pip")
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return (found,)
    raise LayerUnavailable(
        "there is no pip on this machine, which fetches wheels", hint="install pip, or put it on PATH"
    )


def tags(suite: str, architecture: str) -> list[str]:
    """The platforms whose wheels run there, the nearest first: each libc from that of the base downwards."""
    _, (major, minor) = platform_of(suite)
    machine, found = _MACHINES[architecture], []
    for number in range(minor, _OLDEST - 1, -1):
        found.append(f"manylinux_{major}_{number}_{machine}")
        if (name := _NAMED.get((major, number))) is not None:
            found.append(f"{name}_{machine}")
    return found


class Pip:
    """A `Download`. `environment`: pip's own variables are looked up in it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __call__(self, lines: Sequence[str], suite: str, architecture: str, locked: bool) -> Mapping[str, bytes]:
        python, _ = platform_of(suite)
        platforms = [word for tag in tags(suite, architecture) for word in ("--platform", tag)]
        with tempfile.TemporaryDirectory(prefix="fn-wheels-") as scratch:
            wanted, target = Path(scratch) / "requirements.txt", Path(scratch) / "wheels"
            wanted.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            words = ["download", "--quiet", "--only-binary=:all:", "--python-version", python, *platforms]
            words += ["--no-deps", "--require-hashes"] if locked else []
            try:
                done = subprocess.run(
                    [*command(), *words, "--dest", str(target), "--requirement", str(wanted)],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    cwd=scratch,
                    env={**self._environment, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"},
                    check=False,
                )
            except OSError as error:
                raise LayerUnavailable(f"pip cannot be started: {error.strerror}") from error
            if done.returncode != 0:
                raise LayerUnavailable(f"pip has not got {', '.join(_names(lines))}: {said(done.stderr)}", hint=_ADVICE)
            return {path.name: path.read_bytes() for path in sorted(target.iterdir())}


def _names(lines: Sequence[str]) -> list[str]:
    return [line.partition(" --hash=")[0] for line in lines]


def said(text: str) -> str:
    """The last error that pip printed; the ones before it are its way there."""
    errors = [line.removeprefix("ERROR:").strip() for line in text.splitlines() if line.startswith("ERROR:")]
    return errors[-1] if errors else text.strip().rpartition("\n")[2] or "it gave no reason"
