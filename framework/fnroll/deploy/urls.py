"""The function URL and the resource policy under it: what is wanted, what is there, the steps between. Pure.

The URL stands on the alias of the deploy, or where a function_url.json says: on another one, or on $LATEST.

Statements are addressed by their Sid alone, which begins with one of our prefixes and holds a digest of the statement:
one of ours is never changed, only added or removed, and no statement of anybody else is touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fnroll.aws import FunctionUrl
from fnroll.aws.functions import LATEST
from fnroll.deploy.steps import Step

SID_PREFIX = "fn-url-"
"""Statements that open the URL."""

PERMISSION_PREFIX = "fn-perm-"
"""Statements of Fn.Permissions."""

LAMBROLL_PREFIX = "lambroll-"
"""Statements that lambroll made out of a function_url.json: whoever deploys that file with `fn` takes them over."""

_TAGGED_LATEST = "@LATEST"
"""A tag's value may hold no $."""


@dataclass(frozen=True, slots=True)
class Url:
    """A function URL as it shall be. `config`: CreateFunctionUrlConfig; `at`: the alias that it stands on, or $LATEST
    (None: the alias of the deploy); `callers`: members of AddPermission, who may use it (None: everybody with AuthType
    NONE, else whom their own policies let); `adopts`: it comes from a file that lambroll may have deployed before."""

    config: Mapping[str, Any]
    at: str | None = None
    callers: tuple[Mapping[str, Any], ...] | None = None
    adopts: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """What stands on an alias or on $LATEST: its URL, and the Sids of its policy."""

    url: FunctionUrl | None = None
    sids: frozenset[str] = frozenset()


def places_of(tag: str) -> frozenset[str]:
    """The aliases, and perhaps $LATEST, whose URL is ours by the tag's value."""
    return frozenset(LATEST if name == _TAGGED_LATEST else name for name in tag.split())


def as_tag(places: Collection[str]) -> str:
    """The tag's value for these; "" for none."""
    return " ".join(sorted(_TAGGED_LATEST if name == LATEST else name for name in places))


def concerned(alias: str) -> frozenset[str]:
    """Where a deploy of `alias` may find a URL of its own from earlier: those of other aliases are other deploys'."""
    return frozenset({alias, LATEST})


def door_steps(
    wanted: Url | None, alias: str, ours: Collection[str], doors: Mapping[str, Door], permissions: Any = None
) -> Iterator[Step]:
    """The steps to the URL (the new one first, then away with one that stands elsewhere) and to Fn.Permissions of the
    alias (None: not managed). `ours`: where the URL is ours to delete; each step's target is where it is done."""
    at = None if wanted is None else wanted.at or alias
    if wanted is not None and at is not None:
        yield from _aimed(at, url_steps(wanted, doors.get(at, Door())))
    for place in sorted((concerned(alias) & {*ours}) - {at}):
        why = "the definition has no function URL any more"
        if at is not None:
            why = f"the URL stands on {at} now, not on {place}"
        yield from _aimed(place, _removal(doors.get(place, Door()), why))
    yield from _aimed(alias, permission_steps(permissions, doors.get(alias, Door()).sids))


def _aimed(place: str, steps: Iterable[Step]) -> Iterator[Step]:
    return (replace(step, target=place) for step in steps)


def url_steps(wanted: Url, door: Door) -> Iterator[Step]:
    """From what stands there to what is wanted there."""
    config, there = {"InvokeMode": "BUFFERED", **wanted.config}, door.url
    if there is None:
        yield Step("create-url", "the definition has a function URL", config)
    else:
        now = {"AuthType": there.auth_type, "InvokeMode": there.invoke_mode, "Cors": _cors(there.cors)}
        if now != {**config, "Cors": _cors(config.get("Cors", {}))}:
            yield Step("update-url", "the function URL's settings changed", {"Cors": {}, **config})
    statements = url_statements(config["AuthType"], wanted.callers)
    for statement in statements:
        if statement["StatementId"] not in door.sids:
            who = "anybody" if statement["Principal"] == "*" else statement["Principal"]
            why = f"{who} may call a URL of AuthType {config['AuthType']} ({statement['Action']})"
            yield Step("allow", why, statement)
    kept = {statement["StatementId"] for statement in statements}
    yield from _revoked(SID_PREFIX, kept, door.sids, "no longer a caller of the URL, or its AuthType changed")
    if wanted.adopts:
        yield from _revoked(LAMBROLL_PREFIX, (), door.sids, "lambroll's, from the same file: ours are in its place")


def _removal(door: Door, why: str) -> Iterator[Step]:
    """The permissions first: a URL that nobody may call is less than a permission without a URL."""
    yield from _revoked(SID_PREFIX, (), door.sids, why)
    if door.url is not None:
        yield Step("delete-url", f"{why}: {door.url.url} will not answer any more", {"FunctionUrl": door.url.url})


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


def url_statements(auth_type: str, callers: Sequence[Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
    """The statements that open a URL, for each caller both that AWS wants since October 2025."""
    if callers is None:
        callers = [{"Principal": "*"}] if auth_type == "NONE" else []
    bodies: list[dict[str, Any]] = []
    for caller in callers:
        bodies.append({"Action": "lambda:InvokeFunctionUrl", **caller, "FunctionUrlAuthType": auth_type})
        bodies.append({"Action": "lambda:InvokeFunction", **caller, "InvokedViaFunctionUrl": True})
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
