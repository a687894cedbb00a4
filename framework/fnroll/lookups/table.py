"""The lookups by name (definition/lookups.py says what each gives), over a session made when the first is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fnroll.errors import NotFound
from fnroll.lookups.git import commit_of

if TYPE_CHECKING:
    from fnroll.aws import Session


def lookups(
    connect: Callable[[], Session],
    env: Mapping[str, str],
    directory: Path,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Callable[..., Any]]:
    """The table for one run. `connect` gives the session; paths of states start from `directory`; `tell` hears of each
    lookup that was made, from any thread."""
    aws = _Aws(connect)
    table: dict[str, Callable[..., Any]] = {
        "parameter": aws.parameter,
        "secret_arn": aws.secret_arn,
        "caller_identity": aws.caller_identity,
        "stack_outputs": aws.stack_outputs,
        "stack_exports": aws.stack_exports,
        "layer_arn": aws.layer_arn,
        "state": _states(aws, env, directory),
        "git_sha": lambda place: commit_of(Path(place)),
    }
    return {name: _told(name, lookup, tell) for name, lookup in table.items()}


def _told(name: str, lookup: Callable[..., Any], tell: Callable[[str], None]) -> Callable[..., Any]:
    def made(*arguments: Any) -> Any:
        began = perf_counter()
        try:
            return lookup(*arguments)
        finally:
            of = " ".join(str(argument) for argument in arguments if argument is not None)
            tell(f"looked up {name} {of}".rstrip() + f" in {(perf_counter() - began) * 1000:.0f} ms")

    return made


class _Aws:
    """Verbs of the room `aws` on clients that are made one at a time: botocore's making is not safe in threads."""

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._lock = Lock()

    def session(self) -> Session:
        with self._lock:
            return self._connect()

    def client(self, name: str) -> Any:
        with self._lock:
            return self._connect().service(name)

    def parameter(self, name: str) -> tuple[str, str]:
        from fnroll.aws.parameters import get_parameter

        return get_parameter(self.client("ssm"), name)

    def secret_arn(self, name: str) -> str:
        from fnroll.aws.parameters import find_secret

        return find_secret(self.client("secretsmanager"), name)

    def caller_identity(self) -> dict[str, str]:
        from fnroll.aws.parameters import caller_identity

        return caller_identity(self.client("sts"))

    def stack_outputs(self, stack: str) -> dict[str, str]:
        from fnroll.aws.parameters import stack_outputs

        return stack_outputs(self.client("cloudformation"), stack)

    def stack_exports(self) -> dict[str, str]:
        from fnroll.aws.parameters import stack_exports

        return stack_exports(self.client("cloudformation"))

    def layer_arn(self, name: str, version: int | None) -> str:
        """The ARN of a layer's version; None: the newest. Raises NotFound."""
        from fnroll.aws.layers import find_layer_version, layer_versions

        with self._lock:
            client = self._connect().control
        found = next(layer_versions(client, name), None) if version is None else None
        if version is not None:
            found = find_layer_version(client, name, version)
        if found is None:
            raise NotFound(
                "there is no such layer" if version is None else f"there is no version {version}", where=name
            )
        return found.arn


def _states(aws: _Aws, env: Mapping[str, str], directory: Path) -> Callable[[str], Any]:
    def state(url: str) -> Any:
        from fnroll.lookups.states import read_state

        return read_state(url, env, directory, aws.session)

    return state
