"""What a quick command may load: the third-party modules of a run, compared with a written list."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"boto3", "botocore", "moto", "jsonschema"}

# What each command may load from outside the standard library. A name is added here on purpose or not at all.
ALLOWED = {
    "--help": {"click", "fnroll"},
    "render": {"click", "fnroll"},
    # typing_extensions comes with pathspec.
    "run": {"click", "fnroll", "httptools", "pathspec", "deflate", "typing_extensions"},
}

PROBE = """
import json, sys
from fnroll.cli.main import run
code = run(json.loads(sys.argv[1]))
print()
print(json.dumps({"code": code, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    target = tmp_path / "hello"
    subprocess.run([sys.executable, "-m", "fnroll", "init", "hello"], cwd=tmp_path, check=True, capture_output=True)
    return target


@pytest.mark.parametrize("arguments", [["--help"], ["render"], ["run", "-e", "{}"]], ids=lambda words: words[0])
def test_only_listed_modules_are_loaded(arguments: list[str], project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(arguments)], cwd=project, capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    outside = {name for name in seen["modules"] if name not in sys.stdlib_module_names and not name.startswith("_")}
    # No files: what compiled modules leave behind, and hooks of the virtual environment.
    outside -= {"cython_runtime", "sitecustomize", "usercustomize"}
    assert seen["code"] == 0, done.stderr
    assert outside & HEAVY == set()
    assert outside <= ALLOWED[arguments[0]]
