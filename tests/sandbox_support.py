"""Runs the sandbox checks here, or as an ordinary user from a copy that such a user can read.

As a script: `sandbox_support.py check NAME TIER` or `attack NAME TIER`; `escape TIER` and `refusal TIER` print JSON.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import sandbox_attacks
import sandbox_contract
import sandbox_contract_more  # noqa: F401 -- adds to the table of checks
import sandbox_escape

USER = 64_017
"""An id that no account has."""

WHO = ("root", "user")


def check(name: str, tier: str, who: str) -> None:
    """One check of the contract. Raises AssertionError; pytest.skip where `who` or the tier cannot be had."""
    if _is_me(who):
        asyncio.run(sandbox_contract.CHECKS[name](tier))
    else:
        done = _as_user(who, "check", name, tier)
        assert done.returncode == 0, done.stderr


def attack(name: str, tier: str, who: str) -> None:
    """One attack (sandbox_attacks.py), as `check`."""
    if _is_me(who):
        asyncio.run(sandbox_attacks.ATTACKS[name](tier))
    else:
        done = _as_user(who, "attack", name, tier)
        assert done.returncode == 0, done.stderr


def escape(tier: str, who: str) -> dict[str, object]:
    """What the probe met inside a sandbox (sandbox_escape.py)."""
    if _is_me(who):
        return asyncio.run(sandbox_escape.collect(tier))
    done = _as_user(who, "escape", tier)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def why_not(tier: str, who: str) -> str | None:
    """Why there is nothing to test here: no such user, no interpreter for it, or a machine that refuses the tier."""
    if who == "root" and os.geteuid() != 0:
        return "not started as root"
    if not Path(sandbox_contract.PYTHON).exists():
        return "no system Python for the programs inside"
    if not _is_me(who) and interpreter() is None:
        return "no Python 3.11 that an ordinary user can run"
    refused = refusal(who, tier) if tier != "process" else None
    if tier == "linux" and refused is not None:
        assert not namespaces_work(who), f"util-linux can make these namespaces, we cannot: {refused}"
    return refused


@functools.cache
def namespaces_work(who: str) -> bool:
    """Another program's opinion on this machine, so that a broken tier fails here instead of being skipped."""
    user = [] if who == "root" else ["--user", "--map-root-user"]
    command = ["unshare", *user, "-mpiunC", "--fork", "--mount-proc", "true"]
    identity: dict[str, Any] = {} if _is_me(who) else {"user": USER, "group": USER, "extra_groups": []}
    try:
        return subprocess.run(command, check=False, capture_output=True, cwd="/", **identity).returncode == 0
    except FileNotFoundError:
        return False


@functools.cache
def refusal(who: str, tier: str) -> str | None:
    """The tier's own verdict on this machine."""
    if _is_me(who):
        return asyncio.run(sandbox_escape.refusal(tier))
    done = _as_user(who, "refusal", tier)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _is_me(who: str) -> bool:
    return (who == "root") == (os.geteuid() == 0)


@functools.cache
def interpreter() -> str | None:
    for path in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        probe = [path, "-I", "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            done = subprocess.run(probe, user=USER, group=USER, extra_groups=[], check=False, capture_output=True)
        except OSError:
            continue
        if done.returncode == 0:
            return path
    return None


def _as_user(who: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert who == "user"
    path = interpreter()
    assert path is not None
    with tempfile.TemporaryDirectory(prefix="fn-test-") as name:
        copy = Path(name)
        package = Path(sandbox_contract.open_host.__code__.co_filename).parents[1]
        (copy / "fnroll").mkdir()
        for module in ("__init__.py", "errors.py"):
            shutil.copy(package / module, copy / "fnroll")
        shutil.copytree(package / "sandbox", copy / "fnroll/sandbox", ignore=shutil.ignore_patterns("__pycache__"))
        for module in Path(__file__).parent.glob("sandbox_*.py"):
            shutil.copy(module, copy)
        for item in (copy, *copy.rglob("*")):
            item.chmod(0o755 if item.is_dir() else 0o644)
        return subprocess.run(
            [path, "-W", "error", str(copy / Path(__file__).name), *arguments],
            user=USER,
            group=USER,
            extra_groups=[],
            cwd=copy,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )


def main(arguments: list[str]) -> None:
    if arguments[0] == "check":
        asyncio.run(sandbox_contract.CHECKS[arguments[1]](arguments[2]))
    elif arguments[0] == "attack":
        asyncio.run(sandbox_attacks.ATTACKS[arguments[1]](arguments[2]))
    elif arguments[0] == "escape":
        print(json.dumps(asyncio.run(sandbox_escape.collect(arguments[1]))))
    else:
        print(json.dumps(asyncio.run(sandbox_escape.refusal(arguments[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
