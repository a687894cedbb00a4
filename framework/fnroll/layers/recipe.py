"""What a self-contained runtime layer is made of: the key `layer` of a manifest, checked, as a value. Pure.

    type          deb, Debian's packages with a libc of their own (the default); or wheel, Python's packages of
                  programs and libraries, which are made for the libc of the base
    suite         deb: Debian's release that the packages come from
    python        wheel: the version of Python that they are taken for, where they hold modules compiled for one
    packages      by name (wheel: pip's requirements, name==1.2.*); what they depend on comes with them
    interpreter   the program to run, a path as the packages have it
    keep          directory of the packages -> directory below /opt/fn/NAME; several may share one
    drop          gitignore lines over paths below /opt/fn/NAME
    libraries     deb: shared libraries that no ELF file names, because they are opened at run time
    programs      more programs of the packages, started as /opt/fn/NAME/tools/PROGRAM
    arguments     what follows the interpreter's name; {layer} at the start of one is the layer's directory
    environment   defaults of variables, for the interpreter and what it starts

`{triplet}` in paths is the architecture's directory (x86_64-linux-gnu).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal

from fnroll.layers.bases import GLIBC
from fnroll.layers.elf import TRIPLETS

Source = Literal["deb", "wheel"]

_PYTHON = "3.13"
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])? *([<>=!~]=?[A-Za-z0-9.,*+!<>=~ ]+)?")
_VERSION = re.compile(r"3\.[0-9]{1,2}")

_OF_DEB, _OF_WHEEL = ("suite", "libraries"), ("python",)

KEYS = {
    "type": ("deb or wheel", False),
    "suite": ("a release of Debian's, bookworm", True),
    "python": ("a version of Python, 3.13", False),
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
    """See the module. `suite` of wheels: the platform that they are chosen for, "cp313 manylinux_2_34"."""

    type: Source
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

        return replace(
            self,
            interpreter=fill(self.interpreter),
            keep=tuple((fill(source), target) for source, target in self.keep),
            programs=tuple(map(fill, self.programs)),
            arguments=tuple(map(fill, self.arguments)),
            environment=tuple((name, fill(value)) for name, value in self.environment),
        )


def problems(value: Any, base: Any) -> list[str]:
    """What is wrong with the key `layer` of a manifest with this `base`, in words; [] if nothing is."""
    if not isinstance(value, dict):
        return ["'layer' must be an object"]
    found = []
    for key in value.keys() - KEYS.keys():
        near = get_close_matches(key, KEYS, 1)
        found.append(f"unknown key 'layer.{key}'" + (f"; did you mean {near[0]!r}?" if near else ""))
    wheels = value.get("type") == "wheel"
    for key, (expected, needed) in KEYS.items():
        if (wheels and key in _OF_DEB) or (not wheels and key in _OF_WHEEL):
            found += [f"'layer.{key}' is for the other type of packages"] if key in value else []
        elif key not in value:
            found += [f"'layer.{key}' is missing: {expected}"] if needed else []
        elif not _fits(key, value[key]):
            found.append(f"'layer.{key}' must be {expected}")
    if wheels and isinstance(value.get("packages"), list):
        strange = [each for each in value["packages"] if not (isinstance(each, str) and _REQUIREMENT.fullmatch(each))]
        found += [f"'layer.packages' may not hold {each!r}: name, or name==VERSION" for each in strange]
    if wheels and not (isinstance(base, str) and base in GLIBC):
        found.append(f"'layer.type' wheel needs a 'base' whose libc is known: {', '.join(GLIBC)}")
    return found


def _fits(key: str, value: Any) -> bool:
    if key == "type":
        return value in ("deb", "wheel")
    if key == "python":
        return isinstance(value, str) and bool(_VERSION.fullmatch(value))
    if key in ("suite", "interpreter"):
        return isinstance(value, str) and _is_inside(value)
    if key in ("keep", "environment"):
        texts = isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
        return texts and (key != "keep" or all(map(_is_inside, (*value, *value.values()))))
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)


def _is_inside(path: str) -> bool:
    return path != "" and not path.startswith("/") and ".." not in path.split("/")


def recipe_of(value: Mapping[str, Any], base: str) -> Recipe:
    """Of a value without `problems`."""
    wheels = value.get("type") == "wheel"
    return Recipe(
        type="wheel" if wheels else "deb",
        suite=_platform(value.get("python", _PYTHON), base) if wheels else value["suite"],
        packages=tuple(value["packages"]),
        interpreter=value["interpreter"],
        keep=tuple(value["keep"].items()),
        drop=tuple(value.get("drop", ())),
        libraries=tuple(value.get("libraries", ())),
        programs=tuple(value.get("programs", ())),
        arguments=tuple(value.get("arguments", ())),
        environment=tuple(value.get("environment", {}).items()),
    )


def _platform(python: str, base: str) -> str:
    major, minor = GLIBC[base]
    return f"cp{python.replace('.', '')} manylinux_{major}_{minor}"


def platform_of(suite: str) -> tuple[str, tuple[int, int]]:
    """The Python and the libc of a platform of wheels: ("3.13", (2, 34))."""
    python, _, libc = suite.partition(" manylinux_")
    major, _, minor = libc.partition("_")
    return f"3.{python.removeprefix('cp3')}", (int(major), int(minor))
