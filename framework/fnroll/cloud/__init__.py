"""The local cloud: Lambda's HTTP API over the emulator, function URLs, events, state; moto for every other service.

    serve(state_dir, stop=..., port=9000, ...)   until `stop` is set
    running(state_dir)                           where the one that is up answers
    embedded(state_dir)                          one in this process, for the length of a block
    reset(state_dir)                             forget everything

docs/local-cloud.md says what is answered exactly, what is stored only, and what is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fnroll.cloud.standing import reset, running, wait_until_free
from fnroll.cloud.state import Endpoint

if TYPE_CHECKING:
    from fnroll.cloud.server import embedded, serve

__all__ = ["Endpoint", "embedded", "reset", "running", "serve", "wait_until_free"]


def __getattr__(name: str) -> Any:
    """The server is imported by whoever starts one (see standing.py)."""
    if name not in ("embedded", "serve"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fnroll.cloud import server

    return getattr(server, name)
