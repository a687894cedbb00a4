"""The user's own credentials, as plain values for a function that runs here: only where the user asked for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fnroll.aws.errors import border
from fnroll.aws.session import Session
from fnroll.errors import NoCredentials

_TIMEOUT = 10


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the credentials are, as AWS said just now. `variables`: AWS_ACCESS_KEY_ID and friends."""

    account: str
    arn: str
    region: str
    variables: dict[str, str]


def identity(session: Session) -> Identity:
    """The credentials of the session's chain, checked by asking AWS whose they are.

    One call (GetCallerIdentity, which no policy can deny), because nothing else tells that keys have expired. Raises
    NoCredentials for keys that are missing, unknown or expired, and without a region; AwsError where AWS cannot be
    reached.
    """
    with border("GetCallerIdentity", "your AWS credentials"):
        import botocore.exceptions
        from botocore.config import Config

        options = session.options
        chain: Any = session._botocore
        region = options.region or chain.get_config_variable("region")
        if not region:
            raise botocore.exceptions.NoRegionError
        found = chain.get_credentials()
        if found is None:
            raise botocore.exceptions.NoCredentialsError
        frozen = found.get_frozen_credentials()
        config = Config(connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"mode": "standard"})
        sts = chain.create_client("sts", region_name=region, endpoint_url=options.endpoint, config=config)
        who = sts.get_caller_identity()
    if not frozen.access_key or not frozen.secret_key:
        raise NoCredentials("no AWS credentials were found", where="your AWS credentials")
    variables = {"AWS_ACCESS_KEY_ID": frozen.access_key, "AWS_SECRET_ACCESS_KEY": frozen.secret_key}
    if frozen.token:
        variables["AWS_SESSION_TOKEN"] = frozen.token
    return Identity(who["Account"], who["Arn"], region, variables)
