"""A FunctionConfiguration, as AWS answers it, in the words of CreateFunction: what a function.json of it would say.

Pure. What AWS adds by itself (ids of VPCs, states, hashes) has no place in a request and is left out, and so is what is
empty. Which members a request has comes from the service model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fnroll.definition.service import shape
from fnroll.deploy.record import without_record

_OWN_MAPS = frozenset({"Variables", "Tags"})
"""Maps whose keys are the user's: there an empty value says something."""


def described(configuration: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The request that would make such a function, less Code; `tags` of AWS itself left out."""
    answered = {**configuration, "ImageConfig": (configuration.get("ImageConfigResponse") or {}).get("ImageConfig")}
    answered["Layers"] = [layer["Arn"] for layer in configuration.get("Layers") or ()]
    answered["Description"] = without_record(str(configuration.get("Description") or ""))
    if tags:
        answered["Tags"] = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    return {key: value for key, value in _fitting(answered, "CreateFunctionRequest").items() if key != "Code"}


def stripped(value: Any, name: str = "") -> Any:
    """`value` without members that say nothing, at any depth; a map of the user's own stays whole."""
    if isinstance(value, Mapping) and name not in _OWN_MAPS:
        inner = {key: stripped(item, key) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item not in (None, "", {}, [])}
    return value


def _fitting(value: Mapping[str, Any], structure: str) -> dict[str, Any]:
    members = shape(structure)["members"]
    found: dict[str, Any] = {}
    for key, member in members.items():
        item = value.get(key)
        inner = shape(member["shape"])
        if isinstance(item, Mapping) and inner["type"] == "structure":
            item = _fitting(item, member["shape"])
        item = stripped(item, key)
        if item not in (None, "", {}, []):
            found[key] = item
    return found
