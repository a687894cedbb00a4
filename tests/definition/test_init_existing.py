"""`fn init --function-name`, and the way round: thirty functions of every field, created, written, and unchanged."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy_support import cloud_session
from fnroll.archive import Package, load_rules, pack, scan
from fnroll.aws import Session
from fnroll.aws.functions import state_of
from fnroll.cli.main import run
from fnroll.definition.service import shape
from fnroll.deploy.desired import PACKAGE_TAG, package_mark
from fnroll.deploy.written import definition_of

ARN = "arn:aws:{}:us-east-1:000000000000:{}"
ROLE = "arn:aws:iam::000000000000:role/"
POINT = ARN.format("elasticfilesystem", "access-point/fsap-" + "a" * 17)
FIELDS: dict[str, list[Any]] = {
    "Architectures": [["arm64"], ["x86_64"]],
    "DeadLetterConfig": [{"TargetArn": ARN.format("sqs", "a")}],
    "Description": ["one", "{{ no `action` }}", '"quoted"', "it's \\ 'single'", "größer 😀"],
    "Environment": [{"Variables": {"AA": "1", "BB": ""}}, {"Variables": {"TEMPLATE": "{{{{ x }}", "local": "l\n\t"}}],
    "EphemeralStorage": [{"Size": 1024}, {"Size": 512}],
    "FileSystemConfigs": [[{"Arn": POINT, "LocalMountPath": "/mnt/a"}]],
    "KMSKeyArn": [ARN.format("kms", "key/a")],
    "LoggingConfig": [
        {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "WARN"},
        {"LogFormat": "JSON"},
        {"LogFormat": "Text", "LogGroup": "/another"},
    ],
    "MemorySize": [128, 256, 1769],
    "SnapStart": [{"ApplyOn": "None"}],
    "Tags": [{"one": "1", "two": ""}, {"three": "a@b.c"}],
    "Timeout": [3, 9, 900],
    "TracingConfig": [{"Mode": "Active"}, {"Mode": "PassThrough"}],
    "VpcConfig": [
        {"SubnetIds": ["subnet-2", "subnet-1"], "SecurityGroupIds": ["sg-1"]},
        {"SubnetIds": ["subnet-2"], "SecurityGroupIds": ["sg-1", "sg-2"], "Ipv6AllowedForDualStack": True},
    ],
    "Layers": [["layer"]],
    "PackageType": ["Zip"],
}
ALWAYS = {"FunctionName", "Role", "Handler", "Runtime", "Code", "Publish"}
ELSEWHERE = {
    "ImageConfig": {"Command": ["a"]},
    "AcceleratorConfig": None,
    "RuntimeConfig": None,
    "PublishTo": None,
    "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"},
    "DurableConfig": {"ExecutionTimeout": 60, "RetentionPeriodInDays": 3},
    "CapacityProviderConfig": {
        "LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": ARN.format("lambda", "capacity:a")}
    },
    "CodeSigningConfigArn": None,
}
"""Members that the local cloud does not keep for a zip, as AWS would answer them; None: nothing that a configuration
answers and a file could say again."""

Fn = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with cloud_session(tmp_path_factory.mktemp("state")) as (opened, _):
        yield opened


@pytest.fixture
def fn(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fn:
    """`fn` in this process against the cloud of the module: what it printed on stdout and stderr."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FN_", "LAMBROLL_"))]:
        monkeypatch.delenv(name)
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("FN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FN_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def call(*words: str, status: int = 0) -> tuple[str, str]:
        capsys.readouterr()
        code = run([*words, "--endpoint", str(session.options.endpoint)])
        said = capsys.readouterr()
        assert code == status, said.err
        return said.out, said.err

    return call


def package(directory: Path) -> Package:
    directory.mkdir()
    (directory / "bootstrap").write_text("#!/bin/sh\n")
    (directory / "bootstrap").chmod(0o755)
    return pack(scan(directory, load_rules(directory)))


def create(session: Session, code: bytes, name: str, **members: Any) -> None:
    request = {"FunctionName": name, "Role": f"{ROLE}fn", "Runtime": "provided.al2023", "Handler": "h.h"} | members
    session.control.create_function(**request, Code={"ZipFile": code}, Publish=True)
    session.control.create_alias(FunctionName=name, Name="current", FunctionVersion="1")


def generated(count: int) -> list[dict[str, Any]]:
    """Each field is in half of them, each of its values in one at least; the first has every field."""
    chance = random.Random(5)
    made: list[dict[str, Any]] = []
    for index in range(count):
        members = {
            key: values[index % len(values)] for key, values in FIELDS.items() if not index or chance.random() < 0.5
        }
        if "FileSystemConfigs" in members:
            members.setdefault("VpcConfig", FIELDS["VpcConfig"][0])
        made.append(members)
    return made


def test_thirty_functions_there_and_back(
    session: Session, fn: Fn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = package(tmp_path / "code")
    layer = session.control.publish_layer_version(LayerName="shared", Content={"ZipFile": code.data})["LayerVersionArn"]
    for index, members in enumerate(generated(30)):
        if "Layers" in members:
            members = members | {"Layers": [layer]}
        name = f"round-{index}"
        marked = {PACKAGE_TAG: package_mark(code)} if index % 2 else {}
        create(session, code.data, name, **members | {"Tags": marked | members.get("Tags", {})})
        as_jsonnet = ("--jsonnet",) if index % 3 == 2 else ()
        monkeypatch.chdir(tmp_path)
        fn("init", "--function-name", name, name, "--unzip", *as_jsonnet)
        monkeypatch.chdir(tmp_path / name)
        rendered = json.loads(fn("render")[0])
        assert {key: rendered[key] for key in members if key in rendered and key not in ("LoggingConfig",)} == {
            key: value for key, value in members.items() if key in rendered and key not in ("LoggingConfig",)
        }
        plan = json.loads(fn("deploy", "--dry-run", "--output", "json")[0])
        ours = [] if index % 2 else [["fn:package"]]  # the mark of a deploy, where there was none by fn yet
        assert [list(step["sends"].get("Tags", step)) for step in plan["steps"]] == ours, (members, rendered)


def test_the_fields_are_all_that_create_function_has() -> None:
    assert shape("CreateFunctionRequest")["members"].keys() <= {*FIELDS, *ALWAYS, *ELSEWHERE}


@pytest.mark.parametrize("field", [field for field, value in ELSEWHERE.items() if value is not None])
def test_what_the_local_cloud_does_not_keep_is_written_too(field: str) -> None:
    answered: dict[str, Any] = {"FunctionName": "f", field: ELSEWHERE[field]}
    if field == "ImageConfig":
        answered["ImageConfigResponse"] = {"ImageConfig": answered.pop(field)}
    assert definition_of(state_of(answered), None)[field] == ELSEWHERE[field]


def test_defaults_and_what_is_ours_are_left_out(session: Session, fn: Fn, tmp_path: Path) -> None:
    create(session, package(tmp_path / "code").data, "plain", Tags={"fn:package": "x", "fn:url": "current", "aa": "b"})
    fn("init", "--function-name", "plain")
    assert json.loads((tmp_path / "function.json").read_text()) == {
        "FunctionName": "plain",
        "Role": f"{ROLE}fn",
        "Runtime": "provided.al2023",
        "Handler": "h.h",
        "Tags": {"aa": "b"},
    }


def test_a_function_that_is_missing_gives_a_definition_to_start_from(fn: Fn, tmp_path: Path) -> None:
    said = fn("init", "--function-name", "nobody")[1]
    assert "there is no function nobody" in said
    assert json.loads((tmp_path / "function.json").read_text())["FunctionName"] == "nobody"
    assert "is a placeholder" in fn("validate", status=1)[1]


@pytest.mark.parametrize(
    "words", [("--download",), ("--unzip",), ("--qualifier", "live"), ("--function-url",)], ids=lambda words: words[0]
)
def test_of_a_function_that_is_missing_nothing_more_can_be_had(words: tuple[str, ...], fn: Fn, tmp_path: Path) -> None:
    said = fn("init", "--function-name", "nobody", *words, status=1)[1]
    assert "nobody" in said and "Traceback" not in said
    assert not (tmp_path / "function.json").exists()


def test_files_that_are_there_are_not_replaced_without_a_word(session: Session, fn: Fn, tmp_path: Path) -> None:
    create(session, package(tmp_path / "code").data, "there")
    (tmp_path / "bootstrap").write_text("mine")
    said = fn("init", "--function-name", "there", "--unzip", "--download", status=2)[1]
    assert "bootstrap is there already; nothing was written" in said and "--force-overwrite" in said
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["bootstrap"]
    fn("init", "--function-name", "there", "--unzip", "--download", "--force-overwrite")
    assert (tmp_path / "bootstrap").read_text() == "#!/bin/sh\n"
    assert os.access(tmp_path / "bootstrap", os.X_OK)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "bootstrap",
        "function.json",
        "function.zip",
    ]


def test_a_version_and_its_url_of_an_alias(session: Session, fn: Fn, tmp_path: Path) -> None:
    create(session, package(tmp_path / "code").data, "versions", Description="first", Tags={"aa": "b"})
    control: Any = session.control
    control.update_function_configuration(FunctionName="versions", Description="second")
    on: dict[str, Any] = {"FunctionName": "versions", "Qualifier": "current"}
    control.create_function_url_config(
        **on, AuthType="AWS_IAM", Cors={"AllowOrigins": ["*"]}, InvokeMode="RESPONSE_STREAM"
    )
    control.add_permission(
        **on,
        StatementId="cdn",
        Action="lambda:InvokeFunctionUrl",
        Principal="cloudfront.amazonaws.com",
        SourceArn="arn:aws:cloudfront::000000000000:distribution/E1",
        FunctionUrlAuthType="AWS_IAM",
    )
    fn("init", "--function-name", "versions", "--qualifier", "current", "--function-url")
    written = json.loads((tmp_path / "function.json").read_text())
    assert (written["Description"], written["Tags"]) == ("first", {"aa": "b"})
    assert json.loads((tmp_path / "function_url.json").read_text()) == {
        "Config": {
            "AuthType": "AWS_IAM",
            "Qualifier": "current",
            "InvokeMode": "RESPONSE_STREAM",
            "Cors": {"AllowOrigins": ["*"]},
        },
        "Permissions": [
            {
                "Principal": "cloudfront.amazonaws.com",
                "SourceArn": "arn:aws:cloudfront::000000000000:distribution/E1",
            }
        ],
    }
    assert json.loads(fn("render", "--function-url", "function_url.json")[0])["Config"]["AuthType"] == "AWS_IAM"


def test_a_url_that_is_open_to_everybody_needs_no_permissions(session: Session, fn: Fn, tmp_path: Path) -> None:
    create(session, package(tmp_path / "code").data, "open")
    control: Any = session.control
    assert "there is no function URL" in fn("init", "--function-name", "open", "--function-url", "empty")[1]
    control.create_function_url_config(FunctionName="open", AuthType="NONE")
    control.add_permission(
        FunctionName="open",
        StatementId="all",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    fn("init", "--function-name", "open", "--function-url")
    assert json.loads((tmp_path / "function_url.json").read_text()) == {"Config": {"AuthType": "NONE"}}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "what shall the function be called?"),
        (("hello", "--download"), "--download needs --function-name"),
        (("--function-name", "a/b"), "cannot be the name of a function"),
        (("--function-name", "a", "--runtime", "perl"), "exclude each other"),
    ],
)
def test_options_that_make_no_sense_together(words: tuple[str, ...], message: str, fn: Fn) -> None:
    assert message in fn("init", *words, status=2)[1]


def test_render_as_jsonnet_and_with_secrets_hidden(fn: Fn, tmp_path: Path) -> None:
    (tmp_path / "function.json").write_text(
        '{"FunctionName": "f", "Environment": {"Variables": {"KEY": "s3cret", "if": "it\'s \\"so\\""}}, "Layers": []}'
    )
    assert fn("render", "--jsonnet", "--mask", "KEY")[0] == (
        "{\n  FunctionName: 'f',\n  Environment: {\n    Variables: {\n      KEY: '***',\n"
        '      \'if\': "it\'s \\"so\\"",\n    },\n  },\n  Layers: [],\n}\n'
    )
    assert json.loads(fn("render", "--mask", ".Environment")[0])["Environment"] == {
        "Variables": {"KEY": "***", "if": "***"}
    }
    assert "--mask" in fn("render", "--mask", ".[", status=2)[1]


def test_what_stands_beside_it_there_and_back(
    session: Session, fn: Fn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fn and code signing: deployed, written, nothing to deploy. (What needs a queue or a function that starts is in
    tests/deploy/test_written_settings.py.)"""
    queue = ARN.format("sqs", "feeds")
    publisher = {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/1"]}
    signing = session.control.create_code_signing_config(AllowedPublishers=publisher)["CodeSigningConfig"]
    extras: dict[str, Any] = {
        "FunctionUrl": {"AuthType": "NONE", "Cors": {"AllowOrigins": ["*"]}},
        "Permissions": [
            {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b", "StatementId": "bucket"},
            {"Principal": "210987654321"},
        ],
        "FunctionConcurrency": {"ReservedConcurrentExecutions": 3},
        "EventInvokeConfig": {"MaximumRetryAttempts": 0, "DestinationConfig": {"OnFailure": {"Destination": queue}}},
        "RecursionConfig": {"RecursiveLoop": "Allow"},
        "RuntimeManagementConfig": {"UpdateRuntimeOn": "FunctionUpdate"},
        "LogRetentionInDays": 7,
    }
    package(tmp_path / "first")
    request = {"FunctionName": "beside", "Role": f"{ROLE}fn", "Runtime": "provided.al2023", "Handler": "h.h"}
    (tmp_path / "first" / "function.json").write_text(json.dumps(request | {"Fn": extras}))
    monkeypatch.chdir(tmp_path / "first")
    fn("deploy")
    request["CodeSigningConfigArn"] = signing["CodeSigningConfigArn"]  # the local cloud puts it on what exists
    (tmp_path / "first" / "function.json").write_text(json.dumps(request | {"Fn": extras}))
    fn("deploy")
    session.control.add_permission(
        FunctionName="beside", Qualifier="current", StatementId="theirs", Action="lambda:InvokeFunction", Principal="1"
    )
    monkeypatch.chdir(tmp_path)
    said = fn("init", "--function-name", "beside", "second", "--unzip", "--with-settings")[1]
    assert "permissions that fn did not give stay as they are and are not written: theirs" in said
    written = json.loads((tmp_path / "second" / "function.json").read_text())
    assert written.pop("Fn") == extras
    assert written == request
    monkeypatch.chdir(tmp_path / "second")
    assert json.loads(fn("deploy", "--dry-run", "--output", "json")[0])["steps"] == []
    monkeypatch.chdir(tmp_path)
    said = fn("init", "--function-name", "beside", "fourth", "--with-settings", "--qualifier", "1")[1]
    assert "1 is no alias of beside" in said
    written = json.loads((tmp_path / "fourth" / "function.json").read_text())["Fn"]
    assert set(written) == {
        "FunctionConcurrency",
        "RecursionConfig",
        "RuntimeManagementConfig",
        "LogRetentionInDays",
    }
