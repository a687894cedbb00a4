"""`fn run --aws-credentials`: the function gets the user's own keys, and only when AWS has just accepted them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from e2e_support import Fn

WHO = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/me</Arn><UserId>AIDA</UserId><Account>123456789012</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""
EXPIRED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error>
<RequestId>1</RequestId></ErrorResponse>"""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAMINE", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_SESSION_TOKEN": "token"}
SEEN = "sub handle { [@ENV{qw(AWS_ACCESS_KEY_ID AWS_SESSION_TOKEN AWS_REGION)}, $_[1]->invoked_function_arn] }\n"


@contextmanager
def sts(status: int, answer: str) -> Iterator[str]:
    """Something that answers every call so; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def project(hello: Path) -> Path:
    (hello / "handler.pl").write_text(SEEN)
    return hello


def test_the_function_gets_the_users_keys_account_and_region(fn: Fn, project: Path) -> None:
    with sts(200, WHO) as url:
        done = fn("run", "--aws-credentials", "--endpoint", url, "--region", "eu-west-1", cwd=project, **KEYS)
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:hello"
    assert json.loads(done.stdout) == ["AKIAMINE", "token", "eu-west-1", arn]
    assert "with --network none the function reaches no AWS" in done.stderr


def test_without_being_asked_for_nothing_of_them_is_seen(fn: Fn, project: Path) -> None:
    done = fn("run", cwd=project, **KEYS)
    assert json.loads(done.stdout)[:2] == ["fn", "fn"]


def test_expired_keys_are_one_error_and_nothing_runs(fn: Fn, project: Path) -> None:
    with sts(403, EXPIRED) as url:
        done = fn("run", "--aws-credentials", "--endpoint", url, cwd=project, status=1, AWS_REGION="eu-west-1", **KEYS)
    assert done.stdout == ""
    assert "is expired (ExpiredToken)" in done.stderr
    assert "log in again" in done.stderr
    assert "INIT_START" not in done.stderr


def test_missing_keys_are_one_error(fn: Fn, project: Path) -> None:
    done = fn("run", "--aws-credentials", "--region", "eu-west-1", cwd=project, status=1)
    assert "no AWS credentials were found" in done.stderr
    assert done.stderr.count("error: ") == 1


def test_a_missing_region_is_one_error(fn: Fn, project: Path) -> None:
    done = fn("run", "--aws-credentials", cwd=project, status=1, **KEYS)
    assert "no AWS region is set" in done.stderr
