"""A program of the user's own: refused before it is sent where Lambda could not start it."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest

from fnroll import definition
from fnroll.errors import LayerError
from fnroll.layers import assemble
from fnroll.layers.elf import MACHINES
from fnroll.layers.launcher import launcher


def project(root: Path, program: bytes, mode: int = 0o755, runtime: str = "provided.al2023") -> definition.Definition:
    (root / "bootstrap").write_bytes(program)
    (root / "bootstrap").chmod(mode)
    request = {"FunctionName": "n", "Runtime": runtime, "Handler": "x", "Role": "arn:aws:iam::123456789012:role/r"}
    (root / "function.json").write_text(json.dumps(request))
    return definition.load(root, env={})


@pytest.mark.parametrize("architecture", sorted(MACHINES))
def test_a_static_program_for_the_right_processor_goes(tmp_path: Path, architecture: str) -> None:
    assemble(project(tmp_path, launcher(architecture, ["/x", "x"])), architecture=architecture)


def test_a_script_goes(tmp_path: Path) -> None:
    assemble(project(tmp_path, b"#!/bin/sh\n"), architecture="arm64")


@pytest.mark.parametrize(
    ("program", "mode", "words"),
    [
        (launcher("arm64", ["/x", "x"]), 0o755, "is a program for arm64, and the function runs on x86_64"),
        (launcher("x86_64", ["/x", "x"]), 0o644, "is not executable"),
        (b"\x7fELF\x01\x01" + bytes(60), 0o755, "of a kind that Lambda cannot run"),
        (b"\x7fELF\x02\x01" + b"\xff" * 80, 0o755, "is a damaged ELF file"),
        (b"\x7fELF\x02\x01" + bytes(12) + struct.pack("<H", 8) + bytes(60), 0o755, "is a program for processor 8"),
    ],
    ids=["another processor", "not executable", "32 bits", "damaged", "no processor of Lambda's"],
)
def test_what_lambda_cannot_start_is_refused(tmp_path: Path, program: bytes, mode: int, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        assemble(project(tmp_path, program, mode), architecture="x86_64")


def test_a_libc_that_lambda_has_not(tmp_path: Path) -> None:
    """This machine's own Perl, for the oldest base: it wants a newer glibc than 2.26 wherever this suite runs."""
    found = shutil.which("perl")
    if found is None:
        pytest.skip("no perl")
    from fnroll.layers import elf

    program = Path(found).resolve().read_bytes()
    parsed = elf.read(program)
    if parsed is None or parsed.glibc <= (2, 26) or parsed.architecture is None:
        pytest.skip("perl is not linked with a newer glibc")
    loaded = project(tmp_path, program, runtime="provided.al2")
    with pytest.raises(LayerError, match=r"needs glibc 2\.\d+, and provided\.al2 has 2\.26"):
        assemble(loaded, architecture=parsed.architecture)


def test_here_nothing_is_asked(tmp_path: Path) -> None:
    assemble(project(tmp_path, launcher("arm64", ["/x", "x"])))


def test_libraries_for_another_processor_are_told(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    for name, architecture in (("Xs.so", "arm64"), ("Mine.so.1", "x86_64"), ("text.so", None), ("data", "arm64")):
        content = launcher(architecture, ["/x", "x"]) if architecture else b"no ELF"
        (tmp_path / "local" / name).write_bytes(content)
    said: list[str] = []
    assemble(project(tmp_path, b"#!/bin/sh\n"), architecture="x86_64", say=said.append)
    assert said == ["not for x86_64, which the function runs on: local/Xs.so"]
