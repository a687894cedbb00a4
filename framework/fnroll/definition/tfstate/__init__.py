"""Terraform states as definitions read them: values by address, and where a state lies.

    state.py       a state's bytes to values by address
    location.py    a URL, or a backend block, to the place that the state is read from

Pure: who fetches the bytes is the room `lookups`.
"""

from fnroll.definition.tfstate.location import Location, backend_location, located
from fnroll.definition.tfstate.state import State, parse

__all__ = ["Location", "State", "backend_location", "located", "parse"]
