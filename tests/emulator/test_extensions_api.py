"""The Extensions API on its own: what each request is answered with, in each state. Texts from facts 2.2."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from emulator_wire_support import Wire
from fnroll.emulator import extensions
from fnroll.emulator.extension_states import TRANSITIONS, Event, State
from fnroll.emulator.extensions import About, Extension, Extensions, Hooks
from fnroll.emulator.lifecycle import Reason

SOME_ID = "00000000-0000-4000-8000-000000000000"
PAGE = Path(__file__).parents[2] / "docs" / "emulator.md"
ABOUT = About("hello", "$LATEST", "handler.handle", "000000000000")


class Api:
    """Extensions, spoken to over connections in memory."""

    def __init__(self, *external: str, invoked: bool = True) -> None:
        self.failed: list[Extension] = []
        self.changes = 0
        self.extensions = Extensions(ABOUT, list(external), Hooks(self._changed, self.failed.append), invoked=invoked)
        self.id = ""

    def _changed(self) -> None:
        self.changes += 1

    def call(self, method: str, path: str, body: Any = b"", *, id: str | None = None, **headers: str) -> Wire:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if id is not None:
            fields.append(f"Lambda-Extension-Identifier: {id}")
        lines = [f"{method} /2020-01-01/extension/{path} HTTP/1.1", "Host: x", *fields, f"Content-Length: {len(data)}"]
        wire = Wire(self.extensions.handle)
        wire.feed("\r\n".join([*lines, "", ""]).encode() + data)
        return wire

    def register(self, name: str, *events: str, **headers: str) -> tuple[int, Any]:
        wire = self.call("POST", "register", {"events": list(events)}, Lambda_Extension_Name=name, **headers)
        head, _, _ = wire.transport.written.partition(b"\r\n\r\n")
        for line in head.decode().split("\r\n"):
            if line.startswith("Lambda-Extension-Identifier: "):
                self.id = line.partition(": ")[2]
        return answer(wire)


def answer(wire: Wire) -> tuple[int, Any]:
    head, _, body = wire.transport.written.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def refusal(error_type: str, message: str) -> tuple[int, Any]:
    return 403, {"errorMessage": message, "errorType": error_type}


def test_an_external_extension_registers_waits_and_is_invoked() -> None:
    api = Api("agent")
    assert not api.extensions.registered
    assert api.register("agent", "INVOKE", "SHUTDOWN") == (
        200,
        {"functionName": "hello", "functionVersion": "$LATEST", "handler": "handler.handle"},
    )
    assert api.extensions.registered
    assert len(api.id) == 36
    waiting = api.call("GET", "event/next", id=api.id)
    assert waiting.transport.written == b""
    assert api.extensions.ready
    api.extensions.invoke("id-1", 1700000000123, "arn", "Root=1")
    assert answer(waiting) == (
        200,
        {
            "eventType": "INVOKE",
            "deadlineMs": 1700000000123,
            "requestId": "id-1",
            "invokedFunctionArn": "arn",
            "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1"},
        },
    )
    assert b"Lambda-Extension-Event-Identifier: " in waiting.transport.written
    assert not api.extensions.ready
    last = api.call("GET", "event/next", id=api.id)
    api.extensions.shut_down(5, Reason.TIMEOUT)
    assert answer(last) == (200, {"eventType": "SHUTDOWN", "deadlineMs": 5, "shutdownReason": "timeout"})


def test_the_end_is_told_to_who_asks_later_too() -> None:
    api = Api("agent")
    api.register("agent", "SHUTDOWN")
    api.extensions.shut_down(5, Reason.SPINDOWN)
    waiting = api.call("GET", "event/next", id=api.id)
    assert answer(waiting)[1]["shutdownReason"] == "spindown"
    once_more = api.call("GET", "event/next", id=api.id)
    assert once_more.transport.written == b""


def test_the_account_is_told_to_those_who_accept_it() -> None:
    assert Api("a").register("a", Lambda_Extension_Accept_Feature="accountId")[1]["accountId"] == "000000000000"


def test_who_asked_for_nothing_is_told_nothing() -> None:
    api = Api("quiet")
    api.register("quiet")
    waiting = api.call("GET", "event/next", id=api.id)
    api.extensions.invoke("id-1", 0, "arn", "")
    api.extensions.shut_down(0, Reason.SPINDOWN)
    assert waiting.transport.written == b""
    assert api.extensions.ready


def test_an_internal_extension_is_known_by_registering_until_the_runtime_asks_for_an_event() -> None:
    api = Api()
    assert api.extensions.kind == "none"
    assert api.register("inside", "INVOKE")[0] == 200
    assert api.extensions.kind == "internal"
    api.extensions.open = False
    assert api.register("late", "INVOKE") == refusal(
        "Extension.RegistrationClosed", "Extension registration closed already"
    )


def test_eleven_are_too_many() -> None:
    api = Api()
    answers = [api.register(f"e{n}", "INVOKE") for n in range(11)]
    assert [status for status, _ in answers] == [200] * 10 + [403]
    assert answers[10] == refusal("Extension.TooManyExtensions", "Extension limit (10) reached")


def test_errors_are_reported_with_their_type() -> None:
    api = Api("agent")
    api.register("agent", "INVOKE")
    path = "init/error"
    assert answer(api.call("POST", path, id=api.id)) == refusal(
        "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"
    )
    told = api.call("POST", path, b"{}", id=api.id, Lambda_Extension_Function_Error_Type="Agent.NoConfig")
    assert answer(told) == (202, {"status": "OK"})
    assert [(extension.name, extension.error_type) for extension in api.failed] == [("agent", "Agent.NoConfig")]
    assert answer(api.call("GET", "event/next", id=api.id)) == refusal(
        "Extension.InvalidExtensionState",
        f"State transition from InitError to Ready failed for extension {api.id}. "
        "Error: State transition is not allowed",
    )
    again = api.call("POST", path, b"{}", id=api.id, Lambda_Extension_Function_Error_Type="Agent.Other")
    assert answer(again) == (202, {"status": "OK"})
    assert [extension.error_type for extension in api.failed] == ["Agent.NoConfig"]


def test_on_a_managed_instance_nobody_is_told_of_invocations() -> None:
    api = Api("agent", invoked=False)
    assert api.register("agent", "INVOKE") == refusal("Extension.InvalidEventType", "INVOKE: ErrorInvalidEventType")
    assert api.register("agent", "SHUTDOWN")[0] == 200


def test_an_error_that_its_state_does_not_allow() -> None:
    api = Api("agent")
    api.register("agent", "INVOKE")
    api.call("GET", "event/next", id=api.id)
    for path, aim in (("init/error", "InitError"), ("event/next", "Ready")):
        method = "POST" if path == "init/error" else "GET"
        told = api.call(method, path, id=api.id, Lambda_Extension_Function_Error_Type="Agent.Late")
        assert answer(told) == refusal(
            "Extension.InvalidExtensionState",
            f"State transition from Ready to {aim} failed for extension {api.id}. "
            "Error: State transition is not allowed",
        )
    assert not api.failed
    late = api.call("POST", "exit/error", id=api.id, Lambda_Extension_Function_Error_Type="Agent.Late")
    assert answer(late)[0] == 202
    assert [extension.state for extension in api.failed] == [State.EXIT_ERROR]


@pytest.mark.parametrize(
    ("name", "events", "error_type", "message"),
    [
        ("", ["INVOKE"], "Extension.InvalidExtensionName", "Empty extension name"),
        ("agent", ["NOTHING"], "Extension.InvalidEventType", "NOTHING: ErrorInvalidEventType"),
        (
            "inside",
            ["SHUTDOWN"],
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
        ),
    ],
)
def test_registrations_that_are_refused(name: str, events: list[str], error_type: str, message: str) -> None:
    assert Api("agent").register(name, *events) == refusal(error_type, message)


def test_a_name_is_taken_once() -> None:
    api = Api("agent")
    api.register("agent")
    assert api.register("agent") == refusal(
        "Extension.InvalidExtensionState",
        "State transition from Registered to Registered failed for extension agent. "
        "Error: State transition is not allowed",
    )
    api.register("inside")
    assert api.register("inside") == refusal(
        "Extension.InvalidExtensionState", "Extension with this name already registered"
    )


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (b"", "Expecting value"),
        (b"no", "Expecting value"),
        (b"[]", "object"),
        (b"[" * 100_000, "object"),
        (b'{"events": 1}', "events"),
        (b'{"events": [1]}', "events"),
        (b'{"configurationKeys": ["A"]}', "configurationKeys are deprecated; use environment variables instead"),
    ],
    ids=["empty", "word", "list", "deep", "number", "numbers", "keys"],
)
def test_a_registration_that_is_no_registration(body: bytes, about: str) -> None:
    wire = Api("agent").call("POST", "register", body, Lambda_Extension_Name="agent")
    status, said = answer(wire)
    assert (status, said["errorType"]) == (403, "InvalidRequestFormat")
    assert about in said["errorMessage"]


@pytest.mark.parametrize(
    ("id", "error_type", "message"),
    [
        (None, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"),
        ("x", "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
        ("0" * 36, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
        (SOME_ID, "Extension.UnknownExtensionIdentifier", f"Unknown extension {SOME_ID}"),
    ],
)
def test_who_asks_has_to_say_who_it_is(id: str | None, error_type: str, message: str) -> None:
    assert answer(Api("agent").call("GET", "event/next", id=id)) == refusal(error_type, message)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "register", 405), ("GET", "nothing", 404)])
def test_routes(method: str, path: str, status: int) -> None:
    written = Api().call(method, path).transport.written
    assert int(written.split()[1]) == status


def test_every_state_can_be_reached_and_the_page_draws_the_same_table() -> None:
    reached = {State.STARTED}
    for _ in State:
        reached |= {aim for state in reached for aim in TRANSITIONS[state].values()}
    assert reached == set(State)
    section = PAGE.read_text().partition("## Extensions")[2]
    rows = [line.strip("|").split("|") for line in section.splitlines() if re.match(r"\| (state|`\w+`) \|", line)]
    (_, *columns), *rows = [[cell.strip(" `") for cell in row] for row in rows]
    drawn = {
        State(name): {Event(column): State(cell) for column, cell in zip(columns, cells, strict=True) if cell}
        for name, *cells in rows
    }
    assert drawn == {state: dict(row) for state, row in TRANSITIONS.items()}


def test_switched_off_there_is_no_such_api() -> None:
    api = Api()
    api.extensions = Extensions(ABOUT, [], Hooks(api._changed, api.failed.append), enabled=False)
    written = api.call("POST", "register", {"events": []}, Lambda_Extension_Name="inside").transport.written
    assert written.startswith(b"HTTP/1.1 404 ")


def test_external_extensions_are_the_files_of_the_layers(tmp_path: Path) -> None:
    folder = tmp_path / "extensions"
    (folder / "lib").mkdir(parents=True)
    for name in ("b", "a"):
        (folder / name).touch()
    assert extensions.programs(tmp_path) == ["a", "b"]
    assert extensions.programs(None) == []
    assert extensions.programs(folder) == []
    (tmp_path / extensions.DISABLED).touch()
    assert extensions.programs(tmp_path) == []
