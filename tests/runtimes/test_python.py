"""Our client for python, as functions see it: finding handlers, JSON, logging, errors. On each python of this machine.

What AWS's own client does in each case is written out here; the shared table runs in test_managed_conformance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from fnroll.emulator import managed
from runtimes_support import Event, Run, missing_for, run_bootstrap

if reason := missing_for("python"):
    pytest.skip(reason, allow_module_level=True)


def interpreters() -> dict[str, managed.Managed]:
    """One for each version that this machine has."""
    found = {}
    for version in ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14"):
        one = managed.find(f"python{version}")
        if one is not None and one.interpreter is not None and one.interpreter.version == version:
            found[version] = one
    nearest = managed.find("python3.13")
    assert nearest is not None and nearest.interpreter is not None
    return found or {nearest.interpreter.version: nearest}


PYTHONS = interpreters()
Serve = Callable[..., Run]


@pytest.fixture
def serve(tmp_path, request: pytest.FixtureRequest) -> Serve:
    version = getattr(request, "param", max(PYTHONS, key=lambda text: tuple(map(int, text.split(".")))))

    def call(files: dict[str, str] | str, *events: Event | bytes, handler: str = "app.handle", **options: Any) -> Run:
        made = {"app.py": files} if isinstance(files, str) else files
        for name, text in made.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        wanted = [event if isinstance(event, Event) else Event(event) for event in events]
        one = PYTHONS[version]
        assert one.interpreter is not None
        env = {"PYTHONPATH": str(one.directory), "AWS_LAMBDA_FUNCTION_NAME": "hello", **options.pop("env", {})}
        program = [str(one.interpreter.path)]
        bootstrap = one.directory / "bootstrap"
        return run_bootstrap(bootstrap, tmp_path, wanted, handler=handler, arguments=program, env=env, **options)

    return call


def answers(run: Run) -> list[Any]:
    assert [post.path for post in run.posts] == [f"invocation/id-{n + 1}/response" for n in range(len(run.posts))], run
    return [json.loads(post.body) for post in run.posts]


def failure(run: Run, path: str = "invocation/id-1/error") -> dict[str, Any]:
    assert run.posts[0].path == path, run
    body: dict[str, Any] = json.loads(run.posts[0].body)
    assert list(body) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    return body


@pytest.mark.parametrize("serve", PYTHONS, indirect=True)
def test_on_each_python(serve: Serve) -> None:
    code = (
        "def handle(event, context):\n    if event == 1: raise KeyError('é')\n"
        "    return [event, context.function_name]\n"
    )
    run = serve(code, b"1", '"ü"'.encode())
    assert failure(run)["errorMessage"] == "'é'"
    assert json.loads(run.posts[1].body) == ["ü", "hello"]


HANDLERS = [
    ("app.handle", {"app.py": "handle = lambda event, context: 'plain'"}, "plain"),
    ("src/app.handle", {"src/app.py": "handle = lambda event, context: 'folder'"}, "folder"),
    ("src.app.handle", {"src/app.py": "handle = lambda event, context: 'package'"}, "package"),
    (
        "app.handle",
        {"app.py": "from lib import word\nhandle = lambda event, context: word", "lib.py": "word = 'lib'"},
        "lib",
    ),
    (
        "app.Class",
        {"app.py": "class Class(dict):\n  def __init__(self, event, context): self['is'] = 'called'"},
        {"is": "called"},
    ),
]


@pytest.mark.parametrize(("handler", "files", "answer"), HANDLERS, ids=[str(row[2]) for row in HANDLERS])
def test_the_handler_is_found(serve: Serve, handler: str, files: dict[str, str], answer: Any) -> None:
    assert answers(serve(files, b"1", handler=handler)) == [answer]


NOT_FOUND = [
    ("app", "", "Runtime.MalformedHandlerName", "Bad handler 'app': not enough values to unpack (expected 2, got 1)"),
    ("sys.handle", "", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
    ("absent.handle", "", "Runtime.ImportModuleError", "Unable to import module 'absent': No module named 'absent'"),
    ("app.handle", "import nothing_like_it", "Runtime.ImportModuleError", "No module named 'nothing_like_it'"),
    ("app.nothere", "", "Runtime.HandlerNotFound", "Handler 'nothere' missing on module 'app'"),
    ("app.handle", "x = (\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
    ("app.handle", "raise ValueError('at load')", "ValueError", "at load"),
]


@pytest.mark.parametrize(
    ("handler", "code", "kind", "words"), NOT_FOUND, ids=[f"{row[2]}-{row[0]}" for row in NOT_FOUND]
)
def test_a_failed_start_ends_with_1(serve: Serve, handler: str, code: str, kind: str, words: str) -> None:
    run = serve(code, b"1", handler=handler)
    found = failure(run, "init/error")
    assert (found["errorType"], found["requestId"]) == (kind, "")
    assert words in found["errorMessage"]
    assert (run.status, len(run.posts)) == (1, 1)
    assert run.log.startswith(f"[ERROR] {kind}: ")
    assert run.posts[0].headers["lambda-runtime-function-error-type"] == kind


JSON = [
    ("{'a': (1, 2.5, None, True)}", {"a": [1, 2.5, None, True]}),
    ("__import__('decimal').Decimal('1.5')", 1.5),
    ("[__import__('decimal').Decimal(7)]", [7]),
    ("'ü😀'", "ü😀"),
]


@pytest.mark.parametrize(("result", "answer"), JSON, ids=[row[0] for row in JSON])
def test_what_a_result_becomes(serve: Serve, result: str, answer: Any) -> None:
    assert answers(serve(f"handle = lambda event, context: {result}", b"1")) == [answer]


def test_bytes_go_as_they_are(serve: Serve) -> None:
    [post] = serve("handle = lambda event, context: b'\\0raw'", b"1").posts
    assert (post.body, post.headers["content-type"]) == (b"\0raw", "application/unknown")


def test_the_trace_is_the_functions_alone(serve: Serve) -> None:
    code = "def inner():\n    raise RuntimeError('x')\n\ndef handle(event, context):\n    inner()\n"
    found = failure(serve(code, b"1"))
    assert found["requestId"] == "id-1"
    assert [re.sub(r'".*/', '"', line.splitlines()[0]) for line in found["stackTrace"]] == [
        '  File "app.py", line 5, in handle',
        '  File "app.py", line 2, in inner',
    ]


def test_an_errors_log_is_one_event(serve: Serve) -> None:
    code = "def handle(event, context):\n    raise RuntimeError('two\\nlines')\n"
    log = serve(code, b"1").log
    assert log.count("\n") == 2  # one of them is the message's own
    assert log.startswith("[ERROR] RuntimeError: two\nlines\rTraceback (most recent call last):\r\u00a0\u00a0File ")


def test_logging_has_a_handler_and_stays_at_warning(serve: Serve) -> None:
    code = (
        "import logging\nlogging.warning('at load')\nown = logging.getLogger('own')\nown.setLevel('INFO')\n"
        "def handle(event, context):\n    logging.info('unseen'); own.info('seen %s', event); print('plain', end='')\n"
    )
    lines = serve(code, b"1").log.split("\n")
    found = [re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", line) for line in lines]
    assert found == ["[WARNING]\tTIME\t\tat load", "[INFO]\tTIME\tid-1\tseen 1", "plain"]


def test_logging_as_json(serve: Serve) -> None:
    code = (
        "import logging\ndef handle(event, context):\n"
        "    logging.debug('unseen')\n    logging.info('a %s', 1, extra={'order': 5})\n    logging.warning({'k': 1})\n"
        "    try: 1 / 0\n    except ZeroDivisionError: logging.exception('caught')\n"
        "    raise KeyError('x')\n"
    )
    env = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    run = serve(code, Event(b"1", {"Lambda-Runtime-Aws-Tenant-Id": "blue"}), env=env)
    first, second, third, fourth = map(json.loads, run.log.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first.pop("timestamp"))
    assert first == {
        "level": "INFO",
        "message": "a 1",
        "logger": "root",
        "requestId": "id-1",
        "tenantId": "blue",
        "order": 5,
    }
    assert second["message"] == {"k": 1}
    assert (third["errorType"], third["errorMessage"]) == ("ZeroDivisionError", "division by zero")
    assert third["location"].endswith("app.py:handle:7")
    assert isinstance(third["stackTrace"], list)
    assert (fourth["level"], fourth["errorType"], fourth["requestId"]) == ("ERROR", "KeyError", "id-1")


def test_the_context(serve: Serve) -> None:
    code = (
        "def handle(event, context):\n    c = context.client_context\n    return [context.aws_request_id,"
        " context.tenant_id, context.memory_limit_in_mb, 0 < context.get_remaining_time_in_millis() <= 3000,"
        " c and c.custom,"
        " c and c.client.app_title, context.identity.cognito_identity_id, context.invoked_function_arn[-5:]]\n"
    )
    headers = {
        "Lambda-Runtime-Client-Context": '{"custom": {"k": "v"}, "client": {"app_title": "t"}}',
        "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "i"}',
        "Lambda-Runtime-Aws-Tenant-Id": "blue",
    }
    env = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}
    assert answers(serve(code, Event(b"1", headers), b"2", env=env)) == [
        ["id-1", "blue", "256", True, {"k": "v"}, "t", "i", "hello"],
        ["id-2", None, "256", True, None, None, None, "hello"],
    ]


def test_a_header_that_is_no_json_is_that_calls_error(serve: Serve) -> None:
    run = serve("handle = lambda event, context: 1", Event(b"1", {"Lambda-Runtime-Client-Context": "{no"}), b"2")
    assert failure(run)["errorType"] == "Runtime.LambdaContextUnmarshalError"
    assert run.posts[1].body == b"1"


def test_the_path_is_lambdas(serve: Serve, tmp_path) -> None:
    [found] = answers(serve("import sys\nhandle = lambda event, context: sys.path", b"1"))
    assert found[0] == str(tmp_path)
    assert found[2] == "/opt/python"
    assert found[-1].endswith("/runtimes/python")
