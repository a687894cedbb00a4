"""Rows of aliases: what CreateAlias, UpdateAlias and their neighbours refuse (facts/release.md 2.1)."""

from __future__ import annotations

from cloud_support import ARN
from exact.vocabulary import (
    ALIASES,
    FUNCTIONS,
    HELLO,
    INVOKE,
    LIVE,
    PROVISIONED,
    Row,
    bad,
    conflicting,
    finding,
    missing,
    stale,
    unfit,
    weights,
)

IN_RANGE = (
    "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value "
    "greater than or equal to 0.0, Member must not be null]"
)
A_NUMBER = (
    "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length "
    "greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+, Member must not be null]"
)
NAME = "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
VERSION = r"Member must satisfy regular expression pattern: (\$LATEST(\.PUBLISHED)?|[0-9]+)"
ROUTING = "routingConfig.additionalVersionWeights"
ROLES = "Specified versions must be associated with the same execution role"
QUEUES_DIFFER = "Specified versions must be associated with the same dead letter queue"
NEW = {"Name": "x", "FunctionVersion": "1"}

WEIGHTS: tuple[Row, ...] = tuple(
    row
    for method, path, given in (("PUT", LIVE, {}), ("POST", ALIASES, NEW))
    for row in (
        bad(
            "release 2.1 two extra",
            f"two-extra-{method}",
            method,
            path,
            {**given, **weights(v2=0.1, v3=0.1)},
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ),
        unfit(
            "release 2.1 weight out of range",
            f"weight-over-1-{method}",
            method,
            path,
            {**given, **weights(v2=2.0)},
            finding(ROUTING, IN_RANGE, "'{2=2.0}'"),
        ),
        unfit(
            "release 2.1 weight out of range",
            f"weight-below-0-{method}",
            method,
            path,
            {**given, **weights(v2=-0.1)},
            finding(ROUTING, IN_RANGE, "'{2=-0.1}'"),
        ),
        unfit(
            "release 2.1 weight out of range",
            f"weight-of-latest-{method}",
            method,
            path,
            {**given, "RoutingConfig": {"AdditionalVersionWeights": {"$LATEST": 0.5}}},
            finding(ROUTING, A_NUMBER, "'{$LATEST=0.5}'"),
        ),
        bad(
            "release 2.1 extra is primary",
            f"extra-is-primary-{method}",
            method,
            path,
            {**given, **weights(v1=0.1)},
            "Invalid function version 1. Function version 1 is already included in routing configuration.",
        ),
        bad(
            "release 2.1 primary $LATEST",
            f"weighted-latest-{method}",
            method,
            path,
            {**given, "FunctionVersion": "$LATEST", **weights(v1=0.1)},
            "$LATEST is not supported for an alias pointing to more than 1 version",
            typed=False,
        ),
        missing(
            "release 2.1 version missing",
            f"version-missing-{method}",
            method,
            path,
            {**given, "FunctionVersion": "10"},
            f"Function not found: {ARN}hello:10",
        ),
        missing(
            "release 2.1 version missing",
            f"extra-missing-{method}",
            method,
            path,
            {**given, **weights(v10=0.1)},
            f"Function not found: {ARN}hello:10",
        ),
        bad("release 2.1 different role", f"roles-{method}", method, path, {**given, **weights(v3=0.1)}, ROLES),
        bad("release 2.1 different DLQ", f"queues-{method}", method, path, {**given, **weights(v4=0.1)}, QUEUES_DIFFER),
        unfit(
            "release 2.1 members",
            f"version-is-a-word-{method}",
            method,
            path,
            {**given, "FunctionVersion": "one"},
            finding("functionVersion", VERSION, "'one'"),
        ),
        unfit(
            "release 2.1 members",
            f"description-too-long-{method}",
            method,
            path,
            {**given, "Description": "x" * 257},
            finding("description", "Member must have length less than or equal to 256", f"'{'x' * 257}'"),
        ),
    )
)

OTHERS: tuple[Row, ...] = (
    conflicting(
        "release 2.1 alias exists",
        "alias-exists",
        "POST",
        ALIASES,
        {"Name": "live", "FunctionVersion": "1"},
        f"Alias already exists: {ARN}hello:live",
    ),
    missing("release 2.1 alias absent", "get", "GET", f"{ALIASES}/x", None, f"Cannot find alias arn: {ARN}hello:x"),
    missing("release 2.1 alias absent", "update", "PUT", f"{ALIASES}/x", {}, f"Alias not found: {ARN}hello:x"),
    missing(
        "release 2.1 alias absent",
        "get-function",
        "GET",
        f"{HELLO}?Qualifier=x",
        None,
        f"Function not found: {ARN}hello:x",
    ),
    missing(
        "release 2.1 alias absent",
        "get-function-configuration",
        "GET",
        f"{HELLO}/configuration?Qualifier=x",
        None,
        f"Function not found: {ARN}hello:x",
    ),
    Row("release 2.1 alias absent", "delete", "DELETE", f"{ALIASES}/x", None, 204, None, ""),
    missing(
        "emulators 2.6 alias not found",
        "invoke-alias-absent",
        "POST",
        f"{INVOKE}?Qualifier=x",
        None,
        f"Cannot find alias arn: {ARN}hello:x",
    ),
    unfit(
        "release 2.1 digits",
        "digits",
        "POST",
        ALIASES,
        {"Name": "12", "FunctionVersion": "1"},
        finding("name", NAME, "'12'"),
    ),
    unfit(
        "release 2.1 members",
        "name-too-long",
        "POST",
        ALIASES,
        {"Name": "x" * 129, "FunctionVersion": "1"},
        finding("name", "Member must have length less than or equal to 128", f"'{'x' * 129}'"),
    ),
    unfit(
        "release 2.1 members",
        "no-name-and-no-version",
        "POST",
        ALIASES,
        {},
        finding("name", "Member must not be null", "null"),
        finding("functionVersion", "Member must not be null", "null"),
    ),
    stale("release 2.1 stale revision", "stale", "PUT", LIVE, {"RevisionId": "old"}),
    bad(
        "release 2.1 provisions weighted",
        "provisions-weighted",
        "PUT",
        f"{PROVISIONED}?Qualifier=split",
        {"ProvisionedConcurrentExecutions": 1},
        "Alias with weights can not be used with Provisioned Concurrency",
    ),
    bad(
        "release 2.1 provisioned of $LATEST",
        "provisioned-of-latest",
        "GET",
        f"{PROVISIONED}?Qualifier=$LATEST",
        None,
        "The function resource provided must be an alias or a published version.",
    ),
    conflicting(
        "release 2.1 version in use",
        "version-in-use",
        "DELETE",
        f"{HELLO}?Qualifier=2",
        None,
        "Unable to delete version because the following aliases reference it: [split]",
    ),
    conflicting(
        "release 2.1 version in use",
        "version-in-use-of-two",
        "DELETE",
        f"{HELLO}?Qualifier=1",
        None,
        "Unable to delete version because the following aliases reference it: [live, split]",
    ),
    missing(
        "release 2.1 alias absent",
        "get-of-no-function",
        "GET",
        f"{FUNCTIONS}/no/aliases/x",
        None,
        f"Cannot find alias arn: {ARN}no:x",
    ),
)

TABLE = (*WEIGHTS, *OTHERS)
