"""What every test may count on, however the suite was started."""

from __future__ import annotations

import os
import signal
from typing import Any

import hypothesis

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script, a process ignores SIGINT, and so would every command that a test starts
    # and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A test that would fetch packages fails, but for those that say so (the mark `layers`).
os.environ["FN_OFFLINE"] = "1"

# The same examples each time, and as slow as the machine likes: a suite that fails by luck is believed by nobody.
# `make soak` looks for new ones.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, max_examples=60, print_blob=True)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=2_000, print_blob=True)
hypothesis.settings.load_profile("suite")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many faults tests/faults has tried; here because xdist's controller reads no conftest further down."""
    passed = [dict(report.user_properties) for report in terminalreporter.stats.get("passed", ())]
    found = [properties for properties in passed if "fault cases" in properties]
    for properties in found:
        terminalreporter.write_line(str(properties["faults"]))
    if found:
        terminalreporter.write_line(f"{sum(properties['fault cases'] for properties in found)} fault cases")
