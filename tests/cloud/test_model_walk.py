"""Every operation that is built, called with the least and with all that the model allows; the answers held to its
output shapes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import ClientError
from botocore.model import Shape
from botocore.response import StreamingBody

from cloud_support import client, served
from cloud_walk_support import BUILT, MODEL, arguments, fill


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    directory = tmp_path_factory.mktemp("state")
    return directory, fill(directory)


def check(shape: Shape, value: Any, place: str) -> None:
    """`value`, parsed by botocore, is of the shape; members that the model requires are there."""
    kind = shape.type_name
    if isinstance(value, EventStream):
        assert [event for event in value if "InvokeComplete" in event], place
        return
    kinds: dict[str, tuple[type, ...]] = {
        "structure": (dict,),
        "map": (dict,),
        "list": (list,),
        "string": (str,),
        "integer": (int,),
        "long": (int,),
        "float": (float, int),
        "double": (float, int),
        "boolean": (bool,),
        "timestamp": (datetime,),
        "blob": (bytes, StreamingBody),
    }
    assert isinstance(value, kinds[kind]), f"{place} is {value!r}, a {kind} is wanted"
    if kind == "structure":
        unknown = value.keys() - shape.members.keys() - {"ResponseMetadata"}
        assert not unknown, f"{place}: {unknown}"
        missing = set(shape.required_members) - value.keys()
        assert not missing, f"{place} lacks {missing}"
        for key, item in value.items():
            if key != "ResponseMetadata":
                check(shape.members[key], item, f"{place}.{key}")
    elif kind == "list":
        for number, item in enumerate(value):
            check(shape.member, item, f"{place}[{number}]")
    elif kind == "map":
        for key, item in value.items():
            check(shape.value, item, f"{place}.{key}")
    elif kind == "string" and "enum" in shape.metadata:
        assert value in shape.metadata["enum"], f"{place} is {value!r}"


@pytest.fixture
def api(state: tuple[Path, dict[str, str]], tmp_path: Path) -> Iterator[Any]:
    directory = tmp_path / "state"
    shutil.copytree(state[0], directory)
    with served(directory) as (endpoint, _):
        client(endpoint, "sqs").create_queue(QueueName="q")
        yield client(endpoint)


@pytest.mark.parametrize("full", [False, True], ids=["least", "all"])
@pytest.mark.parametrize("name", BUILT)
def test_an_operation(api: Any, state: tuple[Path, dict[str, str]], name: str, full: bool) -> None:
    from botocore import xform_name

    model = MODEL.operation_model(name)
    said = arguments(name, state[1], full=full)
    try:
        answer = getattr(api, xform_name(name))(**said)
    except ClientError as error:
        pytest.fail(f"{said}: {error}")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == model.http.get("responseCode", 200)
    if model.output_shape is not None:
        check(model.output_shape, {key: value for key, value in answer.items() if key != "ResponseMetadata"}, name)
