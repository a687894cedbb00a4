"""The Perl runtime against a Runtime API of the test's own: what every runtime must do, and what is Perl's alone.

Each test runs the layer as `fn` builds it, unpacked, with the machine's perl.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fnroll.archive import unpack
from fnroll.layers import build
from runtimes_support import Event, Run, run_bootstrap

pytestmark = pytest.mark.skipif(shutil.which("perl") is None, reason="needs the machine's perl")

HEADER_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][A-Za-z]+")
ERROR_JSON = "application/vnd.aws.lambda.error+json"
HANDLE = "sub handle { my ($event, $context) = @_; "


@pytest.fixture(scope="session")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("layer") / "opt"
    unpack(build("runtime:perl", tmp_path_factory.mktemp("project")).data, target)
    return target


Serve = Callable[..., Run]


@pytest.fixture
def serve(opt: Path, tmp_path: Path) -> Serve:
    """Write handler.pl (and other files), run the bootstrap over the events; warnings of any module are in the log."""

    def call(code: str | None, *events: Event | bytes, files: dict[str, str] | None = None, **options: Any) -> Run:
        task = tmp_path / "a task"
        task.mkdir(exist_ok=True)
        for name, text in {**({} if code is None else {"handler.pl": code}), **(files or {})}.items():
            (task / name).parent.mkdir(parents=True, exist_ok=True)
            (task / name).write_text(text, encoding="utf-8")
        env = {"PERL5OPT": "-w", **options.pop("env", {})}
        made = [event if isinstance(event, Event) else Event(event) for event in events]
        return run_bootstrap(opt / "bootstrap", task, made, env=env, **options)

    return call


def answers(run: Run) -> list[Any]:
    assert [post.path for post in run.posts] == [f"invocation/id-{n + 1}/response" for n in range(len(run.posts))]
    assert run.status is None, run.log
    return [json.loads(post.body) for post in run.posts]


def error(run: Run, path: str = "invocation/id-1/error", index: int = 0) -> dict[str, Any]:
    post = run.posts[index]
    assert post.path == path
    assert post.headers["content-type"] == ERROR_JSON
    assert HEADER_TYPE.fullmatch(post.headers["lambda-runtime-function-error-type"])
    body: dict[str, Any] = json.loads(post.body)
    assert set(body) == {"errorMessage", "errorType", "stackTrace"}
    assert isinstance(body["stackTrace"], list)
    return body


# events and answers


@pytest.mark.parametrize(
    "event",
    [
        "null",
        "true",
        "[1,2]",
        "[]",
        "{}",
        '"text"',
        "0",
        "-1.5",
        '{"é":"日本😀","n":[1,null,false]}',
        '"\\u0000\\ud83d\\ude00"',
    ],
)
def test_any_json_comes_back_as_it_was(serve: Serve, event: str) -> None:
    run = serve(HANDLE + "$event }", event.encode())
    assert answers(run) == [json.loads(event)]
    assert run.log == ""


def test_events_are_characters_and_logs_are_utf8(serve: Serve) -> None:
    code = (
        "use utf8; " + HANDLE + 'print "é: $event\\n"; warn "€\\n"; return { length => length $event, text => "ü" } }'
    )
    run = serve(code, '"日本😀"'.encode())
    assert answers(run) == [{"length": 3, "text": "ü"}]
    assert run.log == "é: 日本😀\n€\n"


def test_a_handler_that_returns_nothing_answers_null(serve: Serve) -> None:
    assert answers(serve(HANDLE + "return }", b"{}")) == [None]


def test_six_megabytes_in_and_out(serve: Serve) -> None:
    text = "x" * (6 * 1024 * 1024 - 2)
    run = serve(HANDLE + 'return { length => length $event, back => "y" x 6_000_000 } }', json.dumps(text).encode())
    assert answers(run) == [{"length": len(text), "back": "y" * 6_000_000}]


def test_what_was_printed_is_out_before_the_answer(serve: Serve) -> None:
    # The process is killed while it waits for the next event: whatever it still held would be lost.
    run = serve(HANDLE + '$| = 0; print "no newline"; return 1 }', b"1")
    assert answers(run) == [1]
    assert run.log == "no newline"


def test_the_environment_is_warm_between_events(serve: Serve) -> None:
    assert answers(serve("my $n = 0; " + HANDLE + "return ++$n }", b"1", b"1", b"1")) == [1, 2, 3]


# the Runtime API's transport


def test_one_connection_serves_all(serve: Serve) -> None:
    run = serve(HANDLE + "$event }", b"1", b"2", b"3")
    assert answers(run) == [1, 2, 3]
    assert run.connections == 1


@pytest.mark.parametrize("how", ["close", "hang_up"])
def test_a_closed_connection_is_opened_again(serve: Serve, how: str) -> None:
    run = serve(HANDLE + "$event }", Event(b"1", **{how: True}), b"2", Event(b"3", **{how: True}))
    assert answers(run) == [1, 2, 3]
    assert run.connections == 3


def test_a_chunked_event(serve: Serve) -> None:
    event = json.dumps({"text": "é" * 5000}).encode()
    assert answers(serve(HANDLE + "$event }", Event(event, chunked=True), b"2")) == [json.loads(event), 2]


@pytest.mark.parametrize("status", [413, 403, 500])
def test_a_refused_answer_is_logged_and_the_loop_goes_on(serve: Serve, status: int) -> None:
    run = serve(HANDLE + "$event }", Event(b"1", status=status), b"2")
    assert answers(run) == [1, 2]
    assert f"refused invocation/id-1/response with {status}" in run.log


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("clobber", ["", "$! = 2;"], ids=["", "and-errno-changes"])
def test_a_signal_while_waiting_for_the_next_event_is_no_error(serve: Serve, tmp_path: Path, clobber: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    hook = f"$SIG{{USR1}} = sub {{ open my $pipe, '>', '{tmp_path}/pipe' or die; close $pipe; {clobber} }}; "
    run = serve(hook + HANDLE + "return $$ + 0 }", b"1", Event(b"2", signal_through=tmp_path / "pipe"))
    assert len(set(answers(run))) == 1
    assert run.connections == 1


def test_no_api_to_speak_to_is_said(serve: Serve) -> None:
    run = serve(HANDLE + "1 }", api="127.0.0.1:1")
    assert run.status == 1
    assert "cannot connect to 127.0.0.1:1" in run.log


# the context

CONTEXT = """
sub handle {
    my ($event, $context) = @_;
    my $left = $context->get_remaining_time_in_millis;
    return {
        left => $left > 0 && $left <= 3000 ? \\1 : "$left",
        trace => exists $ENV{_X_AMZN_TRACE_ID} ? $ENV{_X_AMZN_TRACE_ID} : undef,
        map { $_ => scalar $context->$_ } qw(
            function_name function_version invoked_function_arn memory_limit_in_mb aws_request_id
            log_group_name log_stream_name client_context identity tenant_id
        )
    };
}
"""
ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "hello",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/hello",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[7]abc",
}


def test_the_context_says_everything(serve: Serve) -> None:
    headers = {
        "Lambda-Runtime-Trace-Id": "Root=1-2-3",
        "Lambda-Runtime-Client-Context": '{"custom": {"k": "v"}}',
        "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "i"}',
        "Lambda-Runtime-Aws-Tenant-Id": "blue",
    }
    first, second = answers(serve(CONTEXT, Event(b"{}", headers), b"{}", env=ENVIRONMENT))
    assert first == {
        "left": True,
        "trace": "Root=1-2-3",
        "function_name": "hello",
        "function_version": "7",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:000000000000:function:hello",
        "memory_limit_in_mb": 256,
        "aws_request_id": "id-1",
        "log_group_name": "/aws/lambda/hello",
        "log_stream_name": "2026/01/01/[7]abc",
        "client_context": {"custom": {"k": "v"}},
        "identity": {"cognitoIdentityId": "i"},
        "tenant_id": "blue",
    }
    assert second["trace"] is None
    assert second["client_context"] is second["identity"] is second["tenant_id"] is None
    assert second["aws_request_id"] == "id-2"


def test_the_deadline_that_has_passed_leaves_nothing(serve: Serve) -> None:
    run = serve(
        HANDLE + "$context->get_remaining_time_in_millis }", Event(b"1", {"Lambda-Runtime-Deadline-Ms": "1000"})
    )
    assert answers(run) == [0]


# finding the handler

HANDLERS = [
    ("handler.handle", {"handler.pl": "sub handle { 'plain' } 0;"}, "plain"),
    ("lib/foo.handle", {"lib/foo.pl": "sub handle { 'folder' }"}, "folder"),
    ("v1.2.handle", {"v1.2.pl": "sub handle { 'dots' }"}, "dots"),
    ("h.My::Pkg::run", {"h.pl": "package My::Pkg; sub run { 'package' }"}, "package"),
    ("h.run", {"h.pl": "use Own; sub run { Own::word() }", "lib/Own.pm": "package Own; sub word { 'lib' } 1"}, "lib"),
    (
        "h.run",
        {
            "h.pl": "use Own; sub run { Own::word() }",
            "local/lib/perl5/Own.pm": "package Own; sub word { 'local' } 1",
        },
        "local",
    ),
    ("h.run", {"h.pl": "sub run { caller() ? __PACKAGE__ : 0 }"}, "main"),
]


@pytest.mark.parametrize(("handler", "files", "answer"), HANDLERS, ids=[f"{row[0]}-{row[2]}" for row in HANDLERS])
def test_the_handler_is_found(serve: Serve, handler: str, files: dict[str, str], answer: str) -> None:
    assert answers(serve(None, b"{}", files=files, handler=handler)) == [answer]


LOCAL = """
use Config;
sub handle {
    require Pure;
    require Xs;
    require Old;
    require Older;
    my $tool = (grep { -e } map { "$_/tool" } split /:/, $ENV{PATH})[0];
    open my $run, '-|', $^X, $tool or die "cannot run: $!";
    return [ (map { $_->where } qw(Pure Xs Old Older)), scalar readline $run ];
}
"""


def test_what_a_cpanfile_installs_is_found_with_its_programs(serve: Serve, tmp_path: Path) -> None:
    """The tree that cpanm -L local, carton install and cpm install leave: lib/perl5, in it directories of the
    architecture and of the version, and bin."""
    [version, architecture] = subprocess.run(
        ["perl", "-MConfig", "-e", r'print "$Config{version} $Config{archname}"'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    module = "package {}; sub where {{ '{}' }} 1;"
    home = "local/lib/perl5"
    files = {
        "cpanfile": "requires 'Pure';",
        f"{home}/Pure.pm": module.format("Pure", "tree"),
        f"{home}/{architecture}/Xs.pm": module.format("Xs", "architecture"),
        f"{home}/{architecture}/.meta/Xs-1.0/install.json": "{}",
        f"{home}/Xs.pm": module.format("Xs", "shadowed"),
        f"{home}/{version}/Old.pm": module.format("Old", "version"),
        f"{home}/{version}/{architecture}/Older.pm": module.format("Older", "both"),
        "local/bin/tool": "#!/nonexistent/bin/perl\nuse Pure; use Xs; print Pure->where, ' ', Xs->where;",
    }
    [found] = answers(serve(LOCAL, b"{}", files=files))
    assert found == ["tree", "architecture", "version", "both", "tree architecture"]


def test_modules_of_other_layers_are_found_after_the_functions_own(serve: Serve, opt: Path) -> None:
    code = HANDLE + r"return [ map { m{/(a task(?:/lib)?|opt/lib/perl5|opt/fn/perl/lib)\z} ? $1 : () } @INC ] }"
    (opt / "lib" / "perl5").mkdir(parents=True, exist_ok=True)
    [found] = answers(serve(code, b"{}", files={"lib/x": ""}))
    assert found == ["a task", "a task/lib", "opt/lib/perl5", "opt/fn/perl/lib"]


INIT_FAILURES = [
    ("missing.handle", "sub handle {}", "Runtime.ImportModuleError", "missing.pl"),
    ("handler.nothere", "sub handle {}", "Runtime.HandlerNotFound", "main::nothere"),
    ("handler.can", "sub handle {}", "Runtime.HandlerNotFound", "main::can"),
    ("handler", "sub handle {}", "Runtime.MalformedHandlerName", "FILE.SUB"),
    ("handler.", "sub handle {}", "Runtime.MalformedHandlerName", "FILE.SUB"),
    (".handle", "sub handle {}", "Runtime.MalformedHandlerName", "FILE.SUB"),
    ("handler.no-word", "sub handle {}", "Runtime.MalformedHandlerName", "FILE.SUB"),
    (None, "sub handle {}", "Runtime.MalformedHandlerName", "FILE.SUB"),
    (
        "handler.handle",
        "use strict;\nsub handle {\n  my $x = ;\n}\n",
        "Runtime.UserCodeSyntaxError",
        "handler.pl line 3",
    ),
    ("handler.handle", "use strict; $undeclared = 1;", "Runtime.UserCodeSyntaxError", "$undeclared"),
    ("handler.handle", "BEGIN { eval { die 'caught' } }\nsub {", "Runtime.UserCodeSyntaxError", "handler.pl line 2"),
    ("handler.handle", "use No::Such::Module;", "Runtime.ImportModuleError", "No/Such/Module.pm"),
    ("handler.handle", "require No::Such::Module;", "Runtime.ImportModuleError", "No/Such/Module.pm"),
    ("handler.handle", "die 'cannot start';", "Error", "cannot start"),
    ("handler.handle", "die bless {}, 'Bad::Start';", "Bad::Start", "Bad::Start=HASH"),
]


@pytest.mark.parametrize(("handler", "code", "kind", "words"), INIT_FAILURES, ids=lambda value: repr(value)[:40])
def test_a_failed_start_is_posted_logged_and_ends_with_1(
    serve: Serve, handler: str | None, code: str, kind: str, words: str
) -> None:
    run = serve(code, b"{}", handler=handler)
    body = error(run, "init/error")
    assert len(run.posts) == 1
    assert body["errorType"] == kind
    assert words in body["errorMessage"]
    assert run.status == 1
    [line] = [line for line in run.log.splitlines() if line.startswith("[ERROR] ")]
    assert line.startswith(f"[ERROR] {kind}: ")
    assert words in line


# errors of the handler

DIES = [
    ("die qq(no luck\\n)", "Error", "Function.Error", "no luck"),
    ("die 'where'", "Error", "Function.Error", re.compile(r"where at .*handler\.pl line 1\.")),
    ("die { code => 5, text => 'é' }", "Error", "Function.Error", '{"code":5,"text":"é"}'),
    ("die bless {}, 'My::Exception2'", "My::Exception2", "Function.MyException", re.compile("My::Exception2=HASH.*")),
    ("die bless { m => 'said' }, 'Speaks'", "Speaks", "Function.Speaks", "said"),
    ("die bless { m => 'shown' }, 'Shows'", "Shows", "Function.Shows", "shown"),
    ("die bless {}, 'Broken'", "Broken", "Function.Broken", "an error that cannot be printed"),
    ("die bless {}, 'x'", "x", "Function.Error", re.compile("x=HASH.*")),
    ("my $x; $x->method", "Error", "Function.Error", re.compile(r"Can't call method.*")),
    ("die qq(two\\nlines\\n)", "Error", "Function.Error", "two\nlines"),
    ("die bless {}, 'Größe'", "Größe", "Function.Gre", re.compile("Größe=HASH.*")),
    ("no utf8; die qq(é\\n)", "Error", "Function.Error", "é"),
    ("die qq(\\x{65e5}\\n)", "Error", "Function.Error", "日"),
]
CLASSES = """
package Speaks; sub message { $_[0]{m} }
package Shows; use overload '""' => sub { $_[0]{m} };
package Broken; use overload '""' => sub { die 'in the error itself' };
package main; use utf8;
"""


@pytest.mark.parametrize(("statement", "kind", "header", "message"), DIES, ids=[row[0] for row in DIES])
def test_a_handler_that_dies(serve: Serve, statement: str, kind: str, header: str, message: Any) -> None:
    code = f"{CLASSES}\n# line 1 \"handler.pl\"\n{HANDLE} {statement} if $event; 'alive' }}"
    run = serve(code, b"true", b"false")
    body = error(run)
    assert body["errorType"] == kind
    assert (
        message.fullmatch(body["errorMessage"]) if isinstance(message, re.Pattern) else body["errorMessage"] == message
    )
    assert run.posts[0].headers["lambda-runtime-function-error-type"] == header
    assert body["stackTrace"][0] == "handler.pl:1:in main::handle"
    assert [json.loads(post.body) for post in run.posts[1:]] == ["alive"]
    assert run.log.count("[ERROR] ") == run.log.count("\n") == 1


def test_the_stack_is_the_handlers_alone_innermost_first(serve: Serve) -> None:
    code = f"sub inner {{ die 'x' }}\nsub outer {{ eval {{ die 'caught' }};\n inner() }}\n{HANDLE} outer() }}\n"
    stack = error(serve(code, b"1"))["stackTrace"]
    assert [line.rpartition("/")[2] for line in stack] == [
        "handler.pl:1:in main::inner",
        "handler.pl:3:in main::outer",
        "handler.pl:4:in main::handle",
    ]


@pytest.mark.parametrize(
    "result",
    ["sub { 1 }", "\\*STDOUT", "{ a => [ 9**9**9 ] }", "-9**9**9", "[ -sin(9**9**9) ]", "bless {}, 'Opaque'"],
)
def test_a_result_that_json_cannot_hold_is_an_error_of_that_call(serve: Serve, result: str) -> None:
    run = serve(HANDLE + f"return $event ? {result} : 'fine' }}", b"true", b"false")
    assert error(run)["errorType"] == "Runtime.MarshalError"
    assert json.loads(run.posts[1].body) == "fine"
    assert run.status is None


def test_words_that_only_look_like_infinity_pass(serve: Serve) -> None:
    text = "a:inf, [nan and {Infinity"
    assert answers(serve(HANDLE + "[ $event, {info => 'nano'} ] }", json.dumps(text).encode())) == [
        [text, {"info": "nano"}]
    ]


def test_an_event_that_is_no_json(serve: Serve) -> None:
    run = serve(HANDLE + "1 }", b"{nope", b"1")
    assert error(run)["errorType"] == "Runtime.UnmarshalError"
    assert json.loads(run.posts[1].body) == 1


def test_exit_ends_the_process_without_an_answer(serve: Serve) -> None:
    run = serve(HANDLE + "print 'bye'; exit 3 }", b"1", b"2")
    assert (run.posts, run.status, run.log) == ([], 3, "bye")


def test_a_handlers_own_hooks_and_globals_do_no_harm(serve: Serve) -> None:
    code = (
        "$SIG{__DIE__} = sub { print 'hook' }; "
        + HANDLE
        + r"$\ = '!'; $, = ','; $/ = undef; die qq(x\n) if $event; 1 }"
    )
    run = serve(code, b"true", b"false", b"true")
    assert [post.path.rpartition("/")[2] for post in run.posts] == ["error", "response", "error"]
    assert run.log == "[ERROR] Error: x\n" * 2
