"""The conformance suite on every runtime that comes with `fn`, and its judgements on what a broken one would do."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fnroll import places
from fnroll.conformance import CASES, Case, Subject, prepare
from fnroll.conformance.api import Event, Posted
from fnroll.conformance.judgements import ERROR_TYPE, Ran
from fnroll.conformance.suite import perform
from fnroll.errors import LayerError
from fnroll.sandbox import open_host
from fnroll.sandbox.api import SandboxHost
from runtime_folders import runtime_folder
from runtimes_support import compiled, missing_for, runtime_names

BY_NAME = {case.name: case for case in CASES}


class Bench:
    """One event loop and one sandbox host for the module, and each runtime laid out once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._subjects: dict[str, Subject] = {}
        self.runner = asyncio.Runner()
        self._host: SandboxHost | None = None

    def subject(self, name: str) -> Subject:
        if name not in self._subjects:
            scratch = self._directory / name
            scratch.mkdir()
            self._subjects[name] = prepare(name, self._directory, scratch)
        return self._subjects[name]

    async def perform(self, subject: Subject, case: Case, patience: float = 60.0) -> Ran:
        if self._host is None:
            self._host = await open_host()
        return await perform(subject, case, self._host, patience)

    def close(self) -> None:
        if self._host is not None:
            self.runner.run(self._host.close())
        self.runner.close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    made.close()


@pytest.mark.parametrize("name", runtime_names())
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_runtime_keeps_the_contract(name: str, case: Case, bench: Bench) -> None:
    if reason := missing_for(name):
        pytest.skip(reason)
    subject = bench.subject(name)
    if case.name in subject.without:
        pytest.skip(subject.without[case.name])
    case.judge(bench.runner.run(bench.perform(subject, case)))


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The native template's header under a handler of the suite's verbs."""
    home = tmp_path_factory.mktemp("native")
    package, scratch = home / "package", home / "scratch"
    package.mkdir()
    scratch.mkdir()
    source = places.share_dir("runtimes") / "native" / "conformance"
    compiled(source / "handler.c", package / "bootstrap")
    shutil.copy(source / "suite.json", package)
    return prepare("./package", home, scratch)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_program_of_its_own_keeps_the_contract(case: Case, native: Subject, bench: Bench) -> None:
    if case.name in native.without:
        pytest.skip(native.without[case.name])
    case.judge(bench.runner.run(bench.perform(native, case)))


def posted(path: str, body: bytes = b"1", **changes: object) -> Posted:
    made = Posted(path, {}, body, {}, "", 202, 0.0)
    return replace(made, **changes)  # type: ignore[arg-type]


FIRST, SECOND = "invocation/id-1/response", "invocation/id-2/response"
ERROR = "invocation/id-1/error"
NO_LUCK = json.dumps({"errorMessage": "no luck", "errorType": "E", "stackTrace": []}).encode()
STREAMED = {"lambda-runtime-function-response-mode": "streaming", "transfer-encoding": "chunked"}


def ran(*posts: Posted, status: int | None = None, log: str = "", connections: int = 1) -> Ran:
    return Ran(posts, status, log, connections)


FAULTY = [
    ("echo", ran(), "0 answers to 1 events"),
    ("echo", ran(posted(FIRST, b"{nope")), "not JSON"),
    ("echo", ran(posted(FIRST), status=1), "ended with status 1"),
    ("echo", ran(posted(ERROR, NO_LUCK)), "answered by POST invocation/id-1/error"),
    ("echo", replace(ran(posted(FIRST)), problems=("Host is None",)), "Host is None"),
    ("values", ran(*(posted(f"invocation/id-{n}/response", b"null") for n in range(1, 7))), "instead of true"),
    ("empty-object", ran(posted(FIRST, b"[]")), "instead of {}"),
    ("empty-array", ran(posted(FIRST, b"{}")), r"instead of \[\]"),
    ("process", ran(posted(FIRST, b"1"), posted(SECOND, b"2")), "then 2"),
    ("error", ran(), "nothing was posted"),
    ("error", ran(posted(FIRST)), "POST invocation/id-1/error was expected"),
    ("error", ran(posted(ERROR, b'{"errorType":"E"}')), "errorMessage of the error is None"),
    ("error", ran(posted(ERROR, b'{"errorType":"","errorMessage":"no luck"}')), "errorType is empty"),
    ("error", ran(posted(ERROR, b"[]")), "not an object"),
    ("error", ran(posted(ERROR, NO_LUCK.replace(b"no", b"yes"))), "without 'no luck'"),
    ("error", ran(posted(ERROR, NO_LUCK), status=255), "ended with status 255 after the error"),
    ("error", ran(posted(ERROR, NO_LUCK)), "the next event was answered by POST to"),
    ("error", ran(posted(ERROR, NO_LUCK), posted(SECOND, b"2"), log="no luck"), "answered with 2"),
    ("error", ran(posted(ERROR, NO_LUCK), posted(SECOND)), "the log does not say"),
    ("error-trace", ran(posted(ERROR, NO_LUCK), posted(SECOND), log="no luck"), "stackTrace is"),
    ("error-type", ran(posted(ERROR, NO_LUCK, headers={ERROR_TYPE: "Error"})), "'Error'"),
    ("unencodable", ran(status=255), "nothing was posted"),
    ("exit", ran(status=0), "ended with 0"),
    ("exit", ran(posted(ERROR, NO_LUCK), status=3), "posted"),
    ("handler-name", ran(status=1), "nothing was posted to init/error"),
    ("handler-file", ran(posted("init/error", b'{"errorType":"E","errorMessage":"absent"}')), "goes on after"),
    (
        "handler-file",
        ran(posted("init/error", b'{"errorType":"E","errorMessage":"absent"}'), status=0),
        "takes for no error",
    ),
    (
        "handler-raises",
        ran(posted("init/error", b'{"errorType":"E","errorMessage":"x"}'), status=1),
        "without 'raises'",
    ),
    ("event-6mb", ran(posted(FIRST, b"5")), "instead of 6291"),
    ("response-6mb", ran(posted(FIRST, b'"x"'), posted(SECOND)), "has 3 bytes"),
    ("response-413", ran(posted(FIRST, status=413), status=1), "ended with status 1"),
    ("response-413", ran(posted(FIRST, status=413), posted(ERROR)), "nothing more for that event"),
    ("response-413", ran(posted(FIRST, status=413), posted(SECOND)), "does not tell of the 413"),
    ("context", ran(posted(FIRST, b"{}")), "instead of"),
    ("deadline", ran(posted(FIRST, b'{"remaining":-5}')), "remaining is -5"),
    (
        "trace",
        ran(*(posted(f"invocation/id-{n}/response", b'{"trace":"x"}') for n in (1, 2, 3))),
        "has no trace",
    ),
    ("log", ran(posted(FIRST, b"null"), log="half a line: é"), "flush stdout"),
    (
        "one-connection",
        ran(*(posted(f"invocation/id-{n}/response", b"%d" % n) for n in (1, 2, 3)), connections=3),
        "3 connections",
    ),
    ("chunked", ran(), "0 answers"),
    ("refused", ran(posted(FIRST), status=1), "status 1"),
    ("stream", ran(posted(FIRST, b'"one"'), posted(SECOND)), "Response-Mode is None"),
    ("stream", ran(posted(FIRST, b"one", headers=STREAMED), posted(SECOND)), "streamed one"),
    ("stream-breaks", ran(posted(FIRST, b"as far as it went", headers=STREAMED), posted(SECOND)), "in the trailers"),
    (
        "stream-breaks",
        ran(posted(FIRST, b"as far as it went", headers=STREAMED, trailers={ERROR_TYPE: "Function.E"}), posted(SECOND)),
        "no error in base64",
    ),
]


@pytest.mark.parametrize(("name", "found", "words"), FAULTY, ids=[f"{n}-{row[0]}" for n, row in enumerate(FAULTY)])
def test_a_judgement_says_what_is_wrong(name: str, found: Ran, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        BY_NAME[name].judge(found)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


def a_runtime(project: Path, bootstrap: str, suite: object = None) -> Path:
    handler = {"extensions": [".sh"], "example": "handler.handle"}
    folder = runtime_folder(project, "mine", architectures=["x86_64", "arm64"], handler=handler, files=...)
    (folder / "conformance").mkdir()
    (folder / "conformance" / "handler.sh").touch()
    if suite is not None:
        (folder / "conformance" / "suite.json").write_text(json.dumps(suite))
    (folder / "bootstrap").write_text(bootstrap)
    return folder


def test_a_runtime_that_does_nothing_fails_and_does_not_hang(tmp_path: Path, scratch: Path, bench: Bench) -> None:
    a_runtime(tmp_path, "#!/bin/sh\necho waiting\nexec sleep 100\n")
    subject = prepare("mine", tmp_path, scratch)
    with pytest.raises(AssertionError, match="neither asked for an event nor ended within"):
        bench.runner.run(bench.perform(subject, BY_NAME["echo"], patience=0.2))


def test_a_runtime_that_ends_at_once_fails(tmp_path: Path, scratch: Path, bench: Bench) -> None:
    a_runtime(tmp_path, "#!/bin/sh\necho no; exit 7\n")
    found = bench.runner.run(bench.perform(prepare("mine", tmp_path, scratch), BY_NAME["echo"]))
    assert (found.status, found.log, found.posts) == (7, "no\n", ())


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        ({"without": {"ecko": "x"}}, "did you mean 'echo'"),
        ({"without": {"echo": ""}}, "why 'echo' is left out"),
        ({"without": []}, "does not know 'without'"),
        ({"handlr": "x"}, "does not know 'handlr'"),
        ([], "not a JSON object"),
    ],
)
def test_a_wrong_suite_is_named(tmp_path: Path, scratch: Path, suite: object, words: str) -> None:
    a_runtime(tmp_path, "#!/bin/sh\n", suite)
    with pytest.raises(LayerError) as caught:
        prepare("mine", tmp_path, scratch)
    assert words in str(caught.value)


def test_a_runtime_without_handlers_says_what_is_missing(tmp_path: Path, scratch: Path) -> None:
    folder = a_runtime(tmp_path, "#!/bin/sh\n")
    (folder / "conformance" / "handler.sh").unlink()
    (folder / "conformance").rmdir()
    with pytest.raises(LayerError, match="no handlers to be tested with"):
        prepare("mine", tmp_path, scratch)


def test_managed_instances_get_a_process_for_each_invocation(bench: Bench, tmp_path: Path) -> None:
    """The first event waits for what the second one's process writes; so both run at a time."""
    if reason := missing_for("perl"):
        pytest.skip(reason)
    task = tmp_path / "task"
    task.mkdir()
    (task / "handler.pl").write_text(
        "sub handle { if ($_[0]) { select undef, undef, undef, 0.01 until -e '/tmp/go' }"
        " else { open my $f, '>', '/tmp/go' } $$ + 0 }"
    )
    (task / "bootstrap").write_text("#!/bin/sh\nAWS_LAMBDA_MAX_CONCURRENCY=2 exec /opt/bootstrap\n")
    (task / "bootstrap").chmod(0o755)
    case = Case("two", "", (Event(b"1"), Event(b"0")), lambda ran: None, together=2)
    found = bench.runner.run(bench.perform(replace(bench.subject("perl"), task=task), case))
    assert sorted(post.path for post in found.posts) == ["invocation/id-1/response", "invocation/id-2/response"]
    assert found.posts[0].body != found.posts[1].body
