"""The code signing configuration of a function: what is wanted, what is there, the steps between. Pure.

CreateFunction takes it and no update does, so it has calls of its own. They come before the code: new code is judged by
the configuration that the function has. One that the file has no more is taken away only if a deploy of ours put it
there, which a tag of the function says: to drop somebody else's guard because a file does not speak of it would be a
hole nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fnroll.aws import FunctionState
from fnroll.deploy.steps import Step

MEMBER: Final = "CodeSigningConfigArn"

SIGNING_TAG: Final = "fn:signing"
"""The function tag that holds the ARN of the configuration that a deploy of ours put on it."""


def concerns(wanted: str | None, stays: bool, state: FunctionState) -> bool:
    """Whether what is there has to be read."""
    return not stays and (wanted is not None or SIGNING_TAG in (state.tags or {}))


def signing_steps(wanted: str | None, stays: bool, state: FunctionState, there: Mapping[str, Any]) -> Iterator[Step]:
    """`wanted`: an ARN, None for none; `stays`: it is to be left as it is; `there`: the setting as it was read."""
    if not concerns(wanted, stays, state):
        return
    now, ours = there.get(MEMBER), (state.tags or {}).get(SIGNING_TAG)
    if wanted is not None and wanted != now:
        yield Step("put-setting", f"{MEMBER} is {now or 'none'} on {state.name}", {MEMBER: wanted}, target=MEMBER)
    elif wanted is None and now is not None and now == ours:
        why = f"the definition has no {MEMBER} any more: any code will do for {state.name}"
        yield Step("reset-setting", why, target=MEMBER)


def untag_steps(wanted: str | None, stays: bool, state: FunctionState) -> Iterator[Step]:
    """After the removal: what the function has from now on is not ours."""
    if wanted is None and concerns(wanted, stays, state):
        yield Step("untag", "the code signing configuration is not this definition's", {"TagKeys": [SIGNING_TAG]})
