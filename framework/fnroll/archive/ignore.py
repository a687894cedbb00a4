"""What stays out of a package: the built-in excludes, then `.lambdaignore` with gitignore's meaning.

`IgnoreRules.decide` is a pure function of a path; it also names the rule that decided, for messages such as
"handler.pl is excluded by .lambdaignore:3 (*.pl)". Reading the one file of rules is the only I/O here.

gitignore's meaning, in full: the last pattern that matches a path decides; a pattern applies to the path itself, and
what lies below an excluded directory is excluded whatever later patterns say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fnroll.errors import ArchiveError

RULES_FILE = ".lambdaignore"

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
_JUNK_PREFIXES = {"terraform.tfstate": "state with secrets in it: terraform.tfstate, .backup, .d"}

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
class _Pattern:
    rule: Rule
    includes: bool
    regex: re.Pattern[str]
    any_directory: bool

    def matches(self, path: str, is_dir: bool) -> bool:
        """Whether the pattern speaks of `path` itself, not merely of something above it.

        pathspec's expressions match everything below a directory too and mark the slash where the pattern ended;
        gitignore judges each level by itself, so only a mark at the very end counts.
        """
        if self.any_directory:
            return is_dir
        found = self.regex.search(path + "/" if is_dir else path)
        if found is None:
            return False
        if "ps_d" not in self.regex.groupindex:
            # dir/** speaks of what is inside dir, never of dir itself.
            return not is_dir or self.regex.search(path) is not None
        mark = found.start("ps_d")
        return mark < 0 or mark == len(path)


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules for one tree. Paths are relative to it, with forward slashes."""

    patterns: tuple[_Pattern, ...] = ()
    side_files: bool = True

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
        for pattern in reversed(self.patterns):
            if pattern.matches(path, is_dir):
                return Decision(pattern.includes, pattern.rule)
        return Decision(True, None)

    def _built_in(self, path: str, is_dir: bool) -> str | None:
        name = path.rpartition("/")[2]
        if name in _JUNK:
            return name
        if is_dir and f"{name}/" in _JUNK:
            return f"{name}/"
        if self.side_files and not is_dir and path in _SIDE_FILES:
            return f"/{path}"
        return next((f"{prefix}*" for prefix in _JUNK_PREFIXES if name.startswith(prefix)), None)


def load_rules(root: Path, exclude_file: Path | None = None, *, side_files: bool = True) -> IgnoreRules:
    """The rules for packing `root`: built-in ones, and `exclude_file` or else `root`/.lambdaignore if it is there.

    `side_files`: leave out function.json and its kind at the root; off for layers, which have none. Raises
    ArchiveError for an exclude_file that is missing, unreadable or not UTF-8, and for a malformed pattern.
    """
    path = exclude_file if exclude_file is not None else root / RULES_FILE
    if exclude_file is None and not path.is_file():
        return IgnoreRules((), side_files)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ArchiveError(f"cannot read the exclude file: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ArchiveError("the exclude file is not UTF-8", where=str(path), hint="save it as UTF-8") from error
    return IgnoreRules(tuple(_compile(text.replace("\r\n", "\n").split("\n"), path)), side_files)


def _compile(lines: Iterable[str], path: Path) -> Iterator[_Pattern]:
    from pathspec import GitIgnoreSpec

    for number, line in enumerate(lines, 1):
        try:
            # dir/**/ means every directory below dir; pathspec drops the slash, unless it is said with one star more.
            compiled = list(GitIgnoreSpec.from_lines([re.sub(r"(?<=./)\*\*/\s*$", "**/*/", line)]).patterns)
        except (ValueError, re.error) as error:
            raise ArchiveError(
                f"malformed pattern {line!r}: {error}",
                where=f"{path}:{number}",
                hint="patterns are gitignore's; put a backslash before a special character that is meant literally",
            ) from error
        for pattern in compiled:
            if pattern.include is not None and pattern.regex is not None:
                yield _Pattern(
                    rule=Rule(line.rstrip(), path.name, number),
                    includes=not pattern.include,  # pathspec includes into what is matched: the excluded
                    regex=pattern.regex,
                    # The expression of "*/" and its kin is the mark alone: it speaks of every directory.
                    any_directory=bool(pattern.regex.fullmatch("/")) and not pattern.regex.search("x"),
                )
