"""One line of gitignore's syntax to a pattern, by way of pathspec's expressions.

gitignore's meaning, in full: the last pattern that matches a path decides; a pattern applies to the path itself, and
what lies below an excluded directory is excluded whatever later patterns say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GitPattern:
    """`includes`: the line begins with "!" and takes an exclude back."""

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


def compile_line(line: str) -> GitPattern | None:
    """None for a comment or a blank line. Raises ValueError, re.error for a malformed one."""
    from pathspec import GitIgnoreSpec

    # dir/**/ means every directory below dir; pathspec drops the slash, unless it is said with one star more.
    for pattern in GitIgnoreSpec.from_lines([re.sub(r"(?<=./)\*\*/\s*$", "**/*/", line)]).patterns:
        if pattern.include is not None and pattern.regex is not None:
            return GitPattern(
                includes=not pattern.include,  # pathspec includes into what is matched: the excluded
                regex=pattern.regex,
                # The expression of "*/" and its kin is the mark alone: it speaks of every directory.
                any_directory=bool(pattern.regex.fullmatch("/")) and not pattern.regex.search("x"),
            )
    return None
