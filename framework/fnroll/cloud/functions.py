"""Functions: create, read, update, delete, list."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from fnroll.cloud import code_signing, configuration, scaling, settings, states, versions
from fnroll.cloud.configuration import SOURCE_KEY, describe
from fnroll.cloud.faults import conflict, invalid
from fnroll.cloud.layers import layer_keys
from fnroll.cloud.names import LATEST, is_version
from fnroll.cloud.records import (
    Call,
    FunctionRow,
    Given,
    Result,
    VersionRow,
    aliases_of,
    as_function,
    as_version,
    begin_page,
    end_page,
    latest,
    named,
    new_revision,
    package_of,
    sought,
    target,
    version_number,
)
from fnroll.cloud.store import MAX_UNZIPPED, Stored


def create_function(call: Call, given: Given) -> Result:
    ref, there = sought(call, given["FunctionName"])
    if there is not None:
        raise conflict(f"Function already exist: {ref.name}")
    config = configuration.initial(call, {**given, "FunctionName": ref.name})
    code_signing.check_created(call, given)
    stored, image = _code(call, given["Code"], config["PackageType"])
    _put_code(config, given["Code"], stored, image)
    config = configuration.sealed(config)
    _check_size(call, config, stored.key if stored else None)
    row_id = call.db.execute(
        "INSERT INTO function (account, region, name, tags) VALUES (?, ?, ?, ?)",
        (*ref.home, ref.name, json.dumps(given.get("Tags", {}))),
    ).lastrowid
    assert row_id is not None
    function = FunctionRow(row_id, ref.home, ref.name, 1, given.get("Tags", {}))
    version = VersionRow(
        function,
        0,
        config,
        configuration.fingerprint(config, image),
        new_revision(),
        stored.key if stored else None,
        image,
    )
    version = states.begin(call, version)
    versions.save(call, version)
    if "CodeSigningConfigArn" in given:
        code_signing.put_function_code_signing_config(call, given)
    if given.get("Publish") or "PublishTo" in given:
        published = versions.publish(call, version, given, description=None)
        return describe(published, published.version)
    return describe(version, None)


def get_function(call: Call, given: Given) -> Result:
    ref, version = target(call, given)
    result: Result = {"Configuration": describe(version, ref.qualifier), "Code": _location(call, version)}
    if concurrency := settings.concurrency_of(call.db, version.function):
        result["Concurrency"] = concurrency
    if version.function.tags:
        result["Tags"] = version.function.tags
    return result


def get_function_configuration(call: Call, given: Given) -> Result:
    ref, version = target(call, given)
    return describe(version, ref.qualifier)


def list_functions(call: Call, given: Given) -> Result:
    """In the order of names; with FunctionVersion ALL each with its versions. A page costs what it holds."""
    every = given.get("FunctionVersion") == "ALL"
    after, size = begin_page(given)
    name, _, number = after.partition(":")
    if after and not (number.removeprefix("-").isdecimal() and len(number) <= 18):
        raise invalid("The provided Marker is invalid")
    # The last term alone lets SQLite pass by the published versions, rather than read each to leave it out.
    rows = call.db.execute(
        "SELECT * FROM function CROSS JOIN version ON function_id = id"
        " WHERE account = ? AND region = ? AND name >= ? AND (name > ? OR number > ?)"
        + ("" if every else " AND number = 0")
        + " ORDER BY name, number LIMIT ?",
        (*call.home, name, name, int(number or "-2"), size + 1),
    ).fetchall()
    found = [as_version(as_function(row), row) for row in rows]
    return {
        "Functions": [describe(version, version.version if every else None) for version in found[:size]],
        **end_page([f"{version.function.name}:{version.number}" for version in found], size),
    }


def update_function_code(call: Call, given: Given) -> Result:
    version = latest(call, given)
    states.check_settled(version)
    versions.check_revision(version, given)
    configuration.refuse(given)
    if version.image is None:
        code_signing.check_updated(call, version.function, given)
    config = {**version.config, "LastModified": call.stamp()}
    stored, image = _code(call, given, config["PackageType"], keep=not given.get("DryRun"))
    _put_code(config, given, stored, image)
    if "Architectures" in given:
        config["Architectures"] = given["Architectures"]
    updated = _updated(version, config, stored.key if stored else None, image)
    if given.get("DryRun"):
        return describe(updated, None)
    _check_size(call, config, updated.package)
    updated = states.begin(call, updated, version)
    versions.save(call, updated)
    if given.get("Publish") or "PublishTo" in given:
        published = versions.publish(call, updated, given, description=None)
        return describe(published, published.version)
    return describe(updated, None)


def update_function_configuration(call: Call, given: Given) -> Result:
    version = latest(call, given)
    states.check_settled(version)
    versions.check_revision(version, given)
    if "CapacityProviderConfig" in given and not version.managed:
        raise invalid("CapacityProviderConfig isn't supported for Lambda Default functions.")
    config = configuration.changed(call, version.config, given)
    if {each["Arn"] for each in config.get("Layers", ())} - {each["Arn"] for each in version.config.get("Layers", ())}:
        code_signing.check_updated(call, version.function, given)
    _check_size(call, config, version.package)
    updated = states.begin(call, _updated(version, config, version.package, version.image), version)
    versions.save(call, updated)
    return describe(updated, None)


def delete_function(call: Call, given: Given) -> Result:
    """Without a qualifier the whole function; with one, that version. Deleting an absent version is no error."""
    ref, function = named(call, given)
    if ref.qualifier is None:
        scaling.forget(call, function)
        call.db.execute("DELETE FROM function WHERE id = ?", (function.id,))
        call.effects.retired.append(function.arn)
        call.effects.provisioned = True
        return {}
    if ref.qualifier == LATEST:
        raise invalid("$LATEST version cannot be deleted without deleting the function.")
    if not is_version(ref.qualifier):
        raise invalid("Deletion of aliases is not currently supported.")
    using = [a.name for a in aliases_of(call.db, function) if ref.qualifier == a.version or ref.qualifier in a.weights]
    if using:
        raise conflict(f"Unable to delete version because the following aliases reference it: [{', '.join(using)}]")
    scaling.forget(call, function, version_number(ref.qualifier))
    call.db.execute(
        "DELETE FROM version WHERE function_id = ? AND number = ?", (function.id, version_number(ref.qualifier))
    )
    call.db.execute("DELETE FROM setting WHERE function_id = ? AND qualifier = ?", (function.id, ref.qualifier))
    call.effects.provisioned = True
    return {}


def _updated(version: VersionRow, config: Result, package: str | None, image: str | None) -> VersionRow:
    config = configuration.sealed(config)
    return replace(
        version,
        config=config,
        fingerprint=configuration.fingerprint(config, image),
        revision=new_revision(),
        package=package,
        image=image,
    )


def _code(call: Call, given: Given, kind: str, *, keep: bool = True) -> tuple[Stored | None, str | None]:
    """The package or the image URI that a call brings. Faults: none, of the wrong kind, unreadable."""
    image = given.get("ImageUri")
    if (image is not None) != (kind == "Image"):
        wanted = "ImageUri" if kind == "Image" else "ZipFile or S3Bucket and S3Key"
        raise invalid(f"Please provide {wanted} when creating or updating a function of PackageType {kind}.")
    if image is not None:
        return None, image
    return package_of(call, given, keep=keep), None


def _check_size(call: Call, config: Result, package: str | None) -> None:
    """Code and layers share one limit on their size when unpacked. Fault InvalidParameterValue."""
    layers = layer_keys(call.db, config)
    if package is None or not layers:
        return
    size = sum(call.store.unzipped(key) for key in (package, *layers))
    if size > MAX_UNZIPPED:
        raise invalid(
            f"Function code combined with layers exceeds the maximum allowed size of {MAX_UNZIPPED} bytes. "
            f"The actual size is {size} bytes."
        )


def _put_code(config: Result, given: Given, stored: Stored | None, image: str | None) -> None:
    """What is told of the code. The key that it is encrypted with on AWS is kept, and goes with the code."""
    config.pop(SOURCE_KEY, None)
    if given.get(SOURCE_KEY):
        config[SOURCE_KEY] = given[SOURCE_KEY]
    if stored is not None:
        config["CodeSha256"], config["CodeSize"] = stored.code_sha256, stored.size
    if image is not None:
        config["CodeSha256"], config["CodeSize"] = _digest(image), 0


def _digest(image: str) -> str:
    """Of an image. No registry is asked here, so a tag stands for its digest: the same tag, the same image."""
    _, named, digest = image.partition("@sha256:")
    return digest if named else hashlib.sha256(image.encode()).hexdigest()


def _location(call: Call, version: VersionRow) -> Result:
    key = {SOURCE_KEY: version.config[SOURCE_KEY]} if SOURCE_KEY in version.config else {}
    return {**_place(call, version), **key}


def _place(call: Call, version: VersionRow) -> Result:
    if version.image is not None:
        repository = version.image.partition("@")[0].rpartition("/")
        resolved = f"{repository[0]}{repository[1]}{repository[2].partition(':')[0]}@sha256:{_digest(version.image)}"
        return {"RepositoryType": "ECR", "ImageUri": version.image, "ResolvedImageUri": resolved}
    assert version.package is not None
    return {"RepositoryType": "S3", "Location": call.package_url(version.package)}
