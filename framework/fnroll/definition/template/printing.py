"""How Go prints values, and what it holds for true: fmt's %v and printf, text/template's truth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\*|[0-9]*)(?:\.(?P<precision>\*|[0-9]*))?(?P<verb>.)?", re.DOTALL)
_TYPES: Mapping[type, str] = {str: "string", bool: "bool", int: "int", float: "float64", list: "[]interface {}"}
_MOST = 1_000_000
"""Characters of padding: Go's own limit."""


def truth(value: Any) -> bool:
    """False are false, 0, the empty text, nothing, and empty lists and maps."""
    return bool(value)


def output(value: Any) -> str:
    """What an action with this value puts into the text."""
    return value if isinstance(value, str) else "<no value>" if value is None else plain(value)


def plain(value: Any) -> str:
    """As %v."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{plain(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(plain, value))}]"
    return str(value)


def _float(value: float) -> str:
    """The shortest digits that read back; with an exponent below 1e-4 and from 1e21 on."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = f"{value!r}".partition("e")
    digits = mantissa.lstrip("-").replace(".", "")
    if value == 0:
        return "-0" if f"{value}".startswith("-") else "0"
    point = len(mantissa.lstrip("-").partition(".")[0]) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0") or "0"
    sign = "-" if value < 0 else ""
    if not -4 <= point - 1 < 21:
        rest = f".{stripped[1:]}" if len(stripped) > 1 else ""
        power = point - 1
        return f"{sign}{stripped[0]}{rest}e{'-' if power < 0 else '+'}{abs(power):02}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{stripped}"
    whole = stripped[:point].ljust(point, "0")
    return f"{sign}{whole}" + (f".{stripped[point:]}" if len(stripped) > point else "")


def sprint(values: Sequence[Any]) -> str:
    """As fmt.Sprint: a space between two values of which neither is a text."""
    parts: list[str] = []
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            parts.append(" ")
        parts.append(plain(value))
    return "".join(parts)


def sprintf(form: str, values: Sequence[Any]) -> str:
    """As fmt.Sprintf, for the values that templates have. What does not fit is told in the text, as Go does it."""
    rest = iter(values)
    used = 0
    parts: list[str] = []
    at = 0
    while (start := form.find("%", at)) >= 0:
        parts.append(form[at:start])
        match = _VERB.match(form, start)
        assert match is not None, "a percent sign is there"
        at = match.end()
        if match["verb"] is None:
            parts.append("%!(NOVERB)")
        elif match["verb"] == "%":
            parts.append("%")
        else:
            width, taken = _amount(match["width"], rest)
            precision, more = _amount(match["precision"], rest)
            used += taken + more
            try:
                value = next(rest)
            except StopIteration:
                parts.append(f"%!{match['verb']}(MISSING)")
                continue
            used += 1
            parts.append(_formatted(match["flags"], width, precision, match["verb"], value))
    parts.append(form[at:])
    if used < len(values):
        parts.append("%!(EXTRA " + ", ".join(map(_told, values[used:])) + ")")
    return "".join(parts)


def _amount(said: str | None, rest: Iterator[Any]) -> tuple[int | None, int]:
    """A width or precision, and how many values it took."""
    if said == "*":
        value = next(rest, None)
        return (value if isinstance(value, int) and abs(value) <= _MOST else None), 1
    if said is None:
        return None, 0
    return (min(int(said), _MOST) if said else 0), 0


def _told(value: Any) -> str:
    """A value that no verb took, with its type."""
    return "<nil>" if value is None else f"{_type(value)}={plain(value)}"


def _type(value: Any) -> str:
    return _TYPES.get(type(value), "map[string]string")


def _formatted(flags: str, width: int | None, precision: int | None, verb: str, value: Any) -> str:
    if isinstance(value, Mapping | list):
        return _members(flags, width, precision, verb, value)
    body = _body(flags, precision, verb, value)
    if body is None:
        # The value is told under the same flags.
        inner = "<nil>" if value is None else f"{_type(value)}={_formatted(flags, width, precision, 'v', value)}"
        return f"%!{verb}({inner})"
    if width is not None and width < 0:
        flags, width = flags + "-", -width
    if not width or len(body) >= width:
        return body
    if "-" in flags:
        return body.ljust(width)
    if "0" in flags:
        sign = body[:1] if body[:1] in ("+", "-") and isinstance(value, int | float) else ""
        return sign + body[len(sign) :].rjust(width - len(sign), "0")
    return body.rjust(width)


def _members(flags: str, width: int | None, precision: int | None, verb: str, value: Any) -> str:
    """Of a list or a map each member by itself."""

    def one(item: Any) -> str:
        return _formatted(flags, width, precision, verb, item)

    if isinstance(value, list):
        return f"[{' '.join(map(one, value))}]"
    return f"map[{' '.join(f'{one(key)}:{one(value[key])}' for key in sorted(value))}]"


def _body(flags: str, precision: int | None, verb: str, value: Any) -> str | None:
    """A value by its verb, without padding; None if the verb is not for it."""
    if verb == "v":
        if isinstance(value, float) and precision is not None:
            return _signed(flags, f"{value:.{precision}g}", value)
        if isinstance(value, str) and precision is not None:
            return value[:precision]
        if isinstance(value, int) and not isinstance(value, bool):
            return _integer(flags, precision, "d", value)
        return _signed(flags, plain(value), value)
    if isinstance(value, bool):
        return plain(value) if verb == "t" else None
    if isinstance(value, str):
        return _text(flags, precision, verb, value)
    if isinstance(value, int):
        return _integer(flags, precision, verb, value)
    if isinstance(value, float) and verb in "eEfFgG":
        if verb in "gG" and precision is None:
            return _signed(flags, _float(value), value)
        return _signed(flags, f"{value:.{6 if precision is None else precision}{verb}}", value)
    return None


def _signed(flags: str, body: str, value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    lead = "+" if "+" in flags else " " if " " in flags else ""
    return f"{lead}{body}" if number and lead and body[:1] not in ("-", "+") else body


def _text(flags: str, precision: int | None, verb: str, value: str) -> str | None:
    if verb in "sq":
        cut = value if precision is None else value[:precision]
        if verb == "s":
            return cut
        return f"`{cut}`" if "#" in flags and "`" not in cut and cut.isprintable() else quoted(cut)
    if verb in "xX":
        data = value.encode() if precision is None else value.encode()[:precision]
        digits = data.hex(" ") if " " in flags else data.hex()
        digits = f"0x{digits}" if "#" in flags and digits else digits
        return digits if verb == "x" else digits.upper()
    return None


def _integer(flags: str, precision: int | None, verb: str, value: int) -> str | None:
    if verb == "c":
        return _rune(value)
    if verb == "U":
        return f"U+{value:04X}"
    if verb == "q":
        return "'" + quoted(_rune(value))[1:-1].replace("'", "\\'").replace('\\"', '"') + "'"
    if verb not in "dboxX":
        return None
    digits = format(abs(value), verb).rjust(precision or 0, "0")
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
    return _signed(flags, f"{'-' if value < 0 else ''}{prefix}{digits}", value)


def _rune(value: int) -> str:
    return chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000 else "\ufffd"


def quoted(text: str) -> str:
    """As Go's %q."""
    plain_escapes = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
    parts = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            parts.append("\\" + char)
        elif char.isprintable() or char in plain_escapes:
            parts.append(plain_escapes.get(char, char))
        else:
            parts.append(f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return f'"{"".join(parts)}"'


def as_json(value: Any) -> str:
    """As Go's encoding/json: sorted keys, and < > & escaped."""
    text = json.dumps(_numbers(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return html_escaped(text)


def _numbers(value: Any) -> Any:
    """Whole numbers without a fraction, as Go writes them."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _numbers(item) for key, item in value.items()}
    return [_numbers(item) for item in value] if isinstance(value, list) else value


def html_escaped(text: str) -> str:
    """What Go escapes in JSON beside what JSON asks for."""
    return _HTML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


_HTML = re.compile("[<>&\u2028\u2029]")
