"""Published versions: PublishVersion, idempotent as Lambda's, and the list of them."""

from __future__ import annotations

import json
from dataclasses import replace

from fnroll.cloud import capacity_providers, scaling, states
from fnroll.cloud.configuration import describe, refuse
from fnroll.cloud.faults import invalid, stale
from fnroll.cloud.names import LATEST, PUBLISHED
from fnroll.cloud.records import (
    Call,
    Given,
    Result,
    VersionRow,
    begin_page,
    end_page,
    find_version,
    last_version,
    latest,
    named,
    new_revision,
    version_number,
    versions_of,
)


def publish_version(call: Call, given: Given) -> Result:
    refuse(given)
    current = latest(call, given)
    states.check_settled(current)
    check_revision(current, given)
    asked, sha256 = given.get("CodeSha256"), current.config.get("CodeSha256")
    if asked and asked != sha256:
        raise invalid(
            f"CodeSHA256 ({asked}) is different from current CodeSHA256 in $LATEST ({sha256}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
    published = publish(call, current, given, given.get("Description"))
    return describe(published, published.version)


def publish(call: Call, current: VersionRow, given: Given, description: str | None) -> VersionRow:
    """A version of what $LATEST is now, numbered or as PublishTo says: the last published one if nothing changed since,
    its description included."""
    if "PublishTo" in given:
        return _republish(call, current, description)
    last = last_version(call.db, current.function)
    if last.number and last.fingerprint == current.fingerprint:
        return last
    capacity_providers.check_room(call, current)
    (number,) = call.db.execute(
        "UPDATE function SET next_version = next_version + 1 WHERE id = ? RETURNING next_version - 1",
        (current.function.id,),
    ).fetchone()
    return _publish_as(call, current, number, description)


def _republish(call: Call, current: VersionRow, description: str | None) -> VersionRow:
    """$LATEST.PUBLISHED of what $LATEST is now; its scaling config stays."""
    if not current.managed:
        raise invalid("PublishTo is supported only for functions that have a CapacityProviderConfig.")
    number = version_number(PUBLISHED)
    last = find_version(call.db, current.function, number)
    if last is None:
        capacity_providers.check_room(call, current)
    elif last.fingerprint == current.fingerprint:
        return last
    published = _publish_as(call, current, number, description)
    if last is not None and last.scaling:
        published = replace(published, scaling=last.scaling)
        scaling.carry_out(call, published)
    return published


def _publish_as(call: Call, current: VersionRow, number: int, description: str | None) -> VersionRow:
    config = current.config if description is None else {**current.config, "Description": description}
    # Of a function that is being made the version is too; what an update has published is there at once.
    standing = {} if current.standing.get("before") else current.standing
    published = replace(current, number=number, config=config, revision=new_revision(), standing=standing)
    save(call, published)
    # Publishing moves the RevisionId of $LATEST too, as AWS's does.
    save(call, replace(current, revision=new_revision()))
    return published


def list_versions_by_function(call: Call, given: Given) -> Result:
    """$LATEST.PUBLISHED and $LATEST first, then by number. A page costs what it holds."""
    _, function = named(call, given)
    after, size = begin_page(given)
    if after not in ("", LATEST, PUBLISHED) and not after.isdecimal():
        raise invalid("The provided Marker is invalid")
    last = version_number(after) if after else -2
    found = versions_of(call.db, function, last, size + 1)
    marker = end_page([version.version for version in found], size)
    return {"Versions": [describe(version, version.version) for version in found[:size]], **marker}


def check_revision(version: VersionRow, given: Given) -> None:
    """The RevisionId of a write must be the latest. Fault PreconditionFailed."""
    if given.get("RevisionId") and given["RevisionId"] != version.revision:
        raise stale("GetFunction/GetAlias")


def save(call: Call, version: VersionRow) -> None:
    call.db.execute(
        "INSERT INTO version (function_id, number, config, fingerprint, revision, package, image, standing)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (function_id, number) DO UPDATE SET config = excluded.config,"
        " fingerprint = excluded.fingerprint, revision = excluded.revision, package = excluded.package,"
        " image = excluded.image, standing = excluded.standing",
        (
            version.function.id,
            version.number,
            json.dumps(version.config),
            version.fingerprint,
            version.revision,
            version.package,
            version.image,
            json.dumps(version.standing),
        ),
    )
