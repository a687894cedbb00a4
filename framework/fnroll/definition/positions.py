"""Where things stand in a file: offsets to line and column, through a template, and JSON pointers to both.

Pure values. Lines end at \\n; lines and columns count from 1, columns in characters. A rendered text is made of
segments, each copied from the source or inserted by a template action; an inserted one stands where its `{{` stands.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from fnroll.errors import Finding

_WINDOW = 96
"""Characters of a line that an excerpt shows."""


class Segment(NamedTuple):
    """What stands at `rendered` (an offset) and after it comes from `source`; `copied`: character by character."""

    rendered: int
    source: int
    copied: bool


@dataclass(frozen=True)
class SourceMap:
    """Offsets of a rendered text as (line, column) of the file it was rendered from."""

    path: str
    source: str
    segments: tuple[Segment, ...] = (Segment(0, 0, True),)

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(offset + 1 for offset, char in enumerate(self.source) if char == "\n")]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset in the source itself."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def rendered(self, offset: int) -> tuple[int, int]:
        """Line and column in the source of an offset in the rendered text."""
        index = bisect_right(self.segments, offset, key=lambda segment: segment.rendered) - 1
        segment = self.segments[index]
        return self.position(segment.source + (offset - segment.rendered if segment.copied else 0))

    def inserted_before(self, offset: int) -> bool:
        """Whether what stands before an offset of the rendered text, in its line of the source, came from an action."""
        index = bisect_right(self.segments, offset, key=lambda segment: segment.rendered) - 1
        line = self.rendered(offset)[0]
        return any(
            not segment.copied and self.position(segment.source)[0] == line
            for segment in self.segments[max(0, index - 3) : index + 1]
        )

    def finding(self, offset: int, message: str, hint: str | None = None) -> Finding:
        """A finding at an offset of the source."""
        return self.at(*self.position(offset), message, hint)

    def at(self, line: int, column: int, message: str, hint: str | None = None) -> Finding:
        """A finding at a line and column of the source, with what stands there."""
        return Finding(message, self.path, line, column, hint, self.excerpt(line, column))

    def excerpt(self, line: int, column: int) -> str | None:
        """The line and a caret below its column; of a long line the part around it. None if it tells nothing."""
        starts = self._lines
        end = starts[line] - 1 if line < len(starts) else len(self.source)
        text = "".join(char if char.isprintable() else " " for char in self.source[starts[line - 1] : end])
        first = max(0, min(column - 1 - _WINDOW // 2, len(text) - _WINDOW))
        part = text[first : first + _WINDOW]
        before, after = "…" if first else "", "…" if first + _WINDOW < len(text) else ""
        if not any(map(str.isalnum, part)):
            return None
        number = f"{line:5} | "
        gutter = " " * (len(number) - 2) + "| "
        return f"{number}{before}{part}{after}".rstrip() + f"\n{gutter}{' ' * (column - 1 - first + len(before))}^"


class Span(NamedTuple):
    """Offsets in the rendered text of a member's key (its value, for what has no key) and of its value."""

    key: int
    value: int


@dataclass(frozen=True)
class Places:
    """JSON pointers to places in the source file; a pointer that is not there stands where its nearest parent does."""

    map: SourceMap
    spans: Mapping[str, Span] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.map.path

    def key(self, pointer: str) -> tuple[int, int]:
        """Line and column of the key that the pointer ends in (of the value, in a list or at the top)."""
        return self.map.rendered(self._span(pointer).key)

    def value(self, pointer: str) -> tuple[int, int]:
        """Line and column of the value that the pointer names."""
        return self.map.rendered(self._span(pointer).value)

    def where(self, pointer: str) -> str:
        """The value's place as path:line:column."""
        line, column = self.value(pointer)
        return f"{self.path}:{line}:{column}"

    def finding(self, pointer: str, message: str, hint: str | None = None, *, key: bool = False) -> Finding:
        """A finding at a value, or at its key."""
        line, column = self.key(pointer) if key else self.value(pointer)
        return self.map.at(line, column, message, hint)

    def _span(self, pointer: str) -> Span:
        while pointer and pointer not in self.spans:
            pointer = pointer.rpartition("/")[0]
        return self.spans.get(pointer, Span(0, 0))


def pointer(parts: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901) of keys and list indices; "" is the whole document."""
    return "".join(f"/{escape(part) if isinstance(part, str) else part}" for part in parts)


def escape(key: str) -> str:
    """A key as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")
