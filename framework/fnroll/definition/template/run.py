"""A tree to a text.

Every action stands by itself: one that fails is reported and the rest goes on, so that all that is wrong is found in
one run. One that has to wait (calls.Pending) is left out and makes the rendering incomplete: whoever asked brings the
values and renders again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fnroll.definition.positions import Segment, SourceMap
from fnroll.definition.template import tree
from fnroll.definition.template.builtins import BUILTINS
from fnroll.definition.template.calls import CallFailed, Function, Pending, Result, kind_of
from fnroll.definition.template.printing import output, truth
from fnroll.definition.template.tokens import Fault, Plain, pieces
from fnroll.errors import Finding

_MAX_TEXT = 16 * 1024 * 1024
_MAX_STEPS = 1_000_000
"""Characters and actions: a loop or a padding that makes more makes no definition."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """The text and its places in the source; what is wrong, and what is suspicious. `complete` is False where values
    are still being waited for."""

    text: str
    places: SourceMap
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    complete: bool


def render(text: str, path: str, table: Mapping[str, Function]) -> Rendering:
    """Render a template with the functions of `table` and Go's own."""
    source = SourceMap(path, text)
    if "{{" not in text:
        return Rendering(text, source, (), (), True)
    faults: list[Fault] = []
    known = {**BUILTINS, **table}
    nodes = tree.parse(pieces(text, faults), known, faults)
    run = _Run(text, known, faults)
    try:
        run.nodes(nodes, None)
    except Fault as fault:
        faults.append(fault)
    errors = sorted(faults, key=lambda fault: fault.offset)
    return Rendering(
        "".join(run.parts),
        SourceMap(path, text, tuple(run.segments) or (Segment(0, 0, True),)),
        tuple(source.finding(fault.offset, fault.message, fault.hint) for fault in errors),
        tuple(source.finding(*warning) for warning in run.warnings),
        run.complete,
    )


class _Unknown:
    """The value of a variable whose own action failed or waits: what uses it is left out in silence."""


class _Run:
    """One rendering; `variables` are those in sight, innermost last."""

    def __init__(self, text: str, table: Mapping[str, Function], faults: list[Fault]) -> None:
        self.text = text
        self.table = table
        self.faults = faults
        self.parts: list[str] = []
        self.segments: list[Segment] = []
        self.length = 0
        self.warnings: list[tuple[int, str, str | None]] = []
        self.complete = True
        self.start = 0
        self.steps = 0
        self.variables: list[tuple[str, Any]] = [("$", None)]

    def put(self, text: str, offset: int, copied: bool) -> None:
        self.segments.append(Segment(self.length, offset, copied))
        self.parts.append(text)
        self.length += len(text)
        if self.length > _MAX_TEXT:
            raise Fault(self.start, f"this makes more than {_MAX_TEXT} characters of text")

    def nodes(self, nodes: Sequence[tree.Node], dot: Any) -> None:
        for node in nodes:
            self.steps += 1
            if self.steps > _MAX_STEPS:
                raise Fault(self.start, "this loop does not come to an end")
            if isinstance(node, Plain):
                self.put(self.text[node.start : node.end], node.start, True)
                continue
            self.start = node.start
            if isinstance(node, tree.Output):
                value = self.valued(node.pipeline, dot)
                if not node.pipeline.sets and not isinstance(value, _Unknown):
                    self.put(output(value), node.start, False)
            else:
                self.block(node, dot)

    def valued(self, pipeline: tree.Pipeline, dot: Any) -> Any:
        """The value of an action's pipeline; _Unknown if it fails or waits."""
        value: Any = _Unknown()
        try:
            value = self.pipeline(pipeline, dot)
        except Fault as fault:
            self.faults.append(fault)
        except Pending:
            self.complete = False
        except _Silent:
            pass
        self.set(pipeline, (value,))
        return value

    def set(self, pipeline: tree.Pipeline, values: Sequence[Any]) -> None:
        for name, value in zip(pipeline.sets[-len(values) :], values, strict=False):
            if pipeline.new:
                self.variables.append((name, value))
                continue
            for index in range(len(self.variables) - 1, -1, -1):
                if self.variables[index][0] == name:
                    self.variables[index] = (name, value)
                    break

    def block(self, block: tree.Block, dot: Any) -> None:
        if block.pipeline is None:
            return
        depth = len(self.variables)
        if block.word == "range":
            self.loop(block, block.pipeline, dot)
        else:
            value = self.valued(block.pipeline, dot)
            if isinstance(value, _Unknown):
                pass
            elif truth(value):
                self.nodes(block.body, value if block.word == "with" else dot)
            else:
                self.nodes(block.otherwise or (), dot)
        del self.variables[depth:]

    def loop(self, block: tree.Block, pipeline: tree.Pipeline, dot: Any) -> None:
        bare = tree.Pipeline(pipeline.offset, pipeline.commands)
        value = self.valued(bare, dot)
        if isinstance(value, _Unknown):
            return
        items = _items(value)
        if items is None:
            self.faults.append(Fault(pipeline.offset, f"range cannot go over {kind_of(value)}"))
            return
        for key, item in items:
            depth = len(self.variables)
            self.set(pipeline, (item,) if len(pipeline.sets) < 2 else (key, item))
            self.nodes(block.body, item)
            del self.variables[depth:]
        if not items:
            self.nodes(block.otherwise or (), dot)

    # values

    def pipeline(self, pipeline: tree.Pipeline, dot: Any) -> Any:
        value: Any = None
        for index, command in enumerate(pipeline.commands):
            value = self.command(command, dot, (value,) if index else ())
        return value

    def command(self, command: Sequence[tree.Operand], dot: Any, piped: tuple[Any, ...]) -> Any:
        head, *rest = command
        if isinstance(head, tree.Call):
            return self.call(head, rest, dot, piped)
        if isinstance(head, tree.Literal) and head.value is None:
            raise Fault(head.offset, "nil alone is nothing to do", tree.SUBSET)
        if rest or piped:
            offset = rest[0].offset if rest else head.offset
            raise Fault(offset, "a function is expected before an argument", tree.SUBSET)
        return self.operand(head, dot)

    def call(self, head: tree.Call, rest: Sequence[tree.Operand], dot: Any, piped: tuple[Any, ...]) -> Any:
        arguments: list[Any] = []
        for operand in rest:
            arguments.append(self.operand(operand, dot))
            if head.name in ("and", "or") and truth(arguments[-1]) == (head.name == "or"):
                return arguments[-1]
        try:
            value = self.table[head.name](head.name, [*arguments, *piped])
        except CallFailed as failed:
            raise Fault(head.offset, failed.message, failed.hint) from None
        if isinstance(value, Result):
            self.warnings.append((self.start, *value.warning))
            value = value.value
        return value

    def operand(self, operand: tree.Operand, dot: Any) -> Any:
        if isinstance(operand, tree.Literal):
            return operand.value
        if isinstance(operand, tree.Call):
            return self.call(operand, (), dot, ())
        if isinstance(operand, tree.Variable):
            return self.variable(operand)
        if isinstance(operand, tree.Dot):
            return dot
        if isinstance(operand, tree.Fields):
            return self.fields(operand, dot)
        return self.pipeline(operand, dot)

    def variable(self, variable: tree.Variable) -> Any:
        for name, value in reversed(self.variables):
            if name == variable.name:
                if isinstance(value, _Unknown):
                    raise _Silent
                return value
        raise _Silent

    def fields(self, fields: tree.Fields, dot: Any) -> Any:
        value = self.operand(fields.base, dot)
        for name in fields.names:
            if value is None:
                raise Fault(fields.offset, f"there is nothing that .{name} could be taken from", tree.SUBSET)
            if not isinstance(value, Mapping) or name not in value:
                known = f"known are {', '.join(value)}" if isinstance(value, Mapping) and value else None
                raise Fault(fields.offset, f"{kind_of(value)} has no member {name}", known)
            value = value[name]
        return value


class _Silent(Exception):
    """What is asked for is unknown, and that was told already."""


def _items(value: Any) -> list[tuple[Any, Any]] | None:
    """What range goes over; None for what it cannot go over."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, list):
        return list(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return [(number, number) for number in range(min(value, 100_000))]
    return None
