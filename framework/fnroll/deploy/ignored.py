"""Members of a definition that a deploy leaves as they are deployed: `--ignore`, in the part of jq that names paths.

Pure. lambroll deletes an ignored path from what it sends, so a variable that is ignored is removed from the function;
here what is deployed takes its place instead. Understood: `.A.B`, `."A"`, `.A["B"]`, `.A[0]`, `.A[]`, several with
commas between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fnroll.errors import UsageError

Path = tuple[str | int | None, ...]
"""From the outside in: a member's name, an index, or None for every item of a list."""

MISSING: Final = object()
"""In place of a value: there is none."""

_TOKEN = re.compile(
    r"""\s*(?: (?P<comma>,) | \.?\[\s*(?P<index>-?\d+)\s*\] | (?P<each>\.?\[\s*\])
    | \.?\[\s*"(?P<quoted>(?:[^"\\]|\\.)*)"\s*\] | \."(?P<string>(?:[^"\\]|\\.)*)" | \.(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    )\s*""",
    re.VERBOSE,
)


def parse(text: str, *, option: str = "--ignore") -> tuple[Path, ...]:
    """`.Environment.Variables.A, .Tags` -> the paths. Raises UsageError for what this part of jq has not."""
    paths: list[list[str | int | None]] = [[]]
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _refusal(option, text, at)
        kind, value = found.lastgroup, found.group(found.lastgroup or 0)
        if kind == "comma":
            if not paths[-1]:
                raise _refusal(option, text, at)
            paths.append([])
        elif kind == "index":
            paths[-1].append(int(value))
        elif kind == "each":
            paths[-1].append(None)
        elif kind == "name":
            paths[-1].append(value)
        else:
            paths[-1].append(re.sub(r"\\(.)", r"\1", value))
        at = found.end()
    if not paths[-1] or any(not isinstance(path[0], str) for path in paths):
        raise _refusal(option, text, at)
    return tuple(map(tuple, paths))


def _refusal(option: str, text: str, at: int) -> UsageError:
    return UsageError(
        f"{option} {text!r}: no path at column {at + 1}",
        hint="paths look like .Environment.Variables.NAME, .Layers or .FileSystemConfigs[0].Arn, with commas between",
    )


def kept(value: Any, deployed: Any, path: Sequence[str | int | None]) -> Any:
    """`value` with what `deployed` has at `path` in place of its own; MISSING where that leaves nothing."""
    if not path:
        return deployed
    head, *rest = path
    if isinstance(head, str):
        if not isinstance(value, Mapping) and not (value is MISSING and isinstance(deployed, Mapping)):
            return value
        own = dict(value) if isinstance(value, Mapping) else {}
        theirs = deployed.get(head, MISSING) if isinstance(deployed, Mapping) else MISSING
        child = kept(own.get(head, MISSING), theirs, rest)
        own.pop(head, None)
        if child is not MISSING:
            own[head] = child
        return own if own or value is not MISSING else MISSING
    if not isinstance(value, (list, tuple)):
        return value
    items, theirs = list(value), deployed if isinstance(deployed, (list, tuple)) else ()
    for index in range(len(items)) if head is None else (head,):
        if -len(items) <= index < len(items):
            there = theirs[index] if -len(theirs) <= index < len(theirs) else MISSING
            items[index] = kept(items[index], there, rest)
    return [item for item in items if item is not MISSING]
