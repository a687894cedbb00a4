"""The local cloud as a whole: put together, serve until told to stop, take apart in the right order."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from fnroll.cloud.clock import Clock, SystemClock
from fnroll.cloud.control import Control
from fnroll.cloud.destinations import Sender
from fnroll.cloud.events import EventQueue
from fnroll.cloud.feeder import Feeder, Feeding
from fnroll.cloud.gate import MAX_BODY, Gate
from fnroll.cloud.invoke import Invocations, Invoker
from fnroll.cloud.layers import referenced
from fnroll.cloud.log_pump import LogPump
from fnroll.cloud.logs import LogBuffer
from fnroll.cloud.metrics import Meter
from fnroll.cloud.names import Home
from fnroll.cloud.others import Others
from fnroll.cloud.patience import Patience
from fnroll.cloud.protocol import Answer
from fnroll.cloud.provisioner import Provisioner
from fnroll.cloud.queue_source import QueueFeeder
from fnroll.cloud.rates import Rates
from fnroll.cloud.scaling import limits
from fnroll.cloud.services import Services
from fnroll.cloud.settings import reserved
from fnroll.cloud.settler import Settler
from fnroll.cloud.signatures import Signatures
from fnroll.cloud.sources import SQS, SourceRow, write_result
from fnroll.cloud.standing import WAIT
from fnroll.cloud.state import Endpoint, State
from fnroll.cloud.states import settle
from fnroll.cloud.store import Store
from fnroll.cloud.stream_source import Places, StreamFeeder
from fnroll.cloud.targets import Targets
from fnroll.cloud.timers import Timers
from fnroll.cloud.watch import Watch
from fnroll.emulator.api import LogLine, LogSink
from fnroll.emulator.loop import run as run_loop
from fnroll.emulator.wire import HttpServer, Request
from fnroll.errors import CloudError
from fnroll.sandbox.api import Missing, Network

HANDOVER = 5.0
"""Seconds that an embedded cloud waits for another process to let the state go."""


TRIGGER_LIMIT = 10.0
"""Seconds that another service waits until an event for a function is queued."""


NO_KEYS: Mapping[str, str] = MappingProxyType({})


class OpenInvoker(Invoker, Protocol):
    """An emulator, with what the endpoint file tells of it."""

    @property
    def tier(self) -> str: ...

    @property
    def missing(self) -> Sequence[Missing]: ...


OpenEmulator = Callable[[str, LogSink | None], Awaitable[OpenInvoker]]


async def open_emulator(tier: str, sink: LogSink | None) -> OpenInvoker:
    from fnroll.emulator import Emulator

    return await Emulator.open(tier=tier, sink=sink)


async def serve(
    state_dir: Path,
    *,
    stop: asyncio.Event,
    port: int = 9000,
    host: str = "127.0.0.1",
    on_ready: Callable[[Endpoint], None] = lambda endpoint: None,
    sink: LogSink | None = None,
    tier: str = "auto",
    wait: float = WAIT,
    network: Network = "none",
    emulator: OpenEmulator = open_emulator,
    clock: Clock | None = None,
    speed: float = 1.0,
    signatures: bool = False,
    rates: bool = False,
    realistic: bool = False,
    keys: Mapping[str, str] = NO_KEYS,
    others: Others | None = None,
) -> None:
    """Serve the local cloud over `state_dir` until `stop` is set.

    `port` 0 takes any free port; `on_ready` is told where the cloud answers once it does; `wait`: seconds to wait for
    another holder of the state; `network`: "host" lets functions reach this machine's network, this cloud included;
    "none" is the Runtime API alone; `speed`: how much faster than on AWS asynchronous invocations are retried
    and age; `signatures`: refuse API calls that are not signed right, by `keys` (secrets by access key id) or what
    `signatures.py` says; `rates`: refuse control-plane calls beyond Lambda's rates; `realistic`: that, and take
    Lambda's time for making and updating functions (states.py). `emulator`, `clock` and `others`
    are seams. Raises CloudError (state or port in use, not a loopback address) and SandboxError (no such tier here).
    """
    async with AsyncExitStack() as stack:
        time = clock or SystemClock()
        watch = Watch(LogBuffer(), Meter(time.time))
        stack.callback(watch.logs.close)
        # The emulator first: it may fork, and a fork would hold the lock and the port a moment longer than we live.
        engine = await emulator(tier, _both(watch.logs.add, sink))
        stack.push_async_callback(engine.close)
        state = State(state_dir, wait=wait)
        stack.callback(state.close)
        with state.transaction() as db:
            settle(db)  # what was on its way when the last cloud ended
        listener = _bind(host, port)
        stack.callback(listener.close)
        endpoint = _endpoint(listener, engine)
        store = Store(state_dir)
        store.prune(*referenced(state.read))
        moto = others or Others()
        moto.watch = watch
        stack.callback(moto.close)
        services = Services(moto)
        control = Control(state, store, moto.fetch_s3, services, pace=speed if realistic else None)
        stack.callback(control.close)
        invocations = Invocations(
            state.read,
            store,
            engine,
            endpoint.port,
            network=network,
            meter=watch.meter,
            changes=lambda: state.changes,
        )
        for arn, concurrency in reserved(state.read):
            invocations.reserve(arn, concurrency)
        for arn, version, most in limits(state.read):
            invocations.limit(arn, version, most)
        provisioner = Provisioner(state.read, control, invocations)
        provisioner.look()
        stack.push_async_callback(provisioner.close)
        events = EventQueue(state.read, control, invocations, time, services, speed)
        events.start()
        loop = asyncio.get_running_loop()

        def triggered(arn: str, event: bytes, trace: str | None) -> None:
            """On one of moto's threads; the event is durable when this returns."""
            asyncio.run_coroutine_threadsafe(events.trigger(arn, event, trace), loop).result(TRIGGER_LIMIT)

        watch.invoke = triggered

        async def own(request: Request, home: Home) -> Answer:
            return await gate.call(request, home)

        targets = Targets(services, events.trigger, triggered, own, time.time)
        watch.deliver = targets.deliver
        stack.push_async_callback(events.close)
        feeder = Feeder(state.read, _feeding(control, invocations, services, time, events, speed))
        services.on_sent = feeder.news
        feeder.look()
        stack.push_async_callback(feeder.close)
        pump = LogPump(moto, watch, time)
        pump.start()
        stack.push_async_callback(pump.close)
        signed = Signatures(time, keys, required=signatures)
        settler = Settler(state.read, control, time)
        stack.push_async_callback(settler.close)
        throttle = Rates(time) if rates or realistic else None
        gate = Gate(
            endpoint,
            state,
            store,
            control,
            invocations,
            events,
            moto,
            provisioner,
            settler,
            feeder,
            signed,
            time.time,
            throttle,
        )
        stack.push_async_callback(gate.close)
        timers = Timers(moto, time, targets, speed=speed)
        timers.start()
        stack.push_async_callback(timers.close)
        server = HttpServer(gate.handle, max_body=MAX_BODY, too_large=gate.handle_too_large)
        await server.start(listener)
        stack.push_async_callback(server.close)
        patience = Patience(lambda: server.connections)
        patience.start()
        stack.push_async_callback(patience.close)
        state.publish(endpoint)
        on_ready(endpoint)
        await stop.wait()


def _feeding(
    control: Control, invocations: Invocations, services: Services, clock: Clock, events: EventQueue, speed: float
) -> Callable[[SourceRow], Feeding]:
    """How to feed from what a mapping names."""
    places: Places = {}
    sender = Sender(services, events.invoke)

    async def told(uuid: str, result: str) -> None:
        await control.run(lambda db: write_result(db, uuid, result))

    def make(row: SourceRow) -> Feeding:
        if row.service == SQS:
            return QueueFeeder(row, invocations, services, clock)
        return StreamFeeder(row, invocations, services, clock, sender, told, places, speed)

    return make


def _both(first: LogSink, second: LogSink | None) -> LogSink:
    if second is None:
        return first
    shown = second

    def both(line: LogLine) -> None:
        first(line)
        shown(line)

    return both


@contextmanager
def embedded(
    state_dir: Path,
    *,
    port: int = 0,
    sink: LogSink | None = None,
    tier: str = "auto",
    network: Network = "none",
    speed: float = 1.0,
    signatures: bool = False,
    rates: bool = False,
    realistic: bool = False,
    emulator: OpenEmulator = open_emulator,
    clock: Clock | None = None,
    others: Others | None = None,
) -> Iterator[Endpoint]:
    """A cloud in this process, on a free port if `port` is 0, for the length of the block. Raises as `serve` does."""
    ready: threading.Event = threading.Event()
    found: list[Endpoint] = []
    failed: list[BaseException] = []
    stoppers: list[Callable[[], object]] = []

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stoppers.append(lambda: loop.call_soon_threadsafe(stop.set))

        def up(endpoint: Endpoint) -> None:
            found.append(endpoint)
            ready.set()

        await serve(
            state_dir,
            stop=stop,
            port=port,
            on_ready=up,
            sink=sink,
            tier=tier,
            wait=HANDOVER,
            network=network,
            speed=speed,
            signatures=signatures,
            rates=rates,
            realistic=realistic,
            emulator=emulator,
            clock=clock,
            others=others,
        )

    def run() -> None:
        try:
            run_loop(main())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="fn-cloud", daemon=True)
    thread.start()
    ready.wait()
    if not found:
        thread.join()
        raise failed[0]
    try:
        yield found[0]
    finally:
        if thread.is_alive():
            stoppers[0]()
        thread.join()
    if failed:
        raise failed[0]


def _bind(host: str, port: int) -> socket.socket:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        version = ipaddress.ip_address(address)
    except ValueError:
        version = None
    if version is None or not version.is_loopback:
        raise CloudError(f"the local cloud listens on loopback addresses only, not on {host}", hint="127.0.0.1 or ::1")
    listener = socket.socket(socket.AF_INET6 if version.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CloudError(
                f"port {port} is in use", hint="choose another with --port, or --port 0 for any free one"
            ) from error
        raise CloudError(f"port {port} cannot be used: {error.strerror}", hint="choose another with --port") from error
    return listener


def _endpoint(listener: socket.socket, engine: OpenInvoker) -> Endpoint:
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    return Endpoint(
        url=f"http://{shown}:{port}",
        port=port,
        pid=os.getpid(),
        tier=engine.tier,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        missing=tuple(gap.what for gap in engine.missing),
    )
