"""From what is desired and what is there to a list of steps. Pure: the plan is data, and `apply` carries it out.

The order is fixed and is what makes an interrupted deploy harmless:

    layers        a new layer version harms nobody
    signing       the code signing configuration, by which new code is judged
    $LATEST       create, or code, then configuration; nobody is routed to $LATEST
    settings      of the function: concurrency, recursion, runtime management, retention
    version       $LATEST frozen under a number, waited for until it is Active
    tags          after the version, which is published on the RevisionId read before
    URL           only settings of the URL; what it serves is the alias's business
    permissions   who may call the alias
    alias         the one step that moves traffic (before URL and permissions only where there is no alias yet)
    its settings  async invocations, provisioned concurrency, event sources: of whatever the alias serves
    pruning       versions that nobody is routed to

Killed between any two steps, the next run reads what is there and plans the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fnroll.aws import FunctionState
from fnroll.aws.functions import LATEST
from fnroll.deploy.actual import Actual
from fnroll.deploy.desired import (
    OWN_TAGS,
    PACKAGE_TAG,
    URL_TAG,
    Desired,
    differences,
    has_mark,
    package_mark,
    same_code,
    unconfigured,
    undeployed,
)
from fnroll.deploy.prune import prune_steps
from fnroll.deploy.record import previous_of, told, with_record, without_record
from fnroll.deploy.settings import OF_ALIAS, OF_FUNCTION, PERMISSIONS, SOURCES, setting_steps, source_steps
from fnroll.deploy.signing import MEMBER as SIGNING
from fnroll.deploy.signing import SIGNING_TAG, signing_steps, untag_steps
from fnroll.deploy.steps import Kind, Step, Wishes
from fnroll.deploy.urls import as_tag, concerned, door_steps
from fnroll.errors import DeployError
from fnroll.layers import LayerPackage

__all__ = ["Plan", "Step", "Wishes", "plan", "previous_of", "refuse_host_runtimes", "with_record", "without_record"]

_NEW = "the version published above"


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps, in order; none if nothing is to be done. `alias` is the one that serves; `notes`: what the user should
    know of what is not done. `desired` is what is wanted less what is ignored."""

    desired: Desired = field(repr=False)
    actual: Actual = field(repr=False)
    alias: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps)


def plan(desired: Desired, actual: Actual, *, alias: str, wishes: Wishes = Wishes()) -> Plan:
    """The steps from `actual` to `desired`. Raises DeployError for what must not be deployed over what is there."""
    own = _as_wished(desired, actual, actual.function, wishes)
    _refuse(own, actual, alias, wishes)
    steps = [*_to_latest(own, actual, wishes)]
    steps += setting_steps(OF_FUNCTION, own.settings, actual.settings, own.name)
    goal = _goal(desired, actual, wishes) if wishes.function else None
    if goal == _NEW:
        steps.append(_publish(own, actual, alias))
    if actual.function is not None and wishes.function:
        steps += _tags(own, actual.function, alias, actual.our_urls)
        steps += untag_steps(*_signing(own, actual.function))
    elif actual.function is not None and own.url is not None:
        tag = {URL_TAG: own_tags(own, alias, actual.our_urls)[URL_TAG]}
        if not tag.items() <= (actual.function.tags or {}).items():
            steps.append(Step("tag", "the URL is this definition's", {"Tags": tag}))
    doors = _doors(own, actual, alias)
    notes = []
    if actual.alias is None and goal is None:
        steps += [step for step in doors if step.target != alias]
        waiting = _waiting(own, alias)
        notes += [f"{', '.join(waiting)}: not before there is an alias {alias}"] if waiting else []
    elif actual.alias is None:
        version = goal
        steps.append(Step("create-alias", f"there is no alias {alias}", {"Name": alias, "FunctionVersion": version}))
        steps += doors
    else:
        steps += doors
        if goal is not None and not wishes.canary:
            steps.append(_move(actual, alias, goal))
    if actual.alias is not None or goal is not None:
        steps += setting_steps(OF_ALIAS, own.settings, actual.settings, f"{own.name}:{alias}")
        steps += source_steps(own.settings.get(SOURCES), actual.sources)
    if wishes.keep_versions:
        steps += _prune(actual, alias, None if wishes.canary else goal, wishes.keep_versions)
    return Plan(own, actual, alias, tuple(steps), tuple(notes))


def _as_wished(desired: Desired, actual: Actual, state: FunctionState | None, wishes: Wishes) -> Desired:
    """What is desired of `state`, less what is to be left as it is."""
    if state is None:
        return desired
    if not wishes.configuration and actual.function is not None:
        desired = unconfigured(desired, actual.function)
    tags = actual.function.tags if actual.function else None
    return undeployed(desired, state, tags, wishes.ignore)


def _to_latest(desired: Desired, actual: Actual, wishes: Wishes) -> Iterator[Step]:
    if not wishes.function:
        return
    yield from _layers(desired, actual)
    if actual.function is None:
        steps = [*_create(desired)]
    else:
        yield from signing_steps(*_signing(desired, actual.function), actual.settings.get(SIGNING) or {})
        steps = [*_repair(desired, actual.function)]
        repairs = _kinds(steps)
        steps += [step for step in steps_to(desired, actual.function, actual) if step.kind not in repairs]
    if desired.by_s3 and _kinds(steps) & {"create-function", "update-code"}:
        yield _upload(desired)
    yield from steps


def _signing(desired: Desired, state: FunctionState) -> tuple[str | None, bool, FunctionState]:
    return desired.signing, desired.signing_stays, state


def _upload(desired: Desired) -> Step:
    assert desired.package is not None
    size = f"{len(desired.package.data)} bytes"
    where = {key: desired.code[key] for key in ("S3Bucket", "S3Key")}
    return Step("upload-code", "Lambda fetches the code from there", {**where, "Size": size})


def _goal(desired: Desired, actual: Actual, wishes: Wishes) -> str | None:
    """Where the alias shall go; None: it stays."""
    if wishes.to_latest:
        return None if actual.alias is not None and actual.alias.version == LATEST else LATEST
    if not wishes.publish:
        return None
    # One at $LATEST always goes to a version: traffic would see half a deploy.
    served = actual.served
    if served is None or not served.version.isdecimal():
        return _NEW
    return _NEW if steps_to(_as_wished(desired, actual, served, wishes), served, actual) else None


def _move(actual: Actual, alias: str, goal: str) -> Step:
    assert actual.alias is not None
    now = actual.alias.version
    reason = f"{alias} serves version {now}, which is not what the definition says"
    if goal == LATEST:
        reason = f"{alias} serves version {now}, and shall serve $LATEST"
    return Step("move-alias", reason, {"Name": alias, "FunctionVersion": goal})


def _doors(desired: Desired, actual: Actual, alias: str) -> list[Step]:
    """URL and permissions, and then the tag without the URL that is gone."""
    ours = actual.our_urls
    if desired.url_stays:
        ours = frozenset()
    steps = [*door_steps(desired.url, alias, ours, actual.doors, desired.settings.get(PERMISSIONS))]
    kept = actual.our_urls if desired.url_stays else actual.our_urls - concerned(alias)
    left = kept | ({desired.url.at or alias} if desired.url is not None else frozenset())
    if actual.our_urls - left:
        value = as_tag(left)
        if value:
            steps.append(Step("tag", "a URL is gone", {"Tags": {URL_TAG: value}}))
        else:
            steps.append(Step("untag", "the URL is gone", {"TagKeys": [URL_TAG]}))
    return steps


def _waiting(desired: Desired, alias: str) -> list[str]:
    """What of the definition stands on the alias."""
    url = desired.url is not None and desired.url.at in (None, alias)
    keys = [key for key in (PERMISSIONS, *OF_ALIAS, SOURCES) if desired.settings.get(key)]
    return [f"Fn.{key}" for key in (*(["FunctionUrl"] if url else []), *keys)]


def _prune(actual: Actual, alias: str, goal: str | None, keep: int) -> Iterator[Step]:
    leaving = actual.alias.version if actual.alias and goal is not None else ""
    others = [other for other in actual.aliases if goal is None or other.name != alias]
    yield from prune_steps(actual.versions, others, keep, coming=int(goal == _NEW), leaving=leaving)


def _kinds(steps: Iterable[Step]) -> set[Kind]:
    return {step.kind for step in steps}


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
                hint="deploy with --local, or say in its runtime.json what its own layer is made of (the key 'layer', "
                "docs/runtimes.md)",
            )


def _refuse(desired: Desired, actual: Actual, alias: str, wishes: Wishes) -> None:
    if actual.function is None and not wishes.function:
        raise DeployError(
            "there is no function yet", where=desired.name, hint="deploy it without --skip-function first"
        )
    if actual.function is not None and actual.function.package_type != desired.creation.get("PackageType", "Zip"):
        raise DeployError(
            f"the deployed function is a {actual.function.package_type} function; Lambda cannot change that",
            where=desired.name,
            hint="delete the function first, or give this one another name",
        )
    _refuse_unchangeable(desired, actual)
    moves = wishes.function and (wishes.publish or wishes.to_latest)
    if actual.alias is not None and actual.alias.under_canary and moves and not wishes.canary:
        raise DeployError(
            f"a canary is on alias {alias}; a deploy would end it",
            where=desired.name,
            hint="fn canary status shows it, fn canary abort ends it; fn deploy --canary --supersede replaces it",
        )
    if actual.alias is not None and actual.alias.weights and moves and not actual.alias.under_canary:
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
    plain = {**state.configuration, "Description": told(desired.description, state.description)}
    tags = actual.function.tags if actual.function else None
    steps = []
    if not _has_code(desired, state, tags):
        reason = f"the package changed (deployed: {state.code_sha256})"
        if "S3Key" in desired.code and desired.package is None:
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


def own_tags(desired: Desired, alias: str, our_urls: frozenset[str] = frozenset()) -> dict[str, str]:
    """The tags to have: the file's, the mark of the package, and where the URL is ours (one that is to go included)."""
    mark = {PACKAGE_TAG: package_mark(desired.package)} if desired.package is not None else {}
    url = {URL_TAG: as_tag(our_urls | {desired.url.at or alias})} if desired.url is not None else {}
    signing = {SIGNING_TAG: desired.signing} if desired.signing is not None else {}
    return {**(desired.tags or {}), **mark, **url, **signing}


def _tags(desired: Desired, state: FunctionState, alias: str, our_urls: frozenset[str]) -> Iterator[Step]:
    if state.tags is None:
        return
    wanted = own_tags(desired, alias, our_urls)
    new = {key: value for key, value in wanted.items() if state.tags.get(key) != value}
    if desired.package is not None and has_mark(desired.package, state.code_sha256, state.tags):
        # The deployed zip is of this tree, whoever compressed it: its own mark stays true.
        new.pop(PACKAGE_TAG, None)
    if new:
        yield Step("tag", f"tags to set: {', '.join(sorted(new))}", {"Tags": new})
    if desired.tags is not None:
        gone = sorted(
            key for key in state.tags if key not in desired.tags and key not in OWN_TAGS and not key.startswith("aws:")
        )
        if gone:
            yield Step("untag", f"not in the definition any more: {', '.join(gone)}", {"TagKeys": gone})


def _publish(desired: Desired, actual: Actual, alias: str) -> Step:
    previous = actual.alias.version if actual.alias else None
    sends = {"Description": with_record(desired.description, previous)}
    return Step("publish-version", f"alias {alias} needs a version of this code and configuration", sends)
