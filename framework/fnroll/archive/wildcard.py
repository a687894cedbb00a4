"""One line of lambroll's `.lambdaignore` to a pattern: MinIO's wildcard (facts/lambroll.md section 2).

The whole path of a file must match: `*` is any run of characters, "/" too; `?` is one character; nothing else means
anything. No line speaks of a directory, but one that ends in `*` may exclude all that can lie below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WildcardPattern:
    """`text`: the line, trimmed."""

    text: str
    regex: re.Pattern[str]

    includes: bool = False

    def matches(self, path: str, is_dir: bool) -> bool:
        """Whether the file `path`, or everything that could lie below the directory `path`, is excluded."""
        if is_dir:
            return self.text.endswith("*") and self.regex.fullmatch(path + "/") is not None
        return self.regex.fullmatch(path) is not None


def compile_line(line: str) -> WildcardPattern | None:
    """None for a comment or a blank line; nothing is malformed."""
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in re.sub(r"\*+", "*", text))
    return WildcardPattern(text, re.compile("".join(parts), re.DOTALL))


def translations(text: str) -> list[list[str]]:
    """Ways to say a wildcard line in gitignore's syntax, the simplest first. Each is one line or more.

    None says the same of every thinkable tree (gitignore's lines speak of directories too), so the caller tries them
    on the files at hand.
    """
    plain = re.sub(r"([\\\[])", r"\\\1", text)
    plain = "\\" + plain if plain.startswith(("!", "#")) else plain
    stars = plain.count("*")
    found = [[plain], ["/" + plain]]
    if plain.endswith("/*"):
        found.append(["/" + plain.removesuffix("*")])
    if stars <= 3:
        # Each star stays within a name, or reaches over slashes.
        ways = [plain.split("*")[0]]
        for piece in plain.split("*")[1:]:
            ways = [way + star + piece for way in ways for star in ("*", "*/**/*")]
        found.append(["/" + way for way in ways])
    return found
