"""What is known of Lambda's answers, by section of the facts that the table is held to: one line a fact.

"emulators" and "release" are the two pages of facts that the design rests on, recorded on AWS but for what is marked:
(model) from the service model, (chosen) known from no recording and decided here (docs/local-cloud.md names those).
test_table.py asks that every fact is held by a row or a test, and that no row names a fact that is not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FUNCTION_ERRORS: Final[Mapping[str, str]] = {
    "emulators 2.5 timeout": "Sandbox.Timedout: Task timed out after 1.00 seconds",
    "emulators 2.5 exit 0": "Runtime.ExitError: Runtime exited without providing a reason",
    "emulators 2.5 exit N": "Runtime.ExitError: exit status N; a missing exec wrapper is 127",
    "emulators 2.5 killed": "Runtime.ExitError: signal: killed; REPORT says Runtime.OutOfMemory if it was for memory",
    "emulators 2.5 crash in every init": "ends as Sandbox.Timedout at the function's timeout",
    "emulators 2.5 response too large": "Function.ResponseSizeTooLarge, 6291556 bytes",
    "emulators 2.5 bootstrap missing": "Runtime.InvalidEntrypoint, both places named",
    "emulators 2.5 bootstrap not executable": "fork/exec /var/task/bootstrap: permission denied, exec format error",
    "emulators 2.5 python no such function": "Runtime.HandlerNotFound, requestId empty",
    "emulators 2.5 python others": "MalformedHandlerName, ImportModuleError, UserCodeSyntaxError, Unmarshal, Marshal",
    "emulators 2.5 unhandled exception": "Python's and Node's members; Java's, Ruby's, Go's and .NET's word for word",
    "emulators 2.5 None": "a handler that returns None answers null",
    "emulators 2.5 empty body": "the handler sees {}",
    "emulators 2.5 after a crash": "a clean process, /tmp kept, globals lost",
}

INVOKE: Final[Mapping[str, str]] = {
    "emulators 2.6 request response": "200, X-Amz-Executed-Version, x-amzn-RequestId, no error and no log header",
    "emulators 2.6 event": "202, empty, no X-Amz-Executed-Version",
    "emulators 2.6 dry run": "204, empty",
    "emulators 2.6 log result": "only with Tail: base64 of the last 4 KB",
    "emulators 2.6 durable": "X-Amz-Durable-Execution-Name: refused by name here",
    "emulators 2.6 tenant": "X-Amz-Tenant-Id: refused where a function keeps no tenants apart; the words are ours",
    "emulators 2.6 response stream": "an event stream of PayloadChunk and InvokeComplete",
    "emulators 2.6 invoke async": "202",
    "emulators 2.6 names": "name, partial ARN or ARN, with or without qualifier",
    "emulators 2.6 invoked ARN": "carries a qualifier only if the caller gave one",
    "emulators 2.6 function not found": "404 with the suffix :$LATEST",
    "emulators 2.6 other region": "404 Functions from 'X' are not reachable in this region ('R')",
    "emulators 2.6 alias not found": "404 Cannot find alias arn",
    "emulators 2.6 not JSON": "400 in the parser's words: UTF-8, character, token",
    "emulators 2.6 too large": "413 RequestEntityTooLargeException, for the InvokeFunction operation",
    "emulators 2.6 throttled": "429 with Reason and Rate Exceeded.",
    "emulators 2.6 pending": "409 The function is currently in the following state: Pending",
    "emulators 2.6 two qualifiers": "400 The derived qualifier does not match the specified qualifier",
    "emulators 2.6 throttle reasons": "six reasons",
    "emulators 2.6 other codes": "(model) statuses of what Invoke may answer besides",
}

MANAGEMENT: Final[Mapping[str, str]] = {
    "emulators 2.7 unzipped size": "400 Unzipped size must be smaller than 262144000 bytes",
    "emulators 2.7 could not unzip": "400 Could not unzip uploaded file",
    "emulators 2.7 five layers": "400 Cannot reference more than 5 layers.",
    "emulators 2.7 layer twice": "400 Two different versions of the same layer",
    "emulators 2.7 layer does not exist": "400 Layer version <arn> does not exist.",
    "emulators 2.7 environment 4KB": "400 exceeded the 4KB limit. String measured: {json}",
    "emulators 2.7 weights": "400 Number of items in AdditionalVersionWeights",
    "emulators 2.7 weighted $LATEST": "400 $LATEST is not supported for an alias pointing to more than 1 version",
    "emulators 2.7 provisions unpublished": "400 cannot be applied to unpublished function versions.",
    "emulators 2.7 policy of $LATEST": "400 We currently do not support adding policies for $LATEST.",
    "emulators 2.7 delete $LATEST": "400 $LATEST version cannot be deleted without deleting the function.",
    "emulators 2.7 old runtime": "400 The runtime parameter of go1.x is no longer supported",
    "emulators 2.7 reserves too much": "400 below its minimum value of [N].",
    "emulators 2.7 provisions more than reserved": "400 should not be greater than the reservedConcurrentExecution",
    "emulators 2.7 destination itself": "400 You can't specify the function as a destination for itself.",
    "emulators 2.7 zipped size": "413 Zipped size must be smaller than 52428800 bytes",
    "emulators 2.7 request size": "413 Request must be smaller than 70167211 bytes for the CreateFunction operation",
    "emulators 2.7 revision": "412 The Revision Id provided does not match the latest Revision Id.",
    "emulators 2.7 alias exists": "409 Alias already exists: <arn>:name",
    "emulators 2.7 update in progress": "409 An update is in progress for resource: <arn>",
    "emulators 2.7 validation": "400 ValidationException in Java's words, several joined by ; ",
    "emulators 2.7 provisioned concurrency": "202 IN_PROGRESS, then READY, or FAILED: FUNCTION_ERROR_INIT_FAILURE",
    "emulators 2.7 delete function": "200, not 204",
    "emulators 2.7 defaults": "Timeout 3, MemorySize 128, /tmp 512",
    "emulators 2.7 runtimes": "the runtimes that were accepted in November 2025",
}

ALIASES: Final[Mapping[str, str]] = {
    "release 2.1 statuses": "CreateAlias 201, UpdateAlias 200",
    "release 2.1 members": "lengths and patterns of Name, Description, FunctionVersion and weights",
    "release 2.1 omitted members": "keep their value; {} clears routing; no RoutingConfig member then",
    "release 2.1 no change": "an UpdateAlias that changes nothing mints a new RevisionId",
    "release 2.1 compare and swap": "one call changes all under one RevisionId",
    "release 2.1 unweighted $LATEST": "an alias without weights may point to $LATEST",
    "release 2.1 who ran": "X-Amz-Executed-Version, START, log stream, variable, context",
    "release 2.1 describes primary": "GetFunction and GetFunctionConfiguration of an alias",
    "release 2.1 list filter": "ListAliases takes FunctionVersion",
    "release 2.1 provisioned once": "one config for a version, on it or on one alias",
    "release 2.1 provisioned quota": "provisioned and reserved concurrency share the quota",
    "release 2.1 two extra": "400 cannot be greater than 1",
    "release 2.1 weight out of range": "400 ValidationException, also for the key $LATEST",
    "release 2.1 extra is primary": "400 already included in routing configuration.",
    "release 2.1 primary $LATEST": "400, a body without Type",
    "release 2.1 version missing": "404 Function not found: <arn>:10",
    "release 2.1 different role": "400 must be associated with the same execution role",
    "release 2.1 different DLQ": "(chosen) 400; the rule is documented, the text is not",
    "release 2.1 weight 1.0": "(chosen) accepted, as the model allows it",
    "release 2.1 alias exists": "409 Alias already exists: <arn>",
    "release 2.1 alias absent": "404 in the words of each operation; DeleteAlias 204",
    "release 2.1 digits": "400 ValidationException at 'name'",
    "release 2.1 stale revision": "412",
    "release 2.1 alias quota": "(chosen) no quota: AliasLimitExceededException is modelled, its number is not known",
    "release 2.1 provisions weighted": "400 Alias with weights can not be used with Provisioned Concurrency",
    "release 2.1 provisioned of $LATEST": "400 must be an alias or a published version.",
    "release 2.1 version in use": "409 the following aliases reference it: [live]",
}

PUBLISHING: Final[Mapping[str, str]] = {
    "release 2.2 publish again": "201, and the same Version, RevisionId and Description, whatever Description is given",
    "release 2.2 configuration publishes": "a changed Description of the function gives a new number",
    "release 2.2 wrong hash": "400 CodeSHA256 (x) is different from current CodeSHA256 in $LATEST (y).",
    "release 2.2 wrong revision": "412",
    "release 2.2 CodeSha256": "base64 of the SHA-256 of the zip; of an image the digest",
    "release 2.2 ConfigSha256": "(chosen) with CodeSha256 it tells whether a publish would make a version",
    "release 2.2 revisions": "$LATEST's moves at acceptance, completion, publish; a version's never; an alias's alone",
    "release 2.2 update and publish": "Publish, DryRun and RevisionId of UpdateFunctionCode; CreateFunction is Pending",
    "release 2.2 safe deploy": "the sequence from GetFunction to UpdateAlias, each write on the revision read last",
}

STATES: Final[Mapping[str, str]] = {
    "release 2.3 create": "Pending, Creating, no LastUpdateStatus; then Active, Successful",
    "release 2.3 update": "Active, InProgress; then Successful; the old code serves meanwhile",
    "release 2.3 refused while pending": "Invoke, both updates, PublishVersion: 409",
    "release 2.3 refused while in progress": "both updates, PublishVersion: 409",
    "release 2.3 publish of active": "a version of an Active function is Active at once",
    "release 2.3 waiters": "delays, operations and ends of the six waiters",
}

FACTS: Final[Mapping[str, str]] = {
    **FUNCTION_ERRORS,
    **INVOKE,
    **MANAGEMENT,
    **ALIASES,
    **PUBLISHING,
    **STATES,
}
