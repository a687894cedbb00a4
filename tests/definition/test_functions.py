"""Every function of templates and every native of Jsonnet: what it takes and gives, what it says when it cannot."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from definition_support import Answers, state, told
from fnroll.definition import Book, World, functions, jsonnet, template
from fnroll.errors import DefinitionError

ENV = {"A": "a", "EMPTY": "", "QUOTE": '"<', "STAGE": "prod"}
SHA = "0123456789abcdef0123456789abcdef01234567"
STATE = state(
    json.dumps(
        {
            "version": 4,
            "outputs": {"n": {"value": 3, "type": "number"}, "half": {"value": 1.5, "type": "number"}},
            "resources": [
                {
                    "mode": "managed",
                    "type": "t",
                    "name": "a",
                    "instances": [{"index_key": "x", "attributes": {"id": "one", "tags": {"k": "<v>"}, "on": True}}],
                }
            ],
        }
    ).encode()
)


def book() -> Book:
    answers = Answers(
        parameter={
            "/plain": ("String", "p"),
            "/secret": ("SecureString", "s"),
            "/list": ("StringList", "a,b"),
            "/prod/x": ("String", "px"),
        },
        caller_identity={"Account": "111122223333", "Arn": "arn:aws:iam::111122223333:user/u", "UserId": "U"},
        layer_arn="arn:layer",
        stack_outputs={"net": {"Vpc": "vpc-1", "Zone": "z"}},
        stack_exports={"net-Vpc": "vpc-2"},
        secret_arn={"db": "arn:aws:secretsmanager:us-east-1:1:secret:db-AbCdEf"},
        git_sha=SHA,
        state=STATE,
    )
    return Book(World(answers.world().lookups, {"": "terraform.tfstate", "net_": "s3://b/k"}))


def render(source: str, directory: Path) -> template.Rendering:
    found = book()
    table = functions.functions(ENV, found, directory)
    while True:
        done = template.render(source, "f", table)
        if done.errors or done.complete:
            return done
        found.fetch()


def evaluate(source: str, directory: Path) -> Any:
    pytest.importorskip("_gojsonnet")
    found = book()
    text, warnings = jsonnet.evaluate(source, "f", functions.natives(ENV, found, directory), found)
    return json.loads(text), told(warnings)


GIVEN = {
    "{{ env `A` }}": "a",
    "{{ env `NONE` `EMPTY` `x` }}": "x",
    "{{ env `NONE` `A` `x` }}": "a",
    "{{ env `NONE` `` }}": "",
    "{{ `x` | env `NONE` }}": "x",
    "{{ must_env `EMPTY` }}": "",
    "{{ `A` | must_env }}": "a",
    "{{ must_env `QUOTE` | json_escape }}": '\\"\\u003c',
    "{{ json_escape `` }}": "",
    "{{ ssm `/plain` }}": "p",
    "{{ ssm `/secret` }}": "s",
    "{{ ssm `/list` 1 }}": "b",
    "{{ printf `/%s/x` (env `STAGE`) | ssm }}": "px",
    "{{ ssm (printf `/%s/x` (must_env `STAGE`)) | json_escape }}": "px",
    "{{ if eq caller_identity.Account `111122223333` }}{{ ssm `/plain` }}{{ else }}{{ ssm `/list` 0 }}{{ end }}": "p",
    "{{ tfstate `t.a['x'].id` }}": "one",
    '{{ tfstate `t.a["x"].id` }}': "one",
    "{{ `t.a['x'].id` | tfstate }}": "one",
    "{{ tfstate `t.a['x'].tags` }}": '{"k":"\\u003cv\\u003e"}',
    "{{ tfstate `t.a['x'].on` }}": "true",
    "{{ tfstate `output.n` }}": "3",
    "{{ tfstate `output.half` }}": "1.5",
    "{{ tfstatef `t.a['%s'].id` `x` }}": "one",
    "{{ tfstatef `output.%s` (env `NONE` `n`) }}": "3",
    "{{ net_tfstate `output.n` }}": "3",
    "{{ net_tfstatef `output.%s` `n` }}": "3",
    "{{ caller_identity.Account }}": "111122223333",
    "{{ caller_identity.Arn }} {{ caller_identity.UserId }}": "arn:aws:iam::111122223333:user/u U",
    "{{ layer_arn `x` `latest` }}{{ layer_arn `x` `` }}{{ layer_arn `x` `3` }}": "arn:layer" * 3,
    "{{ cfn_output `net` `Vpc` }}": "vpc-1",
    "{{ cfn_export `net-Vpc` }}": "vpc-2",
    "{{ secretsmanager_arn `db` }}": "arn:aws:secretsmanager:us-east-1:1:secret:db-AbCdEf",
    "{{ git_sha }}": SHA,
    "{{ git_sha 8 }}": SHA[:8],
    "{{ file_sha256 `file` }}": hashlib.sha256(b"x").hexdigest(),
}


@pytest.mark.parametrize(("source", "text"), GIVEN.items(), ids=GIVEN)
def test_what_a_function_gives(source: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = render(source, tmp_path)
    assert (done.text, told(done.errors)) == (text, [])


REFUSED = {
    "{{ must_env `NONE` }}": "the environment variable NONE is not set\n  export NONE=...",
    "{{ must_env }}": 'must_env needs an argument, not 0\n  write {{ must_env "NAME" }}',
    "{{ json_escape }}": 'json_escape needs an argument, not 0\n  write {{ env "NAME" | json_escape }}',
    "{{ json_escape 1 }}": 'argument 1 of json_escape must be a string, not an integer\n  write {{ env "NAME" | '
    "json_escape }}",
    "{{ ssm `/none` }}": "parameter: there is no /none\n  look again",
    "{{ ssm }}": "ssm needs an argument, not 0\n  write {{ ssm `/path/of/parameter` }}",
    "{{ ssm `/plain` `0` }}": "argument 2 of ssm must be an integer, not a string\n  write {{ ssm "
    "`/path/of/parameter` }}",
    "{{ ssm `/plain` 0 }}": "the parameter /plain is a String: it has no index\n  write {{ ssm `/plain` }}",
    "{{ ssm `/list` }}": "the parameter /list is a StringList of 2\n  name the entry, from 0: {{ ssm `/list` 0 }}; "
    "std.native('ssm_list')('/list', 0) in Jsonnet",
    "{{ ssm `/list` 2 }}": "the parameter /list has no entry 2: there are 2, from 0",
    "{{ ssm `/list` -1 }}": "the parameter /list has no entry -1: there are 2, from 0",
    "{{ tfstate `output.no` }}": "output.no is not in the state terraform.tfstate\n  did you mean output.n?",
    "{{ tfstate `t.a['x'].no` }}": 't.a["x"].no is not in the state terraform.tfstate\n  t.a["x"] has id, on, tags',
    "{{ tfstatef `output.%s` }}": "output.%!s(MISSING) is not in the state terraform.tfstate",
    "{{ up_tfstate `x` }}": 'no state was given for the template function "up_tfstate"\n  name its state: '
    "--prefixed-tfstate up_=URL",
    "{{ caller_identity.Id }}": "a map has no member Id\n  known are Account, Arn, UserId",
    "{{ caller_identity `x` }}": "caller_identity takes no argument, not 1\n  write {{ caller_identity.Account }}",
    "{{ layer_arn `x` }}": 'layer_arn needs 2 arguments, not 1\n  write {{ layer_arn "NAME" "latest" }}',
    "{{ layer_arn `x` `new` }}": 'the version of a layer is a number or latest, not "new"',
    "{{ cfn_output `net` `Vcp` }}": "the stack net has no output Vcp\n  did you mean Vpc?",
    "{{ cfn_output `net` `x` }}": "the stack net has no output x\n  there are Vpc, Zone",
    "{{ cfn_output `none` `x` }}": "stack_outputs: there is no none\n  look again",
    "{{ cfn_export `x` }}": "no CloudFormation stack exports x\n  there are net-Vpc",
    "{{ secretsmanager_arn `x` }}": "secret_arn: there is no x\n  look again",
    "{{ git_sha 3 }}": "git_sha gives 4 to 40 digits, not 3\n  write {{ git_sha 12 }}",
    "{{ file_sha256 `none` }}": "the file none cannot be read: No such file or directory",
    "{{ file_sha256 `.` }}": "the file . cannot be read: Is a directory",
}


@pytest.mark.parametrize(("source", "message"), REFUSED.items(), ids=REFUSED)
def test_what_a_function_says_when_it_cannot(source: str, message: str, tmp_path: Path) -> None:
    assert told(render(f"\n {source}", tmp_path).errors) == [f"f:2:5: {message}"]


NATIVES: dict[str, Any] = {
    "std.native('env')('A', 'x')": "a",
    "std.native('env')('EMPTY', 'x')": "x",
    "std.native('must_env')('EMPTY')": "",
    "std.native('ssm')('/plain')": "p",
    "std.native('ssm_list')('/list', 0)": "a",
    "std.native('ssm')('/' + std.native('env')('STAGE', '') + '/x')": "px",
    "std.native('tfstate')('t.a[\"x\"].id')": "one",
    "std.native('tfstate')('t.a[\"x\"].tags')": {"k": "<v>"},
    "std.native('tfstate')('t.a[\"x\"].on')": True,
    "std.native('tfstate')('output.n') + 1": 4,
    "std.native('net_tfstate')('output.half')": 1.5,
    "std.native('caller_identity')().Account": "111122223333",
    "std.native('layer_arn')('x', 'latest')": "arn:layer",
    "std.native('cfn_output')('net', 'Vpc')": "vpc-1",
    "std.native('cfn_export')('net-Vpc')": "vpc-2",
    "std.native('secretsmanager_arn')('db')": "arn:aws:secretsmanager:us-east-1:1:secret:db-AbCdEf",
    "std.native('env')(default='x', name='EMPTY')": "x",
    "std.native('git_sha')()[:8]": SHA[:8],
    "std.native('file_sha256')('file')": hashlib.sha256(b"x").hexdigest(),
    "std.native('ssm')('/%s' % if std.native('ssm')('/plain') == 'p' then 'secret' else 'none')": "s",
}


@pytest.mark.parametrize(("source", "value"), NATIVES.items(), ids=NATIVES)
def test_what_a_native_gives(source: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert evaluate(source, tmp_path) == (value, [])


REFUSED_NATIVES = {
    "std.native('must_env')('NONE')": "the environment variable NONE is not set\n  export NONE=...",
    "std.native('env')('A')": "Missing argument: default",
    "std.native('env')(1, 'x')": "argument 1 of env must be a string, not an integer\n  write "
    "std.native('env')('NAME', 'default')",
    "std.native('ssm')('/none')": "parameter: there is no /none\n  look again",
    "std.native('ssm')('/list')": "the parameter /list is a StringList of 2\n  name the entry, from 0: "
    "{{ ssm `/list` 0 }}; std.native('ssm_list')('/list', 0) in Jsonnet",
    "std.native('tfstate')('output.no')": "output.no is not in the state terraform.tfstate\n  did you mean output.n?",
    "std.native('json_escape')('x')": "Unexpected type null, expected function",
}


@pytest.mark.parametrize(("source", "message"), REFUSED_NATIVES.items(), ids=REFUSED_NATIVES)
def test_what_a_native_says_when_it_cannot(source: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        evaluate(f"{{a:\n {source}}}", tmp_path)
    assert told(caught.value) == [f"f:2:2: {message}"]


def test_a_native_that_gives_a_variables_name_warns_too(tmp_path: Path) -> None:
    done = render("{{ env `NONE` }}", tmp_path)
    assert done.text == "NONE"
    assert "so env gives its name" in told(done.warnings)[0]
