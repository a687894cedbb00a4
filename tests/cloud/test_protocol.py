"""The wire protocol by itself: matching, parsing, constraints, and Jackson's words."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.cloud import protocol
from fnroll.cloud.constraints import _pattern
from fnroll.cloud.faults import Fault
from fnroll.cloud.names import DEFAULT_ACCOUNT, Home, parse_function
from fnroll.cloud.payloads import check_json
from fnroll.definition import service
from fnroll.emulator.wire import Request

NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)


def request(method: str, target: str, body: Any = None, headers: list[tuple[str, str]] | None = None) -> Request:
    return Request(method, target, headers or [], b"" if body is None else json.dumps(body).encode())


def parsed(method: str, target: str, body: Any = None, headers: list[tuple[str, str]] | None = None) -> tuple[str, Any]:
    asked = request(method, target, body, headers)
    operation, variables = protocol.find(asked)
    return operation.name, protocol.parse(operation, asked, variables)


@pytest.mark.parametrize(
    ("method", "target", "name", "given_"),
    [
        ("GET", "/2015-03-31/functions", "ListFunctions", {}),
        ("GET", "/2015-03-31/functions/", "ListFunctions", {}),
        ("GET", "/2015-03-31/functions/?MaxItems=5&Marker=x", "ListFunctions", {"MaxItems": 5, "Marker": "x"}),
        ("GET", "/2015-03-31/functions/f", "GetFunction", {"FunctionName": "f"}),
        ("GET", "/2015-03-31/functions/f%3Alive", "GetFunction", {"FunctionName": "f:live"}),
        ("DELETE", "/2015-03-31/functions/f?Qualifier=1", "DeleteFunction", {"FunctionName": "f", "Qualifier": "1"}),
        ("GET", "/2018-10-31/layers", "ListLayers", {}),
        ("GET", "/2018-10-31/layers/l/versions/3", "GetLayerVersion", {"LayerName": "l", "VersionNumber": 3}),
    ],
)
def test_a_path_names_its_operation(method: str, target: str, name: str, given_: Any) -> None:
    assert parsed(method, target) == (name, given_)


def test_what_is_remembered_of_a_request_is_all_but_its_body() -> None:
    known = protocol.Remembered({"Invoke"})
    path = "/2015-03-31/functions/f/invocations"

    def understood(asked: Request) -> Any:
        operation, parameters = known.find(asked)
        return operation.name, parameters()

    tail = {"FunctionName": "f", "LogType": "Tail"}
    first = request("POST", path, {"a": 1}, [("x-amz-log-type", "Tail"), ("user-agent", "x")])
    again = request("POST", path, {"b": 2}, [("user-agent", "y"), ("x-amz-log-type", "Tail")])
    assert understood(first) == understood(again) == ("Invoke", tail)
    assert known.find(again)[1]() is known.find(first)[1]()
    queued = [("x-amz-log-type", "Tail"), ("x-amz-invocation-type", "Event")]
    for other, given_ in (
        (request("POST", path, {"a": 1}), {"FunctionName": "f"}),
        (request("POST", path, {"a": 1}, [("x-amz-log-type", "None")]), {"FunctionName": "f", "LogType": "None"}),
        (request("POST", path, {"a": 1}, queued), {**tail, "InvocationType": "Event"}),
        (request("POST", f"{path}?Qualifier=1", {"a": 1}, [("x-amz-log-type", "Tail")]), {**tail, "Qualifier": "1"}),
    ):
        assert understood(other) == understood(other) == ("Invoke", given_)
    with pytest.raises(Fault):
        known.find(request("GET", path, {"a": 1}, [("x-amz-log-type", "Tail")]))
    listed = request("GET", "/2015-03-31/functions?MaxItems=5")
    assert understood(listed) == ("ListFunctions", {"MaxItems": 5})
    assert known.find(listed)[1]() is not known.find(listed)[1]()


def test_a_query_that_an_operation_insists_on_tells_it_apart() -> None:
    arn = "arn:aws:lambda:us-east-1:000000000000:layer:l:1"
    assert parsed("GET", f"/2018-10-31/layers?find=LayerVersion&Arn={quote(arn)}") == (
        "GetLayerVersionByArn",
        {"Arn": arn},
    )


def test_a_list_in_the_query_is_every_value() -> None:
    arn = f"arn:aws:lambda:us-east-1:{DEFAULT_ACCOUNT}:function:f"
    name, found = parsed("DELETE", f"/2017-03-31/tags/{quote(arn, safe='')}?tagKeys=a&tagKeys=b")
    assert (name, found) == ("UntagResource", {"Resource": arn, "TagKeys": ["a", "b"]})


def test_headers_and_the_raw_body_are_members_too() -> None:
    asked = Request("POST", "/2015-03-31/functions/f/invocations", [("x-amz-log-type", "Tail")], b"\x00raw")
    operation, variables = protocol.find(asked)
    assert protocol.parse(operation, asked, variables) == {
        "FunctionName": "f",
        "LogType": "Tail",
        "Payload": b"\x00raw",
    }


def test_unknown_members_and_nulls_are_passed_over() -> None:
    _, found = parsed(
        "PUT", "/2015-03-31/functions/f/configuration", {"Nonsense": 1, "Timeout": None, "MemorySize": 128}
    )
    assert found == {"FunctionName": "f", "MemorySize": 128}


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000, b'"x"'])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    asked = Request("PUT", "/2015-03-31/functions/f/configuration", [], body)
    operation, variables = protocol.find(asked)
    with pytest.raises(Fault) as raised:
        protocol.parse(operation, asked, variables)
    assert raised.value.code == "SerializationException"


@given(
    st.binary(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["FunctionName", "Role", "Code", "Layers", "Environment", "Variables", "Timeout", "Tags"]
                ),
                inner,
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_breaks_the_parser(body: bytes) -> None:
    asked = Request("POST", "/2015-03-31/functions", [], body)
    operation, variables = protocol.find(asked)
    try:
        protocol.parse(operation, asked, variables)
    except Fault as fault:
        assert fault.code in ("SerializationException", "ValidationException")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_every_json_value_is_an_event(value: Any) -> None:
    check_json(json.dumps(value).encode())
    check_json(json.dumps(value, ensure_ascii=False).encode())


@given(st.binary())
def test_whatever_is_no_json_is_refused_in_words(body: bytes) -> None:
    try:
        json.loads(body.decode(), parse_constant=int)
        valid = True
    except ValueError:
        valid = False
    try:
        check_json(body)
        accepted = True
    except Fault as fault:
        accepted = False
        assert fault.code == "InvalidRequestContentException"
        assert "line: " in fault.message
    assert accepted == valid


@pytest.mark.parametrize("body", [b"NaN", b"-Infinity", b'{"a":Infinity}', b"[" * 100_000, b"", b"{}x", b'"\n"'])
def test_what_python_would_take_and_lambda_does_not(body: bytes) -> None:
    with pytest.raises(Fault):
        check_json(body)


def test_a_number_of_any_length_is_json() -> None:
    check_json(b"1" * 10_000)


@given(NAMES, st.none() | st.sampled_from(["$LATEST", "12", "live"]))
def test_an_arn_and_its_name_mean_the_same_function(name: str, qualifier: str | None) -> None:
    suffix = f":{qualifier}" if qualifier else ""
    arn = f"arn:aws:lambda:us-east-1:{DEFAULT_ACCOUNT}:function:{name}{suffix}"
    home = Home(DEFAULT_ACCOUNT, "us-east-1")
    by_arn, by_name = parse_function(arn, home), parse_function(name, home, qualifier)
    assert by_arn == by_name
    assert by_arn.asked_arn == arn


def test_each_pattern_of_the_model_can_be_checked() -> None:
    for name in service.service_model()["shapes"]:
        if "pattern" in service.shape(name):
            _pattern(service.shape(name)["pattern"])


@pytest.mark.parametrize(
    ("key", "fits"), [("Größe", True), ("a b", True), ("a_1:/=+-@", True), ("a\tb", False), ("a*", False), ("²Ⅳ", True)]
)
def test_tags_may_hold_letters_of_any_script(key: str, fits: bool) -> None:
    body = {"Tags": {"key": key}}
    arn = quote(f"arn:aws:lambda:us-east-1:{DEFAULT_ACCOUNT}:function:f", safe="")
    if fits:
        assert parsed("POST", f"/2017-03-31/tags/{arn}", body)[1]["Tags"] == {"key": key}
    else:
        with pytest.raises(Fault):
            parsed("POST", f"/2017-03-31/tags/{arn}", body)
