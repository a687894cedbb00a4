"""What is bash's alone: subshells, options, status, what a handler may call. The rest is in test_conformance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fnroll import places
from runtimes_support import Event, Run, run_bootstrap

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")

BOOTSTRAP = places.share_dir("runtimes") / "bash" / "bootstrap"
Serve = Callable[..., Run]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    def call(code: str, *events: Event | bytes, **options: Any) -> Run:
        task = tmp_path / "a task"
        task.mkdir(exist_ok=True)
        (task / "handler.sh").write_text(code, encoding="utf-8")
        made = [event if isinstance(event, Event) else Event(event) for event in events]
        return run_bootstrap(BOOTSTRAP, task, made, **options)

    return call


def bodies(run: Run) -> list[bytes]:
    assert [post.path for post in run.posts] == [f"invocation/id-{n + 1}/response" for n in range(len(run.posts))]
    assert run.status is None, run.log
    return [post.body.removesuffix(b"\n") for post in run.posts]


def message(run: Run, path: str = "invocation/id-1/error") -> str:
    assert run.posts[0].path == path
    body = json.loads(run.posts[0].body)
    assert set(body) == {"errorMessage", "errorType", "stackTrace"}
    text: str = body["errorMessage"]
    return text


def test_what_is_printed_is_the_answer_as_it_is(serve: Serve) -> None:
    code = "handle() { case $1 in 1) echo 'not json \\n %s';; 2) :;; 3) cat;; 4) printf -- '-n';; esac; }"
    assert bodies(serve(code, b"1", b"2", b"3", b"4")) == [rb"not json \n %s", b"null", b"3", b"-n"]


def test_stderr_is_the_log(serve: Serve) -> None:
    run = serve("handle() { echo said >&2; echo 1; }", b"1")
    assert bodies(run) == [b"1"]
    assert run.log == "said\n"


def test_what_the_file_set_up_stays_and_what_an_event_changes_goes(serve: Serve) -> None:
    code = "declare -i count=5; handle() { echo $count; count+=1; cd /; IFS=x; set -e; exit 0; }"
    assert bodies(serve(code, b"1", b"2")) == [b"5", b"5"]


def test_options_of_the_file_reach_the_handler(serve: Serve) -> None:
    code = "set -f; IFS=:; shopt -s nocasematch\nhandle() { v=a:*:c; printf '<%s>' $v; [[ A == a ]] && echo same; }"
    assert bodies(serve(code, b"1")) == [b"<a><*><c>same"]


@pytest.mark.parametrize("options", ["set -euo pipefail", "set -f; IFS=0123456789:/", "shopt -s xpg_echo nocasematch"])
def test_the_files_own_options_hold_in_the_handler_and_not_in_the_loop(serve: Serve, options: str) -> None:
    run = serve(f"{options}\nhandle() {{ printf '%s' \"$1\"; }}", b'{"a": "\\t"}', b"[2]")
    assert bodies(run) == [b'{"a": "\\t"}', b"[2]"]


FAILURES = [
    ("handle() { echo no luck; return 2; }", "no luck"),
    ("handle() { return 7; }", "handle ended with status 7"),
    ("handle() { exit 9; }", "handle ended with status 9"),
    ("set -e\nhandle() { false; echo never; }", "handle ended with status 1"),
    ('set -u\nhandle() { echo "$nothing"; }', "handle ended with status 1"),
    ("set -o pipefail\nhandle() { false | cat; }", "handle ended with status 1"),
    ("handle() { kill -9 $BASHPID; }", "handle ended with status 137"),
    ("handle() { printf '\"\\\\\\t\\001\\033 \\n two é'; return 1; }", '"\\\t\x01\x1b \n two é'),
]


@pytest.mark.parametrize(("code", "text"), FAILURES, ids=[row[1][:20] for row in FAILURES])
def test_a_status_is_an_error_with_what_was_printed(serve: Serve, code: str, text: str) -> None:
    run = serve(code.replace("{ ", "{ if [[ $1 == 2 ]]; then echo fine; return 0; fi; ", 1), b"1", b"2")
    assert message(run) == text
    assert run.posts[1].body == b"fine\n"
    assert run.status is None


def test_a_pipe_that_breaks_is_silent_in_a_handler(serve: Serve) -> None:
    assert bodies(serve("handle() { yes | head -n 1; }", b"1")) == [b"y"]


def test_a_program_of_the_handlers_reads_the_event(serve: Serve) -> None:
    event = b'{"x": "' + b"y" * 200_000 + b'"}'
    assert bodies(serve("handle() { wc -c | tr -d ' '; }", event)) == [str(len(event) + 1).encode()]


STARTS = [
    ("handle() {\n  if\n}", "handler.sh: line", "Runtime.UserCodeSyntaxError"),
    ("exit 0", "handler.sh ended with status 0 while it was loaded", "Error"),
    ("set -e\nfalse", "handler.sh ended with status 1 while it was loaded", "Error"),
    ("other() { :; }", "there is no function handle", "Runtime.HandlerNotFound"),
]


@pytest.mark.parametrize(("code", "text", "kind"), STARTS, ids=[row[2] + row[0][:4] for row in STARTS])
def test_a_failed_start(serve: Serve, code: str, text: str, kind: str) -> None:
    run = serve(code, b"1")
    assert text in message(run, "init/error")
    assert json.loads(run.posts[0].body)["errorType"] == kind
    assert (len(run.posts), run.status) == (1, 1)


def test_a_file_whose_last_command_fails_is_no_failure(serve: Serve) -> None:
    assert bodies(serve("handle() { echo 1; }\n[[ -e /nowhere ]]", b"1")) == [b"1"]


def test_the_context_is_in_variables(serve: Serve) -> None:
    names = "FN_REQUEST_ID FN_INVOKED_FUNCTION_ARN FN_CLIENT_CONTEXT FN_COGNITO_IDENTITY FN_TENANT_ID"
    headers = {
        "Lambda-Runtime-Client-Context": '{"custom": {"k": "v  w"}}',
        "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "i"}',
        "Lambda-Runtime-Aws-Tenant-Id": "blue",
    }
    run = serve(f'handle() {{ for n in {names}; do printf "%s|" "${{!n}}"; done; }}', Event(b"1", headers), b"2")
    arn = "arn:aws:lambda:us-east-1:000000000000:function:hello"
    assert bodies(run) == [
        f'id-1|{arn}|{{"custom": {{"k": "v  w"}}}}|{{"cognitoIdentityId": "i"}}|blue|'.encode(),
        f"id-2|{arn}||||".encode(),
    ]


def test_an_answer_over_http_may_be_streamed(serve: Serve) -> None:
    code = 'handle() { fn_stream "" \'{"statusCode": 201}\'; fn_write "é"; fn_write ""; fn_write "two"; }'
    run = serve(code, b"1", b"2")
    assert bodies(run) == [b'{"statusCode": 201}' + b"\0" * 8 + "étwo".encode()] * 2
    assert run.posts[0].headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert run.connections == 1
