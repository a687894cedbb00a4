"""Scenarios of what the function finds around it (facts 2.1, 2.8): variables, directories, limits, the invocation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from scenarios.vocabulary import NATIVE, Between, Call, Like, Scenario, notes, scenario

ISOLATED = ("file system isolation",)
ARN = "arn:aws:lambda:us-east-1:123456789012:function:hello"
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
UNKNOWN = {"client": None, "identity": None, "tenant": None, "trace": None}
ID = Like("[0-9a-f-]{36}|ID")

VARIABLES = {
    "AWS_LAMBDA_RUNTIME_API": "169.254.100.1:9001",
    "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
    "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
    "_AWS_XRAY_DAEMON_PORT": "2000",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_EXECUTION_ENV": None,
    "AWS_LAMBDA_FUNCTION_NAME": Like(r"scenario-\d+-\w+"),
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "AWS_LAMBDA_LOG_GROUP_NAME": Like(r"/aws/lambda/scenario-\d+-\w+"),
    "AWS_LAMBDA_LOG_STREAM_NAME": Like(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}"),
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "_HANDLER": "handler.handle",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "TZ": ":UTC",
    "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "HOME": None,
    "AWS_ACCESS_KEY_ID": None,
}
"""What a function of the runtime provided.al2023 sees."""

AROUND: tuple[Scenario, ...] = (
    scenario(
        "the platform's variables",
        notes(list(VARIABLES.values()), *(f"env {name}" for name in VARIABLES)),
        needs=("paths",),
    ),
    scenario(
        "the function's own variables",
        notes(["ä b", "", "secret"], "env OWN", "env EMPTY", "env AWS_ACCESS_KEY_ID"),
        env={"OWN": "ä b", "EMPTY": ""},
        config={"credentials": {"AWS_ACCESS_KEY_ID": "secret"}},
    ),
    scenario(
        "reserved variables stay the platform's",
        notes(["us-east-1", ":UTC", "/opt/own"], "env AWS_REGION", "env TZ", "env PATH_OF_OWN"),
        env={"AWS_REGION": "moon", "TZ": "Moon", "PATH_OF_OWN": "/opt/own"},
    ),
    scenario(
        "nothing of the caller's variables",
        notes(["0"], "sh env | grep -c -e VIRTUAL_ENV -e PYTEST -e USER= -e FN_"),
        languages=NATIVE,
    ),
    scenario("the working directory", notes(["/var/task"], "sh pwd -P"), needs=("paths",)),
    scenario(
        "the user",
        notes(["sbx_user1051", "993 990 990"], "sh id -un", "sh echo $(id -u) $(id -g) $(id -G)"),
        needs=("user", "paths"),
    ),
    scenario(
        "owners and modes",
        notes(["755 root /var/task\n755 root /opt\n1777 root /tmp"], "sh stat -c '%a %U %n' /var/task /opt /tmp"),
        needs=ISOLATED,
    ),
    scenario(
        "files and stack",
        notes(["1024", "1024", "8192", "64"], *(f"sh ulimit {flag}" for flag in ("-Sn", "-Hn", "-s", "-l"))),
    ),
    scenario("standard input is empty", notes(["0"], "sh wc -c"), languages=NATIVE),
    scenario("the clock is in UTC", notes(["UTC"], "sh date +%Z"), languages=NATIVE),
)

DISKS: tuple[Scenario, ...] = (
    scenario(
        "code and layers are read-only",
        notes(
            [Like(r".*Read-only file system"), Like(r".*Read-only file system")],
            "sh : > /var/task/file",
            "sh : > /opt/file",
        ),
        needs=ISOLATED,
    ),
    scenario(
        "the machine's directories are read-only",
        notes(
            [Like(r".*(Read-only file system|Permission denied)")] * 3,
            *(f"sh : > {d}/file" for d in ("/usr", "/etc", "")),
        ),
        needs=ISOLATED,
        languages=NATIVE,
    ),
    scenario(
        "a program in /tmp runs", notes(["hi"], "sh printf '#!/bin/sh\\necho hi' > /tmp/p; chmod +x /tmp/p; /tmp/p")
    ),
    scenario(
        "/tmp is full",
        notes(
            [Like(r".*No space left on device"), "16777216", "room"],
            "sh cat /dev/zero > /tmp/file",
            "sh stat -c %s /tmp/file",
            "sh rm /tmp/file; echo room > /tmp/other; cat /tmp/other",
        ),
        config={"tmp_mb": 16},
        needs=("/tmp size",),
        languages=NATIVE,
    ),
    scenario("/tmp is empty at first", notes(["0"], "sh ls -A /tmp/ | wc -l"), languages=NATIVE),
)

LIMITS: tuple[Scenario, ...] = (
    scenario(
        "no more than 1,024 files",
        notes(
            ["1021 Too many open files"],
            "sh perl -e 'my @f; while (open my $f, q(<), q(/dev/null)) { push @f, $f } print scalar @f, qq( $!)'",
        ),
        languages=NATIVE,
    ),
    scenario(
        "no more than 1,024 processes",
        notes(
            [Like("1?\\d{3} Resource temporarily unavailable"), "alive"],
            "sh perl -e 'my @p; while (defined(my $p = fork)) { if (!$p) { sleep 60; exit } push @p, $p } "
            "print scalar @p, qq( $!); kill 9, @p'",
            "sh echo alive",
        ),
        needs=("process limit",),
        languages=NATIVE,
    ),
    scenario(
        "no network",
        notes(
            [Like("Network is unreachable|No route to host")],
            "sh perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => q(192.0.2.1:80)); print $!'",
        ),
        needs=("network isolation",),
        languages=NATIVE,
    ),
    scenario(
        "other processes are not to be seen",
        notes([Like(r"\d")], "sh ls /proc | grep -c '^[0-9]'"),
        needs=("process isolation",),
        languages=NATIVE,
    ),
)


ASKED = {
    "arn": ("arn", str),
    "trace": ("trace_id", str),
    "client": ("client_context", json.dumps),
    "identity": ("cognito_identity", json.dumps),
    "tenant": ("tenant_id", str),
}
"""What the caller says -> the member of the invocation, and how it is written there."""


def told(*steps: str, left: float = 10_000, **known: Any) -> Call:
    """The runtime knows of an invocation what the caller said."""
    changes = {ASKED[name][0]: ASKED[name][1](value) for name, value in known.items()}
    expected = {**UNKNOWN, "request_id": ID, "remaining": Between(1, left), **known}
    return notes([expected], *steps, "context", changes=changes)


INVOCATION: tuple[Scenario, ...] = (
    scenario("the request's id, the function's ARN, the time that is left", told(arn=ARN)),
    scenario("less time is left later", told("sleep 100", arn=ARN, left=9_900)),
    scenario("an ARN with a qualifier, as the caller gave it", told(arn=f"{ARN}:live")),
    scenario("a trace id, and then none", told(arn=ARN, trace=TRACE), told(arn=ARN)),
    scenario("a client context", told(arn=ARN, client={"custom": {"a": "ä→"}, "env": {"b": "c"}})),
    scenario("an identity", told(arn=ARN, identity={"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"})),
    scenario("a tenant, and none, who share nothing", told(arn=ARN, tenant="blue"), replace(told(arn=ARN), cold=True)),
)

TABLE = (*AROUND, *DISKS, *LIMITS, *INVOCATION)
