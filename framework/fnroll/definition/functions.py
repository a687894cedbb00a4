"""lambroll's template functions and Jsonnet natives, and ours, as one table.

A template calls them by these names; Jsonnet by `std.native('NAME')`. What is looked up elsewhere (SSM, STS, state
files, ...) comes from a `lookups.Book`; the rest is answered here. Semantics are lambroll's (facts/lambroll.md 2):
`env` gives the first of its arguments that names a variable that is not empty, else the last argument itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fnroll.definition.lookups import Book
from fnroll.definition.template.calls import CallFailed, Function, Result
from fnroll.definition.template.printing import as_json, html_escaped, sprintf

_LONE = re.compile("[\ud800-\udfff]")


def functions(env: Mapping[str, str], book: Book, directory: Path) -> dict[str, Function]:
    """The functions of templates. Paths in them start from `directory`, the project's."""
    return {**_shared(env, book, directory), **_states(book, for_jsonnet=False), "json_escape": _JSON_ESCAPE}


def natives(env: Mapping[str, str], book: Book, directory: Path) -> dict[str, Function]:
    """The natives of Jsonnet: fixed numbers of arguments, and values of any type."""
    table = {**_shared(env, book, directory), **_states(book, for_jsonnet=True)}
    env_ = table["env"].call
    return table | {
        "env": Function(env_, ("string", "string"), 2, usage="std.native('env')('NAME', 'default')"),
        "ssm": Function(lambda name: _parameter(book, name), ("string",), 1),
        "ssm_list": Function(lambda name, index: _parameter(book, name, index), ("string", "integer"), 2),
        "git_sha": Function(lambda: book.ask("git_sha", str(directory))),
    }


def _shared(env: Mapping[str, str], book: Book, directory: Path) -> dict[str, Function]:
    return {
        "env": Function(_env(env), ("string",), 1, "string", '{{ env "NAME" "default" }}'),
        "must_env": Function(_must_env(env), ("string",), 1, usage='{{ must_env "NAME" }}'),
        "ssm": Function(
            lambda *said: _parameter(book, *said), ("string", "integer"), 1, usage="{{ ssm `/path/of/parameter` }}"
        ),
        "caller_identity": Function(lambda: book.ask("caller_identity"), usage="{{ caller_identity.Account }}"),
        "layer_arn": Function(_layer_arn(book), ("string", "string"), 2, usage='{{ layer_arn "NAME" "latest" }}'),
        "cfn_output": Function(_output(book), ("string", "string"), 2, usage='{{ cfn_output "STACK" "KEY" }}'),
        "cfn_export": Function(_export(book), ("string",), 1, usage='{{ cfn_export "NAME" }}'),
        "secretsmanager_arn": Function(
            lambda name: book.ask("secret_arn", name), ("string",), 1, usage='{{ secretsmanager_arn "NAME" }}'
        ),
        "git_sha": Function(lambda *said: _git_sha(book, directory, *said), ("integer",), usage="{{ git_sha 12 }}"),
        "file_sha256": Function(_file_sha256(directory), ("string",), 1, usage='{{ file_sha256 "FILE" }}'),
    }


def _states(book: Book, *, for_jsonnet: bool) -> dict[str, Function]:
    """A pair of functions for each state; values as they are in Jsonnet, as text in a template."""
    table = {}
    for prefix in book.world.states:
        value = _address(book, prefix)
        if for_jsonnet:
            table[f"{prefix}tfstate"] = Function(value, ("string",), 1)
        else:
            table |= _templated(prefix, value)
    return table


def _templated(prefix: str, value: Callable[[str], Any]) -> dict[str, Function]:
    def looked_up(address: str) -> str:
        # Single quotes stand for double ones, which a JSON text would not survive.
        found = value(address.replace("'", '"'))
        return found if isinstance(found, str) else as_json(found)

    name, usage = f"{prefix}tfstate", f"{{{{ {prefix}tfstate `aws_iam_role.main.arn` }}}}"
    return {
        name: Function(looked_up, ("string",), 1, usage=usage),
        f"{name}f": Function(
            lambda form, *values: looked_up(sprintf(form, values)),
            ("string",),
            1,
            "any",
            f"{{{{ {name}f `aws_subnet.main['%s'].id` \"a\" }}}}",
        ),
    }


# the environment


def _env(env: Mapping[str, str]) -> Callable[..., Any]:
    def first(*names: str) -> Any:
        found = next((value for name in names if (value := _variable(env, name))), None)
        if found is None and len(names) == 1:
            name = names[0]
            text = json.dumps(name, ensure_ascii=False)
            message = f"{name} is unset or empty, so env gives its name: the text {text}"
            hint = f'give a default, {{{{ env "{name}" "" }}}}, or insist with must_env'
            return Result(name, (message, hint))
        return names[-1] if found is None else found

    return first


def _must_env(env: Mapping[str, str]) -> Callable[[str], str]:
    def variable(name: str) -> str:
        value = _variable(env, name)
        if value is None:
            raise CallFailed(f"the environment variable {name} is not set", f"export {name}=...")
        return value

    return variable


def _variable(env: Mapping[str, str], name: str) -> str | None:
    value = env.get(name)
    # Bytes that are not UTF-8 reach us as lone surrogates, which no JSON can carry; Go gives U+FFFD too.
    return None if value is None else _LONE.sub("\ufffd", value)


def _json_escape(text: str) -> str:
    return html_escaped(json.dumps(text, ensure_ascii=False)[1:-1])


_JSON_ESCAPE = Function(_json_escape, ("string",), 1, usage='{{ env "NAME" | json_escape }}')


# what is looked up


def _parameter(book: Book, name: str, index: int | None = None) -> str:
    kind, value = book.ask("parameter", name)
    if kind != "StringList":
        if index is not None:
            raise CallFailed(f"the parameter {name} is a {kind}: it has no index", f"write {{{{ ssm `{name}` }}}}")
        return str(value)
    items = str(value).split(",")
    if index is None:
        hint = f"name the entry, from 0: {{{{ ssm `{name}` 0 }}}}; std.native('ssm_list')('{name}', 0) in Jsonnet"
        raise CallFailed(f"the parameter {name} is a StringList of {len(items)}", hint)
    if not 0 <= index < len(items):
        raise CallFailed(f"the parameter {name} has no entry {index}: there are {len(items)}, from 0")
    return items[index]


def _layer_arn(book: Book) -> Callable[[str, str], Any]:
    def arn(name: str, version: str) -> Any:
        if version in ("", "latest"):
            return book.ask("layer_arn", name, None)
        if not version.isdecimal():
            raise CallFailed(f"the version of a layer is a number or latest, not {json.dumps(version)}")
        return book.ask("layer_arn", name, int(version))

    return arn


def _output(book: Book) -> Callable[[str, str], Any]:
    def value(stack: str, key: str) -> Any:
        return _one(book.ask("stack_outputs", stack), key, f"the stack {stack} has no output {key}")

    return value


def _export(book: Book) -> Callable[[str], Any]:
    return lambda name: _one(book.ask("stack_exports"), name, f"no CloudFormation stack exports {name}")


def _one(there: Mapping[str, str], key: str, absent: str) -> str:
    if key in there:
        return there[key]
    from difflib import get_close_matches

    near = get_close_matches(key, list(there), 1)
    known = f"there are {', '.join(sorted(there))}" if 0 < len(there) <= 8 else None
    raise CallFailed(absent, f"did you mean {near[0]}?" if near else known)


def _address(book: Book, prefix: str) -> Callable[[str], Any]:
    return lambda address: book.state(prefix).lookup(address)


# the project's own files


def _git_sha(book: Book, directory: Path, length: int = 40) -> str:
    if not 4 <= length <= 40:
        raise CallFailed(f"git_sha gives 4 to 40 digits, not {length}", "write {{ git_sha 12 }}")
    return str(book.ask("git_sha", str(directory)))[:length]


def _file_sha256(directory: Path) -> Callable[[str], str]:
    def digest(name: str) -> str:
        try:
            with (directory / name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError) as error:
            raise CallFailed(f"the file {name} cannot be read: {getattr(error, 'strerror', error)}") from None

    return digest
