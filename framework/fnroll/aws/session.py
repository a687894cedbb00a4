"""Clients: made on first use, configured in one place.

The only module that imports botocore to call something with it, and it does so within functions: that import costs
more than all the rest of a quick command. One botocore session for all clients, because it holds credentials and model
caches.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import fnroll
from fnroll.aws.errors import border
from fnroll.aws.pacing import Pacer

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

LOCAL_REGION = "us-east-1"
"""Where the local cloud is when nobody says otherwise."""

_S3_ENDPOINTS = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}
_ATTEMPTS = 8
_LONGEST_INVOCATION = 900
_INVOCATIONS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class AwsOptions:
    """Where calls go and as whom. None: as the AWS SDK's own chain has it.

    `local` says that `endpoint` is the local cloud: credentials are then made up ("fn"/"fn", whatever is configured,
    so that no log-in can be in the way), the region falls back to us-east-1, and no proxy or pacing stands between.
    """

    region: str | None = None
    profile: str | None = None
    endpoint: str | None = None
    local: bool = False
    assume_role: str | None = None
    """The ARN of a role to take on with the credentials that the chain finds."""
    keys: tuple[str, str] | None = field(default=None, repr=False)
    """An access key and its secret, instead of what the chain finds."""


class Session:
    """One user's connection to one account and Region. Clients may be shared between threads."""

    def __init__(
        self, options: AwsOptions | None = None, *, pacer: Pacer | None = None, attempts: int = _ATTEMPTS
    ) -> None:
        """`attempts`: how often a call is sent in all that is throttled or meets a failing server."""
        self._attempts = attempts
        self.options = options or AwsOptions()
        self._pacer = pacer or Pacer()
        self._services: dict[str, Any] = {}

    @cached_property
    def control(self) -> LambdaClient:
        """Lambda's control plane: paced, and patient with throttling. Raises NoCredentials without a region."""
        client: LambdaClient = self._client(
            "lambda", retries={"mode": "standard", "total_max_attempts": self._attempts}
        )
        if not self.options.local:
            client.meta.events.register("before-send.lambda", self._pacer.hook)
        return client

    @cached_property
    def invoker(self) -> LambdaClient:
        """Lambda's Invoke: waits as long as a function may run, and never sends the same event twice."""
        invoker: LambdaClient = self._client(
            "lambda",
            retries={"mode": "standard", "total_max_attempts": 1},
            read_timeout=_LONGEST_INVOCATION + 30,
            tcp_keepalive=True,
            max_pool_connections=_INVOCATIONS_AT_ONCE,
        )
        return invoker

    def service(self, name: str) -> Any:
        """A client of another service (`logs`, `s3`, ...), made once. Raises NoCredentials without a region."""
        if name not in self._services:
            settings: dict[str, Any] = {"retries": {"mode": "standard", "total_max_attempts": self._attempts}}
            if name == "s3" and (self.options.endpoint or _S3_ENDPOINTS & os.environ.keys()):
                # What stands in for S3 seldom has a name for every bucket.
                settings["s3"] = {"addressing_style": "path"}
            self._services[name] = self._client(name, **settings)
        return self._services[name]

    @property
    def region(self) -> str:
        """The Region that calls go to."""
        return self.control.meta.region_name

    @cached_property
    def _botocore(self) -> Any:
        import botocore.session

        if self.options.local:
            # Without this a profile named in the environment would have to exist.
            return botocore.session.Session(session_vars={"profile": (None, None, None, None)})
        made = botocore.session.Session(profile=self.options.profile)
        if self.options.assume_role:
            made.__dict__["_credentials"] = self._assumed(made, self.options.assume_role)
        return made

    def _assumed(self, base: Any, role: str) -> Any:
        """Credentials of `role`, taken on at the first call and again before they expire."""
        from botocore import credentials

        def client(service: str, **more: Any) -> Any:
            region = self.options.region or base.get_config_variable("region")
            return base.create_client(service, **{"region_name": region, **more}, endpoint_url=self.options.endpoint)

        fetcher = credentials.AssumeRoleCredentialFetcher(
            client, base.get_credentials(), role, extra_args={"RoleSessionName": f"fnroll-{os.getpid()}"}
        )
        return credentials.DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")

    def _client(self, service: str, **settings: Any) -> Any:
        with border("connect", self.options.endpoint or "AWS"):
            from botocore.config import Config

            options = self.options
            region = options.region or self._botocore.get_config_variable("region")
            settings["user_agent_extra"] = f"fnroll/{fnroll.__version__}"
            credentials = {}
            if options.keys:
                credentials = dict(zip(("aws_access_key_id", "aws_secret_access_key"), options.keys, strict=True))
            if options.local:
                region = region or LOCAL_REGION
                credentials = {"aws_access_key_id": "fn", "aws_secret_access_key": "fn"}
                settings["proxies"] = {}
            return self._botocore.create_client(
                service, region_name=region, endpoint_url=options.endpoint, config=Config(**settings), **credentials
            )
