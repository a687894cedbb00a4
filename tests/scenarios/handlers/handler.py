"""The vocabulary of the scenario table (../vocabulary.py lists it) in Python: for our own small bootstrap and for AWS's
runtime interface client. An event is a list of steps, "verb rest" each; those in the variable INIT run at import.
"""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path


class Session:
    """What the steps of one invocation share; `answer` is what the handler will return."""

    def __init__(self, event, context):
        self.event = event
        self.context = context
        self.notes = []
        self.answer = None


ticks = []
hoard = []
count = 0


def counted(session, rest):
    global count
    count += 1
    session.notes.append(count)


def answer(session, value):
    session.answer = value


def raw(session, rest):
    sys.stdout.flush()
    os.write(1, bytes.fromhex(rest))


def fail(session, rest):
    raise RuntimeError(rest)


def signalled(session, rest):
    os.kill(os.getpid(), int(rest))
    time.sleep(60)


def segfault(session, rest):
    import ctypes

    ctypes.string_at(0)


def replaced(session, rest):
    try:
        os.execv(rest, [rest])
    except OSError:
        os._exit(127)


def spin(session, rest):
    while True:
        pass


def shell(session, rest):
    done = subprocess.run(rest, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    session.notes.append(done.stdout.decode().strip())


def tick():
    while True:
        ticks.append(time.monotonic())
        time.sleep(0.001)


def pause(session, rest):
    """The longest time that the thread did not run, in milliseconds."""
    seen = list(ticks)
    session.notes.append(int(max(later - earlier for earlier, later in itertools.pairwise(seen)) * 1000))


def http(session, rest):
    """One request over a connection of its own; the answer's status and body."""
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    with socket.create_connection((host, int(port))) as to:
        to.sendall(rest.replace("{ID}", session.context.aws_request_id).encode())
        got = b"".join(iter(lambda: to.recv(65536), b"")).decode()
    head, _, body = got.partition("\r\n\r\n")
    session.notes.append(f"{head.split()[1]} {body}".strip())


def identity_of(known):
    if not getattr(known, "cognito_identity_id", None):
        return None
    return {"cognitoIdentityId": known.cognito_identity_id, "cognitoIdentityPoolId": known.cognito_identity_pool_id}


def about(session, rest):
    context = session.context
    client = context.client_context
    session.notes.append(
        {
            "request_id": context.aws_request_id,
            "arn": context.invoked_function_arn,
            "remaining": context.get_remaining_time_in_millis(),
            "client": client and {"custom": client.custom, "env": client.env},
            "identity": identity_of(context.identity),
            "tenant": context.tenant_id,
            "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        }
    )


VERBS = {
    "print": lambda session, rest: print(rest),
    "write": lambda session, rest: print(rest, end=""),
    "stderr": lambda session, rest: print(rest, file=sys.stderr),
    "bytes": raw,
    "flood": lambda session, rest: [print("x" * 1023) for _ in range(int(rest))],
    "return": lambda session, rest: answer(session, json.loads(rest)),
    "echo": lambda session, rest: answer(session, session.event),
    "large": lambda session, rest: answer(session, "x" * (int(rest) - 2)),
    "measure": lambda session, rest: answer(session, len(rest)),
    "notes": lambda session, rest: answer(session, session.notes),
    "marshal": lambda session, rest: answer(session, {1, 2}),
    "raise": fail,
    "exit": lambda session, rest: os._exit(int(rest)),
    "signal": signalled,
    "segfault": segfault,
    "abort": lambda session, rest: os.abort(),
    "exec": replaced,
    "sleep": lambda session, rest: time.sleep(int(rest) / 1000),
    "spin": spin,
    "ignore": lambda session, rest: signal.signal(getattr(signal, f"SIG{rest}"), signal.SIG_IGN),
    "count": counted,
    "sh": shell,
    "start": lambda session, rest: subprocess.Popen(rest, shell=True, start_new_session=True),
    "env": lambda session, rest: session.notes.append(os.environ.get(rest)),
    "grow": lambda session, rest: hoard.append(b"x" * (int(rest) << 20)),
    "thread": lambda session, rest: threading.Thread(target=tick, daemon=True).start(),
    "pause": pause,
    "http": http,
    "context": about,
}


def perform(session, steps):
    for step in steps:
        verb, _, rest = step.partition(" ")
        if verb == "once":
            if Path(rest).exists():
                return
            Path(rest).touch()
        else:
            VERBS[verb](session, rest)


def handle(event, context):
    session = Session(event, context)
    perform(session, event if isinstance(event, list) else ["echo"])
    sys.stdout.flush()
    return session.answer


perform(Session(None, None), json.loads(os.environ.get("INIT", "[]")))
