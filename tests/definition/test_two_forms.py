"""A definition as JSON and as Jsonnet is one definition; and a plain one is validated without anybody's client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fnroll import definition
from fnroll.definition import writing

TEMPLATED = """{
  "FunctionName": "{{ env `STAGE` `dev` }}-hello",
  "Role": "arn:aws:iam::{{ must_env `ACCOUNT` }}:role/fn",
  "Runtime": "python3.13",
  "Handler": "app.handler",
  "MemorySize": {{ env `MEMORY` `256` }},
  "Environment": {"Variables": {"NOTE": "{{ env `NOTE` `` | json_escape }}"}},
  "Fn": {"FunctionUrl": {"AuthType": "NONE"}}
}
"""
PROGRAMMED = """
local env = std.native('env'), must_env = std.native('must_env');
{
  FunctionName: env('STAGE', 'dev') + '-hello',
  Role: 'arn:aws:iam::%s:role/fn' % must_env('ACCOUNT'),
  Runtime: 'python3.13',
  Handler: 'app.handler',
  MemorySize: std.parseInt(env('MEMORY', '256')),
  Environment: { Variables: { NOTE: env('NOTE', '') } },
  Fn: { FunctionUrl: { AuthType: 'NONE' } },
}
"""
ENVS = [
    {"ACCOUNT": "123456789012"},
    {"ACCOUNT": "123456789012", "STAGE": "prod", "MEMORY": "1024", "NOTE": 'two\n"lines" \\ größer 😀 it\'s'},
]


@pytest.mark.parametrize("env", ENVS, ids=["defaults", "all-set"])
def test_the_same_function_in_both_forms_is_the_same_definition(env: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("_gojsonnet")
    (tmp_path / "app.py").write_text("")
    loaded = []
    for name, text in (("function.json", TEMPLATED), ("function.jsonnet", PROGRAMMED)):
        (tmp_path / name).write_text(text)
        loaded.append(definition.load(tmp_path, tmp_path / name, env=env))
    assert loaded[0].request == loaded[1].request
    assert loaded[0].extras == loaded[1].extras
    # And what `render --jsonnet` makes of it is the same definition once more.
    written = tmp_path / "again.jsonnet"
    written.write_text(writing.escaped(writing.as_jsonnet(definition.render(tmp_path / "function.json", env).value)))
    assert definition.load(tmp_path, written, env=env).request == loaded[0].request


def test_validate_of_a_plain_definition_imports_no_client(tmp_path: Path) -> None:
    (tmp_path / "function.json").write_text(
        '{"FunctionName": "f", "Role": "arn:aws:iam::123456789012:role/fn", "Runtime": "python3.13", "Handler": "a.b"}'
    )
    (tmp_path / "a.py").write_text("")
    probe = (
        "import sys; from fnroll.cli.main import run; code = run(['validate']);"
        "print(code, {'boto3', 'botocore', 'moto', 'rich', 'fnroll.aws'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "0 set()", done.stderr
