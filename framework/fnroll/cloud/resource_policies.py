"""Whole resource policies: PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy.

The same policy that AddPermission adds statements to (policy.py), under the ARN of a function, version or alias. What
is put takes the place of all that was added before.
"""

from __future__ import annotations

import json
from typing import Final

from fnroll.cloud import policy, policy_rules
from fnroll.cloud.faults import Fault, not_built
from fnroll.cloud.records import Call, FunctionRow, Given, Result, absent, statements_of

_READ_WITH: Final = "GetResourcePolicy"


def put_resource_policy(call: Call, given: Given) -> Result:
    function, qualifier, arn = _place(call, given)
    policy.check_revision(call, function, qualifier, given, _READ_WITH)
    head, statements = policy_rules.read(given["Policy"], arn)
    policy.forget(call, function, qualifier)
    policy.add(call, function, qualifier, statements)
    policy.touch(call, function, qualifier, head)
    return _answer(call, function, qualifier)


def get_resource_policy(call: Call, given: Given) -> Result:
    function, qualifier, _ = _place(call, given)
    return _answer(call, function, qualifier)


def delete_resource_policy(call: Call, given: Given) -> Result:
    function, qualifier, _ = _place(call, given)
    if not statements_of(call.db, function, qualifier):
        raise Fault("ResourceNotFoundException", "No policy is associated with the given resource.")
    policy.check_revision(call, function, qualifier, given, _READ_WITH)
    policy.forget(call, function, qualifier)
    return {}


def _place(call: Call, given: Given) -> tuple[FunctionRow, str, str]:
    arn: str = given["ResourceArn"]
    if ":function:" not in arn:
        raise not_built("A resource policy of anything but a function")
    return policy.place(call, {"FunctionName": arn})


def _answer(call: Call, function: FunctionRow, qualifier: str) -> Result:
    said, revision = policy.document(call.db, function, qualifier)
    if said is None:
        raise absent()
    return {"Policy": json.dumps(said, separators=(",", ":")), "RevisionId": revision}
