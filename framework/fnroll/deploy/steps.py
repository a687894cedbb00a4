"""The words of a plan: a step, and what the user asked of the deploy beside the definition. Data, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fnroll.deploy.ignored import Path
from fnroll.layers import LayerPackage

Kind = Literal[
    "publish-layer",
    "upload-code",
    "create-function",
    "update-code",
    "update-configuration",
    "tag",
    "untag",
    "publish-version",
    "put-setting",
    "reset-setting",
    "create-url",
    "update-url",
    "delete-url",
    "allow",
    "disallow",
    "create-event-source",
    "update-event-source",
    "delete-event-source",
    "create-alias",
    "move-alias",
    "delete-version",
]


@dataclass(frozen=True, slots=True)
class Step:
    """One write: what it does, why, and the members that it sends (code as its size and hash). `target`: which setting
    or event source mapping; the alias, or $LATEST, that a step on URL or policy is aimed at."""

    kind: Kind
    reason: str
    sends: Mapping[str, Any] = field(default_factory=dict, repr=False)
    layer: LayerPackage | None = field(default=None, repr=False)
    target: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to deploy. `publish`: freeze $LATEST under a number and move the alias there; `to_latest`: the alias goes to
    $LATEST instead. `configuration`, `function`: whether they are touched at all. `keep_versions`: how many numbered
    versions may stay, 0 for all. `ignore`: members that stay as they are deployed. `canary`:
    publish, and leave the alias where it is if there is one: a canary will move it."""

    publish: bool = True
    to_latest: bool = False
    configuration: bool = True
    function: bool = True
    keep_versions: int = 0
    ignore: tuple[Path, ...] = ()
    canary: bool = False
