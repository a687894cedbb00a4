"""Subscriptions to the Telemetry API, and to the Logs API before it: what a request asks for, checked. Pure.

Source: facts 2.3.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

TELEMETRY: Final = "/2022-07-01/telemetry"
LOGS: Final = "/2020-08-15/logs"

SCHEMAS: Final = {TELEMETRY: ("2022-07-01", "2022-12-13", "2025-01-29"), LOGS: ("2020-08-15", "2021-03-18")}
TYPES: Final = ("platform", "function", "extension")
HOSTS: Final = ("sandbox.localdomain", "sandbox")
BUFFERING: Final = {
    "maxItems": (1000, 10_000, 10_000),
    "maxBytes": (262_144, 1_048_576, 262_144),
    "timeoutMs": (25, 30_000, 1000),
}
"""Least, most, and what is taken where nothing is said."""

RUNTIME_API_PORT: Final = 9001


@dataclass(frozen=True, slots=True)
class Subscription:
    """`path` is the destination's, "" for TCP. Sizes in bytes, the time in ms. `old`: made through the Logs API, whose
    subscribers may ask for PUT instead of POST (`method`)."""

    schema: str
    types: tuple[str, ...]
    protocol: str
    port: int
    path: str
    max_items: int
    max_bytes: int
    timeout_ms: int
    old: bool = False
    method: str = "POST"

    def wants(self, event_type: str) -> bool:
        return event_type.partition(".")[0] in self.types


class Invalid(Exception):
    """`str()` is the text of the ValidationError."""


def parse(path: str, body: bytes) -> Subscription:
    """Raises Invalid."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Invalid("the request body is no JSON") from None
    if not isinstance(said, dict):
        raise Invalid("the request body is no JSON object")
    old = path == LOGS
    schema = said.get("schemaVersion", SCHEMAS[path][0] if old else None)
    if schema not in SCHEMAS[path]:
        raise Invalid(f"schemaVersion: {schema!r} is not one of {', '.join(SCHEMAS[path])}")
    types = said.get("types")
    if not isinstance(types, list) or not types or any(kind not in TYPES for kind in types):
        raise Invalid(f"types: a list of {', '.join(TYPES)} is needed")
    destination = said.get("destination")
    protocol, port, where = _destination(destination)
    method = destination.get("method", "POST") if old and isinstance(destination, dict) else "POST"
    if method not in ("POST", "PUT"):
        raise Invalid(f"destination.method: {method!r} is not one of POST, PUT")
    sizes = _buffering(said.get("buffering", {}))
    return Subscription(schema, tuple(dict.fromkeys(types)), protocol, port, where, *sizes, old, method)


def _destination(said: Any) -> tuple[str, int, str]:
    if not isinstance(said, dict):
        raise Invalid("destination: an object with protocol and URI, or port, is needed")
    protocol = said.get("protocol")
    if protocol == "TCP":
        port, path = said.get("port"), ""
    elif protocol == "HTTP":
        port, path = _uri(said.get("URI"))
    else:
        raise Invalid(f"destination.protocol: {protocol!r} is not one of HTTP, TCP")
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise Invalid("destination: a port from 1 to 65535 is needed")
    if port == RUNTIME_API_PORT:
        raise Invalid(f"destination: port {port} is the Runtime API's")
    return protocol, port, path


def _uri(uri: Any) -> tuple[int, str]:
    try:
        parts = urlsplit(uri if isinstance(uri, str) else "")
        port = parts.port
    except ValueError:
        raise Invalid("destination.URI: this is no URI") from None
    if parts.scheme != "http" or parts.hostname not in HOSTS:
        raise Invalid(f"destination.URI: http://{HOSTS[0]}:PORT/ is needed, not {uri!r}")
    return port or 80, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _buffering(said: Any) -> tuple[int, int, int]:
    if not isinstance(said, dict):
        raise Invalid("buffering: an object is needed")
    found = []
    for name, (least, most, default) in BUFFERING.items():
        value = said.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Invalid(f"buffering.{name}: {value!r} is not between {least} and {most}")
        found.append(value)
    return found[0], found[1], found[2]


def told(wanted: Subscription, event_type: str, record: Any, json_lines: bool) -> list[tuple[str, Any]]:
    """An event as a subscriber gets it: types and records. `json_lines`: the function logs in the JSON format, and
    then newer schemas have a line that is a JSON object as that object."""
    if wanted.old:
        return as_logs(event_type, record, wanted.schema)
    if json_lines and wanted.schema != SCHEMAS[TELEMETRY][0] and isinstance(record, str) and record.startswith("{"):
        try:
            return [(event_type, json.loads(record))]
        except (ValueError, RecursionError):
            pass
    return [(event_type, record)]


def as_logs(event_type: str, record: Any, schema: str) -> list[tuple[str, Any]]:
    """An event in the terms of the Logs API, which knows fewer and has an end of its own."""
    if event_type in ("function", "extension", "platform.extension", "platform.logsDropped", "platform.fault"):
        return [(event_type, record["fault"] if event_type == "platform.fault" else record)]
    if event_type in ("platform.logsSubscription", "platform.telemetrySubscription"):
        return [("platform.logsSubscription", record)]
    if event_type == "platform.start":
        return [(event_type, {"requestId": record["requestId"], "version": record["version"]})]
    if event_type == "platform.report":
        return [(event_type, {"requestId": record["requestId"], "metrics": record["metrics"]})]
    if event_type == "platform.runtimeDone":
        end = ("platform.end", {"requestId": record["requestId"]})
        done = (event_type, {"requestId": record["requestId"], "status": record["status"]})
        return [done, end] if schema == "2021-03-18" else [end]
    return []
