"""pytest fixtures for the tests of whoever writes functions: a local cloud, and the project's function in it.

    pytest_plugins = ["fnroll.testing"]        # in conftest.py

    def test_it(function):
        assert function.invoke({"name": "you"}).payload["message"] == "Hello, you"

`local_cloud` lasts as long as the test session, its state in a temporary directory; `function` is the project of
pytest's root directory (or of `fn_directory` in pytest's settings), deployed there once. Under xdist each worker has
its own of both. What is wrong with a project is shown as fn shows it, without a traceback through this plugin.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fnroll.aws import Session

ALIAS = "current"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an invocation gave. `payload` as JSON (bytes if it is none); `error`: "Unhandled" where it is an error, else
    None; `version`: which answered; `log`: the last 4 KB of its log."""

    payload: Any
    error: str | None
    version: str
    log: str


class DeployedFunction:
    """A function in the local cloud."""

    def __init__(self, cloud: LocalCloud, name: str, url: str | None) -> None:
        self._cloud = cloud
        self.name = name
        self.url = url
        """Its function URL, if its definition has one."""

    def invoke(self, event: Any = None, *, qualifier: str = ALIAS) -> Answer:
        """Invoke it and wait. `event`: bytes as they are, anything else as JSON. Raises botocore's ClientError."""
        payload = event if isinstance(event, bytes) else json.dumps({} if event is None else event).encode()
        answer = self._cloud.client("lambda").invoke(
            FunctionName=self.name, Qualifier=qualifier, Payload=payload, LogType="Tail"
        )
        body = answer["Payload"].read()
        try:
            said = json.loads(body)
        except ValueError:
            said = body
        return Answer(said, answer.get("FunctionError"), answer["ExecutedVersion"], _text(answer.get("LogResult", "")))


class LocalCloud:
    """The local cloud of a test session."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session: Session | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What makes any AWS SDK in another process speak to it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "fn",
            "AWS_SECRET_ACCESS_KEY": "fn",
            "AWS_REGION": self.session.region,
        }

    @property
    def session(self) -> Session:
        if self._session is None:
            from fnroll.aws import AwsOptions, Session

            self._session = Session(AwsOptions(endpoint=self.url, local=True))
        return self._session

    def client(self, service: str) -> Any:
        """A boto3 client of any service."""
        return self.session.invoker if service == "lambda" else self.session.service(service)

    def deploy(self, directory: Path, *, alias: str = ALIAS) -> DeployedFunction:
        """Deploy the project in `directory` as `fn deploy` does. Raises FnError."""
        from fnroll.errors import FnError

        __tracebackhide__ = True
        try:
            return self._deploy(Path(directory), alias)
        except FnError as error:
            raise error.with_traceback(None) from None  # it says where the project is wrong; how we found out is ours

    def _deploy(self, directory: Path, alias: str) -> DeployedFunction:
        from fnroll import definition, deploy
        from fnroll.layers import assemble

        parts = assemble(definition.load(directory, None, env=os.environ))
        desired = deploy.wanted(parts.definition, parts.layers, parts.package())
        wishes = deploy.Wishes()
        actual = deploy.read_actual(self.session, desired, alias, wishes)
        plan = deploy.plan(desired, actual, alias=alias, wishes=wishes)
        result = deploy.apply(plan, self.session, lambda event: None)
        return DeployedFunction(self, result.name, result.function_url)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("fn_directory", "the directory of the function that the fixture `function` deploys", default=".")
    parser.addini("fn_cloud", "a file of fn local export, from which the fixture `local_cloud` begins", default="")
    parser.addini("fn_network", "what functions reach in tests: none (their Runtime API), or host", default="none")


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[LocalCloud]:
    """A local cloud of this test session's own."""
    from fnroll import cloud
    from fnroll.cloud import carry
    from fnroll.errors import FnError

    network: Any = pytestconfig.getini("fn_network")
    state = tmp_path_factory.mktemp("fn-cloud")
    if carried := str(pytestconfig.getini("fn_cloud")):
        try:
            carry.restore(state, pytestconfig.rootpath / carried)
        except FnError as error:
            pytest.fail(f"fn_cloud: {error}", pytrace=False)
    with cloud.embedded(state, network=network) as endpoint:
        yield LocalCloud(endpoint.url)


@pytest.fixture(scope="session")
def function(local_cloud: LocalCloud, pytestconfig: pytest.Config) -> DeployedFunction:
    """The project's function, deployed once."""
    from fnroll.errors import FnError

    try:
        return local_cloud.deploy(pytestconfig.rootpath / str(pytestconfig.getini("fn_directory")))
    except FnError as error:
        pytest.fail(str(error), pytrace=False)


def _text(tail: str) -> str:
    import base64

    return base64.b64decode(tail).decode("utf-8", "replace")
