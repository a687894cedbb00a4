"""What the handlers in clients/ can be told to do, in every language alike: the event is an object, `do` the verb.

| do | other members | what it does |
|---|---|---|
| echo | value | answers with the value |
| error | text | returns or throws the language's ordinary error |
| panic | text | the worst that the language has: panic, Error, an exception that nobody catches |
| exit | size | ends the process with this status |
| sleep | text, size | a line on stdout, then so many milliseconds |
| large | size | answers with so many bytes of JSON |
| measure | text | answers with the length of the text |
| count | | answers with a counter of this process |
| print | text | a line on stdout |
| context | | answers with what the client knows of the invocation |
| stream | text | (go; node as the handler index.stream) answers with the text itself, streamed |
| break | text | (go; node likewise) streams the text, and then an error |
| deep | | (python) calls itself without end |

With the variable BROKEN set, init prints a line and exits with 1.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from scenarios.vocabulary import By, Call, Payload, crash, timeout


def event(do: str, **members: object) -> bytes:
    return json.dumps({"do": do, **members}, ensure_ascii=False).encode()


def ask(payload: Payload | By, do: str, *, asked: Any = None, **fields: Any) -> Call:
    """One invocation; `asked`: the event's other members."""
    return Call(event(do, **(asked or {})), payload, **fields)


def ends(reason: str, do: str, *, asked: Any = None, **fields: Any) -> Call:
    """One that the process does not survive."""
    return replace(crash(reason, **fields), do=event(do, **(asked or {})))


def late(seconds: str, do: str, *, asked: Any = None, **fields: Any) -> Call:
    """One that takes too long."""
    return replace(timeout(seconds, **fields), do=event(do, **(asked or {})))
