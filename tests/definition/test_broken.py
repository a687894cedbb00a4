"""Broken definitions and the exact words about each: a reader can mend the file from the message alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fnroll import definition
from fnroll.errors import DefinitionError

# A valid frame: what a case leaves out is not what it is about.
FRAME = (
    '"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Handler": "h.h", "Runtime": "provided.al2023"'
)

CASES = {
    "empty": ("", "function.json:1:1: the file is empty\n  fn init --runtime perl NAME writes one to start from"),
    "not an object": ("[1]", "function.json:1:1: the definition must be an object, not a list"),
    "trailing comma": (
        '{"FunctionName": "f",}',
        "function.json:1:21: trailing comma: JSON allows none before '}'\n  remove it",
    ),
    "duplicate key": (
        f'{{{FRAME},\n "Handler": "i.i"}}',
        'function.json:2:2: duplicate key "Handler"\n  it stands at 1:67 already',
    ),
    "text after the value": (
        f"{{{FRAME}}} x",
        "function.json:1:115: unexpected text after the end of the JSON value\n  a definition is one JSON object",
    ),
    "unknown key": (
        f'{{{FRAME},\n  "MemorySze": 1}}',
        'function.json:2:3: unknown key "MemorySze"\n  did you mean "MemorySize"?',
    ),
    "unknown key deeper": (
        f'{{{FRAME},\n  "Environment": {{"Variable": {{}}}}}}',
        'function.json:2:19: unknown key "Variable" in Environment\n  did you mean "Variables"?',
    ),
    "number as text": (
        f'{{{FRAME},\n  "MemorySize": "128"}}',
        "function.json:2:17: MemorySize must be an integer, not a string\n  remove the quotes",
    ),
    "text as number": (
        f'{{{FRAME},\n  "Description": 1}}',
        "function.json:2:18: Description must be a string, not an integer\n  put it in quotes",
    ),
    "unknown runtime": (
        '{"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Handler": "h.h",\n "Runtime": "perl5"}',
        "function.json:2:13: ",
    ),
    "missing role": (
        '{"FunctionName": "f", "Handler": "h.h", "Runtime": "provided.al2023"}',
        'function.json:1:1: missing key "Role"',
    ),
    "role is no ARN": (
        '{"FunctionName": "f", "Handler": "h.h", "Runtime": "provided.al2023", "Role": "me"}',
        'function.json:1:79: Role "me" is not the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME',
    ),
    "timeout too long": (
        f'{{{FRAME},\n  "Timeout": 901}}',
        "function.json:2:14: Timeout is 901; the most is 900 seconds",
    ),
    "two runtimes": (
        f'{{{FRAME},\n  "Layers": ["runtime:perl", "runtime:php"]}}',
        "function.json:2:30: a second runtime: only one layer can own /opt/bootstrap\n  remove one of the two",
    ),
    "image without its package type": (
        f'{{{FRAME},\n  "Code": {{"ImageUri": "x"}}}}',
        'function.json:2:24: Code.ImageUri needs PackageType Image\n  write "PackageType": "Image"',
    ),
    "no handler": (
        '{"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Runtime": "provided.al2023"}',
        'function.json:1:1: missing key "Handler"\n  what the runtime calls, such as handler.handle',
    ),
    "Fn key that is none": (
        f'{{{FRAME},\n  "Fn": {{"Functionurl": {{}}}}}}',
        'function.json:2:10: unknown key "Functionurl" in Fn\n  did you mean "FunctionUrl"?',
    ),
    "unknown template function": (
        f'{{{FRAME},\n  "Description": "{{{{ foo }}}}"}}',
        'function.json:2:22: unknown template function "foo"\n  known functions are env, json_escape, must_env',
    ),
    "variable that must be set": (
        f'{{{FRAME},\n  "Description": "{{{{ must_env `NOPE` }}}}"}}',
        "function.json:2:22: the environment variable NOPE is not set\n  export NOPE=...",
    ),
}


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES.keys())
def test_the_exact_message(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "function.json").write_text(text)
    with pytest.raises(DefinitionError) as caught:
        definition.load(tmp_path, env={})
    said = str(caught.value)
    if message.endswith(": "):
        assert said.startswith(message)
    else:
        assert said == message


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "function.json").write_text('{"FunctionName": "f", "MemorySze": 1, "Timeout": "x", "Role": "me"}')
    with pytest.raises(DefinitionError) as caught:
        definition.load(tmp_path, env={})
    assert len(caught.value.findings) >= 4


def test_no_definition_names_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"no function.json in .*\n.*fn init"):
        definition.load(tmp_path, env={})
