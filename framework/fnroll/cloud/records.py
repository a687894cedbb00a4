"""The rows of the control plane as values, and the look-ups that every operation shares.

A `Call` is what an operation is given besides its parameters: the open transaction, the package store, who calls.
Operations are functions `(Call, parameters) -> result` in the modules beside this one; `control` lists them.
"""

from __future__ import annotations

import base64
import binascii
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

from fnroll.cloud.accounts import Caller, identity
from fnroll.cloud.faults import Fault, invalid, not_built, not_found
from fnroll.cloud.grants import check_shared
from fnroll.cloud.names import LATEST, PUBLISHED, FunctionRef, Home, function_arn, is_version, parse_function
from fnroll.cloud.policy_rules import Statement
from fnroll.cloud.services import Services
from fnroll.cloud.store import Store, Stored

Given = Mapping[str, Any]
Result = dict[str, Any]
Item = TypeVar("Item")

PAGE = 50
"""Items of a list's page where the caller gives no MaxItems; Lambda gives no more than this either."""

NO_VERSION = 2**63 - 1
"""The largest number that the database holds."""


@dataclass(slots=True)
class Effects:
    """What must happen outside the database once a call is committed.

    `retired`: ARNs whose environments must go. `reserved`: ARNs, and their reserved concurrency from now on (None:
    none). `provisioned`: what is to be provisioned may have changed. `sources`: event source mappings have.
    `settling`: a version is on its way. `limited`: the most invocations at a time of a version (its function's ARN, its
    name) from now on (None: no limit of its own).
    """

    retired: list[str] = field(default_factory=list)
    reserved: dict[str, int | None] = field(default_factory=dict)
    provisioned: bool = False
    sources: bool = False
    settling: bool = False
    limited: dict[tuple[str, str], int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One control-plane call: of which operation, and by whom."""

    db: sqlite3.Connection
    store: Store
    operation: str
    caller: Caller
    port: int
    fetch_s3: Callable[[str, str, str, str | None], bytes]
    services: Services | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    effects: Effects = field(default_factory=Effects)
    pace: float | None = None
    """How many times as fast as Lambda functions are made and updated; None: at once."""

    @property
    def home(self) -> Home:
        return self.caller.home

    def stamp(self) -> str:
        """Now, as LastModified and CreatedDate are written."""
        return self.now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.now.microsecond // 1000:03d}+0000"

    def package_url(self, key: str) -> str:
        return f"http://localhost:{self.port}/.fn/package/{key}"


@dataclass(frozen=True, slots=True)
class FunctionRow:
    id: int
    home: Home
    name: str
    next_version: int
    tags: dict[str, str]

    @property
    def arn(self) -> str:
        return function_arn(self.home, self.name)


_NUMBERS: Mapping[str, int] = {LATEST: 0, PUBLISHED: -1}
_NAMES = {number: name for name, number in _NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version; `number` 0 is $LATEST, -1 is $LATEST.PUBLISHED. `config` is the FunctionConfiguration less what
    `describe` adds.

    `fingerprint` names code and configuration: of $LATEST itself, or of what $LATEST was when this one was published.
    """

    function: FunctionRow
    number: int
    config: dict[str, Any]
    fingerprint: str
    revision: str
    package: str | None
    image: str | None
    standing: Mapping[str, Any] = field(default_factory=dict)
    """On its way: `kind`, `until` (epoch seconds), and what it was `before` (states.py); empty: it has arrived."""
    scaling: Mapping[str, Any] = field(default_factory=dict)
    """What PutFunctionScalingConfig has said (scaling.py); empty: nothing."""

    @property
    def version(self) -> str:
        return _NAMES.get(self.number) or str(self.number)

    @property
    def tenanted(self) -> bool:
        """Whether its environments are each for one tenant."""
        return "TenancyConfig" in self.config

    @property
    def managed(self) -> bool:
        """Whether it runs on managed instances."""
        return "CapacityProviderConfig" in self.config


@dataclass(frozen=True, slots=True)
class AliasRow:
    function: FunctionRow
    name: str
    version: str
    description: str
    weights: dict[str, float]
    revision: str

    @property
    def arn(self) -> str:
        return function_arn(self.function.home, self.function.name, self.name)


def new_revision() -> str:
    return str(uuid4())


def find_function(db: sqlite3.Connection, home: Home, name: str) -> FunctionRow | None:
    row = db.execute("SELECT * FROM function WHERE account = ? AND region = ? AND name = ?", (*home, name)).fetchone()
    return row and as_function(row)


def as_function(row: sqlite3.Row) -> FunctionRow:
    return FunctionRow(row["id"], as_home(row), row["name"], row["next_version"], json.loads(row["tags"]))


def as_home(row: sqlite3.Row) -> Home:
    return Home(row["account"], row["region"])


def find_version(db: sqlite3.Connection, function: FunctionRow, number: int) -> VersionRow | None:
    row = db.execute("SELECT * FROM version WHERE function_id = ? AND number = ?", (function.id, number)).fetchone()
    return row and as_version(function, row)


def as_version(function: FunctionRow, row: sqlite3.Row) -> VersionRow:
    return VersionRow(
        function,
        row["number"],
        json.loads(row["config"]),
        row["fingerprint"],
        row["revision"],
        row["package"],
        row["image"],
        json.loads(row["standing"]),
        json.loads(row["scaling"]),
    )


def versions_of(db: sqlite3.Connection, function: FunctionRow, after: int, most: int) -> list[VersionRow]:
    """At most so many versions of a higher number than `after`, by number."""
    rows = db.execute(
        "SELECT * FROM version WHERE function_id = ? AND number > ? ORDER BY number LIMIT ?", (function.id, after, most)
    )
    return [as_version(function, row) for row in rows]


def last_version(db: sqlite3.Connection, function: FunctionRow) -> VersionRow:
    """The one with the highest number: $LATEST where none was published."""
    row = db.execute(
        "SELECT * FROM version WHERE function_id = ? ORDER BY number DESC LIMIT 1", (function.id,)
    ).fetchone()
    return as_version(function, row)


def find_alias(db: sqlite3.Connection, function: FunctionRow, name: str) -> AliasRow | None:
    row = db.execute("SELECT * FROM alias WHERE function_id = ? AND name = ?", (function.id, name)).fetchone()
    return row and as_alias(function, row)


def aliases_of(db: sqlite3.Connection, function: FunctionRow) -> list[AliasRow]:
    rows = db.execute("SELECT * FROM alias WHERE function_id = ? ORDER BY name", (function.id,))
    return [as_alias(function, row) for row in rows]


def as_alias(function: FunctionRow, row: sqlite3.Row) -> AliasRow:
    return AliasRow(
        function, row["name"], row["version"], row["description"], json.loads(row["weights"]), row["revision"]
    )


def version_number(version: str) -> int:
    """The `number` of a version as the API writes it; NO_VERSION of one that no version can have."""
    if version in _NUMBERS:
        return _NUMBERS[version]
    return (int(version) if len(version) <= 18 else 0) or NO_VERSION


def statements_of(db: sqlite3.Connection, function: FunctionRow, qualifier: str) -> list[Statement]:
    """The policy of a function, or of a version or alias of it, which has its own."""
    rows = db.execute(
        "SELECT body FROM statement WHERE function_id = ? AND qualifier = ? ORDER BY place", (function.id, qualifier)
    )
    return [json.loads(row["body"]) for row in rows]


def reach(db: sqlite3.Connection, caller: Caller, ref: FunctionRef, operation: str) -> FunctionRow | None:
    """The function that a caller names, if it is there.

    Fault AccessDenied for one of another account, unless its policy lets the caller do this: who may not is not told
    whether it is there.
    """
    function = find_function(db, ref.home, ref.name)
    if ref.home.account != caller.home.account:
        statements = statements_of(db, function, ref.qualifier or "") if function is not None else ()
        check_shared(identity(caller.key_id), operation, ref.asked_arn, statements)
    return function


def sought(call: Call, text: str, qualifier: str | None = None) -> tuple[FunctionRef, FunctionRow | None]:
    """The function that a call names, if it is there. Faults as `parse_function` and `reach`."""
    ref = parse_function(text, call.home, qualifier)
    return ref, reach(call.db, call.caller, ref, call.operation)


def named(call: Call, given: Given) -> tuple[FunctionRef, FunctionRow]:
    """The function that FunctionName and Qualifier name. Fault ResourceNotFound."""
    ref, function = sought(call, given["FunctionName"], given.get("Qualifier"))
    if function is None:
        raise not_found(ref.asked_arn)
    return ref, function


def target(call: Call, given: Given) -> tuple[FunctionRef, VersionRow]:
    """The version that FunctionName and Qualifier name; an alias gives its primary version. Fault ResourceNotFound."""
    ref, function = named(call, given)
    version = qualified(call.db, function, ref.qualifier)
    if version is None:
        raise not_found(ref.asked_arn)
    return ref, version


def qualified(db: sqlite3.Connection, function: FunctionRow, qualifier: str | None) -> VersionRow | None:
    if qualifier is None or is_version(qualifier):
        return find_version(db, function, version_number(qualifier or LATEST))
    alias = find_alias(db, function, qualifier)
    return find_version(db, function, version_number(alias.version)) if alias is not None else None


def meant(db: sqlite3.Connection, function: FunctionRow, qualifier: str | None) -> str:
    """The qualifier that an invocation means: of managed instances a name without one is $LATEST.PUBLISHED."""
    if qualifier is not None:
        return qualifier
    version = find_version(db, function, 0)
    return PUBLISHED if version is not None and version.managed else LATEST


def latest(call: Call, given: Given) -> VersionRow:
    """$LATEST of the function that FunctionName names, for calls that change it. Fault ResourceNotFound."""
    _, function = named(call, given)
    version = find_version(call.db, function, 0)
    assert version is not None, "each function has its $LATEST"
    return version


def begin_page(given: Given) -> tuple[str, int]:
    """After which key a list goes on ("" for its beginning), and how many items its page has at most."""
    try:
        after = base64.urlsafe_b64decode(given.get("Marker") or "").decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise _bad_marker() from None
    return after, min(given.get("MaxItems", PAGE), PAGE)


def end_page(keys: Sequence[str], size: int) -> Result:
    """NextMarker, if there are more keys than the page has items."""
    return {"NextMarker": base64.urlsafe_b64encode(keys[size - 1].encode()).decode()} if len(keys) > size else {}


def page(items: Sequence[Item], key: Callable[[Item], str | int], given: Given) -> tuple[list[Item], Result]:
    """One page of a list, and NextMarker if more follow. The items must be in the order of their keys.

    The marker is the last key that was given, and what comes after it the next page: also where that item is gone,
    as for who deletes what they list.
    """
    after, size = begin_page(given)
    if after:
        last = _key(after)
        items = [item for item in items if _follows(key(item), last)]
    chosen = items[: size + 1]
    return list(chosen[:size]), end_page([json.dumps(key(item)) for item in chosen], size)


def _key(text: str) -> str | int:
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    if not isinstance(key, (str, int)):
        raise _bad_marker()
    return key


def _follows(key: str | int, last: str | int) -> bool:
    if isinstance(key, str) and isinstance(last, str):
        return key > last
    if isinstance(key, int) and isinstance(last, int):
        return key > last
    raise _bad_marker()


def _bad_marker() -> Fault:
    return invalid("The provided Marker is invalid")


def package_of(call: Call, given: Given, *, keep: bool = True) -> Stored:
    """The zip that `ZipFile`, or `S3Bucket` and `S3Key`, give."""
    if (data := given.get("ZipFile")) is not None:
        return call.store.add(data) if keep else call.store.examine(data)
    if given.get("S3ObjectStorageMode") == "REFERENCE":
        raise not_built("The S3ObjectStorageMode REFERENCE")
    if given.get("S3Bucket") and given.get("S3Key"):
        data = call.fetch_s3(call.home.account, given["S3Bucket"], given["S3Key"], given.get("S3ObjectVersion"))
        return call.store.add(data, direct=False) if keep else call.store.examine(data, direct=False)
    raise invalid("Please provide a source for function code.")


def absent() -> Fault:
    """404 of URLs, policies and layers, which do not name what is missing."""
    return Fault("ResourceNotFoundException", "The resource you requested does not exist.")
