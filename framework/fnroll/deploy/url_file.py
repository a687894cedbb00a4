"""lambroll's function_url.json: a rendered value to a `Url`, every finding with its place. Pure.

`{"Config": CreateFunctionUrlConfig, "Permissions": [who may call]}`. As lambroll has it, the URL stands on $LATEST
where Config has no Qualifier, and without Permissions one of AuthType NONE is everybody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fnroll.aws.functions import LATEST
from fnroll.definition import Places
from fnroll.definition.check import findings
from fnroll.definition.schema import shared
from fnroll.deploy.urls import Url
from fnroll.errors import DefinitionError, Finding

NAMES: Final = ("function_url.json", "function_url.jsonnet")
"""The files looked for beside the definition."""

_TEXT: Final[Mapping[str, Any]] = {"type": "string"}
_CALLER: Final = ("Principal", "PrincipalOrgID", "SourceArn", "SourceAccount")
_AUTH: Final = ("NONE", "AWS_IAM")
_MODES: Final = ("BUFFERED", "RESPONSE_STREAM")


def url_of(value: Any, places: Places, function: str) -> Url:
    """The URL that the file of the function `function` wants. Raises DefinitionError with every finding."""
    wrong = findings(value, places, _schema(), full=False)
    if not wrong:
        wrong = tuple(_broken(value, places, function))
    if wrong:
        raise DefinitionError(*wrong)
    config = dict(value["Config"])
    config.pop("FunctionName", None)
    at = config.pop("Qualifier", LATEST)
    callers = tuple(value.get("Permissions") or ()) or None
    return Url(config, at, callers, adopts=True)


def _schema() -> dict[str, Any]:
    config = shared()["$defs"]["CreateFunctionUrlConfigRequest"]
    members = {**config["properties"], "FunctionName": _TEXT, "Qualifier": _TEXT}
    caller = {"type": "object", "properties": dict.fromkeys(_CALLER, _TEXT), "additionalProperties": False}
    return {
        "type": "object",
        "properties": {
            "Config": {"type": "object", "properties": members, "additionalProperties": False},
            "Permissions": {"type": "array", "items": caller},
        },
        "additionalProperties": False,
        "required": [],
        "$defs": shared()["$defs"],
    }


def _broken(value: Mapping[str, Any], places: Places, function: str) -> Iterator[Finding]:
    if "Config" not in value:
        yield places.finding("", 'missing key "Config"', "it holds AuthType, and Cors and InvokeMode if need be")
        return
    config = value["Config"]
    if config.get("FunctionName", function) != function:
        yield places.finding("/Config/FunctionName", f"is not the function's name, {function}", "leave it out")
    if "AuthType" not in config:
        yield places.finding("/Config", 'missing key "AuthType"', "NONE or AWS_IAM")
    for key, known in (("AuthType", _AUTH), ("InvokeMode", _MODES)):
        if key in config and config[key] not in known:
            yield places.finding(f"/Config/{key}", f'{key} "{config[key]}" is not known', f"one of {', '.join(known)}")
    for index, caller in enumerate(value.get("Permissions") or ()):
        if "Principal" not in caller:
            hint = "who may call, such as * or cloudfront.amazonaws.com"
            yield places.finding(f"/Permissions/{index}", 'missing key "Principal"', hint)
