"""The Extensions API on its own: what each request is answered with, in each state. Texts from facts 2.2."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from emulator_wire_support import Wire
from fnroll.emulator import extensions
from fnroll.emulator.extensions import AIMS, TRANSITIONS, About, Event, Extension, Extensions, Hooks, State
from fnroll.emulator.lifecycle import Reason

ABOUT = About("hello", "$LATEST", "handler.handle", "000000000000")


class Api:
    """Extensions, spoken to over connections in memory."""

    def __init__(self, *external: str) -> None:
        self.failed: list[Extension] = []
        self.changes = 0
        self.extensions = Extensions(ABOUT, list(external), Hooks(self._changed, self.failed.append))
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
        "State transition from InitError to Ready failed for extension agent. Error: State transition is not allowed",
    )


@pytest.mark.parametrize(
    ("name", "events", "error_type", "message"),
    [
        ("", ["INVOKE"], "Extension.InvalidExtensionName", "Empty extension name"),
        ("agent", ["NOTHING"], "Extension.InvalidEventType", "NOTHING: invalid event type"),
        ("inside", ["SHUTDOWN"], "Extension.InvalidEventType", "SHUTDOWN: invalid event type"),
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
        "Error: Extension with this name already registered",
    )


@pytest.mark.parametrize("body", [b"", b"no", b"[]", b'{"events": 1}', b'{"events": [1]}'])
def test_a_registration_that_is_no_registration(body: bytes) -> None:
    wire = Api("agent").call("POST", "register", body, Lambda_Extension_Name="agent")
    assert answer(wire) == refusal("InvalidRequestFormat", "Invalid request format")


@pytest.mark.parametrize(
    ("id", "error_type", "message"),
    [
        (None, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"),
        ("x", "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
        ("0" * 36, "Extension.UnknownExtensionIdentifier", f"Unknown extension {'0' * 36}"),
    ],
)
def test_who_asks_has_to_say_who_it_is(id: str | None, error_type: str, message: str) -> None:
    assert answer(Api("agent").call("GET", "event/next", id=id)) == refusal(error_type, message)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "register", 405), ("GET", "nothing", 404)])
def test_routes(method: str, path: str, status: int) -> None:
    written = Api().call(method, path).transport.written
    assert int(written.split()[1]) == status


def test_the_table_is_closed_and_every_state_can_be_reached() -> None:
    for state, event in itertools.product(State, Event):
        aim = TRANSITIONS[state].get(event)
        assert aim is None or aim is AIMS[event]
    reached = {State.STARTED}
    for _ in State:
        reached |= {aim for state in reached for aim in TRANSITIONS[state].values()}
    assert reached == set(State)


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
