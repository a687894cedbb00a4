"""The two depths of checking, the schema they share, and the loader's edges, by the messages a user gets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fnroll import definition
from fnroll.errors import DefinitionError

GOOD: dict[str, Any] = {
    "FunctionName": "hello",
    "Role": "arn:aws:iam::123456789012:role/hello",
    "Handler": "handler.handle",
    "Layers": ["runtime:perl"],
}


def complaints(directory: Path, raw: bytes, *, full: bool = True) -> list[str]:
    """The findings of a file: their words and hints, without places."""
    (directory / "function.json").write_bytes(raw)
    try:
        definition.load(directory, env={}, full=full)
    except DefinitionError as error:
        return [f"{finding.message} / {finding.hint}" for finding in error.findings]
    return []


def about(directory: Path, *, full: bool = True, **members: Any) -> list[str]:
    whole = {key: value for key, value in (GOOD | members).items() if value is not ...}
    return complaints(directory, json.dumps(whole).encode(), full=full)


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "another case": ({"memorysize": 128}, []),
    "misspelt, not missing too": (
        {"Handler": ..., "Handlr": "h.h"},
        ['unknown key "Handlr" / did you mean "Handler"?'],
    ),
    "misspelt name": (
        {"FunctionName": ..., "FuncName": "h"},
        ['unknown key "FuncName" / did you mean "FunctionName"?'],
    ),
    "no name": ({"FunctionName": ...}, ['missing key "FunctionName" / None']),
    "unlike any key": (
        {"TracingConfig": {"Zzzz": 1}},
        ['unknown key "Zzzz" in TracingConfig / known are Mode'],
    ),
    "enum": ({"PackageType": "zip"}, ['"zip" is no known PackageType / did you mean "Zip"?']),
    "runtime": (
        {"Layers": [], "Runtime": "pyton3.12"},
        [
            '"pyton3.12" is no known Runtime / did you mean "python3.12"? '
            "(or a newer botocore may know it: pip install --upgrade botocore)"
        ],
    ),
    "managed runtime with a runtime layer": (
        {"Runtime": "python3.12"},
        ['Runtime "python3.12" never starts the runtime layer / write provided.al2023, or leave the key out'],
    ),
    "placeholder role": (
        {"Role": "arn:aws:iam::123456789012:role/YOUR_LAMBDA_ROLE_NAME"},
        [
            'Role "arn:aws:iam::123456789012:role/YOUR_LAMBDA_ROLE_NAME" is a placeholder / '
            "name the role that the function shall run as"
        ],
    ),
    "layer": (
        {"Layers": ["runtime:perl", "perl"]},
        ['Layers[1] "perl" is neither the ARN of a layer version, nor runtime:NAME, nor ./DIR / None'],
    ),
    "six layers": (
        {"Layers": ["runtime:perl", "./b", "./c", "./d", "./e", "./f"]},
        ["Layers has 6 entries; the most is 5"],
    ),
    "too small": ({"MemorySize": 64}, ["MemorySize is 64; the least is 128 / None"]),
    "whole number written as a fraction": (
        {"MemorySize": 128.0},
        ["MemorySize must be an integer, not a number / write 128"],
    ),
    "null": ({"Timeout": None, "VpcConfig": {"SubnetIds": None}}, []),
    "null in a map": (
        {"Tags": {"a": None}},
        ["Tags.a must be a string, not null / leave the key out"],
    ),
    "null of an unknown key": ({"Timeoot": None}, ['unknown key "Timeoot" / did you mean "Timeout"?']),
    "one key in two spellings": (
        {"memorysize": 128, "MemorySize": 256},
        ['duplicate key "MemorySize" / "memorysize" means the same'],
    ),
    "true is no number": ({"Timeout": True}, ["Timeout must be an integer, not true or false / None"]),
    "one instead of a list": (
        {"Architectures": "arm64"},
        ["Architectures must be a list, not a string / put it in [ ]"],
    ),
    "name of a variable": (
        {"Environment": {"Variables": {"1A": "x"}}},
        [
            'the key "1A" of Environment.Variables is not a variable\'s name: '
            "a letter, then one or more letters, digits or _ / None"
        ],
    ),
    "a line break after the name": (
        {"FunctionName": "hello\n"},
        ['FunctionName "hello\\n" is not a function name: letters, digits, - and _ / None'],
    ),
    "the zip itself": (
        {"Code": {"ZipFile": "UEsF"}},
        ["Code.ZipFile cannot be written in a file: fn packs the code itself / None"],
    ),
    "URL without AuthType": ({"Fn": {"FunctionUrl": {}}}, ['missing key "AuthType" in Fn.FunctionUrl / None']),
    "URL with a qualifier": (
        {"Fn": {"FunctionUrl": {"AuthType": "NONE", "Qualifier": "x"}}},
        ["Fn.FunctionUrl.Qualifier cannot be given here: fn puts the URL on the function's alias / None"],
    ),
    "tags beyond ASCII": ({"Tags": {"prüfung": "größe 1"}}, []),
    "a directory and an ARN as layers": (
        {"Layers": ["runtime:perl", "./shared", "arn:aws:lambda:us-east-1:123456789012:layer:x:3"]},
        [],
    ),
}


@pytest.mark.parametrize(("members", "messages"), CASES.values(), ids=CASES.keys())
def test_the_full_check(tmp_path: Path, members: dict[str, Any], messages: list[str]) -> None:
    found = about(tmp_path, **members)
    assert len(found) == len(messages)
    for said, wanted in zip(found, messages, strict=True):
        assert said.startswith(wanted)


def test_the_light_check_leaves_values_and_what_only_a_deploy_needs_alone(tmp_path: Path) -> None:
    members: dict[str, Any] = {"Role": ..., "Handler": ..., "MemorySize": 1, "Runtime": "perl5", "Layers": ["?"]}
    assert about(tmp_path, full=False, **members) == []
    assert len(about(tmp_path, full=True, **members)) == 5


def test_a_secret_of_a_wrong_type_is_not_repeated(tmp_path: Path) -> None:
    found = about(tmp_path, Environment={"Variables": {"PIN": 73219}})
    assert found == ["Environment.Variables.PIN must be a string, not an integer / put it in quotes"]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("value", [None, [], "x", 1, {}, {"Fn": 1}, {"Layers": {"a": 1}, "Code": [1]}], ids=repr)
def test_any_json_value_is_judged(tmp_path: Path, value: Any, full: bool) -> None:
    assert complaints(tmp_path, json.dumps(value).encode(), full=full)


def test_the_schema_is_valid_and_its_patterns_are_plain() -> None:
    schema = definition.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for shape in schema["$defs"].values():
        re.compile(shape.get("pattern", ""))
    assert schema["required"] == ["FunctionName", "Role"]


def test_the_schema_is_the_callers_own() -> None:
    definition.schema()["properties"].clear()
    assert "Handler" in definition.schema()["properties"]


def test_runtime_is_defaulted_with_a_runtime_layer_only(tmp_path: Path) -> None:
    for layers, runtime in (["runtime:perl"], "provided.al2023"), (["./shared"], None):
        (tmp_path / "function.json").write_text(json.dumps(GOOD | {"Layers": layers}))
        loaded = definition.load(tmp_path, env={}, full=False)
        assert loaded.runtime == loaded.request.get("Runtime") == runtime


def test_bytes_that_are_not_utf_8_have_a_place(tmp_path: Path) -> None:
    (tmp_path / "function.json").write_bytes('{\n "é": "'.encode() + b'\xff"}')
    with pytest.raises(DefinitionError, match=r"function.json:2:8: byte 0xff is not UTF-8"):
        definition.load(tmp_path, env={})


def test_a_file_that_is_far_too_large_is_refused(tmp_path: Path) -> None:
    assert complaints(tmp_path, b" " * (1024 * 1024 + 1)) == [
        "is larger than 1048576 bytes: this is no definition / None"
    ]


def test_another_spelling_of_a_key_is_told_and_taken(tmp_path: Path) -> None:
    (tmp_path / "function.json").write_text(json.dumps(GOOD | {"vpcconfig": {"subnetids": ["x"]}, "fn": {}}))
    loaded = definition.load(tmp_path, env={}, full=False)
    assert loaded.request["VpcConfig"] == {"SubnetIds": ["x"]}
    assert [warning.message for warning in loaded.warnings] == [
        'the key "vpcconfig" is spelt "VpcConfig"',
        'the key "subnetids" is spelt "SubnetIds"',
        'the key "fn" is spelt "Fn"',
    ]
    assert loaded.where("/VpcConfig/SubnetIds/0").endswith(":1:160")


def test_a_named_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"other.json"):
        definition.load(tmp_path, tmp_path / "other.json", env={})
