"""Keys as the API spells them: another case is taken for what it means, as lambroll takes it, and told.

lambroll's JSON reader matches keys without case and holds null for absent. Here both hold for members of structures;
the keys of maps (variables, tags) are the user's own, and stay. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fnroll.definition.positions import Places, Span, escape
from fnroll.errors import DefinitionError, Finding

Schema = Mapping[str, Any]


def spelt(value: Any, places: Places, schema: Schema) -> tuple[Any, Places, tuple[Finding, ...]]:
    """The value with its keys as the schema has them and without nulls, its places, and warnings. Raises
    DefinitionError where one member stands there under two spellings."""
    speller = _Speller(places, schema)
    made = speller.value(value, schema, "", "")
    if speller.errors:
        raise DefinitionError(*speller.errors)
    if not speller.moved:
        return made, places, ()
    return made, Places(places.map, dict(speller.spans())), tuple(speller.warnings)


class _Speller:
    """One walk; `moved`: pointers as written -> as spelt, for members whose own key changed."""

    def __init__(self, places: Places, root: Schema) -> None:
        self.places = places
        self.root = root
        self.moved: dict[str, str] = {}
        self.warnings: list[Finding] = []
        self.errors: list[Finding] = []

    def value(self, value: Any, node: Schema, at: str, to: str) -> Any:
        node = self.root["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        if isinstance(value, list) and "items" in node:
            return [self.value(item, node["items"], f"{at}/{i}", f"{to}/{i}") for i, item in enumerate(value)]
        if isinstance(value, dict) and "properties" in node:
            return self.structure(value, node["properties"], at, to)
        return value

    def structure(self, value: Mapping[str, Any], known: Schema, at: str, to: str) -> dict[str, Any]:
        folded = {key.casefold(): key for key in known}
        made: dict[str, Any] = {}
        written: dict[str, str] = {}
        for key, item in value.items():
            meant = key if key in known else folded.get(key.casefold(), key)
            here, there = f"{at}/{escape(key)}", f"{to}/{escape(meant)}"
            if meant in written:
                message = f'duplicate key "{key}"'
                self.errors.append(self.places.finding(here, message, f'"{written[meant]}" means the same', key=True))
                continue
            written[meant] = key
            if meant != key:
                self.moved[here] = there
                self.warnings.append(
                    self.places.finding(here, f'the key "{key}" is spelt "{meant}"', "fn takes it as that", key=True)
                )
            if meant not in known:
                made[meant] = item
            elif item is not None:
                made[meant] = self.value(item, known[meant], here, there)
        return made

    def spans(self) -> Iterator[tuple[str, Span]]:
        """The places under the pointers of the new spelling."""
        for pointer, span in self.places.spans.items():
            yield self._spelt(pointer), span

    def _spelt(self, pointer: str) -> str:
        head = pointer
        while head:
            if head in self.moved:
                return self.moved[head] + pointer[len(head) :]
            head = head.rpartition("/")[0]
        return pointer
