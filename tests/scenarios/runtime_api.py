"""Scenarios of runtimes that use the Runtime API otherwise than they should (facts 2.1): refused, and alive."""

from __future__ import annotations

import json

from scenarios.vocabulary import NATIVE, Like, Scenario, answers, notes, post, request, scenario


def refusal(status: int, kind: str, message: str) -> str:
    return f'{status} {{"errorMessage":"{message}","errorType":"{kind}"}}'


def state(before: str, after: str) -> str:
    text = f"State transition from {before} to {after} failed for runtime. Error: State transition is not allowed"
    return refusal(403, "InvalidStateTransition", text)


WRONG_ID = refusal(400, "InvalidRequestID", "Invalid request ID")
SENT = "RuntimeResponseSentState"

HEADERS = {
    "Lambda-Runtime-Aws-Request-Id": "ID",
    "Lambda-Runtime-Deadline-Ms": Like(r"\d{13}"),
    "Lambda-Runtime-Invoked-Function-Arn": Like(r"arn:aws:lambda:us-east-1:123456789012:function:scenario-\d+-native"),
    "Content-Type": "application/json",
    "Lambda-Runtime-Trace-Id": None,
    "Lambda-Runtime-Client-Context": None,
    "Lambda-Runtime-Cognito-Identity": None,
    "Lambda-Runtime-Aws-Tenant-Id": None,
}
"""What is empty has no header."""

TABLE: tuple[Scenario, ...] = (
    scenario(
        "the headers of an event",
        notes(list(HEADERS.values()), *(f"header {name}" for name in HEADERS)),
        languages=NATIVE,
    ),
    scenario(
        "each attempt has an id of its own",
        notes([Like("[0-9a-f-]{36}")], "header Lambda-Runtime-Invocation-Id"),
        languages=NATIVE,
    ),
    scenario(
        "answers with the id of another attempt",
        notes(
            [WRONG_ID, WRONG_ID],
            post("invocation/{ID}/response", "1", Lambda_Runtime_Invocation_Id="another"),
            post("invocation/{ID}/error", "{}", Lambda_Runtime_Invocation_Id="another"),
        ),
    ),
    scenario("ping", notes(["200 pong"], request("GET", "/ping"))),
    scenario(
        "asks for the event twice",
        notes([Like(r'200 \["http GET .*')], request("GET", "invocation/next")),
        answers("1", "return 1"),
    ),
    scenario(
        "answers another request", notes([WRONG_ID], post("invocation/other/response", "1")), answers("1", "return 1")
    ),
    scenario("fails another request", notes([WRONG_ID], post("invocation/other/error", "{}"))),
    scenario(
        "an init error after init",
        notes([state("Running", "InitError")], post("init/error", "{}")),
        answers("1", "return 1"),
    ),
    scenario("a path that is not there", notes(["404 404 page not found"], request("GET", "nothing"))),
    scenario("a method that is not there", notes([Like("405.*")], request("DELETE", "invocation/next"))),
    scenario(
        "a response mode that is not there",
        notes(
            [refusal(400, "InvalidFunctionResponseMode", "Invalid function response mode")],
            post("invocation/{ID}/response", "1", Lambda_Runtime_Function_Response_Mode="buffered"),
        ),
    ),
    scenario(
        "answers twice",
        answers(
            "1",
            *(post("invocation/{ID}/response", "1"), "tell"),
            *(post("invocation/{ID}/response", "2"), "tell"),
            *(post("invocation/{ID}/error", "{}"), "tell"),
            "quit",
            log=None,
            after=(
                json.dumps('202 {"status":"OK"}'),
                json.dumps(state(SENT, "InvocationResponse")),
                json.dumps(state(SENT, "InvocationErrorResponse")),
            ),
        ),
        answers("2", "return 2"),
        languages=NATIVE,
    ),
    scenario(
        "answers before there is an event",
        notes([WRONG_ID, WRONG_ID], *(post(f"invocation/other/{verb}", "1") for verb in ("response", "error"))),
        init=(post("invocation/other/response", "1"),),
        languages=NATIVE,
    ),
    scenario(
        "an answer in chunks",
        answers(
            '"chunks"',
            "http POST /2018-06-01/runtime/invocation/{ID}/response HTTP/1.1\r\nHost: api\r\nConnection: close\r\n"
            'Transfer-Encoding: chunked\r\n\r\n3\r\n"ch\r\n5\r\nunks"\r\n0\r\n\r\n',
            "quit",
        ),
        languages=NATIVE,
    ),
    scenario(
        "an answer without a length is empty",
        answers(
            "",
            "http POST /2018-06-01/runtime/invocation/{ID}/response HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n",
            "quit",
        ),
        languages=NATIVE,
    ),
    scenario("an answer that is no JSON", answers("no luck", "return no luck"), languages=NATIVE),
    scenario(
        "half a request, then an answer",
        answers(
            "1",
            "sh echo $AWS_LAMBDA_RUNTIME_API | (IFS=: read h p; perl -MIO::Socket::INET -e "
            "'IO::Socket::INET->new(PeerAddr => shift)->print(qq(POST /x HTTP/1.1\\r\\nContent-Le))' $h:$p)",
            "return 1",
        ),
        languages=NATIVE,
    ),
)
