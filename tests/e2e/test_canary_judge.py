"""fn canary judge through the real process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e_support import Fn

COUNTS = {
    "bins": [{"canary_requests": 30, "baseline_requests": 570, "canary_errors": 3, "baseline_errors": 0}],
    "r0": 1.25,
}


def test_the_numbers_of_anybody(fn: Fn, tmp_path: Path) -> None:
    (tmp_path / "counts.json").write_text(json.dumps(COUNTS))
    found = json.loads(fn("canary", "judge", "--counts", "counts.json", "--output", "json").stdout)
    assert found["evidence"] == pytest.approx(777.64, rel=1e-4)
    assert (found["threshold"], found["verdict"]) == (100.0, "FAIL")
    said = fn("canary", "judge", "--counts", "-", stdin=json.dumps({**COUNTS, "alpha": 0.001})).stdout
    assert said.startswith("HOLD: 30 of at least 300 canary requests")


def test_a_file_that_is_wrong_is_one_clear_error(fn: Fn, tmp_path: Path) -> None:
    (tmp_path / "counts.json").write_text("{}")
    assert "counts.json: there is no list of bins" in fn("canary", "judge", "--counts", "counts.json", status=1).stderr
    assert "cannot be read" in fn("canary", "judge", "--counts", "nothing.json", status=1).stderr
