"""Scenarios of bootstraps that cannot start, and of where one is looked for (facts 2.5)."""

from __future__ import annotations

from typing import Any

from scenarios.vocabulary import DIRECTORY, NATIVE, File, Link, Scenario, crash, platform_error, scenario, twice

KIND = "Runtime.InvalidEntrypoint"
NOWHERE = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
SAYS = "#!/bin/sh\necho {}\nexit 0\n"
NO_REASON = "Runtime exited without providing a reason"


def refused(name: str, reason: str, **fields: Any) -> Scenario:
    found = platform_error(KIND, reason, init_log=twice(KIND), log=(f"RequestId: ID Error: {reason}", KIND), cold=False)
    return scenario(name, found, languages=NATIVE, bare=True, **fields)


def started(name: str, said: str, **fields: Any) -> Scenario:
    """A bootstrap that says where it lies, and ends."""
    found = crash(NO_REASON, init_log=twice("Runtime.ExitError", said), cold=False)
    return scenario(name, found, languages=NATIVE, bare=True, **fields)


TABLE: tuple[Scenario, ...] = (
    refused("no bootstrap", NOWHERE),
    refused("no bootstrap in a layer either", NOWHERE, layer={"readme": File("hello")}),
    refused("a bootstrap that is a directory", NOWHERE, files={"bootstrap": DIRECTORY}),
    refused("a bootstrap that is a link to nothing", NOWHERE, files={"bootstrap": Link("nothing")}),
    refused(
        "a bootstrap that is not executable",
        "fork/exec /var/task/bootstrap: permission denied",
        files={"bootstrap": File(SAYS, 0o644)},
    ),
    refused(
        "a bootstrap that is no program",
        "fork/exec /var/task/bootstrap: exec format error",
        files={"bootstrap": File("hello\n")},
    ),
    refused(
        "a bootstrap for no machine",
        "fork/exec /var/task/bootstrap: exec format error",
        files={"bootstrap": File(b"\x7fELF" + b"\0" * 60)},
    ),
    refused("an empty bootstrap", "fork/exec /var/task/bootstrap: exec format error", files={"bootstrap": File("")}),
    refused(
        "a bootstrap whose interpreter is not there",
        "fork/exec /var/task/bootstrap: no such file or directory",
        files={"bootstrap": File("#!/nowhere/sh\n")},
    ),
    refused(
        "a bootstrap with the line ends of Windows",
        "fork/exec /var/task/bootstrap: no such file or directory",
        files={"bootstrap": File("#!/bin/sh\r\nexit 0\r\n")},
    ),
    refused(
        "a bootstrap of a layer that is not executable",
        "fork/exec /opt/bootstrap: permission denied",
        layer={"bootstrap": File(SAYS, 0o644)},
    ),
    started("a bootstrap in a layer", "opt", layer={"bootstrap": File(SAYS.format("opt"))}),
    started(
        "a bootstrap of the function's own before one of a layer",
        "task",
        files={"bootstrap": File(SAYS.format("task"))},
        layer={"bootstrap": File(SAYS.format("opt"))},
    ),
    started(
        "a bootstrap that is a link into a layer",
        "linked",
        files={"bootstrap": Link("/opt/start")},
        layer={"start": File(SAYS.format("linked"))},
    ),
)
