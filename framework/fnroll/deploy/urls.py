"""The function URL and the resource policy of the alias: what is wanted, what is there, the steps between. Pure.

Statements are addressed by their Sid alone, which begins with one of our prefixes and holds a digest of the statement:
one of ours is never changed, only added or removed, and no statement of anybody else is touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fnroll.aws import FunctionUrl
from fnroll.deploy.steps import Step

SID_PREFIX = "fn-url-"
"""Statements that open the URL."""

PERMISSION_PREFIX = "fn-perm-"
"""Statements of Fn.Permissions."""


def url_steps(
    wanted: Mapping[str, Any] | None, ours: bool, there: FunctionUrl | None, sids: Collection[str]
) -> Iterator[Step]:
    """`wanted` None: the file has no Fn.FunctionUrl; then one that we made (`ours`) goes, any other stays."""
    if wanted is None:
        if ours:
            yield from _removal(there, sids)
        return
    config = {"InvokeMode": "BUFFERED", **wanted}
    if there is None:
        yield Step("create-url", "the definition has Fn.FunctionUrl", config)
    else:
        now = {"AuthType": there.auth_type, "InvokeMode": there.invoke_mode, "Cors": _cors(there.cors)}
        if now != {**config, "Cors": _cors(config.get("Cors", {}))}:
            yield Step("update-url", "the function URL's settings changed", {"Cors": {}, **config})
    statements = url_statements(config["AuthType"])
    for statement in statements:
        if statement["StatementId"] not in sids:
            yield Step("allow", f"anybody may call a URL of AuthType NONE ({statement['Action']})", statement)
    kept = {statement["StatementId"] for statement in statements}
    yield from _revoked(SID_PREFIX, kept, sids, f"the URL's AuthType is {config['AuthType']} now")


def _removal(there: FunctionUrl | None, sids: Collection[str]) -> Iterator[Step]:
    """The permissions first: a URL that nobody may call is less than a permission without a URL."""
    gone = "the definition has no Fn.FunctionUrl any more"
    yield from _revoked(SID_PREFIX, (), sids, gone)
    if there is not None:
        yield Step("delete-url", f"{gone}: {there.url} will not answer any more", {"FunctionUrl": there.url})


def permission_steps(wanted: Collection[Mapping[str, Any]] | None, sids: Collection[str]) -> Iterator[Step]:
    """Those of Fn.Permissions; None: not managed."""
    if wanted is None:
        return
    statements = [permission(entry) for entry in wanted]
    for statement in statements:
        if statement["StatementId"] not in sids:
            who = statement.get("Principal", "somebody")
            yield Step("allow", f"Fn.Permissions lets {who} do {statement['Action']}", statement)
    kept = {statement["StatementId"] for statement in statements}
    yield from _revoked(PERMISSION_PREFIX, kept, sids, "no longer in Fn.Permissions")


def permission(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An AddPermission request under a Sid of ours; the StatementId that it has becomes part of that."""
    body = {"Action": "lambda:InvokeFunction", **entry}
    name = body.pop("StatementId", "")
    sid = _sid(body, f"{PERMISSION_PREFIX}{name}-" if name else PERMISSION_PREFIX)
    return {"StatementId": sid, **body}


def _revoked(prefix: str, kept: Collection[str], sids: Collection[str], why: str) -> Iterator[Step]:
    for sid in sorted(sid for sid in sids if sid.startswith(prefix) and sid not in kept):
        yield Step("disallow", why, {"StatementId": sid})


def url_statements(auth_type: str) -> list[dict[str, Any]]:
    """The statements that open a URL to the public: both that AWS wants since October 2025; none for AWS_IAM."""
    if auth_type != "NONE":
        return []
    bodies: list[dict[str, Any]] = [
        {"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"},
        {"Action": "lambda:InvokeFunction", "Principal": "*", "InvokedViaFunctionUrl": True},
    ]
    return [{"StatementId": _sid(body, SID_PREFIX), **body} for body in bodies]


def _sid(body: Mapping[str, Any], prefix: str) -> str:
    return prefix + hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def _cors(cors: Mapping[str, Any]) -> dict[str, Any]:
    """Cors fit to be compared: without what says nothing, lists as sets, names of headers in lower case."""
    return {
        key: frozenset(item.lower() if key.endswith("Headers") else item for item in value)
        if isinstance(value, list)
        else value
        for key, value in cors.items()
        if value
    }
