"""What the port gets that no client of its own sends: mutations, pieces, too much, and pages of other sites."""

from __future__ import annotations

import json
import os
import random
import re
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cloud_support import FakeEmulator, client, make, raw, served
from fnroll.cloud import Endpoint

SCOPE = "AWS4-HMAC-SHA256 Credential=AKID/20250101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0"
COUNT = int(os.environ.get("FN_MUTATIONS", "10000"))
PATIENCE = 0.05
"""Seconds without an answer, after which the client says that no more will come."""

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
FINE = frozenset({501, 502, 505})
"""What says that something is not built, or that the function failed. Any other answer over 499 is a defect of ours."""


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: {SCOPE}", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def seeds(url_id: str) -> list[bytes]:
    functions = "/2015-03-31/functions"
    weights = {"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}, "FunctionVersion": "1"}
    statement = {"StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "*"}
    made = {"FunctionName": "x", "Role": "arn:aws:iam::000000000000:role/x", "Code": {"ZipFile": "UEsFBgAAAAA="}}
    return [
        request("GET", f"{functions}?MaxItems=3&Marker=aGVsbG8%3D"),
        request("POST", functions, json.dumps(made).encode()),
        request("GET", f"{functions}/hello?Qualifier=live"),
        request("PUT", f"{functions}/hello/configuration", b'{"Timeout":5,"Environment":{"Variables":{"KEY":"v"}}}'),
        request("PUT", f"{functions}/hello/aliases/live", json.dumps(weights).encode()),
        request("POST", f"{functions}/hello/policy", json.dumps(statement).encode()),
        request("POST", f"{functions}/hello/invocations", b'{"a":[1,2.5,"\\u00e9",null]}', "X-Amz-Log-Type: Tail"),
        request("POST", f"{functions}/hello/invocations", b'"event"', "X-Amz-Invocation-Type: Event"),
        request("POST", "/2021-11-15/functions/hello/response-streaming-invocations", b"{}"),
        request("GET", "/2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:function:hello"),
        request("POST", f"/.fn/url/{url_id}/a/b?c=%20d", b"text", "Cookie: a=b", "Origin: http://localhost"),
        request("GET", "/.fn/package/" + "0" * 64),
        request("GET", "/.fn/health"),
    ]


def mutated(chance: random.Random, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        place = chance.randrange(len(data) + 1)
        end = min(len(data), place + chance.choice((1, 1, 2, 8, 60)))
        match chance.randrange(7):
            case 0:
                data[place:end] = chance.randbytes(end - place)
            case 1:
                del data[place:end]
            case 2:
                data[place:place] = data[place:end] * chance.choice((1, 2, 50))
            case 3:
                del data[place:]
            case 4:
                data[place:place] = chance.choice(WORDS)
            case 5:
                data[place:end] = bytes(byte ^ 0x20 for byte in data[place:end])
            case _:
                other = chance.randrange(len(data) + 1)
                data[place:place] = data[other : other + 20]
        if not data:
            return b"\r\n"
    return bytes(data)


WORDS = (
    b"\0",
    b"\r\n",
    b"\r\n\r\n",
    b"%00",
    b"%2e%2e%2f",
    b"../",
    b"\xff\xfe",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: -1\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"[" * 3000,
    b'{"a":' * 1200,
    b"1e999999",
    b"9" * 400,
    b"\xed\xa0\x80",
    b"null",
)


def sent(port: int, data: bytes) -> bytes:
    """Everything that the server says until it closes; it may be waiting for the rest of what it got, which then never
    comes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(PATIENCE)
            while True:
                try:
                    piece = connection.recv(65536)
                except TimeoutError:
                    connection.settimeout(20)
                    connection.shutdown(socket.SHUT_WR)
                    continue
                if not piece:
                    return answer
                answer += piece
        except OSError:
            return answer


def side_by_side(port: int, requests: list[bytes]) -> Iterator[bytes]:
    """The answers, in order. Many at a time: most of the time passes with requests that wait for their rest."""
    with ThreadPoolExecutor(16) as threads:
        yield from threads.map(lambda data: sent(port, data), requests)


def open_url(lambda_: Any) -> None:
    action = {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"}
    lambda_.add_permission(FunctionName="hello", StatementId="url", Principal="*", **action)
    action = {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True}
    lambda_.add_permission(FunctionName="hello", StatementId="call", Principal="*", **action)


def storm(place: Path, count: int, seed: int) -> Counter[int]:
    """How often the first answer had which status; 0: the connection was closed."""
    chance, statuses = random.Random(seed), Counter[int]()
    with served(place) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_, Publish=True)
        lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
        url = lambda_.create_function_url_config(FunctionName="hello", AuthType="NONE")["FunctionUrl"]
        open_url(lambda_)
        given = seeds(url.removeprefix("http://").partition(".")[0])
        all_ = [mutated(chance, chance.choice(given)) for _ in range(count)]
        for data, answer in zip(all_, side_by_side(endpoint.port, all_), strict=True):
            found = STATUS.match(answer)
            assert found or not answer, (data, answer[:300])
            status = int(found[1]) if found else 0
            assert status < 500 or status in FINE, (data, answer[:600])
            statuses[status] += 1
        assert raw(endpoint, "GET", "/.fn/health").status == 200
        assert lambda_.list_aliases(FunctionName="hello")["Aliases"][0]["Name"] == "live"
    return statuses


def test_mutated_requests(tmp_path: Path) -> None:
    statuses = storm(tmp_path, 500, seed=1)
    assert statuses.total() == 500
    assert {200, 400, 404} <= set(statuses)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_mutated_requests(tmp_path: Path) -> None:
    statuses = storm(tmp_path, COUNT, seed=2)
    print(sorted(statuses.items()))
    assert statuses.total() == COUNT


def test_a_client_that_sends_byte_by_byte_or_half_is_in_nobodys_way(lambda_: Any, endpoint: Endpoint) -> None:
    make(lambda_)
    whole = request("POST", "/2015-03-31/functions/hello/invocations", b'{"slow":1}')
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=20) as slow:
        half = [socket.create_connection(("127.0.0.1", endpoint.port), timeout=20) for _ in range(20)]
        for connection in half:
            connection.sendall(whole[:-3])
        for place in range(len(whole)):
            slow.sendall(whole[place : place + 1])
            if place % 50 == 0:
                assert lambda_.invoke(FunctionName="hello")["StatusCode"] == 200
        assert slow.recv(65536).startswith(b"HTTP/1.1 200 ")
        for connection in half:
            connection.close()
    assert lambda_.invoke(FunctionName="hello")["StatusCode"] == 200


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_a_form_of_another_site_changes_nothing(
    lambda_: Any, endpoint: Endpoint, fake: FakeEmulator, kind: str
) -> None:
    """A browser sends such a request without asking first; it always says from where."""
    make(lambda_)
    page = {"Origin": "https://attacker.example", "Content-Type": kind, "Sec-Fetch-Site": "cross-site"}
    for path, body in (
        ("/2015-03-31/functions/hello/invocations", b"{}"),
        ("/2015-03-31/functions/hello/versions", b'{"Description":"theirs"}'),
        ("/", b"Action=CreateQueue&QueueName=theirs"),
    ):
        assert raw(endpoint, "POST", path, body, page).status == 403
    assert fake.seen == []
    assert len(lambda_.list_versions_by_function(FunctionName="hello")["Versions"]) == 1


def test_a_name_that_points_here_does_not_open_the_door(lambda_: Any, endpoint: Endpoint, fake: FakeEmulator) -> None:
    """DNS rebinding: the page's own name resolves to this machine, so the browser takes the call for one of its own."""
    make(lambda_)
    for host in ("attacker.example", f"attacker.example:{endpoint.port}", "x.lambda-url.us-east-1.on.aws"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        answer = raw(endpoint, "POST", "/2015-03-31/functions/hello/invocations", b"{}", headers)
        assert (answer.status, host in json.loads(answer.body)["message"]) == (403, True)
        assert raw(endpoint, "GET", "/.fn/health", headers={"Host": host}).status == 403
    assert fake.seen == []


def test_an_image_of_another_page_does_and_reads_nothing(endpoint: Endpoint) -> None:
    """A browser's GET of an image or a link has no Origin. It is answered, no page may read the answer, and no GET that
    a page can send does anything: those of the query protocols need a signature's header to find their service."""
    page = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    sqs = client(endpoint, "sqs")
    sqs.list_queues()  # moto is there
    scope = "X-Amz-Credential=AKID%2F20250101%2Fus-east-1%2Fsqs%2Faws4_request"
    for host in ("localhost", "sqs.us-east-1.localhost", "queue.localhost"):
        ours = raw(endpoint, "GET", "/2015-03-31/functions", headers={**page, "Host": host})
        assert "access-control-allow-origin" not in ours.headers
        for place in ("/", "/000000000000/theirs"):
            path = f"{place}?Action=CreateQueue&QueueName=theirs&{scope}"
            raw(endpoint, "GET", path, headers={**page, "Host": host})
            readable = {**page, "Host": host, "Origin": f"http://{host}.example"}
            assert raw(endpoint, "GET", path, headers=readable).status == 403
    assert "QueueUrls" not in sqs.list_queues()


def test_a_page_of_this_machine_may_call(endpoint: Endpoint) -> None:
    """Whose Origin says so, also where the browser counts another port or spelling as another site."""
    page = {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "cross-site"}
    assert raw(endpoint, "GET", "/2015-03-31/functions", headers=page).status == 200


INVOKE = "/2015-03-31/functions/hello/invocations"


@pytest.mark.parametrize(
    ("data", "begins", "says"),
    [
        (request("POST", INVOKE, b"1" * 6_291_457), b"HTTP/1.1 413 ", b"smaller than 6291456 bytes for the Invoke"),
        (
            request("POST", INVOKE, b"1" * 1_048_577, "X-Amz-Invocation-Type: Event"),
            b"HTTP/1.1 413 ",
            b"smaller than 1048576 bytes for the Invoke",
        ),
        (
            request("POST", INVOKE, b"", "Transfer-Encoding: chunked")
            + (b"100000\r\n" + b"1" * 1_048_576 + b"\r\n") * 7
            + b"0\r\n\r\n",
            b"HTTP/1.1 413 ",
            b"smaller than 6291456 bytes for the Invoke",
        ),
        (request("POST", f"{INVOKE}?{'x' * 70_000}", b"{}"), b"HTTP/1.1 431 ", b"request head too large"),
        (request("POST", INVOKE, b"{}", f"X-Large: {'x' * 70_000}"), b"HTTP/1.1 431 ", b"request head too large"),
    ],
    ids=["sync", "event", "chunked", "target", "header"],
)
def test_what_is_too_large_ends_with_an_error(
    lambda_: Any, endpoint: Endpoint, fake: FakeEmulator, data: bytes, begins: bytes, says: bytes
) -> None:
    make(lambda_)
    answer = sent(endpoint.port, data)
    assert answer.startswith(begins)
    assert says in answer
    assert fake.seen == []
    assert lambda_.invoke(FunctionName="hello")["StatusCode"] == 200


def test_what_is_cut_off_ends_and_runs_nothing(lambda_: Any, endpoint: Endpoint, fake: FakeEmulator) -> None:
    """Every beginning of a request, from a client that then sends no more."""
    make(lambda_)
    whole = request("POST", INVOKE, b'{"cut":1}')
    for end in range(1, len(whole), 5):
        with socket.create_connection(("127.0.0.1", endpoint.port), timeout=20) as connection:
            connection.sendall(whole[:end])
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 400 "), (end, answer)
        assert answer.endswith(b"truncated request")
    assert fake.seen == []
    assert lambda_.invoke(FunctionName="hello")["StatusCode"] == 200
