"""What a self-contained runtime layer is made of: the key `layer` of a manifest, checked, as a value. Pure.

    suite         Debian's release that the packages come from
    packages      by name; what they depend on comes with them
    interpreter   the program to run, a path as the packages have it
    keep          directory of the packages -> directory below /opt/fn/NAME; several may share one
    drop          gitignore lines over paths below /opt/fn/NAME
    libraries     shared libraries that no ELF file names, because they are opened at run time
    programs      more programs of the packages, started as /opt/fn/NAME/tools/PROGRAM
    arguments     what follows the interpreter's name; {layer} at the start of one is the layer's directory
    environment   defaults of variables, for the interpreter and what it starts

`{triplet}` in paths is the architecture's directory (x86_64-linux-gnu).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from fnroll.layers.elf import TRIPLETS

KEYS = {
    "suite": ("a release of Debian's, bookworm", True),
    "packages": ("a list of package names", True),
    "interpreter": ("a path as the packages have it, usr/bin/perl", True),
    "keep": ("an object: directory of the packages -> directory of the layer", True),
    "drop": ("a list of gitignore lines", False),
    "libraries": ("a list of file names, libfoo.so.1", False),
    "programs": ("a list of paths as the packages have them, usr/bin/dd", False),
    "arguments": ("a list of strings", False),
    "environment": ("an object: name -> value", False),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """See the module."""

    suite: str
    packages: tuple[str, ...]
    interpreter: str
    keep: tuple[tuple[str, str], ...]
    drop: tuple[str, ...]
    libraries: tuple[str, ...]
    programs: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]

    def for_architecture(self, architecture: str) -> Recipe:
        """With `{triplet}` filled in."""
        triplet = TRIPLETS[architecture]

        def fill(text: str) -> str:
            return text.replace("{triplet}", triplet)

        return Recipe(
            self.suite,
            self.packages,
            fill(self.interpreter),
            tuple((fill(source), target) for source, target in self.keep),
            self.drop,
            self.libraries,
            tuple(map(fill, self.programs)),
            tuple(map(fill, self.arguments)),
            tuple((name, fill(value)) for name, value in self.environment),
        )


def problems(value: Any) -> list[str]:
    """What is wrong with the key `layer`, in words; [] if nothing is."""
    if not isinstance(value, dict):
        return ["'layer' must be an object"]
    found = []
    for key in value.keys() - KEYS.keys():
        near = get_close_matches(key, KEYS, 1)
        found.append(f"unknown key 'layer.{key}'" + (f"; did you mean {near[0]!r}?" if near else ""))
    for key, (expected, needed) in KEYS.items():
        if key not in value:
            found += [f"'layer.{key}' is missing: {expected}"] if needed else []
        elif not _fits(key, value[key]):
            found.append(f"'layer.{key}' must be {expected}")
    return found


def _fits(key: str, value: Any) -> bool:
    if key in ("suite", "interpreter"):
        return isinstance(value, str) and _is_inside(value)
    if key in ("keep", "environment"):
        texts = isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
        return texts and (key != "keep" or all(map(_is_inside, (*value, *value.values()))))
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)


def _is_inside(path: str) -> bool:
    return path != "" and not path.startswith("/") and ".." not in path.split("/")


def recipe_of(value: Mapping[str, Any]) -> Recipe:
    """Of a value without `problems`."""
    return Recipe(
        suite=value["suite"],
        packages=tuple(value["packages"]),
        interpreter=value["interpreter"],
        keep=tuple(value["keep"].items()),
        drop=tuple(value.get("drop", ())),
        libraries=tuple(value.get("libraries", ())),
        programs=tuple(value.get("programs", ())),
        arguments=tuple(value.get("arguments", ())),
        environment=tuple(value.get("environment", {}).items()),
    )
