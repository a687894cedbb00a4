"""Names for what happens often: version 4 UUIDs and other random hexadecimal numbers.

They need to differ, and nobody needs to be unable to guess them: so they come from the process's own generator, seeded
by the system at its start, and cost no system call each.
"""

from __future__ import annotations

from random import Random

_random = Random()


def new_id() -> str:
    """A UUID of version 4, as Lambda's request ids are."""
    digits = f"{_random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def new_hex(digits: int) -> str:
    return f"{_random.getrandbits(4 * digits):0{digits}x}"
