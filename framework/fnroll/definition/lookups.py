"""What definitions ask of the world: made once a run, side by side, and only when asked for.

`World` is what whoever loads a definition brings along: the lookups as callables, where states lie, Jsonnet's external
variables. A `Book` remembers the answers of one run. A question that has no answer yet is noted and raises Pending, so
that the rest of the definition is read on; `fetch` then asks all that was noted, each in a thread of its own, and the
definition is rendered again. Errors are answers too, raised where the definition asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from fnroll.definition.template.calls import CallFailed, Pending
from fnroll.definition.tfstate import State
from fnroll.errors import FnError

NAMES: Final = (
    "parameter",
    "caller_identity",
    "layer_arn",
    "stack_outputs",
    "stack_exports",
    "secret_arn",
    "state",
    "git_sha",
)
"""The lookups, and what they give:

parameter(name) -> (type, value), decrypted        caller_identity() -> {"Account", "Arn", "UserId"}
layer_arn(name, version or None: the newest)       stack_outputs(stack) -> {key: value}
stack_exports() -> {name: value}                   secret_arn(name)
state(url) -> tfstate.State                        git_sha(directory) -> 40 hex digits

Each raises FnError where there is nothing to give.
"""

_AT_ONCE = 8


@dataclass(frozen=True)
class World:
    """What definitions may use beside their own text. `states`: prefix of the template function ("" for none) -> where
    the Terraform state lies."""

    lookups: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    ext_str: Mapping[str, str] = field(default_factory=dict)
    ext_code: Mapping[str, str] = field(default_factory=dict)


class Book:
    """The questions and answers of one run; several definitions may share one, from several threads."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self._lock = Lock()
        self._answers: dict[tuple[Any, ...], Future[Any]] = {}
        self._noted: dict[tuple[Any, ...], None] = {}

    def ask(self, name: str, *arguments: Any) -> Any:
        """The answer. Raises Pending if it is still to be fetched, CallFailed if there is none."""
        question = (name, *arguments)
        with self._lock:
            answer = self._answers.get(question)
            if answer is None or not answer.done():
                if answer is None:
                    self._noted[question] = None
                raise Pending
        try:
            return answer.result()
        except FnError as error:
            where = f"{error.where}: " if error.where else ""
            raise CallFailed(f"{where}{error.message}", error.hint) from None

    def state(self, prefix: str) -> State:
        """The Terraform state behind a prefix."""
        state: State = self.ask("state", self.world.states[prefix])
        return state

    def fetch(self) -> None:
        """Answer all that was noted, side by side; wait for what another thread is fetching."""
        with self._lock:
            ours = {question: Future[Any]() for question in self._noted}
            self._noted = {}
            self._answers.update(ours)
            waiting = [answer for answer in self._answers.values() if not answer.done()]
        if ours:
            with ThreadPoolExecutor(min(_AT_ONCE, len(ours))) as pool:
                for question, answer in ours.items():
                    pool.submit(self._answer, question, answer)
        wait(waiting)

    def _answer(self, question: tuple[Any, ...], answer: Future[Any]) -> None:
        name, *arguments = question
        lookup = self.world.lookups.get(name)
        try:
            if lookup is None:
                raise FnError(f"{name} cannot be looked up here")
            answer.set_result(lookup(*arguments))
        except BaseException as error:
            answer.set_exception(error)
