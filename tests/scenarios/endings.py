"""Scenarios of runtimes that end, are killed or take too long: the platform answers for them."""

from __future__ import annotations

from scenarios.vocabulary import (
    NATIVE,
    Between,
    Scenario,
    answers,
    call,
    crash,
    notes,
    post,
    scenario,
    timeout,
)

NO_REASON = "Runtime exited without providing a reason"
EXITED = "Runtime exited with error: "
MEMORY = ("memory limit",)
OTHER = ("python", "native")

CRASHES: tuple[Scenario, ...] = (
    scenario("exits with 0", crash(NO_REASON, "exit 0")),
    scenario("exits with 3", crash(f"{EXITED}exit status 3", "exit 3")),
    scenario("exits with 255", crash(f"{EXITED}exit status 255", "exit 255")),
    scenario("kills itself", crash(f"{EXITED}signal: killed", "signal 9")),
    scenario("terminates itself", crash(f"{EXITED}signal: terminated", "signal 15")),
    scenario("a segmentation fault", crash(f"{EXITED}signal: segmentation fault", "segfault"), languages=OTHER),
    scenario("a signal as of a segmentation fault", crash(f"{EXITED}signal: segmentation fault", "signal 11")),
    scenario("aborts", crash(f"{EXITED}signal: aborted", "abort"), languages=OTHER),
    scenario("hangs up", crash(f"{EXITED}signal: hangup", "signal 1")),
    scenario("becomes a program that is not there", crash(f"{EXITED}exit status 127", "exec /nowhere")),
    scenario("becomes a program that ends", crash(f"{EXITED}exit status 1", "exec /bin/false")),
    scenario(
        "kills every process that it may",
        crash(f"{EXITED}signal: killed", "sh kill -9 -1"),
        needs=("process isolation",),
    ),
    scenario(
        "last words without a line end",
        crash(NO_REASON, "print one", "write two", "exit 0", log=("one", "two")),
        languages=NATIVE,
    ),
    scenario("last words", crash(NO_REASON, "print one", "stderr two", "sh", "exit 0", log=("one", "two"))),
    scenario("a child that ends is none of the platform's business", notes(["", ""], "sh exit 3", "sh kill -9 $$")),
    scenario(
        "ends after its answer",
        answers("1", post("invocation/{ID}/response", "1"), "exit 1"),
        notes([1], "count", log=None),
        languages=NATIVE,
    ),
    scenario(
        "after a crash: a new process",
        notes([1], "count"),
        crash(f"{EXITED}exit status 1", "count", "exit 1"),
        notes([1], "count", log=None),
        notes([2], "count"),
    ),
    scenario(
        "after a crash: /tmp is kept",
        notes([""], "sh echo kept > /tmp/file"),
        crash(f"{EXITED}exit status 1", "exit 1"),
        notes(["kept"], "sh cat /tmp/file", log=None),
    ),
    scenario(
        "after a crash: init is part of the invocation, which does not name it",
        crash(NO_REASON, "exit 0", init_log=("hello",)),
        answers("1", "return 1", init_log=("hello",)),
        init=("print hello",),
    ),
    scenario(
        "after a crash: nothing of the old process tree is left",
        crash(NO_REASON, "start while :; do echo x >> /tmp/ticks; done", "exit 0"),
        notes(["0"], "sh ps ax 2>/dev/null | grep -c '[t]icks'", log=None),
        languages=NATIVE,
    ),
)

TIMEOUTS: tuple[Scenario, ...] = (
    scenario("sleeps past its deadline", timeout("1.00", "sleep 60000"), config={"timeout": 1}),
    scenario("works past its deadline", timeout("1.00", "spin"), config={"timeout": 1}),
    scenario("a timeout of two seconds", timeout("2.00", "sleep 60000"), config={"timeout": 2}, languages=NATIVE),
    scenario(
        "ignores SIGTERM and its deadline",
        timeout("1.00", "ignore TERM", "sleep 60000"),
        config={"timeout": 1},
        languages=NATIVE,
    ),
    scenario("stops itself", timeout("1.00", "signal 19"), config={"timeout": 1}, languages=NATIVE),
    scenario(
        "waits for a child past its deadline", timeout("1.00", "sh sleep 60"), config={"timeout": 1}, languages=NATIVE
    ),
    scenario(
        "what was printed before the deadline is in the log",
        timeout("1.00", "print so far", "write and on", "sh sleep 60", log=("so far", "and on")),
        config={"timeout": 1},
        languages=NATIVE,
    ),
    scenario(
        "after a timeout: a new process, and /tmp is kept",
        notes([1, ""], "count", "sh echo kept > /tmp/file"),
        timeout("1.00", "count", "sleep 60000"),
        notes([1, "kept"], "count", "sh cat /tmp/file", log=None),
        config={"timeout": 1},
    ),
    scenario(
        "answers and then works past its deadline",
        answers("1", post("invocation/{ID}/response", "1"), "sleep 60000", "quit"),
        notes([1], "count", log=None),
        config={"timeout": 1},
        languages=NATIVE,
    ),
)

OUT_OF_MEMORY: tuple[Scenario, ...] = (
    scenario(
        "more memory than it has",
        crash(f"{EXITED}signal: killed", "grow 400", kind="Runtime.OutOfMemory", memory=Between(256, 256)),
        answers("1", "return 1", log=None),
        config={"memory_mb": 256},
        needs=MEMORY,
    ),
    scenario(
        "nearly all the memory it has",
        call("grow 180", memory=Between(180, 256)),
        config={"memory_mb": 256},
        needs=MEMORY,
    ),
)

TABLE = (*CRASHES, *TIMEOUTS, *OUT_OF_MEMORY)
