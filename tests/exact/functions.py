"""Rows of functions that really run and fail: what Invoke then answers (facts/emulators.md 2.5).

`answer` is the payload, byte for byte, with the request's id as ID and the directory of the code as /var/task; a
pattern where the interpreter's own words are in it, which change with its version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NATIVE, PYTHON, NODE = "provided.al2023", "python3.13", "nodejs22.x"
API = 'api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"'
NEXT = 'tmp=${TMPDIR:-/tmp}; event=$(curl -sS -D "$tmp/head" "$api/next")'
ID = "id=$(tr -d '\\r' <\"$tmp/head\" | sed -n 's/^lambda-runtime-aws-request-id: //Ip')"


@dataclass(frozen=True, slots=True)
class Real:
    """A function and one invocation of it. `mode`: of its files; `config`: beside runtime and handler; `event` as it is
    sent."""

    fact: str
    name: str
    runtime: str
    files: Mapping[str, str]
    answer: str | re.Pattern[str]
    event: bytes = b"{}"
    error: str | None = "Unhandled"
    handler: str = "handler.handle"
    mode: int = 0o755
    config: Mapping[str, Any] = field(default_factory=dict)


def platform(kind: str, message: str, *, prefixed: bool = True) -> str:
    """What the platform itself says: its order of members, without spaces."""
    words = f"RequestId: ID Error: {message}" if prefixed else message
    return f'{{"errorType":"{kind}","errorMessage":"{words}"}}'


def shell(fact: str, name: str, text: str, kind: str, message: str, **config: Any) -> Real:
    """A bootstrap in shell that takes one event and then does what `text` says."""
    files = {"bootstrap": "\n".join(("#!/bin/sh", API, NEXT, ID, text, ""))}
    return Real(fact, name, NATIVE, files, platform(kind, message), config=config)


def python(fact: str, name: str, text: str, answer: str | re.Pattern[str], **fields: Any) -> Real:
    return Real(fact, name, PYTHON, {"handler.py": text}, answer, **fields)


def ric(kind: str, message: str, request_id: str = "ID", trace: str = "[]") -> str:
    """What AWS's client for Python posts."""
    return f'{{"errorMessage": "{message}", "errorType": "{kind}", "requestId": "{request_id}", "stackTrace": {trace}}}'


def like(kind: str, message: str, request_id: str = "ID", trace: str = "[]") -> re.Pattern[str]:
    """The same, where `message` is a pattern."""
    return re.compile(re.escape(ric(kind, "MESSAGE", request_id, trace)).replace("MESSAGE", message))


def passed_on(name: str, payload: str) -> Real:
    """An error as another language's client posts it, by a bootstrap that posts its event as its error."""
    text = 'printf %s "$event" | curl -sS -o "$tmp/out" --data-binary @- "$api/$id/error"; exec sleep 60'
    files = {"bootstrap": "\n".join(("#!/bin/sh", API, NEXT, ID, text, ""))}
    return Real("emulators 2.5 unhandled exception", name, NATIVE, files, payload, event=payload.encode())


EXIT, ENTRYPOINT = "Runtime.ExitError", "Runtime.InvalidEntrypoint"
NO_RUNTIME = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
RAISES = "def handle(event, context):\n    raise ValueError('no')\n"
RAISED_AT = r'["  File \"/var/task/handler.py\", line 2, in handle\n    raise ValueError(\'no\')\n"]'.replace(
    r"\'", "'"
)
NODE_RAISES = "exports.handle = async () => {\n  throw new RangeError('no');\n};\n"
JAVA = (
    '{"errorMessage":"no","errorType":"java.lang.RuntimeException","stackTrace":["example.Handler.handle(H.java:9)"]}'
)
RUBY = (
    '{"errorMessage":"no","errorType":"Function<RuntimeError>","stackTrace":["/var/task/handler.rb:2:in \'handle\'"]}'
)
DOTNET = '{"errorType":"Exception","errorMessage":"no","stackTrace":["at Example.Handle()"]}'

TABLE: tuple[Real, ...] = (
    shell(
        "emulators 2.5 timeout",
        "sleeps",
        "exec sleep 60",
        "Sandbox.Timedout",
        "Task timed out after 1.00 seconds",
        Timeout=1,
    ),
    python(
        "emulators 2.5 timeout",
        "sleeps-in-python",
        "import time\ndef handle(event, context): time.sleep(60)\n",
        platform("Sandbox.Timedout", "Task timed out after 2.00 seconds"),
        config={"Timeout": 2},
    ),
    shell("emulators 2.5 exit 0", "exits", "exit 0", EXIT, "Runtime exited without providing a reason"),
    python(
        "emulators 2.5 exit 0",
        "exits-in-python",
        "import os\ndef handle(event, context): os._exit(0)\n",
        platform(EXIT, "Runtime exited without providing a reason"),
    ),
    shell("emulators 2.5 exit N", "exits-with-3", "exit 3", EXIT, "Runtime exited with error: exit status 3"),
    python(
        "emulators 2.5 exit N",
        "no-wrapper",
        RAISES,
        platform(EXIT, "Runtime exited with error: exit status 127"),
        config={"Environment": {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/nothing"}}},
    ),
    shell("emulators 2.5 killed", "killed", "kill -9 $$", EXIT, "Runtime exited with error: signal: killed"),
    Real(
        "emulators 2.5 crash in every init",
        "segfault",
        NATIVE,
        {"bootstrap": "#!/bin/sh\nkill -SEGV $$\n"},
        platform("Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        config={"Timeout": 1},
    ),
    python(
        "emulators 2.5 response too large",
        "too-large",
        "def handle(event, context): return 'x' * (6291557 - 2)\n",
        platform(
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            prefixed=False,
        ),
        config={"MemorySize": 512},
    ),
    Real("emulators 2.5 bootstrap missing", "nowhere", NATIVE, {"readme": "hello"}, platform(ENTRYPOINT, NO_RUNTIME)),
    Real(
        "emulators 2.5 bootstrap not executable",
        "not-executable",
        NATIVE,
        {"bootstrap": "#!/bin/sh\n"},
        platform(ENTRYPOINT, "fork/exec /var/task/bootstrap: permission denied"),
        mode=0o644,
    ),
    Real(
        "emulators 2.5 bootstrap not executable",
        "wrong-format",
        NATIVE,
        {"bootstrap": "hello\n"},
        platform(ENTRYPOINT, "fork/exec /var/task/bootstrap: exec format error"),
    ),
    python(
        "emulators 2.5 python no such function",
        "no-such-function",
        "def other(event, context): pass\n",
        ric("Runtime.HandlerNotFound", "Handler 'handle' missing on module 'handler'", ""),
    ),
    python(
        "emulators 2.5 python others",
        "no-dot",
        RAISES,
        ric(
            "Runtime.MalformedHandlerName",
            "Bad handler 'handler': not enough values to unpack (expected 2, got 1)",
            "",
        ),
        handler="handler",
    ),
    python(
        "emulators 2.5 python others",
        "no-module",
        RAISES,
        ric("Runtime.ImportModuleError", "Unable to import module 'm': No module named 'm'", ""),
        handler="m.handle",
    ),
    python(
        "emulators 2.5 python others",
        "a-module-that-imports-none",
        "import nothing_of_this_name\n",
        ric(
            "Runtime.ImportModuleError",
            "Unable to import module 'handler': No module named 'nothing_of_this_name'",
            "",
        ),
    ),
    python(
        "emulators 2.5 python others",
        "syntax",
        "def handle(:\n",
        like(
            "Runtime.UserCodeSyntaxError",
            r"Syntax error in module 'handler': .+ \(handler\.py, line 1\)",
            "",
            r'["  File \"/var/task/handler.py\" Line 1\n    def handle(:\n"]',
        ),
    ),
    python(
        "emulators 2.5 python others",
        "an-event-that-python-cannot-read",
        "def handle(event, context): return event\n",
        like("Runtime.UnmarshalError", r"Unable to unmarshal input: Exceeds the limit \(4300 digits\).+"),
        event=b"1" * 5000,
    ),
    python(
        "emulators 2.5 python others",
        "a-result-that-is-no-json",
        "def handle(event, context): return {1, 2}\n",
        ric("Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable"),
    ),
    python(
        "emulators 2.5 unhandled exception",
        "python",
        RAISES,
        ric("ValueError", "no", "ID", RAISED_AT),
    ),
    Real(
        "emulators 2.5 unhandled exception",
        "node",
        NODE,
        {"handler.js": NODE_RAISES},
        re.compile(
            r'\{"errorType":"RangeError","errorMessage":"no","trace":\["RangeError: no",'
            r'"    at exports\.handle \(/var/task/handler\.js:2:9\)".*\]\}'
        ),
    ),
    passed_on("java", JAVA),
    passed_on("ruby", RUBY),
    passed_on("go", '{"errorMessage":"no","errorType":"errorString"}'),
    passed_on("dotnet", DOTNET),
    python("emulators 2.5 None", "none", "def handle(event, context): pass\n", "null", error=None),
    python(
        "emulators 2.5 empty body",
        "empty",
        "def handle(event, context): return event\n",
        "{}",
        event=b"",
        error=None,
    ),
)
