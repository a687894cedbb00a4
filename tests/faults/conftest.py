"""The last word of a run: how many faults there were."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    passed = [dict(report.user_properties) for report in terminalreporter.stats.get("passed", ())]
    found = [properties for properties in passed if "fault cases" in properties]
    for properties in found:
        terminalreporter.write_line(str(properties["faults"]))
    if found:
        terminalreporter.write_line(f"{sum(properties['fault cases'] for properties in found)} fault cases")
