"""Which client and which interpreter stand in for a managed runtime: looked up on a machine made of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fnroll.emulator import entrypoint, managed
from fnroll.errors import SandboxError
from fnroll.sandbox.api import Layout

INSIDE = Layout("/var/task", "/opt", "/tmp", "169.254.100.1:9001")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory and a PATH of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("PYENV_ROOT", "NVM_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bin").mkdir()
    managed._interpreter.cache_clear()
    return tmp_path


def python(prefix: Path, version: str) -> Path:
    program = prefix / "bin" / f"python{version}"
    (prefix / "lib" / program.name).mkdir(parents=True)
    (prefix / "lib" / program.name / "os.py").touch()
    program.parent.mkdir(exist_ok=True)
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    return program


def script(path: Path) -> None:
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", [None, "provided.al2023", "java21", "python", "python3.12.1", "nodejs22", "ruby3.4"])
def test_a_runtime_that_nobody_stands_in_for(name: str | None) -> None:
    assert managed.find(name) is None


def test_the_version_managers_own_is_found_past_its_shim(machine: Path) -> None:
    script(machine / "bin" / "python9.8")
    python(machine / ".pyenv/versions/9.8.1", "9.8")
    newest = python(machine / ".pyenv/versions/9.8.10", "9.8")
    found = managed.find("python9.8")
    assert found is not None
    assert found.interpreter == managed.Interpreter(newest, "9.8")
    assert found.notice is None


def test_a_virtual_environment_stands_for_what_it_was_made_from(machine: Path) -> None:
    real = python(machine / "opt", "9.8")
    (machine / "bin" / "python3").symlink_to(real)
    found = managed.find("python9.8")
    assert found is not None
    assert found.interpreter == managed.Interpreter(real, "9.8")


def test_another_version_is_taken_and_said(machine: Path) -> None:
    real = python(machine / "opt", "9.7")
    (machine / "bin" / "python3").symlink_to(real)
    found = managed.find("python9.9")
    assert found is not None
    assert found.notice == f"python9.9 runs on {real} here, which is version 9.7"


def test_fn_has_a_python_at_least(machine: Path) -> None:
    found = managed.find("python9.9")
    assert found is not None
    assert found.interpreter is not None


def test_no_node_is_an_error_that_says_what_to_do(machine: Path) -> None:
    found = entrypoint.find(machine, None, "nodejs98.x")
    assert isinstance(found, entrypoint.Entrypoint)
    with pytest.raises(SandboxError, match="install node 98"):
        found.argv(INSIDE)
    assert found.shown == (None, None)


def test_what_lies_outside_usr_is_shown_at_var_lang(machine: Path) -> None:
    real = python(machine / ".pyenv/versions/9.8.1", "9.8")
    found = entrypoint.find(machine, None, "python9.8")
    assert isinstance(found, entrypoint.Entrypoint)
    assert found.argv(INSIDE) == ("/var/runtime/bootstrap", "/var/lang/bin/python9.8")
    assert found.shown[1] == real.parents[1]
    assert found.path == "/var/runtime/bootstrap"


def test_what_lies_in_usr_is_there_anyway() -> None:
    stand_in = managed.Managed("x", "9.8", Path("/r"), managed.Interpreter(Path("/usr/bin/python9.8"), "9.8"))
    found = entrypoint.Entrypoint(in_opt=False, managed=stand_in)
    assert found.argv(INSIDE) == ("/var/runtime/bootstrap", "/usr/bin/python9.8")
    assert found.shown == (Path("/r"), None)


def test_the_functions_own_bootstrap_comes_first(machine: Path) -> None:
    script(machine / "bootstrap")
    assert entrypoint.find(machine, None, "python9.8") == entrypoint.Entrypoint(in_opt=False)
