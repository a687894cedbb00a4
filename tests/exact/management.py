"""Rows of the control plane: what it refuses of code, layers, settings and concurrency (facts/emulators.md 2.7)."""

from __future__ import annotations

import base64
import io
import json
import zipfile

from cloud_support import ARN, package
from exact.vocabulary import (
    ALIASES,
    FUNCTIONS,
    HELLO,
    LAYER,
    LIVE,
    PROVISIONED,
    Row,
    bad,
    conflicting,
    finding,
    new_function,
    stale,
    unfit,
    user,
    weights,
)

NOT_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
ZIP = base64.b64encode(package()).decode()
EVENT_INVOKE = "/2019-09-25/functions/hello/event-invoke-config"
CONCURRENCY = "/2017-10-31/functions/hello/concurrency"
LARGE = {"KEY": "x" * 4096}
UNZIPPED = 262_144_000
ITSELF = "You can't specify the function as a destination for itself."


def unzips_to(size: int) -> str:
    """A small zip, as base64, of a file of so many zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened, opened.open("zeros", "w") as to:
        for _ in range(size // 1_048_576):
            to.write(bytes(1_048_576))
        to.write(bytes(size % 1_048_576))
    return base64.b64encode(buffer.getvalue()).decode()


def code() -> tuple[Row, ...]:
    """Rows whose requests take a moment to make."""
    zeros = {"ZipFile": unzips_to(UNZIPPED)}
    unzipped = f"Unzipped size must be smaller than {UNZIPPED} bytes"
    large = {"ZipFile": base64.b64encode(bytes(52_428_801)).decode()}
    zipped = user("Zipped size must be smaller than 52428800 bytes")
    too_large = "RequestEntityTooLargeException"
    whole = user("Request must be smaller than 70167211 bytes for the CreateFunction operation")
    spaces = b" " * 70_167_212
    return (
        bad("emulators 2.7 unzipped size", "create", "POST", FUNCTIONS, new_function(Code=zeros), unzipped),
        bad("emulators 2.7 unzipped size", "update", "PUT", f"{HELLO}/code", zeros, unzipped),
        Row("emulators 2.7 zipped size", "zipped", "POST", FUNCTIONS, new_function(Code=large), 413, too_large, zipped),
        Row("emulators 2.7 zipped size", "update-zipped", "PUT", f"{HELLO}/code", large, 413, too_large, zipped),
        Row("emulators 2.7 request size", "request", "POST", FUNCTIONS, spaces, 413, too_large, whole),
    )


TABLE: tuple[Row, ...] = (
    bad(
        "emulators 2.7 could not unzip",
        "create-not-a-zip",
        "POST",
        FUNCTIONS,
        new_function(Code={"ZipFile": "bm90IGEgemlw"}),
        NOT_ZIP,
    ),
    bad("emulators 2.7 could not unzip", "not-a-zip", "PUT", f"{HELLO}/code", {"ZipFile": "bm90IGEgemlw"}, NOT_ZIP),
    bad(
        "emulators 2.7 could not unzip",
        "layer-not-a-zip",
        "POST",
        "/2018-10-31/layers/new/versions",
        {"Content": {"ZipFile": "bm90IGEgemlw"}},
        NOT_ZIP,
    ),
    bad(
        "emulators 2.7 five layers",
        "six-layers",
        "POST",
        FUNCTIONS,
        new_function(Layers=[f"{LAYER}{n}:1" for n in range(6)]),
        "Cannot reference more than 5 layers.",
    ),
    bad(
        "emulators 2.7 layer twice",
        "layer-twice",
        "PUT",
        f"{HELLO}/configuration",
        {"Layers": [f"{LAYER}:1", f"{LAYER}:2"]},
        "Two different versions of the same layer are not allowed to be referenced in the same function. "
        f"{LAYER}:1 and {LAYER}:2 are versions of the same layer.",
    ),
    bad(
        "emulators 2.7 layer does not exist",
        "no-layer",
        "POST",
        FUNCTIONS,
        new_function(Layers=[f"{LAYER}:9"]),
        f"Layer version {LAYER}:9 does not exist.",
    ),
    bad(
        "emulators 2.7 environment 4KB",
        "environment",
        "PUT",
        f"{HELLO}/configuration",
        {"Environment": {"Variables": LARGE}},
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        f"exceeded the 4KB limit. String measured: {json.dumps(LARGE, separators=(',', ':'))}",
    ),
    bad(
        "emulators 2.7 weights",
        "weights",
        "POST",
        ALIASES,
        {"Name": "x", "FunctionVersion": "1", **weights(v2=0.1, v3=0.1)},
        "Number of items in AdditionalVersionWeights cannot be greater than 1",
    ),
    bad(
        "emulators 2.7 weighted $LATEST",
        "weighted-latest",
        "POST",
        ALIASES,
        {"Name": "x", "FunctionVersion": "$LATEST", **weights(v1=0.1)},
        "$LATEST is not supported for an alias pointing to more than 1 version",
        typed=False,
    ),
    bad(
        "emulators 2.7 provisions unpublished",
        "provisions-latest",
        "PUT",
        f"{PROVISIONED}?Qualifier=$LATEST",
        {"ProvisionedConcurrentExecutions": 1},
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
    ),
    bad(
        "emulators 2.7 provisions unpublished",
        "provisions-alias-of-latest",
        "PUT",
        f"{PROVISIONED}?Qualifier=newest",
        {"ProvisionedConcurrentExecutions": 1},
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
    ),
    bad(
        "emulators 2.7 policy of $LATEST",
        "policy-of-latest",
        "POST",
        f"{HELLO}/policy?Qualifier=$LATEST",
        {"StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "*"},
        "We currently do not support adding policies for $LATEST.",
    ),
    bad(
        "emulators 2.7 delete $LATEST",
        "delete-latest",
        "DELETE",
        f"{HELLO}?Qualifier=$LATEST",
        None,
        "$LATEST version cannot be deleted without deleting the function.",
    ),
    *(
        bad(
            "emulators 2.7 old runtime",
            name,
            method,
            path,
            body,
            "The runtime parameter of go1.x is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions.",
        )
        for name, method, path, body in (
            ("create-old-runtime", "POST", FUNCTIONS, new_function(Runtime="go1.x")),
            ("update-old-runtime", "PUT", f"{HELLO}/configuration", {"Runtime": "go1.x"}),
        )
    ),
    bad(
        "emulators 2.7 reserves too much",
        "reserves",
        "PUT",
        CONCURRENCY,
        {"ReservedConcurrentExecutions": 1000},
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [100].",
    ),
    bad(
        "emulators 2.7 provisions more than reserved",
        "provisions",
        "PUT",
        f"{PROVISIONED.replace('hello', 'reserved')}?Qualifier=1",
        {"ProvisionedConcurrentExecutions": 3},
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
    ),
    *(
        bad(
            "emulators 2.7 destination itself",
            f"{way}-{target}",
            method,
            EVENT_INVOKE,
            {"DestinationConfig": {way: {"Destination": f"{ARN}{target}"}}},
            ITSELF,
        )
        for way in ("OnSuccess", "OnFailure")
        for target in ("hello", "hello:live")
        for method in ("PUT",)
    ),
    *(
        stale("emulators 2.7 revision", name, method, path, body)
        for name, method, path, body in (
            ("code", "PUT", f"{HELLO}/code", {"ZipFile": ZIP, "RevisionId": "old"}),
            ("dry-run", "PUT", f"{HELLO}/code", {"ZipFile": ZIP, "RevisionId": "old", "DryRun": True}),
            ("configuration", "PUT", f"{HELLO}/configuration", {"RevisionId": "old"}),
            ("alias", "PUT", LIVE, {"RevisionId": "old", "FunctionVersion": "2"}),
        )
    ),
    conflicting(
        "emulators 2.7 alias exists",
        "alias",
        "POST",
        ALIASES,
        {"Name": "split", "FunctionVersion": "2"},
        f"Alias already exists: {ARN}hello:split",
    ),
    unfit(
        "emulators 2.7 validation",
        "one",
        "PUT",
        f"{HELLO}/configuration",
        {"MemorySize": 64},
        finding("memorySize", "Member must have value greater than or equal to 128", "'64'"),
    ),
    unfit(
        "emulators 2.7 validation",
        "two",
        "POST",
        FUNCTIONS,
        {"FunctionName": "new", "Code": {"ZipFile": ZIP}, "Timeout": 0},
        finding("role", "Member must not be null", "null"),
        finding("timeout", "Member must have value greater than or equal to 1", "'0'"),
    ),
    unfit(
        "emulators 2.7 validation",
        "of-a-list",
        "POST",
        FUNCTIONS,
        new_function(Architectures=["mips"]),
        finding(
            "architectures",
            "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], "
            "Member must not be null]",
            "'[mips]'",
        ),
    ),
    unfit(
        "emulators 2.7 validation",
        "secrets-are-not-repeated",
        "POST",
        FUNCTIONS,
        new_function(Environment={"Variables": {"1": "secret"}}),
        finding(
            "environment.variables",
            "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: "
            "[a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]",
        ),
    ),
)
