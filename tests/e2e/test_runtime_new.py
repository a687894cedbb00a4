"""A third party's runtime: `fn runtime new`, its loop filled in, held to the whole suite, and used. In fifty lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e_support import Fn

LOOP = r"""import http.client, json, os, runpy, sys, traceback
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}):
    for again in (True, False):
        try:
            api.request(method, "/2018-06-01/runtime/" + path, body, headers)
            answer = api.getresponse()
            return answer.status, answer.headers, answer.read()
        except (http.client.RemoteDisconnected, ConnectionError):
            api.close()
            if not again: raise
def post(path, body, headers={}):
    status, _, said = call("POST", path, body, headers)
    if status >= 300: print("refused with", status, said, file=sys.stderr)
def fail(path, error):
    trace = traceback.format_tb(error.__traceback__) or ["?"]
    told = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": trace}
    print("[ERROR]", error, file=sys.stderr)
    post(path, json.dumps(told).encode(), {"Lambda-Runtime-Function-Error-Type": "Function.Error"})
try:
    file, _, function = os.environ["_HANDLER"].rpartition(".")
    handler = runpy.run_path(os.path.join(os.environ["LAMBDA_TASK_ROOT"], file + ".fun"))[function]
except Exception as error:
    fail("init/error", Exception(f"{os.environ['_HANDLER']}: {error}"))
    sys.exit(1)
while True:
    _, headers, body = call("GET", "invocation/next")
    os.environ.pop("_X_AMZN_TRACE_ID", None)
    if headers["Lambda-Runtime-Trace-Id"]: os.environ["_X_AMZN_TRACE_ID"] = headers["Lambda-Runtime-Trace-Id"]
    path = "invocation/" + headers["Lambda-Runtime-Aws-Request-Id"]
    try: result = json.dumps(handler(json.loads(body), headers)).encode()
    except Exception as error: fail(path + "/error", error)
    else: sys.stdout.flush() or post(path + "/response", result)
"""
HANDLER = """import os, sys, time

def fail(event, headers):
    raise RuntimeError(event["text"])

def about(event, headers):
    return {
        "request_id": headers["Lambda-Runtime-Aws-Request-Id"],
        "arn": headers["Lambda-Runtime-Invoked-Function-Arn"],
        "remaining": max(0, int(headers["Lambda-Runtime-Deadline-Ms"]) - int(time.time() * 1000)),
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        "version": os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        "memory": os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
    }

VERBS = {
    "echo": lambda event, headers: event["value"],
    "error": fail,
    "exit": lambda event, headers: sys.exit(event["size"]),
    "large": lambda event, headers: "x" * (event["size"] - 2),
    "measure": lambda event, headers: len(event["text"]),
    "print": lambda event, headers: print(event["text"], end=""),
    "process": lambda event, headers: os.getpid(),
    "context": about,
    "unencodable": lambda event, headers: {1, 2},
}

def handle(event, headers):
    return VERBS[event["do"]](event, headers) if isinstance(event, dict) and "do" in event else event
"""

pytestmark = pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no python3 in /usr/bin")


@pytest.fixture
def runtime(fn: Fn, hello: Path) -> Path:
    """The skeleton in the project `hello`."""
    done = fn("runtime", "new", "fun", "--command", "python3", cwd=hello)
    assert "wrote runtimes/fun/loop.fun" in done.stderr
    return hello / "runtimes" / "fun"


def test_an_empty_skeleton_says_what_is_missing(fn: Fn, runtime: Path) -> None:
    done = fn("runtime", "test", "fun", "--case", "echo", cwd=runtime.parents[1], status=1)
    assert "FAILED   echo" in done.stdout
    assert "1 of 1 cases failed" in done.stderr


def test_fifty_lines_make_a_runtime(fn: Fn, runtime: Path) -> None:
    project = runtime.parents[1]
    (runtime / "loop.fun").write_text(LOOP)
    (runtime / "conformance" / "handler.fun").write_text(HANDLER)
    (runtime / "conformance" / "raises.fun").write_text("raise RuntimeError('cannot start')\n")
    written = [runtime / name for name in ("runtime.json", "bootstrap", "loop.fun")]
    assert sum(len(path.read_text().splitlines()) for path in written) <= 50

    done = fn("runtime", "test", "fun", "--output", "json", cwd=project, status=None)
    wrong = [row for row in json.loads(done.stdout) if row["outcome"] == "failed"]
    assert wrong == []
    left_out = {row["case"] for row in json.loads(done.stdout) if row["outcome"] == "skipped"}
    assert left_out == {"stream", "stream-breaks"}
    assert fn("runtime", "test", ".", "--case", "echo", cwd=runtime).stderr.startswith("fun: 1 passed")

    definition = project / "function.json"
    definition.write_text(definition.read_text().replace("runtime:perl", "runtime:fun"))
    (project / "handler.fun").write_text("def handle(event, headers): return {'hello': event['name']}\n")
    assert json.loads(fn("run", "-e", '{"name": "you"}', cwd=project).stdout) == {"hello": "you"}
    assert "fun" in fn("runtime", "list", cwd=project).stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["Fun"], "cannot be the name of a runtime"),
        (["fun", "--extension", "pl"], "no extension"),
        (["fun", "--command", "a b"], "no program's name"),
    ],
)
def test_what_makes_no_sense_writes_nothing(fn: Fn, tmp_path: Path, words: list[str], text: str) -> None:
    done = fn("runtime", "new", *words, status=2)
    assert text in done.stderr
    assert not (tmp_path / "runtimes").exists()


def test_what_is_there_is_not_touched(fn: Fn, runtime: Path) -> None:
    before = (runtime / "runtime.json").read_bytes()
    done = fn("runtime", "new", "fun", cwd=runtime.parents[1], status=1)
    assert "not empty" in done.stderr
    assert (runtime / "runtime.json").read_bytes() == before


def test_an_unknown_case_and_an_unknown_directory(fn: Fn) -> None:
    assert "there is no case 'ecko'" in fn("runtime", "test", "perl", "--case", "ecko", status=2).stderr
    assert "no such directory" in fn("runtime", "test", "./nowhere", status=2).stderr
    assert "there is no runtime 'cobol'" in fn("runtime", "test", "cobol", status=1).stderr
