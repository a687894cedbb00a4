"""Environment files and the option file: found on either side of the command, read in lambroll's order, checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from definition_support import told
from fnroll.cli.early import found, prepare
from fnroll.cli.optionfile import read
from fnroll.errors import DefinitionError, UsageError

LIST = "  fn --help and fn COMMAND --help list the options; - is _ here"


@pytest.mark.parametrize(
    ("words", "envfiles", "options"),
    [
        ("deploy", [], []),
        ("--envfile a deploy --envfile=b", ["a", "b"], []),
        ("--region --envfile deploy --option o", [], ["o"]),
        ("deploy -- --envfile a", [], []),
        ("--envfile a run --envfile b --option o", ["a"], ["o"]),
        ("--option a deploy --option b", [], ["a", "b"]),
        ("deploy --envfile", [], []),
        ("--local deploy --tfstate --option --option o", [], ["o"]),
    ],
)
def test_the_files_are_found_where_they_are_options(words: str, envfiles: list[str], options: list[str]) -> None:
    _, values = found(words.split())
    assert (values["--envfile"], values["--option"]) == (envfiles, options)


def test_variables_are_laid_over_the_environment_in_order(tmp_path: Path) -> None:
    for name, text in {"cli": "A=cli\nC=cli", "file": "A=file\nB=file\nX=${B}"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "options.json").write_text('{"envfile": ["file"], "region": "{{ must_env `C` }}"}')
    env = {"A": "old", "D": "old"}
    defaults = prepare(["-C", str(tmp_path), "--envfile", "cli", "--option", "options.json", "deploy"], env)
    assert env == {"A": "cli", "B": "file", "C": "cli", "D": "old", "X": "${B}"}
    assert defaults == {"region": "cli"}


@pytest.mark.parametrize("names", [("FN_ENVFILE", "FN_OPTION"), ("LAMBROLL_ENVFILE", "LAMBROLL_OPTION")])
def test_both_are_named_by_variables_too(names: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A=1")
    (tmp_path / "b").write_text("B=2")
    (tmp_path / "o").write_text('{"color": false}')
    env = {names[0]: f"{tmp_path}/a,{tmp_path}/b", names[1]: f"{tmp_path}/o"}
    assert prepare(["deploy"], env) == {"color": False}
    assert (env["A"], env["B"]) == ("1", "2")


def options(directory: Path, document: Any, name: str = "o.json") -> tuple[list[str], dict[str, Any]]:
    (directory / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return read(directory / name, {"STAGE": "dev"})


def test_what_an_option_file_can_say(tmp_path: Path) -> None:
    envfiles, defaults = options(
        tmp_path,
        {
            "log_level": "debug",
            "local": True,
            "ext_str": {"a": "1", "b": "x=y"},
            "prefixed_tfstate": {"net_": "s3://b/k"},
            "envfile": "one",
            "deploy": {"keep_versions": 3, "publish": False, "ignore": ".Tags"},
            "alias": {},
            "diff": {"mask": "A,.B"},
        },
    )
    assert envfiles == ["one"]
    assert defaults == {
        "log_level": "debug",
        "local": True,
        "ext_str": [["a", "1"], ["b", "x=y"]],
        "prefixed_tfstate": [["net_", "s3://b/k"]],
        "deploy": {"keep_versions": 3, "publish": False, "ignore": ".Tags"},
        "alias": {},
        "diff": {"mask": ["A", ".B"]},
    }


def test_the_names_of_older_lambrolls_and_a_template(tmp_path: Path) -> None:
    document = '{"extstr": {"stage": "{{ must_env `STAGE` }}"}, "extcode": {"n": "1"}}'
    assert options(tmp_path, document)[1] == {"ext_str": [["stage", "dev"]], "ext_code": [["n", "1"]]}


def test_jsonnet(tmp_path: Path) -> None:
    pytest.importorskip("_gojsonnet")
    text = "local stage = std.native('must_env')('STAGE'); {ext_str: {stage: stage}, deploy: {alias: stage}}"
    found = options(tmp_path, text, "o.jsonnet")[1]
    assert found == {"ext_str": [["stage", "dev"]], "deploy": {"alias": "dev"}}


@pytest.mark.parametrize(
    ("document", "messages"),
    [
        ({"regio": "x"}, ['o.json:1:2: unknown key "regio"\n  did you mean "region"?']),
        ({"log-level": "x"}, ['o.json:1:2: unknown key "log-level"\n  did you mean "log_level"?']),
        ({"option": "x"}, [f'o.json:1:2: unknown key "option"\n{LIST}']),
        (
            {"deploy": {"keep_version": 1}},
            ['o.json:1:13: unknown key "keep_version" in deploy\n  did you mean "keep_versions"?'],
        ),
        ({"local": {"up": {"prt": 1}}}, ['o.json:1:19: unknown key "prt" in local.up\n  did you mean "port"?']),
        (
            {"deploy": {"publish": "no"}},
            ["o.json:1:24: deploy.publish must be true or false, not a string\n  write true or false without quotes"],
        ),
        (
            {"color": 1, "ext_str": ["a=b"]},
            [
                f"o.json:1:11: color must be true or false, not an integer\n{LIST}",
                f"o.json:1:25: ext_str must be an object, not a list\n{LIST}",
            ],
        ),
        ("{{ ssm `/a` }}", ["o.json:1:4: parameter cannot be looked up here"]),
    ],
)
def test_what_is_no_option_is_an_error_with_its_place(
    document: Any, messages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DefinitionError) as caught:
        options(tmp_path, document)
    assert told(caught.value) == messages


def test_a_name_of_an_option_and_of_a_command(tmp_path: Path) -> None:
    assert options(tmp_path, {"local": True})[1] == {"local": True}
    assert options(tmp_path, {"local": {"up": {"port": 9000}}})[1] == {"local": {"up": {"port": 9000}}}
    (tmp_path / "o.json").write_text('{"local": true, "region": "r"}')
    assert prepare(["--option", f"{tmp_path}/o.json", "local", "status"], {}) == {"region": "r"}


@pytest.mark.parametrize("document", ["[]", "1"])
def test_an_option_file_is_one_object(document: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an option file is one JSON object"):
        options(tmp_path, document)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such option file"):
        read(tmp_path / "none", {})
