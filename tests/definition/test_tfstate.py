"""Terraform states: values by address as lambroll reads addresses, what is said of those that are not there, places."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definition_support import state
from fnroll.definition import tfstate
from fnroll.definition.template import CallFailed
from fnroll.definition.tfstate import Location
from fnroll.errors import FnError


def resource(kind: str, name: str, *instances: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"mode": "managed", "type": kind, "name": name, "instances": list(instances), **more}


def attributes(key: Any = None, **values: Any) -> dict[str, Any]:
    return ({} if key is None else {"index_key": key}) | {"attributes": values}


DOCUMENT = {
    "version": 4,
    "outputs": {
        "bucket": {"value": "b", "type": "string"},
        "zones": {"value": ["z1", "z2"], "type": ["list", "string"]},
        "repository-arn": {"value": {"a-b": 1}, "type": "object"},
        "nothing": {"value": None, "type": "string"},
    },
    "resources": [
        resource("aws_iam_role", "main", attributes(arn="arn:role", tags={"Name": "n", "a.b": "dotted"}, none=None)),
        resource("aws_iam_role", "main2", attributes(arn="arn:role2")),
        resource("aws_subnet", "counted", attributes(1, id="s1"), attributes(0, id="s0")),
        resource("aws_subnet", "each", attributes("a.b", id="sa"), attributes('q"', id="sq")),
        resource("aws_group", "g", attributes("app", id="/app"), module="module.logs"),
        resource("aws_group", "g", attributes(id="deep"), module='module.net["x.y"].module.b[0]'),
        resource("aws_caller_identity", "current", attributes(account_id="1"), mode="data"),
        resource("aws_old", "flat", {"attributes_flat": {"id": "f"}}),
        resource(
            "terraform_remote_state",
            "up",
            attributes(outputs={"value": {"vpc": "v"}, "type": "object"}, workspace="w"),
            mode="data",
        ),
        resource("aws_empty", "none"),
        {"mode": "unknown", "type": "a", "name": "b", "instances": [attributes(id="x")]},
    ],
}
STATE = state(json.dumps(DOCUMENT).encode())

FOUND: dict[str, Any] = {
    "aws_iam_role.main.arn": "arn:role",
    "aws_iam_role.main2.arn": "arn:role2",
    "aws_iam_role.main.tags.Name": "n",
    'aws_iam_role.main.tags["Name"]': "n",
    'aws_iam_role.main.tags["a.b"]': "dotted",
    'aws_iam_role.main.tags."a.b"': "dotted",
    "aws_iam_role.main2": {"arn": "arn:role2"},
    "aws_subnet.counted[0].id": "s0",
    "aws_subnet.counted[1].id": "s1",
    "aws_subnet.counted": [{"id": "s0"}, {"id": "s1"}],
    "aws_subnet.counted[-1].id": "s1",
    'aws_subnet.each["a.b"].id': "sa",
    'aws_subnet.each["q\\""].id': "sq",
    "aws_subnet.each": {"a.b": {"id": "sa"}, 'q"': {"id": "sq"}},
    'module.logs.aws_group.g["app"].id': "/app",
    'module.net["x.y"].module.b[0].aws_group.g.id': "deep",
    "data.aws_caller_identity.current.account_id": "1",
    "aws_old.flat.id": "f",
    "data.terraform_remote_state.up.outputs.vpc": "v",
    "data.terraform_remote_state.up.workspace": "w",
    "output.bucket": "b",
    "output.zones": ["z1", "z2"],
    "output.zones[1]": "z2",
    "output.zones.[0]": "z1",
    "output.repository-arn.a-b": 1,
    'output.repository-arn["a-b"]': 1,
}


@pytest.mark.parametrize(("address", "value"), FOUND.items(), ids=FOUND)
def test_found(address: str, value: Any) -> None:
    assert STATE.lookup(address) == value


NOT_FOUND = {
    "aws_iam_role.mian.arn": ("is not in the state", "did you mean aws_iam_role.main?"),
    "aws_iam_role.main.Arn": ("is not in the state", "aws_iam_role.main has arn, none, tags"),
    "aws_iam_role.main.none": ("is not in the state", "aws_iam_role.main has arn, none, tags"),
    "aws_iam_role.main.tags.x.y": ("is not in the state", "aws_iam_role.main has arn, none, tags"),
    "aws_subnet.counted[7].id": ("is not in the state", "aws_subnet.counted is a list of 2"),
    "aws_subnet.counted.id": ("a list of 2, which has no member id", "name the entry, from 0: [0]"),
    "aws_iam_role.main.arn.x": ('there is "arn:role", which has no member x', None),
    "output.zones[x]": ('cannot be read from "[x]" on', 'a path is made of .name, ["key"] and [0]'),
    "output.bucket | length": ("is not in the state", "did you mean output.bucket?"),
    "output.zones[0] | length": ('cannot be read from " | length" on', 'a path is made of .name, ["key"] and [0]'),
    "output.nothing": ("is not in the state", None),
    "a.b.id": ("is not in the state", None),
    "zzz": ("is not in the state", None),
    "": ("is not in the state", None),
}


@pytest.mark.parametrize(("address", "words"), NOT_FOUND.items(), ids=NOT_FOUND)
def test_not_found(address: str, words: tuple[str, str | None]) -> None:
    with pytest.raises(CallFailed) as caught:
        STATE.lookup(address)
    assert words[0] in caught.value.message
    assert caught.value.hint == words[1]


@given(st.lists(st.sampled_from(["aws_iam_role", "main", ".", "[", "]", '"', "0", "tags", "-", " ", "output", "\\"])))
def test_any_address_is_found_or_refused(words: list[str]) -> None:
    try:
        STATE.lookup("".join(words))
    except CallFailed:
        pass


@given(st.dictionaries(st.text(min_size=1), st.integers(), min_size=1))
def test_whatever_for_each_calls_an_instance_it_is_found(instances: dict[str, int]) -> None:
    rows = [attributes(key, value=value) for key, value in instances.items()]
    found = state(json.dumps({"version": 4, "resources": [resource("t", "n", *rows)]}).encode())
    for key, value in instances.items():
        assert found.lookup(f"t.n[{json.dumps(key, ensure_ascii=False)}].value") == value


def test_a_large_state_is_indexed_once() -> None:
    """20,000 resources; each further lookup touches its own address alone."""
    rows = [resource("aws_thing", f"r{number}", attributes(id=number)) for number in range(20_000)]
    found = state(json.dumps({"version": 4, "resources": rows}).encode())
    assert found.lookup("aws_thing.r0.id") == 0
    found.document = {}  # whatever is not indexed yet would be gone now
    assert [found.lookup(f"aws_thing.r{number}.id") for number in range(0, 20_000, 97)] == list(range(0, 20_000, 97))
    with pytest.raises(CallFailed, match="not in the state"):
        found.lookup("aws_thing.r20000.id")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no Terraform state"),
        (b"[]", "it is no JSON object"),
        (b"[" * 100_000, "is no Terraform state"),
        (b'{"version": 3, "modules": []}', "of version 3, not 4"),
        (b"{}", "of version None, not 4"),
    ],
)
def test_what_is_no_state_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(FnError, match=words) as caught:
        tfstate.parse(data, "where.tfstate").check()
    assert caught.value.where == "where.tfstate"


PLACES = {
    "terraform.tfstate": Location("file", ("terraform.tfstate",)),
    "../a b/x": Location("file", ("../a b/x",)),
    "file:///tmp/a%20b": Location("file", ("/tmp/a b",)),
    "https://h/x?y=1": Location("http", ("https://h/x?y=1",)),
    "s3://bucket/dir/key": Location("s3", ("bucket", "dir/key")),
    "gs://bucket/key": Location("gs", ("bucket", "key")),
    "remote://app.terraform.io/org/ws": Location("remote", ("app.terraform.io", "org", "ws")),
    "azurerm://group/account/box/dir/blob": Location("azurerm", ("group", "account", "box", "dir/blob")),
    "azurerm://sub@group/account/box/blob": Location(
        "azurerm", ("group", "account", "box", "blob"), {"subscription_id": "sub"}
    ),
}


@pytest.mark.parametrize(("url", "place"), PLACES.items(), ids=PLACES)
def test_places(url: str, place: Location) -> None:
    assert tfstate.located(url) == place


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "s3://bucket", "s3:///key", "remote://h/org", "azurerm://g/a/c", "http://["]
)
def test_what_is_no_place_is_refused_with_the_forms(url: str) -> None:
    with pytest.raises(FnError) as caught:
        tfstate.located(url)
    assert "s3://BUCKET/KEY" in (caught.value.hint or "")


BACKENDS: list[tuple[str, dict[str, Any], str, tuple[str, tuple[str, ...]]]] = [
    ("s3", {"bucket": "b", "key": "k/x"}, "default", ("s3", ("b", "k/x"))),
    ("s3", {"bucket": "b", "key": "k/x"}, "dev", ("s3", ("b", "env:/dev/k/x"))),
    ("s3", {"bucket": "b", "key": "k", "workspace_key_prefix": "ws"}, "dev", ("s3", ("b", "ws/dev/k"))),
    ("gcs", {"bucket": "b", "prefix": "p"}, "default", ("gs", ("b", "p/default.tfstate"))),
    ("gcs", {"bucket": "b"}, "dev", ("gs", ("b", "dev.tfstate"))),
    (
        "azurerm",
        {"resource_group_name": "g", "storage_account_name": "a", "container_name": "c", "key": "k"},
        "dev",
        ("azurerm", ("g", "a", "c", "kenv:dev")),
    ),
    (
        "remote",
        {"hostname": "h", "organization": "o", "workspaces": [{"name": "w"}]},
        "default",
        ("remote", ("h", "o", "w")),
    ),
    ("remote", {"organization": "o", "workspaces": {"prefix": "app-"}}, "dev", ("remote", ("", "o", "app-dev"))),
    ("cloud", {"organization": "o", "workspaces": {"tags": ["x"]}}, "dev", ("remote", ("", "o", "dev"))),
]


@pytest.mark.parametrize(("kind", "config", "workspace", "place"), BACKENDS)
def test_where_a_backend_says_the_state_is(
    kind: str, config: dict[str, Any], workspace: str, place: tuple[str, tuple[str, ...]]
) -> None:
    found = tfstate.backend_location({"type": kind, "config": config}, workspace, "x")
    assert (found.scheme, found.parts) == place


def test_options_of_a_backend_come_along() -> None:
    config = {
        "bucket": "b",
        "key": "k",
        "region": "eu-west-1",
        "endpoints": {"s3": "http://minio"},
        "assume_role": [{"role_arn": "arn:r"}],
        "encrypt": True,
        "profile": "",
    }
    found = tfstate.backend_location({"type": "s3", "config": config}, "default", "x").options
    assert found == {
        "bucket": "b",
        "key": "k",
        "region": "eu-west-1",
        "endpoint": "http://minio",
        "role_arn": "arn:r",
    }


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ({"type": "s3", "config": {"bucket": "b"}}, "the backend s3 has no key"),
        ({"type": "remote", "config": {"organization": "o"}}, "the backend remote has no workspaces"),
        ({"type": "remote", "config": {"organization": "o", "workspaces": {}}}, "has no workspaces.name"),
        ({"type": "pg", "config": {}}, "the backend pg is not supported"),
        ({}, "the backend None is not supported"),
    ],
)
def test_a_backend_that_cannot_be_followed_is_told(backend: dict[str, Any], words: str) -> None:
    with pytest.raises(FnError, match=words):
        tfstate.backend_location(backend, "default", "x")
