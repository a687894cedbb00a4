"""The service model: found without botocore, read from either form, refused with a clear error."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from fnroll.definition import service
from fnroll.errors import FnError

MODEL = {"operations": {}, "shapes": {"A": {"type": "string"}}}


def test_the_installed_model_has_lambdas_operations() -> None:
    invoke = service.operations()["Invoke"]
    assert (invoke.method, invoke.uri, invoke.status) == (
        "POST",
        "/2015-03-31/functions/{FunctionName}/invocations",
        200,
    )
    assert service.operations()["DeleteAlias"].status == 204
    assert "FunctionName" in service.shape("CreateFunctionRequest")["members"]


def test_every_operation_names_shapes_that_exist() -> None:
    named = [(op.input_shape, op.output_shape) for op in service.operations().values()]
    assert len(named) > 60
    for name in {name for pair in named for name in pair if name is not None}:
        assert service.shape(name)["type"] == "structure"


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["service-2.json", "service-2.json.gz"])
def test_the_newest_date_with_a_model_wins(tmp_path: Path, name: str) -> None:
    text = json.dumps(MODEL).encode()
    write(tmp_path / "2014-11-11" / "service-2.json", b'{"operations": {}, "shapes": {}}')
    write(tmp_path / "2015-03-31" / name, gzip.compress(text) if name.endswith(".gz") else text)
    (tmp_path / "2031-01-01").mkdir()
    write(tmp_path / "readme" / "service-2.json", b"{}")
    assert service.read_model(tmp_path) == MODEL


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("nothing.json", b"", "holds no model"),
        ("service-2.json", b"{", "cannot be read"),
        ("service-2.json", b"[]", "not in the known form"),
        ("service-2.json.gz", b"plain", "cannot be read"),
        ("service-2.json.gz", gzip.compress(b"{}" * 100)[:-10], "cannot be read"),
    ],
    ids=["absent", "not json", "another form", "not gzip", "cut short"],
)
def test_a_model_that_cannot_be_used_is_one_clear_error(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    write(tmp_path / "2015-03-31" / name, data)
    with pytest.raises(FnError, match=words) as caught:
        service.read_model(tmp_path)
    assert caught.value.hint
