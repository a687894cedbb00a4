"""Actions to a tree.

    pipeline   [$x := | $x =] command { | command }
    command    operand { operand }        a function with its arguments, or one operand alone
    operand    literal, function, $x, . or ( pipeline ), each with .Fields behind it

A faulty action is reported and left out; a block whose own action is faulty keeps its place, so that the rest of the
template still reads as it was meant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from fnroll.definition.template.tokens import Action, Fault, Plain, Token, shown

SUBSET = 'write a call such as {{ env "NAME" "default" | json_escape }}'
_BLOCKS = ("if", "with", "range")
_DEEPEST = 50
"""Blocks, or parentheses, inside each other."""

_UNSUPPORTED = ("define", "template", "block", "break", "continue")


@dataclass(frozen=True, slots=True)
class Literal:
    offset: int
    value: Any


@dataclass(frozen=True, slots=True)
class Call:
    """A function by name; its arguments stand in the command around it."""

    offset: int
    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    offset: int
    name: str


@dataclass(frozen=True, slots=True)
class Dot:
    offset: int


@dataclass(frozen=True, slots=True)
class Fields:
    """Members of what `base` gives."""

    offset: int
    base: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`sets`: the variables that take its value; `new`: whether they begin here."""

    offset: int
    commands: tuple[tuple[Operand, ...], ...]
    sets: tuple[str, ...] = ()
    new: bool = False


Operand = Literal | Call | Variable | Dot | Fields | Pipeline


@dataclass(frozen=True, slots=True)
class Output:
    """An action whose value is printed, unless it sets a variable."""

    start: int
    pipeline: Pipeline


@dataclass(slots=True)
class Block:
    """if, with or range; `pipeline` is None where it could not be read. `chained`: an `else if` of the block before."""

    start: int
    word: str
    pipeline: Pipeline | None
    chained: bool = False
    body: list[Node] = field(default_factory=list)
    otherwise: list[Node] | None = None


Node = Plain | Output | Block


def parse(parts: Iterable[Plain | Action], known: Collection[str], faults: list[Fault]) -> list[Node]:
    """The tree of a template whose functions are `known`. What is wrong is added to `faults`."""
    return _Builder(known, faults).build(parts)


class _Builder:
    """One reading; `open` are the blocks that are not closed, `into` where nodes go."""

    def __init__(self, known: Collection[str], faults: list[Fault]) -> None:
        self.known = known
        self.faults = faults
        self.open: list[Block] = []
        self.depths: list[int] = []
        self.variables = ["$"]
        self.root: list[Node] = []
        self.into = self.root

    def build(self, parts: Iterable[Plain | Action]) -> list[Node]:
        for part in parts:
            if isinstance(part, Plain):
                self.into.append(part)
                continue
            try:
                self.action(part)
            except Fault as fault:
                self.faults.append(fault)
        for block in self.open:
            if not block.chained:
                self.faults.append(Fault(block.start, f"this {block.word} is never ended", "write {{ end }}"))
        return self.root

    def action(self, action: Action) -> None:
        first, *rest = action.tokens
        word = first.text if first.kind == "name" else ""
        if word in _UNSUPPORTED:
            raise Fault(first.offset, f"the template keyword {word} is not supported", "definitions have no use for it")
        if word in _BLOCKS:
            self.begin(action.start, word, first, rest)
        elif word == "else":
            self.turn(action.start, first, rest)
        elif word == "end":
            self.close(first, rest)
        else:
            self.into.append(Output(action.start, self.read(action.tokens)))

    def begin(self, start: int, word: str, first: Token, rest: list[Token], *, chained: bool = False) -> None:
        if len(self.open) == _DEEPEST:
            raise Fault(first.offset, f"blocks stand more than {_DEEPEST} deep inside each other")
        block = Block(start, word, None, chained)
        self.into.append(block)
        self.open.append(block)
        self.depths.append(len(self.variables))
        self.into = block.body
        if not rest:
            raise Fault(first.offset, f"{word} needs a value", f'write {{{{ {word} env "NAME" "" }}}}')
        block.pipeline = self.read(tuple(rest), range_=word == "range")

    def turn(self, start: int, first: Token, rest: list[Token]) -> None:
        if not self.open or self.open[-1].otherwise is not None:
            raise Fault(first.offset, "this else belongs to nothing" if not self.open else "a second else")
        block = self.open[-1]
        block.otherwise = self.into = []
        del self.variables[self.depths[-1] + len(block.pipeline.sets if block.pipeline else ()) :]
        if rest:
            if rest[0].text not in ("if", "with") or rest[0].text != block.word:
                raise Fault(rest[0].offset, f"unexpected {shown(rest[0].text)} after else", f"write else {block.word}")
            self.begin(start, rest[0].text, rest[0], rest[1:], chained=True)

    def close(self, first: Token, rest: list[Token]) -> None:
        if not self.open:
            raise Fault(first.offset, "this end belongs to nothing")
        # An `else if` is a block of its own inside the else of the one before; one end closes them all.
        while self.open.pop().chained:
            self.depths.pop()
        del self.variables[self.depths.pop() :]
        self.into = self.root if not self.open else self.within(self.open[-1])
        if rest:
            raise Fault(rest[0].offset, f"unexpected {shown(rest[0].text)} after end")

    def read(self, tokens: tuple[Token, ...], *, range_: bool = False) -> Pipeline:
        """A pipeline, and the variables that it begins."""
        reader = _Reader(tokens, self.known, self.variables, range_=range_)
        try:
            pipeline = reader.whole()
        finally:
            self.variables += reader.begun
        return pipeline

    @staticmethod
    def within(block: Block) -> list[Node]:
        return block.body if block.otherwise is None else block.otherwise


class _Reader:
    """The tokens of one pipeline."""

    def __init__(
        self, tokens: tuple[Token, ...], known: Collection[str], variables: Collection[str], *, range_: bool = False
    ) -> None:
        self.tokens = tokens
        self.known = known
        self.variables = variables
        self.begun: tuple[str, ...] = ()
        self.range = range_
        self.at = 0
        self.depth = 0

    def whole(self) -> Pipeline:
        pipeline = self.pipeline()
        if self.at < len(self.tokens):
            self.unexpected()
        return pipeline

    def pipeline(self) -> Pipeline:
        offset = self.tokens[self.at].offset if self.at < len(self.tokens) else self.tokens[-1].offset
        sets, new = self.declaration()
        commands = [self.command(first=True)]
        while self.mark("|"):
            bar = self.tokens[self.at - 1]
            if self.at == len(self.tokens) or self.peek(")"):
                raise Fault(bar.offset, "nothing stands after this |", SUBSET)
            command = self.command(first=False)
            if isinstance(command[0], Literal | Dot):
                raise Fault(command[0].offset, "a function is expected here, not a value", SUBSET)
            commands.append(command)
        return Pipeline(offset, tuple(commands), sets, new)

    def declaration(self) -> tuple[tuple[str, ...], bool]:
        names, at = [], self.at
        while at < len(self.tokens) and self.tokens[at].kind == "variable":
            names.append(self.tokens[at].text)
            following = self.tokens[at + 1].text if at + 1 < len(self.tokens) else ""
            if following in (":=", "=") and self.tokens[at + 1].kind == "mark":
                self.at = at + 2
                if len(names) > 1 and not self.range:
                    raise Fault(self.tokens[at].offset, "only range sets two variables")
                if following == ":=":
                    self.begun = tuple(names)
                if self.at == len(self.tokens):
                    raise Fault(self.tokens[at + 1].offset, f"nothing stands after this {following}")
                for name in names if following == "=" else ():
                    self.variable(name, self.tokens[at].offset)
                return tuple(names), following == ":="
            if following != "," or len(names) == 2:
                break
            at += 2
        return (), False

    def command(self, *, first: bool) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while self.at < len(self.tokens) and not self.peek("|") and not self.peek(")"):
            if operands and self.tokens[self.at].joined and self.tokens[self.at].text != "(":
                self.unexpected()
            operands.append(self.operand())
        if not operands:
            here = self.tokens[min(self.at, len(self.tokens) - 1)]
            raise Fault(here.offset, f"nothing stands before this {here.text}", SUBSET)
        return tuple(operands)

    def operand(self) -> Operand:
        token = self.tokens[self.at]
        self.at += 1
        made: Operand
        if token.kind == "value":
            made = Literal(token.offset, token.value)
        elif token.kind == "name":
            made = self.named(token)
        elif token.kind == "variable":
            made = self.variable(token.text, token.offset)
        elif token.kind == "field":
            made = Fields(token.offset, Dot(token.offset), (token.text,))
        elif token.text == ".":
            made = Dot(token.offset)
        elif token.text == "(":
            made = self.parenthesis(token)
        else:
            self.at -= 1
            self.unexpected()
        names = []
        while self.at < len(self.tokens) and self.tokens[self.at].kind == "field" and self.tokens[self.at].joined:
            names.append(self.tokens[self.at].text)
            self.at += 1
        if names and isinstance(made, Literal | Dot):
            raise Fault(token.offset, f"{shown(token.text)} has no members", SUBSET)
        return Fields(token.offset, made, tuple(names)) if names else made

    def named(self, token: Token) -> Operand:
        if token.text == "nil":
            return Literal(token.offset, None)
        if token.text not in self.known:
            raise Fault(token.offset, *unknown(token.text, self.known))
        return Call(token.offset, token.text)

    def variable(self, name: str, offset: int) -> Variable:
        if name not in self.variables:
            raise Fault(offset, f"undefined variable {name}", f'write {{{{ {name} := env "NAME" "" }}}} before')
        return Variable(offset, name)

    def parenthesis(self, token: Token) -> Pipeline:
        if self.at == len(self.tokens) or self.peek(")"):
            raise Fault(token.offset, "nothing stands in these parentheses", SUBSET)
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Fault(token.offset, f"parentheses stand more than {_DEEPEST} deep inside each other")
        inner = self.pipeline()
        self.depth -= 1
        if not self.mark(")"):
            raise Fault(token.offset, "this ( is never closed")
        return inner

    def peek(self, text: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at].kind == "mark" and self.tokens[self.at].text == text

    def mark(self, text: str) -> bool:
        there = self.peek(text)
        self.at += there
        return there

    def unexpected(self) -> NoReturn:
        token = self.tokens[self.at]
        raise Fault(token.offset, f"unexpected {shown(token.text)} in a template action", SUBSET)


def unknown(name: str, known: Collection[str]) -> tuple[str, str | None]:
    """What to say of a function that is not there."""
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(known), 1)
    if name.endswith(("tfstate", "tfstatef")):
        prefix = name.removesuffix("f").removesuffix("tfstate")
        hint = f"name its state: --prefixed-tfstate {prefix}=URL" if prefix else "name the state: --tfstate URL"
        return f'no state was given for the template function "{name}"', hint
    return f'unknown template function "{name}"', f"did you mean {near[0]}?" if near else _listed(known)


def _listed(known: Collection[str]) -> str:
    from fnroll.definition.template.builtins import BUILTINS

    return f"known functions are {', '.join(sorted(set(known) - BUILTINS.keys()))}"
