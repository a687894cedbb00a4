"""How an environment tells what has happened: lines, records and outcomes, in Lambda's order and from the same figures.

No mechanism: environment.py says when. Source of texts and order: facts 2.4, 2.5.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fnroll.emulator import events, faults, lines
from fnroll.emulator.api import FunctionConfig, Invocation, Outcome
from fnroll.emulator.faults import Fault
from fnroll.emulator.inits import InitFailure
from fnroll.emulator.instance import Instance
from fnroll.emulator.output import Journal
from fnroll.emulator.runtime_api import Answer
from fnroll.emulator.tally import Ending, Tally


class Conclusions:
    """Those of one environment. `clock` gives epoch seconds, `now` seconds that never go back. An outcome's log has
    everything that `instance` (None: there is none any more) printed before."""

    def __init__(
        self, config: FunctionConfig, journal: Journal, clock: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self._config = config
        self._journal = journal
        self._clock = clock
        self._now = now
        self._untold: Callable[[], None] | None = None
        self._provisioned = config.initialization == "provisioned-concurrency"
        self._running_on: tuple[Callable[[float], None], float] | None = None
        """Extensions may: whom to tell how long, and since when."""
        self.tally = Tally()

    def init_ended(
        self, phase: lines.Phase, spent_ms: float, instance: Instance | None, failure: InitFailure | None
    ) -> None:
        """Each extension's state, and the report."""
        status, error_type = ("success", None) if failure is None else (failure.status, failure.error_type)
        if phase == "init":
            self.tally.init(spent_ms, failed=failure is not None)
        if failure is not None:
            self.measure(instance, error_type)
        self._journal.tell(events.init_done(self._config, phase, status, error_type))
        if instance is not None:
            instance.tell_extensions()
        self._journal.tell(events.init_report(self._config, phase, spent_ms, status, error_type))

    def start(self, invocation: Invocation) -> None:
        if self._journal.plain:
            self._journal.write(lines.start(invocation.request_id, self._config.version))
        else:
            self._journal.tell(events.start(invocation, self._config.version))

    def answered(self, invocation: Invocation, instance: Instance | None, answer: Answer, spent_ms: float) -> Outcome:
        """The runtime has answered. What telemetry learns of it waits for `settled`."""
        payload, error_type = answer.payload, answer.error_type
        if answer.too_large:
            found = faults.response_too_large()
            payload, error_type = found.payload(invocation.request_id), found.type
        ending = Ending("success" if error_type is None else "error", error_type, answer.too_large, spent_ms)
        return self._outcome(invocation, instance, payload, ending, answered=True)

    def settled(self) -> None:
        """The runtime is ready again, or never will be."""
        if self._running_on is not None:
            (tell_how_long, since), self._running_on = self._running_on, None
            tell_how_long((self._now() - since) * 1000)
        if self._untold is not None:
            tell, self._untold = self._untold, None
            tell()

    def failed(self, invocation: Invocation, instance: Instance | None, found: Fault, spent_ms: float) -> Outcome:
        self._journal.tell(events.fault(invocation.request_id, found))
        ending = Ending("error", found.reported or found.type, True, spent_ms)
        return self._outcome(invocation, instance, found.payload(invocation.request_id), ending)

    def timed_out(self, invocation: Invocation, instance: Instance | None) -> Outcome:
        found = faults.timed_out(self._config.timeout)
        if instance is not None:
            instance.drain()
        self._journal.tell(events.timeout(invocation.request_id, found, self._clock()))
        ending = Ending("timeout", found.type, True, self._config.timeout * 1000.0)
        return self._outcome(invocation, instance, found.payload(invocation.request_id), ending)

    def init_failed(self, invocation: Invocation, failure: InitFailure, spent_ms: float) -> Outcome:
        """The init inside an invocation came to nothing."""
        self.start(invocation)
        if failure.status == "timeout":
            return self.timed_out(invocation, None)
        payload = b""
        if failure.fault is not None:
            self._journal.tell(events.fault(invocation.request_id, failure.fault))
            payload = failure.fault.payload(invocation.request_id)
        if failure.posted is not None:
            payload = failure.posted.payload
        return self._outcome(invocation, None, payload, Ending("error", failure.error_type, True, spent_ms))

    def measure(self, instance: Instance | None, error_type: str | None = None) -> None:
        """Out of memory is told as all that there is (facts 2.4)."""
        if error_type == faults.OUT_OF_MEMORY:
            self.tally.used(self._config.memory_mb << 20)
        elif instance is not None:
            self.tally.used(instance.memory_peak())

    def _outcome(
        self,
        invocation: Invocation,
        instance: Instance | None,
        payload: bytes,
        ending: Ending,
        *,
        answered: bool = False,
    ) -> Outcome:
        journal = self._journal
        if instance is not None:
            instance.drain()
        self.measure(instance, ending.error_type)
        figures = self.tally.report(self._config, ending)
        function_error = None if ending.status == "success" else "Unhandled"
        if answered and invocation.ran_on is not None and instance is not None and instance.extended:
            self._running_on = (invocation.ran_on, self._now())
        if journal.plain and not self._config.tracing:
            journal.write(lines.end(invocation.request_id), lines.report(invocation.request_id, figures))
            return Outcome(payload, function_error, self._config.version, figures, journal.take(), self._provisioned)
        done = events.runtime_done(invocation, ending, len(payload))
        report = events.report(invocation, figures, self._config.tracing)
        later = answered and journal.tap is not None
        journal.tell(done, tapped=not later)
        journal.tell(report, tapped=not later)
        if later:
            self._untold = partial(self._tell, invocation, ending, len(payload), report, self._now())
        return Outcome(payload, function_error, self._config.version, figures, journal.take(), self._provisioned)

    def _tell(self, invocation: Invocation, ending: Ending, size: int, report: events.Event, answered: float) -> None:
        """To telemetry alone: the invocation has taken until now, when the runtime asks for its next event."""
        overhead_ms = (self._now() - answered) * 1000
        began = self._clock() - (ending.spent_ms + overhead_ms) / 1000
        spans = events.Spans(began, ending.spent_ms, overhead_ms)
        done = events.runtime_done(invocation, ending._replace(spent_ms=ending.spent_ms + overhead_ms), size, spans)
        if self._journal.tap is not None:
            for event in (done, report):
                self._journal.tap(event.type, event.record())
