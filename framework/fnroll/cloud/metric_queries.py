"""Statistics and metric math of CloudWatch, as far as deploying needs them. Pure.

moto answers Sum, Average, Minimum, Maximum and SampleCount only, and no arithmetic. Here are percentiles (`p95`),
counts within bounds (`TC(100:)`), and expressions over series: numbers, ids, + - * /, brackets, FILL, SUM, AVG, MIN
and MAX. Source: CloudWatch's pages on statistics definitions and on metric math.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from fnroll.cloud.metric_values import Datum

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
_BOUNDS = re.compile(r"(TC|PR)\((\d*\.?\d*):(\d*\.?\d*)\)")
Series = dict[int, float]
"""Values by the begin of their period, in epoch seconds."""


class QueryError(Exception):
    """A statistic or an expression that is not understood. The message says which."""


def is_statistic(text: str) -> bool:
    return text in _PLAIN or _PERCENTILE.fullmatch(text) is not None or _BOUNDS.fullmatch(text) is not None


def statistic(text: str, data: Iterable[Datum]) -> float:
    """One statistic over at least one datum. Raises QueryError."""
    whole = Datum()
    for datum in data:
        whole.merge(datum)
    if plain := _PLAIN.get(text):
        return plain(whole)
    if found := _PERCENTILE.fullmatch(text):
        return _percentile(whole, float(found[1]) / 100)
    if found := _BOUNDS.fullmatch(text):
        least, most = float(found[2] or "-inf"), float(found[3] or "inf")
        # The lower bound is exclusive, the upper inclusive.
        spread = whole.spread()
        within = sum(count for value, count in spread.items() if least < value <= most)
        return within if found[1] == "TC" else 100 * within / (sum(spread.values()) or 1.0)
    raise QueryError(f"the statistic {text} is not built in fn's local cloud")


_PLAIN: Final[Mapping[str, Callable[[Datum], float]]] = {
    "Sum": lambda datum: datum.total,
    "Average": lambda datum: datum.total / datum.count,
    "Minimum": lambda datum: datum.least,
    "Maximum": lambda datum: datum.most,
    "SampleCount": lambda datum: datum.count,
}


def _percentile(datum: Datum, share: float) -> float:
    spread = datum.spread()
    wanted, seen = share * sum(spread.values()), 0.0
    for value in sorted(spread):
        seen += spread[value]
        if seen >= wanted:
            return min(max(value, datum.least), datum.most)
    return datum.most


def evaluate(expression: str, known: Mapping[str, Series], periods: Iterable[int]) -> Series:
    """The series of an expression; `periods`: the begins of all periods asked for, for FILL. Raises QueryError."""
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise QueryError(f"the expression {expression!r} cannot be read") from None
    whole = tuple(periods)
    value = _value(tree, known, whole)
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        raise QueryError(f"the expression {expression!r} gives several series")
    return dict.fromkeys(whole, value)


Value = float | Series | list[Series]

_BINARY: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_MERGING: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "SUM": math.fsum,
    "MIN": min,
    "MAX": max,
    "AVG": lambda values: math.fsum(values) / len(values),
}


def _value(node: ast.expr, known: Mapping[str, Series], periods: tuple[int, ...]) -> Value:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name(id=name):
            if name not in known:
                raise QueryError(f"the expression names {name}, which no query of this call has as its Id")
            return known[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _combine(operator.sub, 0.0, _value(operand, known, periods))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _combine(_BINARY[type(sign)], _value(left, known, periods), _value(right, known, periods))
        case ast.List(elts=items):
            found = [_value(item, known, periods) for item in items]
            return [item for item in found if isinstance(item, dict)]
        case ast.Call(func=ast.Name(id="FILL"), args=[series, filling], keywords=[]):
            return _fill(_value(series, known, periods), filling, known, periods)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _MERGING:
            return _merge(_MERGING[name], _value(argument, known, periods))
    raise QueryError(f"{ast.unparse(node)} in an expression is not built in fn's local cloud")


def _combine(work: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, list) or isinstance(right, list):
        raise QueryError("arithmetic on lists of series is not built in fn's local cloud")
    if not isinstance(left, dict) and not isinstance(right, dict):
        return _safe(work, left, right) or 0.0
    # A period counts only where each side has a value.
    keys = left.keys() if isinstance(left, dict) else right.keys()  # type: ignore[union-attr]
    if isinstance(left, dict) and isinstance(right, dict):
        keys = left.keys() & right.keys()
    result: Series = {}
    for key in sorted(keys):
        one = left[key] if isinstance(left, dict) else left
        other = right[key] if isinstance(right, dict) else right
        if (value := _safe(work, one, other)) is not None:
            result[key] = value
    return result


def _safe(work: Callable[[float, float], float], left: float, right: float) -> float | None:
    try:
        return work(left, right)
    except ZeroDivisionError:
        return None


def _fill(series: Value, filling: ast.expr, known: Mapping[str, Series], periods: tuple[int, ...]) -> Series:
    if not isinstance(series, dict):
        raise QueryError("FILL takes one series")
    if isinstance(filling, ast.Name) and filling.id == "REPEAT":
        result: Series = {}
        last: float | None = None
        for period in periods:
            last = series.get(period, last)
            if last is not None:
                result[period] = last
        return result
    value = _value(filling, known, periods)
    if isinstance(value, list):
        raise QueryError("FILL takes a number, a series or REPEAT")
    return {
        period: series.get(period, value.get(period, 0.0) if isinstance(value, dict) else value) for period in periods
    }


def _merge(work: Callable[[list[float]], float], value: Value) -> Value:
    """SUM of a list of series is a series; of one series, a number."""
    if isinstance(value, dict):
        return work(list(value.values())) if value else 0.0
    if not isinstance(value, list):
        return value
    keys = sorted({key for series in value for key in series})
    return {key: work([series[key] for series in value if key in series]) for key in keys}
