"""`fn doctor` through the real process."""

from __future__ import annotations

import json
import os
from pathlib import Path

from e2e_support import Fn


def test_doctor_tries_each_tier_and_names_what_it_lacks(fn: Fn) -> None:
    found = json.loads(fn("doctor", "--output", "json").stdout)
    tiers = {row["tier"]: row for row in found["tiers"]}
    assert {"linux", "process"} <= tiers.keys()
    assert tiers["process"]["works"]
    assert "file system isolation" in [gap["what"] for gap in tiers["process"]["missing"]]
    assert all(gap["why"] for row in tiers.values() for gap in row["missing"])
    assert found["sandbox"] == next(name for name, row in tiers.items() if row["works"])


def test_each_line_that_is_missing_says_how_to_get_it(fn: Fn, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    bad = str(tmp_path / "file" / "below")
    checks = json.loads(fn("doctor", "--output", "json", FN_STATE=bad).stdout)["checks"]
    named = {(check["area"], check["what"]): check for check in checks}
    assert named["directories", "state"]["state"] == "no"
    assert named["directories", "cache"]["state"] == "yes"
    assert named["runtimes", "runtime:perl"]["state"] == "yes"
    assert "environments at a time" in named["capacity", "environments"]["detail"]
    assert {"moto", "uvloop"} <= {what for area, what in named if area == "python"}
    assert all(check["mend"] for check in checks if check["state"] == "no")


def test_the_table_is_for_people(fn: Fn) -> None:
    done = fn("doctor")
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["Area", "What", "Here", "Detail"]
    assert any(line.split()[:2] == ["sandbox", "linux"] for line in lines)
    assert os.environ.get("HOME", "/nowhere") not in done.stderr
