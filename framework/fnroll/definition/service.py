"""Lambda's service model, read as plain data from botocore's data files, without importing botocore.

The JSON Schema of function.json, the local cloud's routes and its request checks all come from here, so a field that
AWS adds works with the next botocore (docs/decisions/0001). Only the finding and reading of the file live here; what
is made of it lies in `schema` and in the cloud. Reading costs about 10 ms, once per process.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fnroll.errors import FnError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_GZIP = 16 + zlib.MAX_WBITS
_MODEL = "botocore's model of Lambda's API"
_MEND = "reinstall it: pip install --force-reinstall botocore"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of Lambda's API.

    `uri` is the path template with `{Name}` and `{Name+}` variables, and a query if the operation insists on one;
    the shapes are names for `shape()`, None where there is none; `status` is the HTTP status of success.
    """

    name: str
    method: str
    uri: str
    input_shape: str | None
    output_shape: str | None
    status: int


@cache
def service_model(name: str = "lambda") -> dict[str, Any]:
    """The whole model of a service: keys metadata, operations, shapes. Shared, do not change it. Raises FnError without
    botocore, or if botocore has no such service."""
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        raise FnError("botocore is not installed: it holds the model of Lambda's API", hint="pip install botocore")
    return read_model(Path(spec.origin).parent / "data" / name)


def read_model(directory: Path) -> dict[str, Any]:
    """The model of the newest API date in the directory of a service. Raises FnError if there is none."""
    dates = sorted((path for path in directory.glob("*") if _DATE.fullmatch(path.name)), reverse=True)
    for dated in dates:
        for name in ("service-2.json.gz", "service-2.json"):
            if (dated / name).is_file():
                return _read(dated / name)
    raise FnError("botocore holds no model of Lambda's API", where=str(directory), hint=_MEND)


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = zlib.decompress(raw, wbits=_GZIP)
        model = json.loads(raw)
    except (OSError, ValueError, zlib.error) as error:
        raise FnError(f"{_MODEL} cannot be read: {error}", where=str(path), hint=_MEND) from error
    if not isinstance(model, dict) or not {"operations", "shapes"} <= model.keys():
        raise FnError(f"{_MODEL} is not in the known form", where=str(path), hint=_MEND)
    return model


def shape(name: str) -> Mapping[str, Any]:
    """One shape as the model has it: `type`, `members`, `required`, `enum`, `pattern`, ... KeyError if unknown."""
    found: Mapping[str, Any] = service_model()["shapes"][name]
    return found


@cache
def operations() -> Mapping[str, Operation]:
    """Every operation of Lambda's API by name, in the model's order."""
    return MappingProxyType({name: _operation(name, raw) for name, raw in service_model()["operations"].items()})


def _operation(name: str, raw: Mapping[str, Any]) -> Operation:
    http = raw["http"]
    return Operation(
        name=name,
        method=http["method"],
        uri=http["requestUri"],
        input_shape=raw.get("input", {}).get("shape"),
        output_shape=raw.get("output", {}).get("shape"),
        status=http.get("responseCode", 200),
    )
