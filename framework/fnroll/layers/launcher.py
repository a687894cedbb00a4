"""/opt/bootstrap as a program of a kilobyte: a static ELF that starts an interpreter under a libc of its own.

It needs nothing of the system: no shell, no loader, no compiler to make it. It executes

    LAYER/PATH WORDS... [its own arguments]

with its own environment plus variables of the manifest that are not set there. Words and values may begin with the
layer's directory, found at run time (from /proc/self/exe, else from what the kernel says was executed), so a layer
works wherever it lies: /opt on Lambda, the cache on a machine without mount namespaces.

Exit code 127 and one line on stderr if the program cannot be executed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fnroll.layers.assembler import A0, A1, A2, R4, R5, R6, R7, R8, R9, R10, T0, T1, X86, Arm, Assembler
from fnroll.layers.elf import MACHINES

HERE = "{layer}"
"""At the start of a word: the layer's directory."""

_BASE = 0x400000
_HEADERS = 64 + 2 * 56
_PATH_MAX = 4096
_MOST = 250
"""Words and variables that a launcher can have."""

_AT_EXECFN = 31
_TEXT, _PLACED = b"\x01", b"\x02"  # how a word in the table begins
_SELF = b"/proc/self/exe\0"
_FAILED = b"fn: the runtime of this layer cannot be executed\n"


@dataclass(frozen=True, slots=True)
class _Data:
    """Addresses of what the code reads. `words` and `variables`: each a kind byte and a text that ends in NUL, the
    last followed by a NUL; `reserve`: bytes of stack for what they become."""

    self_path: int
    words: int
    variables: int
    failed: int
    reserve: int


def launcher(
    architecture: str, words: Sequence[str], variables: Mapping[str, str] | None = None, *, up: int = 0
) -> bytes:
    """The program. `words`: the program to execute, then argv as it shall see it (argv[0] included); `variables`: name
    to value, each a default. `up`: how many directories below the layer's own the program will lie (bin/perl: 1)."""
    if len(words) + len(variables or {}) > _MOST - 4:
        raise ValueError(f"a launcher has room for {_MOST - 4} words and variables")
    above = "/.." * up
    table = b"".join(_word(word, above) for word in words) + b"\0"
    settings = b"".join(_word(value, above, f"{name}=") for name, value in (variables or {}).items()) + b"\0"
    blobs = (_SELF, table, settings, _FAILED)
    reserve = len(table) + len(settings) + (_PATH_MAX + 64) * (len(words) + len(variables or {}) + 2)
    # The code's length does not depend on the addresses in it, so a first try tells where the data will begin.
    at = _BASE + _HEADERS + len(_code(architecture, _Data(0, 0, 0, 0, reserve=1)))
    places = []
    for blob in blobs:
        places.append(at)
        at += len(blob)
    code = _code(architecture, _Data(places[0], places[1], places[2], places[3], reserve))
    return _elf(architecture, code + b"".join(blobs))


def _word(text: str, above: str, name: str = "") -> bytes:
    """A kind, the part before the layer's directory (NAME= of a variable), the rest."""
    if "\0" in text + name:
        raise ValueError("a word of a program cannot hold NUL")
    if text.startswith(HERE):
        return _PLACED + f"{name}\0{above}{text.removeprefix(HERE)}\0".encode()
    return _TEXT + f"{name}{text}\0".encode()


def _elf(architecture: str, body: bytes) -> bytes:
    size = _HEADERS + len(body)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack(
        "<HHIQQQIHHHHHH", 2, MACHINES[architecture], 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x10000)
    stack = struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # not executable
    return header + load + stack + body


def _code(architecture: str, data: _Data) -> bytes:
    make = X86 if architecture == "x86_64" else Arm
    program = make(_BASE + _HEADERS)
    _main(program, data)
    return program.finish()


# Kept registers. At the start the stack holds argc, argv..., NULL, envp..., NULL, auxiliary vector..., NULL.
_START = R4  # what the kernel put on the stack
_PLACE = R5  # the layer's directory, a text that ends in NUL
_TEXTS = R6  # where the next text is written
_LIST = R7  # where the next pointer is written
_TABLE = R8  # where in a table of words we are
_ARGV = R9  # argv for the program
_OTHER = R10


def _main(a: Assembler, data: _Data) -> None:
    a.stack(_START)
    _make_room(a, data)
    _find_place(a, data)
    _arguments(a, data)
    _environment(a, data)
    # execve(argv[-1], argv, envp): the path stands before argv.
    a.move(A0, _ARGV)
    a.step(A0, -8)
    a.load(A0, A0)
    a.move(A1, _ARGV)
    a.move(A2, _OTHER)
    a.call("execve")
    a.const(A0, 2)
    a.const(A1, data.failed)
    a.const(A2, len(_FAILED))
    a.call("write")
    a.const(A0, 127)
    a.call("exit")


def _make_room(a: Assembler, data: _Data) -> None:
    """Texts below what the kernel wrote, pointers below them: one for each it gave, and one for each that we add."""
    a.move(_TEXTS, _START)
    a.const(A0, (1 << 64) - data.reserve)
    a.add(_TEXTS, A0)
    a.move(A0, _START)
    a.step(A0, 8)
    a.move(_LIST, _TEXTS)
    for name in ("argv", "envp"):  # 8 bytes less for each entry
        a.label(f"count {name}")
        a.load(A1, A0)
        a.step(A0, 8)
        a.step(_LIST, -8)
        a.compare_const(A1, 0)
        a.jump(f"count {name}", "ne")
    a.move(_OTHER, A0)  # the auxiliary vector
    a.step(_LIST, -8 * _MOST)
    a.align(_LIST)
    a.set_stack(_LIST)


def _find_place(a: Assembler, data: _Data) -> None:
    """The directory of this program: of what /proc/self/exe links to, else of what the kernel says it executed."""
    a.move(_PLACE, _TEXTS)
    a.const(A0, data.self_path)
    a.move(A1, _TEXTS)
    a.const(A2, _PATH_MAX - 1)
    a.call("readlink")
    a.compare_const(A0, 0)
    a.jump("no link", "eq")
    a.const(A1, _PATH_MAX)
    a.compare(A0, A1)
    a.jump("no link", "hs")  # an error is a negative number, so a huge one
    a.add(_TEXTS, A0)
    a.jump("cut")

    a.label("no link")
    a.load(A0, _OTHER)
    a.compare_const(A0, 0)
    a.jump("here", "eq")
    a.step(_OTHER, 8)
    a.load(A1, _OTHER)
    a.step(_OTHER, 8)
    a.compare_const(A0, _AT_EXECFN)
    a.jump("no link", "ne")
    _copy(a, A1, "path")

    a.label("cut")  # back to the last "/"; a name without one lies in "."
    a.compare(_TEXTS, _PLACE)
    a.jump("here", "eq")
    a.step(_TEXTS, -1)
    a.load(A0, _TEXTS, 1)
    a.compare_const(A0, ord("/"))
    a.jump("cut", "ne")
    a.jump("placed")
    a.label("here")
    a.const(A0, ord("."))
    a.store(_TEXTS, A0, 1)
    a.step(_TEXTS, 1)
    a.label("placed")
    a.const(A0, 0)
    a.store(_TEXTS, A0, 1)
    a.step(_TEXTS, 1)


def _arguments(a: Assembler, data: _Data) -> None:
    """The path and our words, then what this program was given after its own name."""
    a.move(_ARGV, _LIST)
    a.step(_ARGV, 8)
    a.const(_TABLE, data.words)
    a.label("word")
    a.load(A0, _TABLE, 1)
    a.compare_const(A0, 0)
    a.jump("words done", "eq")
    _expand(a, "word")
    a.jump("word")
    a.label("words done")
    a.move(A0, _START)
    a.step(A0, 8)
    a.load(A1, A0)
    a.compare_const(A1, 0)
    a.jump("arguments done", "eq")
    a.label("argument")
    a.step(A0, 8)
    a.load(A1, A0)
    a.compare_const(A1, 0)
    a.jump("arguments done", "eq")
    _push(a, A1)
    a.jump("argument")
    a.label("arguments done")
    a.const(A1, 0)
    _push(a, A1)


def _environment(a: Assembler, data: _Data) -> None:
    """The environment that we were given, then each variable of ours whose name is not in it."""
    a.move(_OTHER, _LIST)
    a.move(A0, _START)
    a.label("skip")  # past argv; argv[0] may be missing
    a.step(A0, 8)
    a.load(A1, A0)
    a.compare_const(A1, 0)
    a.jump("skip", "ne")
    a.label("inherit")
    a.step(A0, 8)
    a.load(A1, A0)
    a.compare_const(A1, 0)
    a.jump("inherited", "eq")
    _push(a, A1)
    a.jump("inherit")
    a.label("inherited")
    a.const(_TABLE, data.variables)
    a.move(_START, _LIST)  # where the inherited ones end

    a.label("variable")
    a.load(A0, _TABLE, 1)
    a.compare_const(A0, 0)
    a.jump("variables done", "eq")
    a.move(A0, _OTHER)
    a.label("each")  # is one of them NAME=...?
    a.compare(A0, _START)
    a.jump("unset", "hs")
    a.load(A1, A0)
    a.step(A0, 8)
    a.move(A2, _TABLE)
    a.label("letter")
    a.step(A2, 1)
    a.load(T0, A2, 1)
    a.load(T1, A1, 1)
    a.step(A1, 1)
    a.compare(T0, T1)
    a.jump("each", "ne")
    a.compare_const(T0, ord("="))
    a.jump("letter", "ne")
    _skip_word(a)
    a.jump("variable")
    a.label("unset")
    _expand(a, "variable")
    a.jump("variable")
    a.label("variables done")
    a.const(A1, 0)
    _push(a, A1)


def _push(a: Assembler, source: int) -> None:
    """The next pointer of the list."""
    a.store(_LIST, source)
    a.step(_LIST, 8)


def _copy(a: Assembler, source: int, name: str) -> None:
    """A text to `_TEXTS`, without its NUL; `source` ends behind that."""
    a.label(f"copy {name}")
    a.load(T0, source, 1)
    a.step(source, 1)
    a.compare_const(T0, 0)
    a.jump(f"copied {name}", "eq")
    a.store(_TEXTS, T0, 1)
    a.step(_TEXTS, 1)
    a.jump(f"copy {name}")
    a.label(f"copied {name}")


def _skip_text(a: Assembler, name: str) -> None:
    a.label(f"pass {name}")
    a.load(T0, _TABLE, 1)
    a.step(_TABLE, 1)
    a.compare_const(T0, 0)
    a.jump(f"pass {name}", "ne")


def _skip_word(a: Assembler) -> None:
    a.load(T1, _TABLE, 1)
    _skip_text(a, "first")
    a.compare_const(T1, _PLACED[0])
    a.jump("passed", "ne")
    _skip_text(a, "second")
    a.label("passed")


def _expand(a: Assembler, name: str) -> None:
    """The word at `_TABLE` to the list: where it lies, or made of its parts and the layer's directory."""
    a.load(A0, _TABLE, 1)
    a.step(_TABLE, 1)
    a.compare_const(A0, _PLACED[0])
    a.jump(f"placed {name}", "eq")
    _push(a, _TABLE)
    _skip_text(a, name)
    a.jump(f"expanded {name}")
    a.label(f"placed {name}")
    a.move(A2, _TEXTS)
    _copy(a, _TABLE, f"{name} head")
    a.move(A1, _PLACE)
    _copy(a, A1, f"{name} place")
    _copy(a, _TABLE, f"{name} tail")
    a.const(A1, 0)
    a.store(_TEXTS, A1, 1)
    a.step(_TEXTS, 1)
    _push(a, A2)
    a.label(f"expanded {name}")
