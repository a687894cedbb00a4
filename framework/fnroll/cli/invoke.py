"""`fn invoke`: the deployed function, called once, in a row, or many times at once."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, output_option
from fnroll.cli.events import InOrder, in_order, piped, read_bytes
from fnroll.cli.payloads import values
from fnroll.errors import FunctionFailed, NotFound, Throttled, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fnroll.aws.invoke import Invocation
    from fnroll.cli.calls import Done

DEFAULT = "current"
MOST_AT_ONCE = 100


@click.command(cls=InOrder)
@click.option("-e", "--payload", "text", metavar="JSON", multiple=True, help="The event; may be repeated.")
@click.option("--event", "file", metavar="FILE", multiple=True, help="A file of events; - for standard input.")
@click.option("--qualifier", default=DEFAULT, show_default=True, help="Alias or version.")
@click.option("--async", "asynchronous", is_flag=True, help="Queue the event and return.")
@click.option("--log-tail", is_flag=True, help="Print the last 4 KB of the log on stderr.")
@click.option("--stream", is_flag=True, help="Print the response as it arrives (InvokeWithResponseStream).")
@click.option("--client-context", metavar="JSON", help="What the function finds in its context's client context.")
@click.option("--tenant-id", metavar="ID", help="Whose invocation it is, of a function with tenant isolation.")
@click.option("--repeat", type=click.IntRange(min=1), default=1, metavar="N", help="Send all events N times.")
@click.option(
    "--parallel",
    type=click.IntRange(1, MOST_AT_ONCE),
    default=1,
    metavar="M",
    help=f"Send up to M at a time (at most {MOST_AT_ONCE}).",
)
@output_option("table", "json")
@click.pass_context
def invoke(ctx: click.Context, /, text: tuple[str, ...], file: tuple[str, ...], **said: Any) -> None:
    """Invoke the deployed function.

    Events are -e, --event, or what is piped in: any number of JSON values in a row, one invocation each, their bytes
    sent as they are; without any of these, {}. Responses are printed one after the other, in the order of the events.

    With several invocations a last line on stderr sums up their latency, as this machine saw it. Exit code 3 if the
    function answered one with an error, after all were sent. With --output json each is an object on a line: payload,
    function_error, status, executed_version, latency_ms, log.
    """
    app: App = ctx.obj
    _check(said)
    events = _events(in_order(ctx, {"text": text, "file": file}))
    if not events:
        app.say("no event on standard input, nothing invoked")
        return
    from fnroll.cli.calls import call_all, summary

    name = app.definition(full=False).name
    call = _call(app, name, said)
    began, done = time.monotonic(), []
    many = [event for _ in range(said["repeat"]) for event in events]
    try:
        for one in call_all(call, many, said["parallel"]):
            done.append(one)
            _show(app, one, said)
    finally:
        # After Ctrl-C or an error too: what was sent was sent.
        if len(many) > 1:
            short = "" if len(done) == len(many) else f"{len(done)} of {len(many)} answered: "
            app.say(short + summary(done, time.monotonic() - began))
    _conclude(name, done)


def _check(said: dict[str, Any]) -> None:
    """Raises UsageError for options that do not go together."""
    for flag in ("stream", "client_context", "log_tail"):
        if said["asynchronous"] and said[flag]:
            raise UsageError(f"--async and --{flag.replace('_', '-')} exclude each other: nobody waits for the answer")
    if said["stream"] and said["parallel"] > 1:
        raise UsageError("--stream and --parallel exclude each other: the responses would run into each other")
    if said["stream"] and said["output"] == "json":
        raise UsageError("--stream and --output json exclude each other", hint="leave out --stream")
    if said["client_context"] is not None:
        from fnroll.aws.invoke import MAX_CONTEXT

        given = list(values(said["client_context"].encode(), "--client-context"))
        if len(given) != 1 or not given[0].startswith(b"{"):
            raise UsageError("--client-context takes one JSON object")
        if (len(given[0]) + 2) // 3 * 4 > MAX_CONTEXT:
            raise UsageError(f"--client-context is longer than the {MAX_CONTEXT} bytes (as base64) that Lambda takes")
        said["client_context"] = given[0]


def _events(sources: list[tuple[str, str]]) -> list[bytes]:
    """Every event, before anything is sent: an error in the last one leaves nothing half done. Raises UsageError."""
    if not sources:
        if not piped():
            return [b"{}"]
        sources = [("file", "-")]
    if sum(kind == "file" and value == "-" for kind, value in sources) > 1:
        raise UsageError("standard input can be read only once")
    events: list[bytes] = []
    for kind, value in sources:
        if kind == "text":
            events += list(values(value.encode(), "-e", hint="a text is written in quotes: -e '\"text\"'")) or [b"{}"]
        else:
            events += values(read_bytes(value), "standard input" if value == "-" else value)
    return events


def _call(app: App, name: str, said: dict[str, Any]) -> Callable[[bytes], Invocation]:
    from fnroll.aws import invoke as verbs

    qualifier, client = said["qualifier"], app.session().invoker
    shared: dict[str, Any] = {each: said[each] for each in ("qualifier", "client_context", "log_tail", "tenant_id")}
    if said["stream"]:
        send: Any = partial(verbs.invoke_streaming, client, name, each=_write, **shared)
    else:
        send = partial(verbs.invoke, client, name, asynchronous=said["asynchronous"], **shared)

    def call(event: bytes) -> Invocation:
        try:
            done: Invocation = send(payload=event)
        except NotFound as error:
            if qualifier == DEFAULT:
                error.hint = "without an alias, --qualifier '$LATEST' invokes what was deployed last"
            raise
        return done

    return call


def _write(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _show(app: App, one: Done, said: dict[str, Any]) -> None:
    done = one.invocation
    if said["output"] == "json":
        from fnroll.cli.calls import record

        _write(json.dumps(record(one), ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        return
    if done is None:
        app.complain(str(one.refused))
        return
    if done.log is not None:
        app.say(done.log.decode("utf-8", "replace").rstrip("\n"))
    if said["asynchronous"]:
        app.say(f"accepted (status {done.status})")
    else:
        _write(done.payload + b"\n")


def _conclude(name: str, done: list[Done]) -> None:
    """Raises FunctionFailed or Throttled if there was an error; the payloads have been printed."""
    refused = [one.refused for one in done if one.refused is not None]
    failed = [one.invocation.function_error for one in done if one.invocation and one.invocation.function_error]
    if len(done) == 1 and refused:
        raise refused[0]
    if len(done) == 1 and failed:
        raise FunctionFailed(f"the function answered with an error ({failed[0]})", where=name)
    if failed:
        raise FunctionFailed(f"the function answered {len(failed)} of {len(done)} with an error", where=name)
    if refused:
        hint = "its concurrency is used up: --parallel sends fewer at a time"
        raise Throttled(f"{len(refused)} of {len(done)} invocations were throttled", where=name, hint=hint)
