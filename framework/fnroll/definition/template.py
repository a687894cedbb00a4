"""lambroll's templates: the part of Go's text/template that calls functions on strings, with places kept.

An action is `{{ command | command }}`: a function with arguments in double or back quotes, or one such string; `{{-`
and `-}}` trim the white space beside them; `{{/* */}}` is a comment. Conditions, loops, variables and parentheses are
not in this version. The functions come as a table, so others can be added without touching the reader. Pure, but for
what the functions of the table do.

Semantics are lambroll's: `env` gives the first of its arguments that names a non-empty variable, else the last
argument itself; `must_env` gives a variable that is defined, even if empty; `json_escape` gives a JSON string's inside,
with < > & escaped as Go does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fnroll.definition.positions import Segment, SourceMap
from fnroll.errors import DefinitionError, Finding


class Result(NamedTuple):
    """What a template function gives: the text, and a warning with its hint if the call is suspicious."""

    text: str
    warning: tuple[str, str] | None = None


class CallFailed(Exception):
    """Raised by a template function: why it gives nothing, and how to mend it. The reader adds the place."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


Function = Callable[[tuple[str, ...]], Result]


def functions(env: Mapping[str, str]) -> dict[str, Function]:
    """The functions of this version over an environment."""

    def variable(name: str) -> str | None:
        value = env.get(name)
        # Bytes that are not UTF-8 reach us as lone surrogates, which no JSON can carry; Go gives U+FFFD too.
        return None if value is None else _LONE.sub("\ufffd", value)

    def env_(arguments: tuple[str, ...]) -> Result:
        if not arguments:
            raise CallFailed("env needs the name of a variable", 'write {{ env "NAME" "default" }}')
        found = next((value for name in arguments if (value := variable(name))), None)
        if found is None and len(arguments) == 1:
            name = arguments[0]
            message = (
                f"{name} is unset or empty, so env gives its name: the text {json.dumps(name, ensure_ascii=False)}"
            )
            return Result(name, (message, f'give a default, {{{{ env "{name}" "" }}}}, or insist with must_env'))
        return Result(arguments[-1] if found is None else found)

    def must_env(arguments: tuple[str, ...]) -> Result:
        if len(arguments) != 1:
            raise CallFailed(f"must_env takes one name, not {len(arguments)}", 'write {{ must_env "NAME" }}')
        value = variable(arguments[0])
        if value is None:
            raise CallFailed(f"the environment variable {arguments[0]} is not set", f"export {arguments[0]}=...")
        return Result(value)

    return {"env": env_, "must_env": must_env, "json_escape": _json_escape}


def _json_escape(arguments: tuple[str, ...]) -> Result:
    if len(arguments) != 1:
        raise CallFailed(f"json_escape takes one text, not {len(arguments)}", 'write {{ env "NAME" | json_escape }}')
    quoted = json.dumps(arguments[0], ensure_ascii=False)[1:-1]
    return Result(_HTML.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted))


_LONE = re.compile("[\ud800-\udfff]")
_HTML = re.compile("[<>&\u2028\u2029]")
_SPACES = " \t\r\n"
_BLANK = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(
    r'`(?P<raw>[^`]*)`|"(?P<quoted>(?:[^"\\\n]|\\.)*)"|(?P<pipe>\|)|(?P<word>[^\W\d]\w*)(?:\.\w+)*|(?P<other>[^\s|}]+|\})'
)
_ESCAPE = re.compile(r"\\(?:u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<one>.))", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_BLOCKS = {"if", "range", "with", "define", "block", "template", "break", "continue"}
_BLOCK_ENDS = {"else", "end"}


class _Fault(Exception):
    """Something wrong at an offset of the source."""

    def __init__(self, offset: int, message: str, hint: str | None = None, *, echo: bool = False) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.hint = hint
        self.echo = echo
        """It only closes a block that was reported already."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class _Action:
    """One action: its tokens (none for a comment), where the text after it starts, and what it trims."""

    tokens: tuple[_Token, ...]
    end: int
    trim_right: bool


def render(text: str, path: str, table: Mapping[str, Function]) -> tuple[str, SourceMap, tuple[Finding, ...]]:
    """The rendered text, its places in the source, and warnings. Raises DefinitionError with every faulty action."""
    if "{{" not in text:
        return text, SourceMap(path, text), ()
    pieces: list[str] = []
    segments: list[Segment] = []
    source = SourceMap(path, text)
    errors: list[Finding] = []
    warnings: list[Finding] = []
    length = at = 0

    def put(piece: str, offset: int, copied: bool) -> None:
        nonlocal length
        segments.append(Segment(length, offset, copied))
        pieces.append(piece)
        length += len(piece)

    while (start := text.find("{{", at)) >= 0:
        trim_left = text.startswith("{{-", start) and text[start + 3 : start + 4] in tuple(_SPACES)
        before = text[at:start]
        put(before.rstrip(_SPACES) if trim_left else before, at, True)
        try:
            action = _scan(text, start, start + (3 if trim_left else 2))
            result = _evaluate(action.tokens, table) if action.tokens else Result("")
        except _Fault as fault:
            if not (fault.echo and errors):
                errors.append(Finding(fault.message, path, *source.position(fault.offset), fault.hint))
            closing = text.find("}}", fault.offset)
            at = closing + 2 if closing >= 0 else len(text)
            continue
        put(result.text, start, False)
        if result.warning:
            warnings.append(Finding(result.warning[0], path, *source.position(start), result.warning[1]))
        at = _skip(text, action.end) if action.trim_right else action.end
    put(text[at:], at, True)
    if errors:
        raise DefinitionError(*errors)
    return "".join(pieces), SourceMap(path, text, tuple(segments)), tuple(warnings)


def _scan(text: str, start: int, at: int) -> _Action:
    """Read one action from after its `{{` (or `{{-`) to its end."""
    comment = _skip(text, at) if at == start + 3 else at
    if text.startswith("/*", comment):
        return _comment(text, start, comment)
    tokens: list[_Token] = []
    while True:
        here = _skip(text, at)
        if here > at and text.startswith("-}}", here):
            return _closed(tokens, start, here + 3, trim_right=True)
        if text.startswith("}}", here):
            return _closed(tokens, start, here + 2, trim_right=False)
        match = _TOKEN.match(text, here)
        if match is None:
            raise _Fault(start, "this {{ is never closed", 'a literal {{ is written {{ "{{" }}')
        tokens.append(_token(match))
        at = match.end()


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _comment(text: str, start: int, at: int) -> _Action:
    end = text.find("*/", at + 2)
    if end < 0:
        raise _Fault(start, "this comment is never closed", "a comment is written {{/* ... */}}")
    for closing, trims in (("}}", False), (" -}}", True)):
        if text.startswith(closing, end + 2):
            return _Action((), end + 2 + len(closing), trims)
    raise _Fault(end, "a comment must end its action", "write */}} or */ -}}")


def _closed(tokens: list[_Token], start: int, end: int, *, trim_right: bool) -> _Action:
    if not tokens:
        raise _Fault(start, "this action is empty", 'a literal {{ is written {{ "{{" }}')
    return _Action(tuple(tokens), end, trim_right)


def _token(match: re.Match[str]) -> _Token:
    offset, kind = match.start(), match.lastgroup or "other"
    text = match[kind]
    if kind == "raw":
        return _Token("string", text, offset)
    if kind == "quoted":
        return _Token("string", _ESCAPE.sub(lambda found: _unescape(found, offset), text), offset)
    if kind == "other":
        if text[0] in "\"'":
            raise _Fault(offset, f"a string that starts with {text[0]} is not closed or not a string", _STRINGS)
        if text.startswith("/*"):
            raise _Fault(offset, "a comment must follow its {{ at once", "write {{/* ... */}}")
        raise _Fault(offset, f"unexpected {_shown(text)} in a template action", _SUBSET)
    return _Token(kind, text, offset)


_STRINGS = 'strings are written "..." on one line, or `...`'
_SUBSET = 'only calls of functions on strings are supported, such as {{ env "NAME" "default" | json_escape }}'


def _unescape(match: re.Match[str], offset: int) -> str:
    code = match["u"] or match["U"]
    if code is not None:
        number = int(code, 16)
        if number > 0x10FFFF or 0xD800 <= number < 0xE000:
            raise _Fault(offset, f"{match[0]} is not a character", _STRINGS)
        return chr(number)
    if match["one"] not in _ESCAPES:
        raise _Fault(offset, f"unknown escape {match[0]} in a template string", "inside `...` nothing is escaped")
    return _ESCAPES[match["one"]]


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 20 else text[:20] + "…", ensure_ascii=False)


def _evaluate(tokens: tuple[_Token, ...], table: Mapping[str, Function]) -> Result:
    """Run the commands of one action, the result of each becoming the last argument of the next."""
    piped: Result | None = None
    commands: list[list[_Token]] = [[]]
    for token in tokens:
        if token.kind != "pipe":
            commands[-1].append(token)
        elif not commands[-1]:
            raise _Fault(token.offset, "nothing stands before this |", _SUBSET)
        else:
            commands.append([])
    if not commands[-1]:
        raise _Fault(tokens[-1].offset, "nothing stands after this |", _SUBSET)
    for head, *rest in commands:
        if head.kind == "string":
            if rest or piped is not None:
                raise _Fault(head.offset, "a function is expected here, not a string", _SUBSET)
            piped = Result(head.text)
        else:
            piped = _call(head, rest, piped, table)
    return piped or Result("")


def _call(head: _Token, rest: list[_Token], piped: Result | None, table: Mapping[str, Function]) -> Result:
    function = table.get(head.text)
    if function is None:
        raise _unknown(head, table)
    for token in rest:
        if token.kind != "string":
            raise _Fault(token.offset, f"the arguments of {head.text} are strings", f'write "{token.text}"')
    arguments = tuple(token.text for token in rest)
    try:
        result = function(arguments if piped is None else (*arguments, piped.text))
    except CallFailed as failed:
        raise _Fault(head.offset, failed.message, failed.hint) from None
    if result.warning is None and piped is not None:
        return Result(result.text, piped.warning)
    return result


def _unknown(head: _Token, table: Mapping[str, Function]) -> _Fault:
    known = f"known functions are {', '.join(sorted(table))}"
    if head.text in _BLOCKS | _BLOCK_ENDS:
        message = f"the template keyword {head.text} is not supported in this version"
        return _Fault(head.offset, message, known, echo=head.text in _BLOCK_ENDS)
    return _Fault(head.offset, f'unknown template function "{head.text}"', known)
