"""`fn invoke`: the deployed function, called."""

from __future__ import annotations

import sys

import click

from fnroll.cli.app import App
from fnroll.cli.events import read_event
from fnroll.errors import FunctionFailed


@click.command()
@click.option("-e", "--payload", "text", metavar="JSON", help="The event.")
@click.option("--event", "file", metavar="FILE", help="A file that holds the event; - for standard input.")
@click.option("--qualifier", default="current", show_default=True, help="Alias or version.")
@click.option("--async", "asynchronous", is_flag=True, help="Queue the event and return.")
@click.option("--log-tail", is_flag=True, help="Print the last 4 KB of the log on stderr.")
@click.pass_obj
def invoke(app: App, text: str | None, file: str | None, qualifier: str, asynchronous: bool, log_tail: bool) -> None:
    """Invoke the deployed function.

    The event is -e, --event, or what is piped in; else {}. Its bytes are sent as they are. Exit code 3 if the function
    answers with an error.
    """
    from fnroll.aws.invoke import invoke as call

    event = read_event(app, text, file)
    name = app.definition(full=False).name
    done = call(app.session().invoker, name, event, qualifier=qualifier, asynchronous=asynchronous, log_tail=log_tail)
    if done.log is not None:
        app.say(done.log.decode("utf-8", "replace").rstrip("\n"))
    if asynchronous:
        app.say(f"accepted (status {done.status})")
        return
    sys.stdout.buffer.write(done.payload + b"\n")
    sys.stdout.buffer.flush()
    if done.function_error is not None:
        raise FunctionFailed(f"the function answered with an error ({done.function_error})", where=name)
