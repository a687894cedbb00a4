"""Aliases: an atomic record of a primary version, at most one weighted other, and a description."""

from __future__ import annotations

import json
from dataclasses import replace

from fnroll.cloud.faults import Fault, conflict, invalid, not_found, stale
from fnroll.cloud.names import LATEST, function_arn
from fnroll.cloud.records import (
    AliasRow,
    Call,
    FunctionRow,
    Given,
    Result,
    aliases_of,
    find_alias,
    find_version,
    named,
    new_revision,
    page,
    version_number,
)


def create_alias(call: Call, given: Given) -> Result:
    _, function = named(call, given)
    alias = AliasRow(
        function,
        given["Name"],
        given["FunctionVersion"],
        given.get("Description", ""),
        _weights(given) or {},
        new_revision(),
    )
    if find_alias(call.db, function, alias.name) is not None:
        raise conflict(f"Alias already exists: {alias.arn}")
    _check(call, alias)
    _save(call, alias)
    return _describe(alias)


def get_alias(call: Call, given: Given) -> Result:
    function = _function(call, given, f"Cannot find alias arn: {_arn(call, given)}")
    alias = find_alias(call.db, function, given["Name"])
    if alias is None:
        raise Fault("ResourceNotFoundException", f"Cannot find alias arn: {_arn(call, given)}")
    return _describe(alias)


def update_alias(call: Call, given: Given) -> Result:
    """What is absent keeps its value, and empty weights end routing. A new RevisionId even if nothing changed."""
    function = _function(call, given, f"Alias not found: {_arn(call, given)}")
    alias = find_alias(call.db, function, given["Name"])
    if alias is None:
        raise Fault("ResourceNotFoundException", f"Alias not found: {_arn(call, given)}")
    if given.get("RevisionId") and given["RevisionId"] != alias.revision:
        raise stale("GetFunction/GetAlias")
    weights = _weights(given)
    alias = replace(
        alias,
        version=given.get("FunctionVersion", alias.version),
        description=given.get("Description", alias.description),
        weights=alias.weights if weights is None else weights,
        revision=new_revision(),
    )
    _check(call, alias)
    _save(call, alias)
    call.effects.provisioned = True
    return _describe(alias)


def delete_alias(call: Call, given: Given) -> Result:
    """An absent alias is no error; its URL, its policy and its settings go with it."""
    _, function = named(call, given)
    qualified = ("url", "statement", "policy", "setting")
    for table, column in (("alias", "name"), *((each, "qualifier") for each in qualified)):
        call.db.execute(f"DELETE FROM {table} WHERE function_id = ? AND {column} = ?", (function.id, given["Name"]))
    call.effects.provisioned = True
    return {}


def list_aliases(call: Call, given: Given) -> Result:
    _, function = named(call, given)
    wanted = given.get("FunctionVersion")
    found = [
        alias
        for alias in aliases_of(call.db, function)
        if wanted is None or wanted == alias.version or wanted in alias.weights
    ]
    chosen, marker = page(found, lambda alias: alias.name, given)
    return {"Aliases": [_describe(alias) for alias in chosen], **marker}


def _function(call: Call, given: Given, otherwise: str) -> FunctionRow:
    try:
        return named(call, given)[1]
    except Fault as fault:
        if fault.code != "ResourceNotFoundException" or not fault.message.startswith("Function not found"):
            raise
        raise Fault(fault.code, otherwise) from None


def _arn(call: Call, given: Given) -> str:
    name = given["FunctionName"].rpartition("function:")[2].partition(":")[0]
    return function_arn(call.home, name, given["Name"])


def _weights(given: Given) -> dict[str, float] | None:
    """The weights a call states; None if it says nothing of them."""
    weights: dict[str, float] | None = given.get("RoutingConfig", {}).get("AdditionalVersionWeights")
    return weights


def _check(call: Call, alias: AliasRow) -> None:
    """Lambda's rules for what an alias may point at; faults in the order AWS was seen to check them."""
    if len(alias.weights) > 1:
        raise invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if alias.weights and alias.version == LATEST:
        raise invalid("$LATEST is not supported for an alias pointing to more than 1 version", typed=False)
    if alias.version in alias.weights:
        raise invalid(
            f"Invalid function version {alias.version}. "
            f"Function version {alias.version} is already included in routing configuration."
        )
    roles, queues = set(), set()
    for version in (alias.version, *alias.weights):
        found = find_version(call.db, alias.function, version_number(version))
        if found is None:
            raise not_found(f"{alias.function.arn}:{version}")
        roles.add(found.config["Role"])
        queues.add(found.config.get("DeadLetterConfig", {}).get("TargetArn"))
    if len(roles) > 1:
        raise invalid("Specified versions must be associated with the same execution role")
    if len(queues) > 1:  # the rule is documented, its text is not
        raise invalid("Specified versions must be associated with the same dead letter queue")


def _save(call: Call, alias: AliasRow) -> None:
    call.db.execute(
        "INSERT OR REPLACE INTO alias (function_id, name, version, description, weights, revision)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (alias.function.id, alias.name, alias.version, alias.description, json.dumps(alias.weights), alias.revision),
    )


def _describe(alias: AliasRow) -> Result:
    result: Result = {
        "AliasArn": alias.arn,
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    }
    if alias.weights:
        result["RoutingConfig"] = {"AdditionalVersionWeights": alias.weights}
    return result
