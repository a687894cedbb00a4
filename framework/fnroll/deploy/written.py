"""A deployed function as the files that would deploy it: function.json, and lambroll's function_url.json. Pure.

A member that is at its default is left out, so that the file says what was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fnroll.aws import FunctionState, FunctionUrl
from fnroll.deploy.described import described
from fnroll.deploy.desired import DEFAULTS, OWN_TAGS
from fnroll.deploy.urls import PERMISSION_PREFIX

_ABSENT: Final[Mapping[str, Any]] = {**DEFAULTS, "Architectures": ["x86_64"], "PackageType": "Zip"}
_LEVELS: Final = ("ApplicationLogLevel", "SystemLogLevel")
_FIRST: Final = ("FunctionName", "Description", "Role", "Runtime", "Handler", "Layers", "Architectures")
"""What a reader looks for first; the rest follows by name."""

_CONDITIONS: Final[Mapping[str, str]] = {
    "aws:principalorgid": "PrincipalOrgID",
    "aws:sourcearn": "SourceArn",
    "aws:sourceaccount": "SourceAccount",
}
"""Condition keys of a policy (case says nothing in them) -> members of AddPermission."""

_URL_ACTION: Final = "lambda:InvokeFunctionUrl"


def definition_of(state: FunctionState, tags: Mapping[str, str] | None) -> dict[str, Any]:
    """The function.json of `state`. `tags` None: they could not be read, so the file does not manage them."""
    own = {key: value for key, value in (tags or {}).items() if key not in OWN_TAGS}
    request = described(state.configuration, own)
    request = {key: value for key, value in request.items() if _ABSENT.get(key) != value}
    blocks = {"LoggingConfig": _logging(request.get("LoggingConfig", {}), state.name), "VpcConfig": _vpc(request)}
    request = {key: blocks.get(key, value) for key, value in request.items() if blocks.get(key, value)}
    if state.image_uri:
        request["Code"] = {"ImageUri": state.image_uri}
    names = [*(name for name in _FIRST if name in request), *sorted(request.keys() - {*_FIRST})]
    return {name: request[name] for name in names}


def skeleton(name: str) -> dict[str, Any]:
    """The function.json of a function that does not exist yet; validation asks for the role."""
    return {
        "FunctionName": name,
        "Role": "arn:aws:iam::000000000000:role/YOUR_LAMBDA_ROLE",
        "Runtime": "nodejs22.x",
        "Handler": "index.handler",
    }


def _logging(block: Mapping[str, Any], function: str) -> dict[str, Any]:
    """Without what an absent member means."""
    meant = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function}", **dict.fromkeys(_LEVELS, "INFO")}
    return {key: value for key, value in block.items() if meant.get(key) != value}


def _vpc(request: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in request.get("VpcConfig", {}).items() if value is not False}


def url_file_of(url: FunctionUrl, qualifier: str | None, statements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The function_url.json of a URL on an alias (None: on $LATEST) and of the policy under it."""
    config: dict[str, Any] = {"AuthType": url.auth_type}
    if qualifier is not None:
        config["Qualifier"] = qualifier
    if url.invoke_mode != "BUFFERED":
        config["InvokeMode"] = url.invoke_mode
    if any(url.cors.values()):
        config["Cors"] = {key: value for key, value in url.cors.items() if value}
    callers = [_caller(entry) for entry in statements if _opens_the_url(entry)]
    everybody = url.auth_type == "NONE" and callers in ([], [{"Principal": "*"}])
    return {"Config": config} if everybody else {"Config": config, "Permissions": callers}


def _opens_the_url(statement: Mapping[str, Any]) -> bool:
    """Whether it is of a URL: one of Fn.Permissions is not, whatever it allows."""
    if str(statement.get("Sid", "")).startswith(PERMISSION_PREFIX) or statement.get("Effect") != "Allow":
        return False
    return bool(statement.get("Action") == _URL_ACTION)


def _caller(statement: Mapping[str, Any]) -> dict[str, Any]:
    principal = statement.get("Principal", "*")
    if isinstance(principal, Mapping):
        principal = next(iter(principal.values()), "*")
    found = {"Principal": principal}
    for block in (statement.get("Condition") or {}).values():
        for key, value in block.items():
            if member := _CONDITIONS.get(key.lower()):
                found[member] = value
    return found
