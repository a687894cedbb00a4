"""What stays out of a package: the built-in excludes, then `.lambdaignore`, with gitignore's meaning or lambroll's.

`IgnoreRules.decide` is a pure function of a path; it also names the rule that decided, for messages such as
"handler.pl is excluded by .lambdaignore:3 (*.pl)". Reading the one file of rules is the only I/O here. What a line
means is in gitignore.py and wildcard.py; where the two meanings differ is found by differences.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fnroll.archive import gitignore, wildcard
from fnroll.errors import ArchiveError

Style = Literal["gitignore", "lambroll"]

RULES_FILE = ".lambdaignore"
_STYLE_LINE = re.compile(r"#\s*ignore-style:\s*(\S+)\s*$")

# Always out, at any depth. A name ends in "/" where only a directory is meant.
_JUNK = {
    ".git": "version control (a file in submodules and worktrees)",
    ".hg/": "version control",
    ".svn/": "version control",
    ".terraform/": "downloaded providers and modules",
    "__pycache__/": "bytecode bound to source times, which a package does not keep",
    ".DS_Store": "written by file managers; would make equal checkouts differ",
    "Thumbs.db": "written by file managers; would make equal checkouts differ",
}
_JUNK_PREFIX = "terraform.tfstate"  # state with secrets in it: terraform.tfstate, .backup, .d

# Always out, at the root alone: what `fn` and lambroll read and write beside a function. The same name deeper down
# may well be data of the handler's.
_SIDE_FILES = {
    RULES_FILE: "these rules",
    "function.json": "the definition",
    "function.jsonnet": "the definition",
    "function.schema.json": "the definition's schema, for editors",
    "function_url.json": "the function URL's definition",
    "function_url.jsonnet": "the function URL's definition",
    "release.json": "the canary plan",
    "release.jsonnet": "the canary plan",
    "function.zip": "a package of an earlier run",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One exclude: the pattern as written, where it stands (`built-in` for ours), and its line, 0 for ours."""

    pattern: str
    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line} ({self.pattern})" if self.line else f"{self.source} exclude {self.pattern}"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a path goes into the package. `rule`: the one that decided; None if no rule spoke."""

    included: bool
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file that says something, and what it decides of a path that it speaks of."""

    pattern: gitignore.GitPattern | wildcard.WildcardPattern
    decision: Decision


_UNSPOKEN = Decision(True, None)


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules for one tree. Paths are relative to it, with forward slashes.

    `text`: the lines of the file as written, for whoever reads them in the other style; `chosen`: somebody said which
    style they are in.
    """

    lines: tuple[Line, ...] = ()
    side_files: bool = True
    style: Style = "gitignore"
    chosen: bool = False
    text: tuple[str, ...] = ()
    source: str = RULES_FILE

    def decide(self, path: str, is_dir: bool) -> Decision:
        """Judge `path` and everything above it: an excluded directory decides for all below."""
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            above = self.decide_here("/".join(parts[:depth]), True)
            if not above.included:
                return above
        return self.decide_here("/".join(parts), is_dir)

    def decide_here(self, path: str, is_dir: bool) -> Decision:
        """Judge `path` alone, for a walk that has already judged what is above it."""
        built_in = self._built_in(path, is_dir)
        if built_in is not None:
            return Decision(False, Rule(built_in, "built-in"))
        for line in reversed(self.lines):
            if line.pattern.matches(path, is_dir):
                return line.decision
        return _UNSPOKEN

    def _built_in(self, path: str, is_dir: bool) -> str | None:
        name = path.rpartition("/")[2]
        if name in _JUNK:
            return name
        if is_dir:
            return f"{name}/" if f"{name}/" in _JUNK else f"{_JUNK_PREFIX}*" if name.startswith(_JUNK_PREFIX) else None
        if self.side_files and path in _SIDE_FILES:
            return f"/{path}"
        return f"{_JUNK_PREFIX}*" if name.startswith(_JUNK_PREFIX) else None


def load_rules(
    root: Path, exclude_file: Path | None = None, *, side_files: bool = True, style: Style | None = None
) -> IgnoreRules:
    """The rules for packing `root`: built-in ones, and `exclude_file` or else `root`/.lambdaignore if it is there.

    `side_files`: leave out function.json and its kind at the root; off for layers, which have none. `style`: what the
    lines mean; if None, what a line `# ignore-style: …` in the file says, else gitignore. Raises ArchiveError for an
    exclude_file that is missing, unreadable or not UTF-8, and for a malformed pattern.
    """
    path = exclude_file if exclude_file is not None else root / RULES_FILE
    if exclude_file is None and not path.is_file():
        return IgnoreRules((), side_files, style or "gitignore", style is not None)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ArchiveError(f"cannot read the exclude file: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ArchiveError("the exclude file is not UTF-8", where=str(path), hint="save it as UTF-8") from error
    written = tuple(text.replace("\r\n", "\n").split("\n"))
    chosen = style or _style_in(written, path)
    read_as: Style = chosen or "gitignore"
    return IgnoreRules(
        tuple(_lines(written, path, read_as)), side_files, read_as, chosen is not None, written, path.name
    )


def _style_in(written: tuple[str, ...], path: Path) -> Style | None:
    for number, line in enumerate(written, 1):
        found = _STYLE_LINE.match(line.strip())
        if found and found[1] == "gitignore":
            return "gitignore"
        if found and found[1] == "lambroll":
            return "lambroll"
        if found:
            raise ArchiveError(
                f"{found[1]!r} is no ignore style", where=f"{path}:{number}", hint="there are gitignore and lambroll"
            )
    return None


def _lines(written: tuple[str, ...], path: Path, style: Style) -> Iterator[Line]:
    compile_line = gitignore.compile_line if style == "gitignore" else wildcard.compile_line
    for number, line in enumerate(written, 1):
        try:
            pattern = compile_line(line)
        except (ValueError, re.error) as error:
            raise ArchiveError(
                f"malformed pattern {line!r}: {error}",
                where=f"{path}:{number}",
                hint="patterns are gitignore's; put a backslash before a special character that is meant literally",
            ) from error
        if pattern is not None:
            yield Line(pattern, Decision(pattern.includes, Rule(line.strip(), path.name, number)))
