"""Our client for node, as functions see it: finding handlers, the three ways to answer, console, errors, exit codes.

What AWS's own client does in each case is written out here; the shared table runs in test_managed_conformance.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from fnroll.emulator import managed
from runtimes_support import Event, Run, missing_for, run_bootstrap

if reason := missing_for("node"):
    pytest.skip(reason, allow_module_level=True)

STAND_IN = managed.find("nodejs22.x")
assert STAND_IN is not None and STAND_IN.interpreter is not None
MAJOR = int(STAND_IN.interpreter.version)
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\t(\S+)\t([A-Z]+)\t(.*)", re.DOTALL)

Serve = Callable[..., Run]


@pytest.fixture
def serve(tmp_path) -> Serve:
    """Run files of a function over the events."""

    def call(
        files: dict[str, str] | str, *events: Event | bytes, handler: str = "index.handler", **options: Any
    ) -> Run:
        made = {"index.mjs": files} if isinstance(files, str) else files
        for name, text in made.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        wanted = [event if isinstance(event, Event) else Event(event) for event in events]
        program = [str(STAND_IN.interpreter.path)]
        return run_bootstrap(
            STAND_IN.directory / "bootstrap", tmp_path, wanted, handler=handler, arguments=program, **options
        )

    return call


def answers(run: Run) -> list[Any]:
    assert [post.path for post in run.posts] == [f"invocation/id-{n + 1}/response" for n in range(len(run.posts))], run
    return [json.loads(post.body) for post in run.posts]


def failure(run: Run, path: str = "invocation/id-1/error") -> dict[str, Any]:
    assert run.posts[0].path == path, run
    body: dict[str, Any] = json.loads(run.posts[0].body)
    return body


HANDLERS = [
    ("index.handler", {"index.mjs": "export const handler = async () => 'mjs'"}, "mjs"),
    ("index.handler", {"index.js": "exports.handler = async () => 'js'"}, "js"),
    ("index.handler", {"index.cjs": "exports.handler = async () => 'cjs'"}, "cjs"),
    (
        "index.handler",
        {"index.js": "export const handler = async () => 'module'", "package.json": '{"type": "module"}'},
        "module",
    ),
    ("src/app.run", {"src/app.mjs": "export const run = async () => 'folder'"}, "folder"),
    ("index.api.get", {"index.mjs": "export const api = { get: async () => 'nested' }"}, "nested"),
    ("index.handler", {"index.mjs": "const x = await 'top'; export const handler = async () => x"}, "top"),
    ("node_modules/lib.go", {"node_modules/lib/index.js": "exports.go = async () => 'package'"}, "package"),
]


@pytest.mark.parametrize(("handler", "files", "answer"), HANDLERS, ids=[row[2] for row in HANDLERS])
def test_the_handler_is_found(serve: Serve, handler: str, files: dict[str, str], answer: str) -> None:
    assert answers(serve(files, b"1", b"2", handler=handler)) == [answer, answer]


NOT_FOUND = [
    (
        "index.nothere",
        "export const handler = 1",
        "Runtime.HandlerNotFound",
        "index.nothere is undefined or not exported",
    ),
    ("index.handler", "export const handler = 1", "Runtime.HandlerNotFound", "index.handler is not a function"),
    ("index", "", "Runtime.MalformedHandlerName", "Bad handler"),
    ("../index.handler", "", "Runtime.MalformedHandlerName", "not a valid handler name"),
    ("absent.handler", "", "Runtime.ImportModuleError", "Cannot find module 'absent'"),
    ("index.handler", "import 'nothing-like-it'", "Runtime.ImportModuleError", "nothing-like-it"),
    ("index.handler", "export const handler = (", "Runtime.UserCodeSyntaxError", "SyntaxError"),
    ("index.handler", "throw new TypeError('at load')", "TypeError", "at load"),
]


@pytest.mark.parametrize(
    ("handler", "code", "kind", "words"), NOT_FOUND, ids=[f"{row[2]}-{row[0]}" for row in NOT_FOUND]
)
def test_a_failed_start_ends_with_129(serve: Serve, handler: str, code: str, kind: str, words: str) -> None:
    run = serve(code, b"1", handler=handler)
    found = failure(run, "init/error")
    assert set(found) == {"errorType", "errorMessage", "trace"}
    assert found["errorType"] == kind
    assert words in found["errorMessage"]
    assert run.status == 129
    assert len(run.posts) == 1
    _, request, level, text = LINE.fullmatch(run.log.strip()).groups()  # type: ignore[union-attr]
    assert (request, level) == ("undefined", "ERROR")
    assert text.startswith('Uncaught Exception \t{"errorType":')


OLDER = pytest.mark.skipif(MAJOR >= 24, reason="from node 24 on there are no callbacks")
CALLED_BACK = [
    ("(event, context, callback) => callback(null, 'called')", "called"),
    ("(event, context, callback) => { setTimeout(() => callback(null, 'later'), 5) }", "later"),
    ("(event, context, callback) => { callback(null, 'first'); callback(null, 'second') }", "first"),
    ("(event, context) => context.succeed('succeeded')", "succeeded"),
    ("(event, context) => context.done(null, 'done')", "done"),
    ("() => 'not a promise'", None),
    ("(event, context, callback) => { setTimeout(() => {}, 5) }", None),
    ("() => new Promise(() => {})", None),
    ("async () => {}", None),
    ("() => ({ then: (resolve) => resolve('thenable') })", "thenable"),
]


@OLDER
@pytest.mark.parametrize(("code", "answer"), CALLED_BACK, ids=[row[0][-30:] for row in CALLED_BACK])
def test_the_ways_to_answer(serve: Serve, code: str, answer: Any) -> None:
    assert answers(serve(f"export const handler = {code}", b"1", b"2")) == [answer, answer]


@OLDER
@pytest.mark.parametrize("waits", [True, False])
def test_a_callback_waits_for_what_is_left_to_do_unless_told_otherwise(serve: Serve, waits: bool) -> None:
    code = (
        "let done = 0; export const handler = (event, context, callback) => {"
        f" context.callbackWaitsForEmptyEventLoop = {json.dumps(waits)};"
        " if (event === 2) return callback(null, done);"
        " setTimeout(() => { done = 1 }, 50); callback(null, done) }"
    )
    first, second = answers(serve(code, b"1", b"2"))
    assert (first, second) == (0, 1 if waits else 0)


@pytest.mark.skipif(MAJOR < 24, reason="before node 24 a callback is called")
def test_a_handler_that_wants_a_callback_is_refused(serve: Serve) -> None:
    run = serve("export const handler = (event, context, callback) => callback(null, 1)", b"1")
    assert failure(run, "init/error")["errorType"] == "Runtime.CallbackHandlerDeprecated"


ERRORS = [
    ("async () => { throw new RangeError('far') }", "RangeError", "far", True),
    ("() => { throw new Error('at once') }", "Error", "at once", True),
    ("async () => { throw 'text' }", "string", "text", False),
    ("async () => { throw undefined }", "string", "handled", False),
    (
        "async () => { class Own extends Error { get name() { return 'Own' } } throw new Own('mine') }",
        "Own",
        "mine",
        True,
    ),
    ("async () => 10n", "Error", "Unable to stringify response body", True),
    ("async () => { const a = {}; a.a = a; return a }", "Error", "Unable to stringify response body", True),
]


@pytest.mark.parametrize(("code", "kind", "message", "traced"), ERRORS, ids=[f"{row[1]}-{row[2]}" for row in ERRORS])
def test_an_error_is_that_calls_own(serve: Serve, code: str, kind: str, message: str, traced: bool) -> None:
    run = serve(
        f"const bad = {code}; export const handler = (e, c, b) => e === 1 ? bad() : Promise.resolve('fine')".replace(
            "(e, c, b)", "(e)"
        ),
        b"1",
        b"2",
    )
    found = failure(run)
    assert (found["errorType"], found["errorMessage"], bool(found["trace"])) == (kind, message, traced)
    assert json.loads(run.posts[1].body) == "fine"
    assert run.status is None
    match = LINE.fullmatch(run.log.strip())
    assert match is not None
    assert (match[2], match[3]) == ("id-1", "ERROR")
    told = json.loads(match[4].removeprefix("Invoke Error \t"))
    assert told["errorMessage"] == message or told["errorMessage"] == "undefined"
    assert isinstance(told["stack"], list)


@pytest.mark.parametrize(
    ("code", "status", "kind", "title"),
    [
        ("setImmediate(() => { throw new Error('nobody caught') })", 129, "Error", "Uncaught Exception"),
        (
            "Promise.reject(new Error('nobody caught'))",
            128,
            "Runtime.UnhandledPromiseRejection",
            "Unhandled Promise Rejection",
        ),
    ],
)
def test_an_error_that_nobody_caught_ends_the_process(
    serve: Serve, code: str, status: int, kind: str, title: str
) -> None:
    run = serve(
        f"export const handler = () => {{ {code}; return new Promise((r) => setTimeout(r, 9999)) }}", b"1", b"2"
    )
    found = failure(run)
    assert found["errorType"] == kind
    assert "nobody caught" in found["errorMessage"]
    assert run.status == status
    assert f"\tid-1\tERROR\t{title} \t" in run.log


def test_console_lines(serve: Serve) -> None:
    code = (
        "console.log('at load'); export const handler = async () => { console.log('a %s', 1, {b: 2});"
        " console.info('i'); console.debug('d'); console.warn('w');"
        " console.error('two\\nlines'); process.stdout.write('raw\\n') }"
    )
    lines = serve(code, b"1").log.split("\n")
    found = [LINE.fullmatch(line) for line in lines if "\t" in line]
    assert [match.groups()[1:] for match in found if match] == [
        ("undefined", "INFO", "at load"),
        ("id-1", "INFO", "a 1 { b: 2 }"),
        ("id-1", "INFO", "i"),
        ("id-1", "DEBUG", "d"),
        ("id-1", "WARN", "w"),
        ("id-1", "ERROR", "two\rlines"),
    ]
    assert "raw" in lines


def test_console_as_json(serve: Serve) -> None:
    code = (
        "export const handler = async (event) => { console.debug('unseen'); console.log({ a: 1 });"
        " console.log('b %d', 2); console.error('why', new TypeError('bad')); console.warn(new Error('alone'));"
        " if (event === 1) throw new Error('x') }"
    )
    headers = {"Lambda-Runtime-Aws-Tenant-Id": "blue"}
    env = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    lines = [json.loads(line) for line in serve(code, Event(b"1", headers), env=env).log.splitlines()]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
        assert (line.pop("requestId"), line.pop("tenantId")) == ("id-1", "blue")
    first, second, third, fourth, fifth = lines
    assert first == {"level": "INFO", "message": {"a": 1}}
    assert second == {"level": "INFO", "message": "b 2"}
    assert (third["level"], third["errorType"], third["errorMessage"]) == ("ERROR", "TypeError", "bad")
    assert third["message"].startswith("why TypeError: bad")
    assert fourth["message"]["errorMessage"] == "alone"
    assert fourth["message"]["stackTrace"][0] == "Error: alone"
    assert (fifth["level"], fifth["message"]["errorMessage"]) == ("ERROR", "x")


def test_the_context(serve: Serve) -> None:
    code = "export const handler = async (event, context) => ({ ...context, left: context.getRemainingTimeInMillis() })"
    headers = {
        "Lambda-Runtime-Client-Context": '{"custom": {"k": "v"}}',
        "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "i"}',
        "Lambda-Runtime-Aws-Tenant-Id": "blue",
    }
    env = {
        "AWS_LAMBDA_FUNCTION_NAME": "hello",
        "AWS_LAMBDA_FUNCTION_VERSION": "7",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    }
    first, second = answers(serve(code, Event(b"1", headers), b"2", env=env))
    assert 0 < first.pop("left") <= 3000
    assert first == {
        "callbackWaitsForEmptyEventLoop": True,
        "functionName": "hello",
        "functionVersion": "7",
        "memoryLimitInMB": "256",
        "clientContext": {"custom": {"k": "v"}},
        "identity": {"cognitoIdentityId": "i"},
        "invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:hello",
        "awsRequestId": "id-1",
        "tenantId": "blue",
    }
    assert {"clientContext", "identity", "tenantId"}.isdisjoint(second)


STREAM = "export const handler = awslambda.streamifyResponse(async (event, out, context) => {{ {} }})"


def test_a_stream(serve: Serve) -> None:
    run = serve(
        STREAM.format("out.setContentType('text/plain'); out.write('a'); out.write({b: 1}); out.end('c')"), b"1", b"2"
    )
    assert [post.body for post in run.posts] == [b'a{"b":1}c'] * 2
    headers = run.posts[0].headers
    assert headers["lambda-runtime-function-response-mode"] == "streaming"
    assert headers["content-type"] == "text/plain"
    assert run.connections == 1


def test_a_stream_for_http_begins_with_its_head(serve: Serve) -> None:
    code = STREAM.format(
        "const web = awslambda.HttpResponseStream.from(out, { statusCode: 201, cookies: ['a=1'] });"
        " web.write('x'); web.end()"
    )
    [post] = serve(code, b"1").posts
    head, body = post.body.split(b"\0" * 8)
    assert json.loads(head) == {"statusCode": 201, "cookies": ["a=1"]}
    assert body == b"x"
    assert post.headers["content-type"] == "application/vnd.awslambda.http-integration-response"


BROKEN = [
    ("out.write('part'); throw new Error('broke')", "broke"),
    ("out.write('part')", "Response stream is not finished."),
]


@pytest.mark.parametrize(("code", "message"), BROKEN, ids=[row[1] for row in BROKEN])
def test_a_stream_that_breaks_says_so_in_its_trailers(serve: Serve, code: str, message: str) -> None:
    run = serve(STREAM.format(f"if (event === 2) return out.end('fine'); {code}"), b"1", b"2")
    assert run.posts[0].body == b"part"
    assert run.posts[0].trailers["lambda-runtime-function-error-type"] == "Error"
    told = json.loads(base64.b64decode(run.posts[0].trailers["lambda-runtime-function-error-body"]))
    assert told["errorMessage"] == message
    assert run.posts[1].body == b"fine"
    assert "Invoke Error" in run.log


def test_a_wrapper_is_started_in_between(serve: Serve, tmp_path) -> None:
    (tmp_path / "wrapper").write_text('#!/bin/sh\nexport WRAPPED="$#"\nexec "$@"\n')
    (tmp_path / "wrapper").chmod(0o755)
    code = "export const handler = async () => process.env.WRAPPED"
    assert answers(serve(code, b"1", env={"AWS_LAMBDA_EXEC_WRAPPER": str(tmp_path / "wrapper")})) == ["2"]


@pytest.mark.parametrize(
    ("make", "status", "text"), [(False, 127, "does not exist"), (True, 126, "is not an executable")]
)
def test_a_wrapper_that_cannot_be_started(serve: Serve, tmp_path, make: bool, status: int, text: str) -> None:
    if make:
        (tmp_path / "wrapper").touch()
    run = serve("", b"1", env={"AWS_LAMBDA_EXEC_WRAPPER": str(tmp_path / "wrapper")})
    assert (run.status, text in run.log) == (status, True)
