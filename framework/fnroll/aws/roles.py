"""Patience with a role that was made a moment ago: Lambda cannot assume it for some seconds."""

from __future__ import annotations

from collections.abc import Callable

from fnroll.aws.clock import SYSTEM, Clock
from fnroll.aws.errors import role_not_assumable
from fnroll.errors import AwsError

ROLE_TRIES = 12
ROLE_PAUSE = 2.5
"""A role made a moment ago is known to Lambda within some seconds; twelve tries are half a minute."""


def with_a_new_role(send: Callable[[], object], progress: Callable[[str], None], *, clock: Clock = SYSTEM) -> None:
    """Send, and again while the role is not known yet. Raises what `send` raises, the last refusal too."""
    for attempt in range(1, ROLE_TRIES + 1):
        try:
            send()
            return
        except AwsError as error:
            if attempt == ROLE_TRIES or not role_not_assumable(error):
                raise
            progress(f"the role cannot be assumed by Lambda yet (try {attempt} of {ROLE_TRIES})")
            clock.sleep(ROLE_PAUSE)
