"""The one question that `fn` asks, and only on a terminal."""

from __future__ import annotations

import sys

import click

from fnroll.errors import UsageError


def confirm(question: str, yes: bool) -> None:
    """Return if the user agrees. Raises UsageError without a terminal unless `yes`, click.Abort on a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Not without being told to", hint="add --yes")
    click.confirm(question, abort=True, err=True)
