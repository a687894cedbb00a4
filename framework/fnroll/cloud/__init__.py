"""The local cloud: Lambda's HTTP API over the emulator, function URLs, events, state; moto for every other service.

    serve(state_dir, stop=..., port=9000, ...)   until `stop` is set
    running(state_dir)                           where the one that is up answers
    embedded(state_dir)                          one in this process, for the length of a block
    reset(state_dir)                             forget everything

docs/local-cloud.md says what is answered exactly, what is stored only, and what is refused.
"""

from fnroll.cloud.server import embedded, reset, running, serve
from fnroll.cloud.state import Endpoint

__all__ = ["Endpoint", "embedded", "reset", "running", "serve"]
