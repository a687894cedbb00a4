"""`fn canary`: releases by evidence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fnroll.cli import canary_moves, canary_rehearsal, canary_report, canary_run
from fnroll.cli.app import App, output_option


@click.group()
def canary() -> None:
    """Releases by evidence.

    A new version gets a share of an alias's traffic, step by step, and is judged against the version beside it.
    """


for _command in (*canary_run.COMMANDS, *canary_moves.COMMANDS, canary_report.report, canary_rehearsal.rehearse):
    canary.add_command(_command)


@canary.command()
@click.option(
    "--counts",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    help="The counts, as JSON; - is stdin.",
)
@output_option("table", "json")
@click.pass_obj
def judge(app: App, counts: Path, output: Any) -> None:
    """Judge anybody's numbers by the canary rule.

    FILE holds {"bins": [{"canary_requests": 30, "baseline_requests": 570, "canary_errors": 3, "baseline_errors": 0},
    ...], "alpha": 0.01, "r0": 1, "min_canary_requests": 300}; a bin is a minute, all but bins may be left out. FAIL:
    the evidence M is 1/alpha or more. PASS: it is not, and the canary had requests enough. HOLD: it had not.
    """
    from fnroll.release import verdict
    from fnroll.release.counts import load_counts, read_counts

    bins, rule = read_counts(sys.stdin.read(), "-") if str(counts) == "-" else load_counts(counts)
    found = verdict.judge(bins, rule)
    if output == "json":
        app.show_json(
            {
                "evidence": found.evidence,
                "threshold": found.threshold,
                "verdict": found.word,
                "log_evidence": found.log_evidence,
                "canary_requests": found.canary_requests,
                "baseline_requests": found.baseline_requests,
                "canary_errors": found.canary_errors,
                "baseline_errors": found.baseline_errors,
                "reason": found.reason,
            }
        )
        return
    app.show(f"{found.word}: {found.reason}")
    app.show(f"evidence {found.evidence:.5g} of {found.threshold:g} to fail")
