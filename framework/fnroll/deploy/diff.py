"""What a deploy would change, as two documents that can be laid side by side. Pure.

`before` is what is deployed, `after` what the definition says, both in the words of CreateFunction. A member that a
deploy would leave alone is the same in both: the judgement is the deploy's own (`desired.differences`), so that the
diff shows a line exactly where a deploy would write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Any

from fnroll.aws import FunctionState
from fnroll.deploy.actual import Actual
from fnroll.deploy.described import described, stripped
from fnroll.deploy.desired import OWN_TAGS, Desired, differences
from fnroll.deploy.plan import layer_refs, steps_to
from fnroll.deploy.record import told
from fnroll.deploy.settings import OF_ALIAS, OF_FUNCTION, PERMISSIONS, SOURCES, setting_steps, source_steps
from fnroll.deploy.signing import MEMBER as SIGNING
from fnroll.deploy.signing import signing_steps
from fnroll.deploy.steps import Step
from fnroll.deploy.urls import door_steps
from fnroll.layers import LayerPackage

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sides:
    """Two documents, each complete: {} where there is no function."""

    before: Document = field(repr=False)
    after: Document = field(repr=False)

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """Member -> (deployed, wanted), None where a side has none."""
        keys = sorted({*self.before, *self.after})
        pairs = {key: (self.before.get(key), self.after.get(key)) for key in keys}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

    def unified(self, deployed: str, wanted: str) -> list[str]:
        """The lines of a unified diff, with these names at its head; none if nothing differs."""
        return list(unified_diff(_lines(self.before), _lines(self.after), deployed, wanted, lineterm=""))


def _lines(document: Document) -> list[str]:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).splitlines() if document else []


def compare(desired: Desired, state: FunctionState | None, actual: Actual) -> Sides:
    """The configuration, layers and tags of `state` ($LATEST or a version) beside the definition's."""
    tags = actual.function.tags if actual.function else None
    after: Document = {**stripped(desired.configuration), "FunctionName": desired.name, **stripped(desired.creation)}
    if desired.layers:
        after["Layers"] = _layers(desired, actual)
    if desired.tags:
        after["Tags"] = dict(desired.tags)
    if "ImageUri" in desired.code:
        after["Code"] = {"ImageUri": desired.code["ImageUri"]}
    if desired.architectures is not None:
        after["Architectures"] = list(desired.architectures)
    if state is None:
        return Sides({}, after)
    return Sides(*_pairs(desired, state, tags, after))


def _pairs(
    desired: Desired, state: FunctionState, tags: Mapping[str, str] | None, after: Document
) -> tuple[Document, Document]:
    plain = {**state.configuration, "Description": told(desired.description, state.description)}
    there = described(plain)
    if state.image_uri is not None:
        there["Code"] = {"ImageUri": state.image_uri}
    changed = differences(desired, plain)
    before: Document = {"FunctionName": desired.name}
    here: Document = {}
    for key in sorted({*there, *after} - {"FunctionName", "Tags"}):
        if key not in desired.configuration:
            before[key], here[key] = _beside(key, desired, there.get(key), after.get(key))
        elif key in changed:
            before[key], here[key] = _narrowed(key, there.get(key), after.get(key))
        else:
            before[key] = here[key] = after.get(key) if key in desired.said else there.get(key)
    here["FunctionName"] = desired.name
    if desired.tags is not None and tags is not None:
        ours = {key: value for key, value in tags.items() if key not in OWN_TAGS and not key.startswith("aws:")}
        before["Tags"], here["Tags"] = ours or None, after.get("Tags")
    return stripped(before), stripped(here)


def _beside(key: str, desired: Desired, there: Any, wanted: Any) -> tuple[Any, Any]:
    """Members that are not configuration: what AWS does not tell, or the file does not say, is no difference."""
    if key == "Layers":
        return there, wanted
    if key == "PackageType":
        return there, wanted or "Zip"
    if key == "TenancyConfig" and key in desired.creation:
        return there, wanted
    if there is None or wanted is None:
        return there or wanted, there or wanted
    return there, wanted


def _narrowed(key: str, there: Any, wanted: Any) -> tuple[Any, Any]:
    """A changed block, without those members of the deployed one that a deploy does not look at."""
    if key == "VpcConfig":
        return _sorted(there), _sorted(wanted)
    if not wanted or key in ("Environment", "ImageConfig"):
        return there, wanted
    return _covered(there, wanted), wanted


def _covered(there: Any, wanted: Any) -> Any:
    if isinstance(there, Mapping) and isinstance(wanted, Mapping):
        return {key: _covered(item, wanted[key]) for key, item in there.items() if key in wanted}
    return there


def _sorted(block: Any) -> Any:
    """The order of ids says nothing."""
    if not isinstance(block, Mapping):
        return block
    return {key: sorted(value) if isinstance(value, list) else value for key, value in block.items()}


def _layers(desired: Desired, actual: Actual) -> list[str]:
    """By ARN where there is one, else by name, and what will be published."""
    refs = zip(desired.layers, layer_refs(desired, actual), strict=True)
    return [ref or _coming(layer) for layer, ref in refs]


def _coming(layer: str | LayerPackage) -> str:
    if isinstance(layer, str):
        return layer
    return f"{layer.name}: a new version, {len(layer.data)} bytes, CodeSha256 {layer.code_sha256}"


def beside(desired: Desired, actual: Actual, alias: str) -> Iterator[Step]:
    """What differs beside code and configuration, as the steps that a deploy would take there."""
    there = None if actual.function is None else actual.settings
    if actual.function is not None:
        signing = actual.settings.get(SIGNING) or {}
        yield from signing_steps(desired.signing, desired.signing_stays, actual.function, signing)
    yield from setting_steps(OF_FUNCTION, desired.settings, there, desired.name)
    ours = frozenset[str]() if desired.url_stays else actual.our_urls
    yield from door_steps(desired.url, alias, ours, actual.doors, desired.settings.get(PERMISSIONS))
    yield from setting_steps(OF_ALIAS, desired.settings, there, desired.name)
    yield from source_steps(desired.settings.get(SOURCES), actual.sources)


def is_behind(desired: Desired, served: FunctionState, actual: Actual) -> bool:
    """Whether what the alias serves is not the definition and its package, be $LATEST as it may."""
    return not served.version.isdecimal() or bool(steps_to(desired, served, actual))


def colored(lines: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Each line of a unified diff, and its colour (None: none)."""
    for number, line in enumerate(lines):
        if number < 2:
            yield line, "bold"
        else:
            yield line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
