"""From what is desired and what is there to a list of steps. Pure: the plan is data, and `apply` carries it out.

The order is fixed and is what makes an interrupted deploy harmless:

    layers        a new layer version harms nobody
    $LATEST       create, or code, then configuration; nobody is routed to $LATEST
    version       $LATEST frozen under a number, waited for until it is Active
    tags          after the version, which is published on the RevisionId read before
    URL           only settings of the URL; what it serves is the alias's business
    alias         last: the one step that moves traffic (before the URL only where neither exists yet)

Killed between any two steps, the next run reads what is there and plans the rest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fnroll.aws import FunctionState
from fnroll.deploy.actual import Actual
from fnroll.deploy.desired import PACKAGE_TAG, Desired, differences, has_mark, package_mark, same_code
from fnroll.errors import DeployError
from fnroll.layers import LayerPackage

Kind = Literal[
    "publish-layer",
    "create-function",
    "update-code",
    "update-configuration",
    "tag",
    "untag",
    "publish-version",
    "create-url",
    "update-url",
    "allow-url",
    "disallow-url",
    "create-alias",
    "move-alias",
]

_PREVIOUS = re.compile(r" ?\(fn:previous=(\d+)\)$")
_MAX_DESCRIPTION = 256
SID_PREFIX = "fn-url-"
"""Statements of the resource policy whose Sid begins so are ours; no other is ever touched."""


@dataclass(frozen=True, slots=True)
class Step:
    """One write: what it does, why, and the members that it sends (code as its size and hash)."""

    kind: Kind
    reason: str
    sends: Mapping[str, Any] = field(default_factory=dict, repr=False)
    layer: LayerPackage | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps, in order; none if nothing is to be done. `alias` is the one that serves."""

    desired: Desired = field(repr=False)
    actual: Actual = field(repr=False)
    alias: str
    steps: tuple[Step, ...]

    def __bool__(self) -> bool:
        return bool(self.steps)


def plan(desired: Desired, actual: Actual, *, alias: str) -> Plan:
    """The steps from `actual` to `desired`. Raises DeployError for what must not be deployed over what is there."""
    _refuse(desired, actual, alias)
    steps = [*_layers(desired, actual)]
    if actual.function is None:
        steps += _create(desired)
    else:
        steps += _repair(desired, actual.function)
        steps += [step for step in steps_to(desired, actual.function, actual) if step.kind not in _kinds(steps)]
    stale = _is_stale(desired, actual)
    if stale:
        steps.append(_publish(desired, actual, alias))
    if actual.function is not None:
        steps += _tags(desired, actual.function)
    url = [*_url(desired, actual)]
    if actual.alias is None:
        version = "the version published above"
        steps.append(Step("create-alias", f"there is no alias {alias}", {"Name": alias, "FunctionVersion": version}))
        steps += url
    else:
        steps += url
        if stale:
            reason = f"{alias} serves version {actual.alias.version}, which is not what the definition says"
            steps.append(Step("move-alias", reason, {"Name": alias, "FunctionVersion": "the version published above"}))
    return Plan(desired, actual, alias, tuple(steps))


def _kinds(steps: Iterable[Step]) -> set[Kind]:
    return {step.kind for step in steps}


def _is_stale(desired: Desired, actual: Actual) -> bool:
    """Whether the alias needs another version. One at $LATEST always does: traffic would see half a deploy."""
    if actual.served is None or not actual.served.version.isdecimal():
        return True
    return bool(steps_to(desired, actual.served, actual))


def _repair(desired: Desired, state: FunctionState) -> Iterator[Step]:
    """A failed update leaves a function that nothing can be published from; sending the code again ends that."""
    if "Failed" in (state.state, state.last_update_status):
        yield Step(
            "update-code", f"the last update failed: {state.reason or 'no reason given'}", {"Code": _code(desired)}
        )


def refuse_host_runtimes(desired: Desired, local: bool) -> None:
    """A runtime layer that needs this machine's interpreter goes to the local cloud alone. Raises DeployError.

    Asked before anything is read, because where it goes is known by then and what is there does not matter.
    """
    for layer in desired.layers:
        if isinstance(layer, LayerPackage) and not layer.self_contained and not local:
            name = layer.runtime.name if layer.runtime else layer.name
            raise DeployError(
                f"runtime:{name} runs on this machine's own {name} and can be deployed to the local cloud only",
                where=desired.name,
                hint="deploy with --local; a function that brings its own bootstrap deploys anywhere",
            )


def _refuse(desired: Desired, actual: Actual, alias: str) -> None:
    if actual.function is not None and actual.function.package_type != desired.creation.get("PackageType", "Zip"):
        raise DeployError(
            f"the deployed function is a {actual.function.package_type} function; Lambda cannot change that",
            where=desired.name,
            hint="delete the function first, or give this one another name",
        )
    _refuse_unchangeable(desired, actual)
    if actual.alias is not None and actual.alias.weights:
        shares = ", ".join(f"{version} {share:.0%}" for version, share in actual.alias.traffic.items())
        raise DeployError(
            f"alias {alias} splits its traffic ({shares}); a deploy would end that split",
            where=desired.name,
            hint="end it first: point the alias at one version",
        )


def _refuse_unchangeable(desired: Desired, actual: Actual) -> None:
    """TenancyConfig is given at creation or never; UpdateFunctionConfiguration has no such member."""
    now = actual.function.configuration.get("TenancyConfig") if actual.function else None
    if actual.function is not None and desired.creation.get("TenancyConfig") != now:
        raise DeployError(
            f"TenancyConfig differs from the deployed function's ({now or 'none'}); Lambda cannot change that",
            where=desired.name,
            hint="delete the function first, or give this one another name",
        )


def _layers(desired: Desired, actual: Actual) -> Iterator[Step]:
    for layer in desired.layers:
        if isinstance(layer, LayerPackage) and layer.code_sha256 not in (actual.layers or {}):
            sends = {
                "LayerName": layer.name,
                "Description": layer.description,
                "Content": f"{len(layer.data)} bytes, CodeSha256 {layer.code_sha256}",
            }
            yield Step("publish-layer", f"no version of layer {layer.name} has this content", sends, layer)


def _create(desired: Desired) -> Iterator[Step]:
    members = sorted({*desired.configuration, *desired.creation} - {"FunctionName"})
    yield Step("create-function", f"there is no function {desired.name}", {"Members": members, "Code": _code(desired)})


def steps_to(desired: Desired, state: FunctionState, actual: Actual) -> list[Step]:
    """Code and configuration updates that would make `state` the desired one; none if it is."""
    plain = {**state.configuration, "Description": _told(desired.description, state.description)}
    tags = actual.function.tags if actual.function else None
    steps = []
    if not _has_code(desired, state, tags):
        reason = f"the package changed (deployed: {state.code_sha256})"
        if "S3Key" in desired.code:
            reason = "the package lies on S3: whether it changed is not known without sending it"
        if desired.architectures is not None and desired.architectures != state.architectures:
            reason = f"Architectures changes from {state.architectures} to {desired.architectures}"
        steps.append(Step("update-code", reason, {"Code": _code(desired)}))
    changed = differences(desired, plain)
    if layer_refs(desired, actual) != list(state.layers):
        changed["Layers"] = [layer if isinstance(layer, str) else layer.name for layer in desired.layers]
    if changed:
        steps.append(Step("update-configuration", f"changed: {', '.join(sorted(changed))}", changed))
    return steps


def layer_refs(desired: Desired, actual: Actual) -> list[str]:
    """The ARN of each desired layer; "" for one that is not published yet."""
    known = actual.layers or {}
    return [layer if isinstance(layer, str) else known.get(layer.code_sha256, "") for layer in desired.layers]


def _has_code(desired: Desired, state: FunctionState, tags: Mapping[str, str] | None) -> bool:
    if desired.architectures is not None and desired.architectures != state.architectures:
        return False
    if "ImageUri" in desired.code:
        return bool(state.image_uri == desired.code["ImageUri"])
    return same_code(desired, state.code_sha256, tags)


def _code(desired: Desired) -> Any:
    package = desired.package
    if package is None:
        return dict(desired.code)
    return f"{package.files} files, {package.size} bytes, CodeSha256 {package.code_sha256}"


def own_tags(desired: Desired) -> dict[str, str]:
    """The tags to have: the file's, and the mark of the package."""
    mark = {PACKAGE_TAG: package_mark(desired.package)} if desired.package is not None else {}
    return {**(desired.tags or {}), **mark}


def _tags(desired: Desired, state: FunctionState) -> Iterator[Step]:
    if state.tags is None:
        return
    new = {key: value for key, value in own_tags(desired).items() if state.tags.get(key) != value}
    if desired.package is not None and has_mark(desired.package, state.code_sha256, state.tags):
        # The deployed zip is of this tree, whoever compressed it: its own mark stays true.
        new.pop(PACKAGE_TAG, None)
    if new:
        yield Step("tag", f"tags to set: {', '.join(sorted(new))}", {"Tags": new})
    if desired.tags is not None:
        gone = sorted(
            key for key in state.tags if key not in desired.tags and key != PACKAGE_TAG and not key.startswith("aws:")
        )
        if gone:
            yield Step("untag", f"not in the definition any more: {', '.join(gone)}", {"TagKeys": gone})


def _publish(desired: Desired, actual: Actual, alias: str) -> Step:
    previous = actual.alias.version if actual.alias else None
    sends = {"Description": with_record(desired.description, previous)}
    return Step("publish-version", f"alias {alias} needs a version of this code and configuration", sends)


def with_record(description: str, previous: str | None) -> str:
    """A version's Description: the user's, and which version the alias served before (what rollback goes by)."""
    if previous is None or not previous.isdecimal():
        return description
    record = f"(fn:previous={previous})"
    kept = description[: _MAX_DESCRIPTION - len(record) - 1]
    return f"{kept} {record}" if kept else record


def _told(wanted: str, description: str) -> str:
    """The user's part of a Description; `wanted` itself if the record left no room for all of it."""
    if description in (wanted, with_record(wanted, previous_of(description))):
        return wanted
    return without_record(description)


def without_record(description: str) -> str:
    """The user's part of a version's Description."""
    return _PREVIOUS.sub("", description)


def previous_of(description: str) -> str | None:
    """The version recorded in a version's Description as served before it."""
    found = _PREVIOUS.search(description)
    return found.group(1) if found else None


def _url(desired: Desired, actual: Actual) -> Iterator[Step]:
    if desired.url is None:
        return
    config = {"InvokeMode": "BUFFERED", **desired.url}
    if actual.url is None:
        yield Step("create-url", "the definition has Fn.FunctionUrl", config)
    else:
        url = actual.url
        now = {"AuthType": url.auth_type, "InvokeMode": url.invoke_mode, "Cors": _cors(url.cors)}
        if now != {**config, "Cors": _cors(config.get("Cors", {}))}:
            yield Step("update-url", "the function URL's settings changed", {"Cors": {}, **config})
    statements = url_statements(config["AuthType"])
    for statement in statements:
        if statement["StatementId"] not in actual.sids:
            yield Step("allow-url", f"anybody may call a URL of AuthType NONE ({statement['Action']})", statement)
    wanted = {statement["StatementId"] for statement in statements}
    for sid in sorted(sid for sid in actual.sids if sid.startswith(SID_PREFIX) and sid not in wanted):
        yield Step("disallow-url", f"the URL's AuthType is {config['AuthType']} now", {"StatementId": sid})


def _cors(cors: Mapping[str, Any]) -> dict[str, Any]:
    """Cors fit to be compared: without what says nothing, lists as sets, names of headers in lower case."""
    return {
        key: frozenset(item.lower() if key.endswith("Headers") else item for item in value)
        if isinstance(value, list)
        else value
        for key, value in cors.items()
        if value
    }


def url_statements(auth_type: str) -> list[dict[str, Any]]:
    """The statements that open a URL to the public: both that AWS wants since October 2025; none for AWS_IAM."""
    if auth_type != "NONE":
        return []
    bodies: list[dict[str, Any]] = [
        {"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"},
        {"Action": "lambda:InvokeFunction", "Principal": "*", "InvokedViaFunctionUrl": True},
    ]
    return [{"StatementId": _sid(body), **body} for body in bodies]


def _sid(body: Mapping[str, Any]) -> str:
    return SID_PREFIX + hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
