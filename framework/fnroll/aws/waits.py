"""Waiting for a function or a version: our own loop, because botocore's waiters poll on through states that never end.

A wait names what it waits for, ends at once in a state that does not lead there, has a limit, and takes its clock as an
argument. It polls GetFunction, which has the largest limit of all reads (facts: 100 a second).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from fnroll.aws.clock import SYSTEM, Clock
from fnroll.aws.functions import FunctionState, get_function
from fnroll.errors import AwsError

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

Progress = Callable[[str], None]
"""Told once per poll that found it unfinished, in words for the user."""

UPDATE_LIMIT = 600.0
"""Seconds; large images and VPC functions take minutes."""

VERSION_LIMIT = 1560.0
"""Seconds; a SnapStart version is initialized before it is Active. As long as botocore's own waiter gives it."""

_FIRST, _GROWTH, _LONGEST = 0.25, 1.6, 5.0

_DEAD_ENDS = frozenset({"Failed", "Inactive", "ActiveNonInvocable", "Deactivating", "Deactivated", "Deleting"})
"""States that time alone does not end. (State enum of the service model, less Pending and Active.)"""


class Verdict(Enum):
    """What one look at a function says about the wait."""

    READY = "ready"
    GOING_ON = "going on"
    DEAD_END = "dead end"


class WaitEnded(AwsError):
    """The function will not get there: its state, and AWS's reason for it."""


class WaitTimedOut(AwsError):
    """It took longer than the limit. It may still get there."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What is waited for: `what` in words, how to judge a look, and the limit in seconds."""

    what: str
    judge: Callable[[FunctionState], Verdict]
    limit: float


def updated(state: FunctionState) -> Verdict:
    """Ready to be updated again or published: Active, and the last update done. Empty words count as done.

    $LATEST of managed instances is ActiveNonInvocable: it can be both, and only its versions can be invoked."""
    if state.state in _DEAD_ENDS - {"ActiveNonInvocable"} or state.last_update_status == "Failed":
        return Verdict.DEAD_END
    return Verdict.GOING_ON if state.moving else Verdict.READY


def active(state: FunctionState) -> Verdict:
    """Ready for traffic: State is Active. Only a version that AWS calls Active is."""
    if state.state == "Active":
        return Verdict.READY
    return Verdict.DEAD_END if state.state in _DEAD_ENDS else Verdict.GOING_ON


UPDATED = Wait("the update to be done", updated, UPDATE_LIMIT)
ACTIVE = Wait("it to be Active", active, VERSION_LIMIT)


def wait_for(
    client: LambdaClient,
    name: str,
    wait: Wait,
    *,
    qualifier: str | None = None,
    clock: Clock = SYSTEM,
    progress: Progress = lambda _: None,
) -> FunctionState:
    """Poll until it is ready; the state that is. `progress` is told each new state.

    Raises WaitEnded, WaitTimedOut, and what GetFunction raises."""
    where = name if qualifier is None else f"{name}:{qualifier}"
    start, delay, told = clock.now(), _FIRST, ""
    while True:
        state = get_function(client, name, qualifier)
        verdict = wait.judge(state)
        if verdict is Verdict.READY:
            return state
        words = _words(state)
        if verdict is Verdict.DEAD_END:
            raise WaitEnded(f"waiting for {wait.what} ended: {words}", where=where, hint=_hint(state))
        waited = clock.now() - start
        if waited >= wait.limit:
            raise WaitTimedOut(
                f"waited {waited:.0f} s for {wait.what}, in vain: {words}",
                where=where,
                hint="it may still get there: look with `fn status`, then run the command again",
            )
        if words != told:  # what has not changed is no news
            told = words
            progress(f"waiting for {wait.what}: {words}")
        clock.sleep(min(delay, wait.limit - waited))
        delay = min(delay * _GROWTH, _LONGEST)


def _words(state: FunctionState) -> str:
    said = [f"State {state.state or 'unknown'}"]
    if state.last_update_status:
        said.append(f"LastUpdateStatus {state.last_update_status}")
    return ", ".join(said) + (f" ({state.reason})" if state.reason else "")


def _hint(state: FunctionState) -> str | None:
    if state.state == "Inactive":
        return "AWS took back the resources of an idle function: invoke it once, wait until it is Active, try again"
    return None
