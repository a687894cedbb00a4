"""Code signing configurations, and which function has which.

There is no AWS Signer in this cloud, so nothing that comes here is signed: where the policy is Enforce, every package
and every added layer is refused, as Lambda refuses what is unsigned; where it is Warn, all pass. Code that a function
already has goes on, as on Lambda.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from fnroll.cloud.faults import Fault, conflict
from fnroll.cloud.names import lambda_arn
from fnroll.cloud.records import Call, FunctionRow, Given, Result, as_function, named, page

NOUN = "CodeSigning"


def create_code_signing_config(call: Call, given: Given) -> Result:
    name = f"csc-{secrets.token_hex(9)[:17]}"
    arn = lambda_arn(call.home, f"code-signing-config:{name}")
    said = {
        "CodeSigningConfigId": name,
        "CodeSigningConfigArn": arn,
        "Description": given.get("Description", ""),
        "AllowedPublishers": given["AllowedPublishers"],
        "CodeSigningPolicies": given.get("CodeSigningPolicies") or {"UntrustedArtifactOnDeployment": "Warn"},
        "LastModified": call.stamp(),
    }
    _save(call, arn, said)
    return {"CodeSigningConfig": said}


def get_code_signing_config(call: Call, given: Given) -> Result:
    return {"CodeSigningConfig": _existing(call, given["CodeSigningConfigArn"])}


def update_code_signing_config(call: Call, given: Given) -> Result:
    arn = given["CodeSigningConfigArn"]
    members = ("Description", "AllowedPublishers", "CodeSigningPolicies")
    said = {**_existing(call, arn), **{key: given[key] for key in members if key in given}}
    said["LastModified"] = call.stamp()
    _save(call, arn, said)
    return {"CodeSigningConfig": said}


def delete_code_signing_config(call: Call, given: Given) -> Result:
    arn = given["CodeSigningConfigArn"]
    _existing(call, arn)
    if _functions(call, arn):
        raise conflict("Can't delete a code signing configuration that is in use by a Lambda function.")
    call.db.execute("DELETE FROM code_signing WHERE arn = ?", (arn,))
    return {}


def list_code_signing_configs(call: Call, given: Given) -> Result:
    rows = call.db.execute("SELECT said FROM code_signing WHERE account = ? AND region = ? ORDER BY arn", call.home)
    chosen, marker = page(
        [json.loads(row["said"]) for row in rows], lambda said: str(said["CodeSigningConfigArn"]), given
    )
    return {"CodeSigningConfigs": chosen, **marker}


def list_functions_by_code_signing_config(call: Call, given: Given) -> Result:
    arn = given["CodeSigningConfigArn"]
    _existing(call, arn)
    chosen, marker = page(_functions(call, arn), str, given)
    return {"FunctionArns": chosen, **marker}


def put_function_code_signing_config(call: Call, given: Given) -> Result:
    arn = given["CodeSigningConfigArn"]
    _, function = named(call, given)
    _existing(call, arn)
    call.db.execute(
        "INSERT OR REPLACE INTO setting (function_id, qualifier, noun, value) VALUES (?, '', ?, ?)",
        (function.id, NOUN, json.dumps(arn)),
    )
    return {"CodeSigningConfigArn": arn, "FunctionName": function.name}


def get_function_code_signing_config(call: Call, given: Given) -> Result:
    """Empty where the function has none, as Lambda's."""
    _, function = named(call, given)
    arn = _config_of(call, function)
    return {} if arn is None else {"CodeSigningConfigArn": arn, "FunctionName": function.name}


def delete_function_code_signing_config(call: Call, given: Given) -> Result:
    _, function = named(call, given)
    call.db.execute("DELETE FROM setting WHERE function_id = ? AND noun = ?", (function.id, NOUN))
    return {}


def check_created(call: Call, given: Given) -> None:
    """Before a function is made. Faults CodeSigningConfigNotFound and CodeVerificationFailed."""
    if "CodeSigningConfigArn" in given and given.get("PackageType", "Zip") == "Zip":
        _check(call, given["CodeSigningConfigArn"], given["FunctionName"])


def check_updated(call: Call, function: FunctionRow, given: Given) -> None:
    """Before a function gets a package or layers. Fault CodeVerificationFailed."""
    arn = _config_of(call, function)
    if arn is not None:
        _check(call, arn, given["FunctionName"])


def _check(call: Call, arn: str, name: str) -> None:
    if _existing(call, arn)["CodeSigningPolicies"].get("UntrustedArtifactOnDeployment") == "Enforce":
        raise Fault(
            "CodeVerificationFailedException",
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the "
            f"client is not configured to accept. Check the provided signature for {name}.",
        )


def _config_of(call: Call, function: FunctionRow) -> str | None:
    row = call.db.execute(
        "SELECT value FROM setting WHERE function_id = ? AND noun = ?", (function.id, NOUN)
    ).fetchone()
    return None if row is None else str(json.loads(row["value"]))


def _existing(call: Call, arn: str) -> dict[str, Any]:
    row = call.db.execute(
        "SELECT said FROM code_signing WHERE arn = ? AND account = ? AND region = ?", (arn, *call.home)
    ).fetchone()
    if row is None:
        raise Fault(
            "CodeSigningConfigNotFoundException",
            "The code signing configuration cannot be found. "
            f"Check that the provided configuration is not deleted: {arn}.",
        )
    said: dict[str, Any] = json.loads(row["said"])
    return said


def _functions(call: Call, arn: str) -> list[str]:
    rows = call.db.execute(
        "SELECT function.* FROM setting JOIN function ON id = function_id WHERE noun = ? AND value = ? ORDER BY name",
        (NOUN, json.dumps(arn)),
    )
    return [as_function(row).arn for row in rows]


def _save(call: Call, arn: str, said: dict[str, Any]) -> None:
    call.db.execute(
        "INSERT OR REPLACE INTO code_signing (arn, account, region, said) VALUES (?, ?, ?, ?)",
        (arn, *call.home, json.dumps(said)),
    )
