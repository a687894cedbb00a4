"""Names for what happens often: version 4 UUIDs and other random hexadecimal numbers.

They need to differ, and nobody needs to be unable to guess them: so they come from the process's own generator, seeded
by the system at its start, and cost no system call each.
"""

from __future__ import annotations

from random import Random

_random = Random()
_FREE = ~((0xF << 76) | (0x3 << 62))
_FIXED = (0x4 << 76) | (0x2 << 62)
"""The digits that say version and variant (RFC 9562)."""


def new_id() -> str:
    """A UUID of version 4, as Lambda's request ids are."""
    digits = "%032x" % (_random.getrandbits(128) & _FREE | _FIXED)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_hex(digits: int) -> str:
    return f"{_random.getrandbits(4 * digits):0{digits}x}"
