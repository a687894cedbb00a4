"""fn alias through the real process."""

from __future__ import annotations

import json
from pathlib import Path

from e2e_support import Fn


def test_traffic_by_hand(fn: Fn, hello: Path, cloud: str) -> None:
    fn("deploy", "--local", cwd=hello)
    (hello / "handler.pl").write_text("sub handle { 2 }\n1;\n")
    fn("deploy", "--local", cwd=hello)
    served = json.loads(fn("alias", "history", "current", "--local", "--output", "json", cwd=hello).stdout)
    assert [row["version"] for row in served] == ["2", "1"]
    said = fn("alias", "set", "current", "1", "--weight", "2=0.1", "--local", cwd=hello).stderr
    assert "current of hello routes to versions 1 (90%), 2 (10%) (was version 2)" in said
    assert "splits its traffic" in fn("deploy", "--local", "--alias", "current", cwd=hello, status=1).stderr
    found = json.loads(fn("alias", "set", "current", "2", "--local", "--output", "json", cwd=hello).stdout)
    assert found["traffic"] == {"2": 1.0}
    assert found["before"] == {"1": 0.9, "2": 0.1}
    assert "is not VERSION=SHARE" in fn("alias", "set", "a", "1", "--weight", "2", cwd=hello, status=2).stderr
    assert "there is no version 9" in fn("alias", "set", "a", "9", "--local", cwd=hello, status=1).stderr
    fn("alias", "delete", "current", "--local", cwd=hello, status=2)
    assert "deleted the alias current" in fn("alias", "delete", "current", "--yes", "--local", cwd=hello).stderr
