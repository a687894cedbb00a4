"""The report of a canary as one HTML file that needs nothing else: what was decided and why, and charts. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from fnroll.release.drive import Look, Target
from fnroll.release.evidence import Evidence, Minute
from fnroll.release.report import lines
from fnroll.release.tick import Action
from fnroll.release.verdict import log_evidence

_WIDE: Final = 720
_HIGH: Final = 150
_LEFT: Final = 64

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
pre { background: #8881; padding: .8rem; overflow-x: auto; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; text-align: left; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
.canary { stroke: #d1495b; } .baseline { stroke: #30638e; } .line { stroke: #888; stroke-dasharray: 4; }
polyline { fill: none; stroke-width: 2; }
:root { color-scheme: light dark; }
"""


def page(look: Look, action: Action, target: Target) -> str:
    """The whole document. Whatever comes from the alias is escaped."""
    title = f"Canary of {target.function}:{target.alias}"
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head>',
        f"<body><h1>{escape(title)}</h1>",
        f"<p><strong>{escape(action.kind)}</strong>: {escape(action.reason)}</p>",
        f"<pre>{escape(chr(10).join(lines(look, action, target)))}</pre>",
    ]
    if look.evidence is not None:
        parts += _evidence(look.evidence, target)
    if look.record is not None:
        back = f"fn canary abort --alias {target.alias}"
        parts.append(f"<p>All traffic to version {look.record.baseline}: <code>{escape(back)}</code></p>")
    when = datetime.fromtimestamp(look.now, UTC).isoformat(timespec="seconds")
    parts.append(f"<p>Made at {when}; times are UTC.</p></body></html>")
    return "\n".join(parts) + "\n"


def _evidence(evidence: Evidence, target: Target) -> list[str]:
    minutes = evidence.minutes
    rows = []
    for each in evidence.judged:
        one = each.verdict
        cells = (
            each.name,
            one.word,
            f"{one.canary_errors:.4g} of {one.canary_requests}",
            f"{one.baseline_errors:.4g} of {one.baseline_requests}",
            f"{one.evidence:.4g} of {one.threshold:g}",
        )
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    names = ("Metric", "Verdict", "Canary", "Baseline", "Evidence to fail")
    heads = "".join(f"<th>{name}</th>" for name in names)
    found = [f"<table><tr>{heads}</tr>{''.join(rows)}</table>"]
    if not minutes:
        return found
    found.append(_errors(minutes))
    found.append(_weighed(minutes, target))
    latency = [("canary", [one.canary_p95 for one in minutes]), ("baseline", [one.baseline_p95 for one in minutes])]
    return [*found, chart("p95, milliseconds", latency, minutes, lambda value: f"{value:.0f}")]


def _errors(minutes: Sequence[Minute]) -> str:
    counts = [one.counts for one in minutes]
    rates = [
        ("canary", [one.canary_errors / one.canary_requests if one.canary_requests else None for one in counts]),
        (
            "baseline",
            [one.baseline_errors / one.baseline_requests if one.baseline_requests else None for one in counts],
        ),
    ]
    return chart("Errors, share of requests", rates, minutes, lambda value: f"{value:.2%}")


def _weighed(minutes: Sequence[Minute], target: Target) -> str:
    """The evidence by errors as it grew, as the rule would have seen it at each minute, in powers of ten."""
    if "errors" not in target.plan.judged:
        return ""
    counts = [one.counts for one in minutes]
    tries = target.plan.retries + 1
    fair = [
        type(one)(one.canary_requests, one.baseline_requests, one.canary_errors / tries, one.baseline_errors / tries)
        for one in counts
    ]
    grown = [log_evidence(fair[: end + 1], target.plan.ratio_floor) / math.log(10) for end in range(len(fair))]
    line = math.log10(len(target.plan.judged) / target.plan.alpha)
    values: list[tuple[str, list[float | None]]] = [("canary", [max(0.0, one) for one in grown])]
    return chart("Evidence of more errors, powers of ten", values, minutes, lambda value: f"{value:.1f}", line)


def chart(
    title: str,
    rows: Sequence[tuple[str, Sequence[float | None]]],
    minutes: Sequence[Minute],
    words: Callable[[float], str],
    line: float | None = None,
) -> str:
    """Lines by the minute over a common scale from 0, as SVG; a minute without a value is a gap. `line`: a limit."""
    known = [value for _, values in rows for value in values if value is not None]
    top = max((*known, line or 0.0), default=0.0) or 1.0

    def across(number: int) -> float:
        return _LEFT + (_WIDE - _LEFT) * number / max(1, len(minutes) - 1)

    def down(value: float) -> float:
        return _HIGH * (1 - value / top) + 10

    parts = [f'<h2>{escape(title)}</h2><svg viewBox="0 0 {_WIDE + 10} {_HIGH + 30}" role="img">']
    parts.append(
        f'<text x="0" y="14">{escape(words(top))}</text><text x="0" y="{_HIGH + 10}">{escape(words(0))}</text>'
    )
    for moment, at, anchor in ((minutes[0].begin, _LEFT, "start"), (minutes[-1].begin, _WIDE, "end")):
        clock = datetime.fromtimestamp(moment, UTC).strftime("%H:%M")
        parts.append(f'<text x="{at}" y="{_HIGH + 26}" text-anchor="{anchor}">{clock}</text>')
    if line is not None:
        parts.append(f'<polyline class="line" points="{_LEFT},{down(line):.1f} {_WIDE},{down(line):.1f}"/>')
    for name, values in rows:
        for run in _runs(values):
            points = [(across(number), down(value)) for number, value in run]
            if len(points) == 1:
                points.append((points[0][0] + 2, points[0][1]))
            drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline class="{name}" points="{drawn}"><title>{name}</title></polyline>')
    legend = ", ".join(f"{name} {'red' if name == 'canary' else 'blue'}" for name, _ in rows)
    return "".join(parts) + f"</svg><p>{legend}{'; dashed: fails from here on' if line is not None else ''}</p>"


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    found: list[list[tuple[int, float]]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            found[-1].append((number, value))
    return [run for run in found if run]
