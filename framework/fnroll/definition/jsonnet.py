"""function.jsonnet to JSON text: the evaluation with lambroll's natives, and the places of keys in the source.

An evaluation whose lookups have no answers yet goes on with placeholders, so that several are asked for side by side;
what it makes is thrown away and it is run again with the answers. A placeholder is never looked up itself.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from fnroll.definition import jsonnet_child
from fnroll.definition.lookups import Book
from fnroll.definition.positions import Places, SourceMap, Span, escape
from fnroll.definition.template.calls import CallFailed, Function, Pending, Result
from fnroll.errors import DefinitionError, Finding

EXTRA = "pip install 'fnroll[jsonnet]'"
_PLACEHOLDER = "\0fn: not looked up yet\0"
_PLACEHOLDERS: Mapping[str, Any] = {
    "caller_identity": dict.fromkeys(("Account", "Arn", "UserId"), _PLACEHOLDER),
}
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "env": ("name", "default"),
    "ssm_list": ("name", "index"),
    "layer_arn": ("name", "version"),
    "cfn_output": ("stack", "key"),
    "caller_identity": (),
    "git_sha": (),
}
"""Names of the natives' parameters; of those that are not here, `name`."""

_PLACE = re.compile(r"^\t?(?P<path>[^\n\t]+?):\(?(?P<line>[0-9]+):(?P<column>[0-9]+)\)?-[^\s]+", re.MULTILINE)
_KEY = re.compile(
    r"""(?P<skip>//[^\n]*|\#[^\n]*|/\*.*?\*/|\|\|\|.*?\|\|\|)
      | (?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<bare>[A-Za-z_]\w*))
        (?P<colon>\s*\+?:{1,3})?""",
    re.VERBOSE | re.DOTALL,
)


def evaluate(source: str, path: str, table: Mapping[str, Function], book: Book) -> tuple[str, tuple[Finding, ...]]:
    """The JSON text that a Jsonnet program makes, and warnings. Raises DefinitionError.

    Imports start from the folder of `path`, which messages name too. `table`: the natives.
    """
    with _Child() as child:
        while True:
            run = _Run(source, path, table, book)
            text = child.evaluate(run)
            if run.waiting:
                book.fetch()
            elif isinstance(text, DefinitionError):
                raise text
            else:
                return text, tuple(run.warnings)


class _Run:
    """One evaluation: answers calls of natives, and remembers what is to be told."""

    def __init__(self, source: str, path: str, table: Mapping[str, Function], book: Book) -> None:
        self.map = SourceMap(path, source)
        self.table = table
        self.world = book.world
        self.failed: CallFailed | None = None
        self.warnings: list[Finding] = []
        self.waiting = False

    def call(self, name: str, arguments: list[Any]) -> dict[str, Any]:
        """The answer to a call of a native."""
        arguments = [_whole(argument) for argument in arguments]
        if _PLACEHOLDER in json.dumps(arguments, ensure_ascii=False):
            return {"value": _PLACEHOLDERS.get(name, _PLACEHOLDER)}
        try:
            value = self.table[name](name, arguments)
        except Pending:
            self.waiting = True
            return {"value": _PLACEHOLDERS.get(name, _PLACEHOLDER)}
        except CallFailed as failed:
            self.failed = failed
            return {"failed": failed.message}
        if isinstance(value, Result):
            self.warnings.append(Finding(value.warning[0], self.map.path, hint=value.warning[1]))
            value = value.value
        return {"value": value}

    def told(self, text: str) -> DefinitionError:
        """An error of the engine in our words: where it happened first, and what a native had to say."""
        message = text.partition("\n")[0].removeprefix("RUNTIME ERROR: ")
        match = _PLACE.search(text)
        if match is not None and match.start() == 0:
            message = message[match.end() :].strip()
        hint = None
        if self.failed is not None and "native callback" in message:
            message, hint = self.failed.message, self.failed.hint
        if match is None:
            return DefinitionError(Finding(message, self.map.path, hint=hint))
        return DefinitionError(self._at(match, message, hint))

    def _at(self, match: re.Match[str], message: str, hint: str | None) -> Finding:
        line, column = int(match["line"]), int(match["column"])
        if match["path"] == self.map.path:
            return self.map.at(line, column, message, hint)
        try:
            imported = SourceMap(match["path"], Path(match["path"]).read_text(encoding="utf-8"))
            return imported.at(line, column, message, hint)
        except (OSError, ValueError, IndexError):
            return Finding(message, match["path"], line, column, hint)


def _whole(value: Any) -> Any:
    """Jsonnet has one kind of number; a whole one is an integer here."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Child:
    """The evaluating process, for as many evaluations as it takes."""

    def __enter__(self) -> _Child:
        command = [sys.executable, "-P", jsonnet_child.__file__]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def evaluate(self, run: _Run) -> str | DefinitionError:
        """The text, or the error to raise if nothing is being waited for."""
        world, path = run.world, run.map.path
        try:
            self._say(
                {
                    "path": path,
                    "source": run.map.source,
                    "natives": {name: _parameters(name) for name in run.table},
                    "ext_str": dict(world.ext_str),
                    "ext_code": dict(world.ext_code),
                }
            )
            while True:
                told = json.loads(self._line())
                if "call" in told:
                    self._say(run.call(*told["call"]))
                elif "text" in told:
                    return str(told["text"])
                elif "error" in told:
                    return run.told(told["error"])
                else:
                    message = f"Jsonnet needs a package that is not installed ({told['missing']})"
                    raise DefinitionError(Finding(message, path, hint=f"{EXTRA}, or write the definition as JSON"))
        except (OSError, EOFError) as error:
            raise DefinitionError(Finding(f"the Jsonnet engine ended: {error}", path)) from error

    def _say(self, value: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()

    def _line(self) -> str:
        assert self.process.stdout is not None and self.process.stderr is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise EOFError(self.process.stderr.read()[-500:].strip() or f"exit code {self.process.returncode}")
        return line


def _parameters(native: str) -> tuple[str, ...]:
    return ("address",) if native.endswith("tfstate") else _PARAMETERS.get(native, ("name",))


# places


def places(source: str, path: str, value: Any) -> Places:
    """Where the members of an evaluated value are probably written: at the key of that name, the first one behind its
    parent's. What is made by an expression or an import stands where its nearest parent does."""
    keys: dict[str, list[int]] = {}
    for match in _KEY.finditer(source):
        if match["colon"] is not None:
            name = next(said for said in (match["double"], match["single"], match["bare"]) if said is not None)
            keys.setdefault(name, []).append(match.start())
    first = re.search(r"\S", source)
    spans = {"": Span(first.start(), first.start())} if first else {}
    spans.update(_spans(value, "", 0, keys))
    return Places(SourceMap(path, source), spans)


def _spans(value: Any, at: str, after: int, keys: Mapping[str, list[int]]) -> Iterator[tuple[str, Span]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _spans(item, f"{at}/{index}", after, keys)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        step, found = f"{at}/{escape(key)}", keys.get(key, [])
        place = next((offset for offset in found if offset >= after), found[0] if len(found) == 1 else None)
        if place is not None:
            yield step, Span(place, place)
        yield from _spans(item, step, after if place is None else place, keys)
