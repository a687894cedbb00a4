"""`fn doctor`: what this machine can give a function."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, output_option

if TYPE_CHECKING:
    from fnroll.sandbox.api import Missing, Verdict


@click.command()
@output_option("table", "json")
@click.pass_obj
def doctor(app: App, output: Any) -> None:
    """Say what this machine can give a function, and what it cannot.

    Each sandbox tier is tried for real; what a tier lacks is listed with how to get it.
    """
    from fnroll import sandbox

    verdicts = asyncio.run(sandbox.diagnose())
    if output == "json":
        app.show_json(
            [
                {
                    "tier": verdict.tier,
                    "works": verdict.refused is None,
                    "missing": [{"what": gap.what, "why": gap.why, "mend": gap.mend} for gap in _gaps(verdict)],
                }
                for verdict in verdicts
            ]
        )
        return
    for verdict in verdicts:
        app.show(f"{verdict.tier}: {'does not work here' if verdict.refused else 'works'}")
        for gap in _gaps(verdict):
            app.show(f"  - {gap.what}: {gap.why}")
            if gap.mend:
                app.show(f"      {gap.mend}")


def _gaps(verdict: Verdict) -> tuple[Missing, ...]:
    return verdict.missing if verdict.refused is None else (verdict.refused,)
