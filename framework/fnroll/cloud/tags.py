"""Tags of functions and capacity providers, and the account's figures."""

from __future__ import annotations

import json
from dataclasses import replace

from fnroll.cloud import capacity_providers, settings
from fnroll.cloud.capacity_providers import ProviderRow
from fnroll.cloud.faults import Fault, invalid, not_built, not_found
from fnroll.cloud.records import Call, FunctionRow, Given, Result, sought
from fnroll.cloud.store import MAX_UNZIPPED, MAX_ZIPPED

MAX_TAGS = 50


def tag_resource(call: Call, given: Given) -> Result:
    tagged = _tagged(call, given)
    tags = {**tagged.tags, **given["Tags"]}
    if len(tags) > MAX_TAGS:
        raise invalid("Number of tags exceeds resource tag limit.")
    _save(call, tagged, tags)
    return {}


def untag_resource(call: Call, given: Given) -> Result:
    tagged = _tagged(call, given)
    _save(call, tagged, {key: value for key, value in tagged.tags.items() if key not in given["TagKeys"]})
    return {}


def list_tags(call: Call, given: Given) -> Result:
    return {"Tags": _tagged(call, given).tags}


def get_account_settings(call: Call, given: Given) -> Result:
    (size,) = call.db.execute(
        "SELECT COALESCE(SUM(json_extract(config, '$.CodeSize')), 0)"
        " FROM function CROSS JOIN version ON function_id = id WHERE account = ? AND region = ?",
        call.home,
    ).fetchone()
    (count,) = call.db.execute("SELECT COUNT(*) FROM function WHERE account = ? AND region = ?", call.home).fetchone()
    return {
        "AccountLimit": {
            "TotalCodeSize": 80_530_636_800,
            "CodeSizeUnzipped": MAX_UNZIPPED,
            "CodeSizeZipped": MAX_ZIPPED,
            "ConcurrentExecutions": settings.ACCOUNT_CONCURRENCY,
            "UnreservedConcurrentExecutions": settings.unreserved(call.db, call.home),
        },
        "AccountUsage": {"TotalCodeSize": size, "FunctionCount": count},
    }


def _tagged(call: Call, given: Given) -> FunctionRow | ProviderRow:
    arn = given["Resource"]
    if ":capacity-provider:" in arn:
        return capacity_providers.existing(call, arn)
    if ":function:" not in arn:
        raise not_built("Tagging anything but a function or a capacity provider")
    ref, function = sought(call, arn)
    if ref.qualifier is not None:
        raise Fault(
            "InvalidParameterValueException",
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        )
    if function is None:
        raise not_found(arn)
    return function


def _save(call: Call, tagged: FunctionRow | ProviderRow, tags: dict[str, str]) -> None:
    if isinstance(tagged, ProviderRow):
        capacity_providers.save(call.db, replace(tagged, tags=tags))
    else:
        call.db.execute("UPDATE function SET tags = ? WHERE id = ?", (json.dumps(tags), tagged.id))
