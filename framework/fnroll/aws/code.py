"""The deployed package: its bytes, from the address that GetFunction gives for ten minutes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fnroll.aws.errors import border
from fnroll.aws.parts import sha256
from fnroll.errors import AwsError

if TYPE_CHECKING:
    from fnroll.aws.session import Session

_TIMEOUT = 60


def download_code(session: Session, function: str, qualifier: str | None = None) -> bytes:
    """The zip of $LATEST, or of a version or alias. Raises NotFound; AwsError for an image, for a download that fails,
    and for bytes that are not the CodeSize and CodeSha256 that GetFunction told."""
    where = function if qualifier is None else f"{function}:{qualifier}"
    more: Any = {} if qualifier is None else {"Qualifier": qualifier}
    with border("GetFunction", where):
        answer = session.control.get_function(FunctionName=function, **more)
    return _proven(session, answer.get("Code", {}).get("Location", ""), answer["Configuration"], where)


def download_layer(session: Session, arn: str) -> bytes:
    """The zip of a layer version. Raises as `download_code`."""
    with border("GetLayerVersionByArn", arn):
        content = session.control.get_layer_version_by_arn(Arn=arn)["Content"]
    return _proven(session, content.get("Location", ""), content, arn)


def _proven(session: Session, location: str, told: Mapping[str, Any], where: str) -> bytes:
    """What lies at `location`, if it is what AWS has `told`: CodeSize and CodeSha256."""
    if not location.startswith(("https://", "http://")):
        raise AwsError("there is no package to download", where=where)
    data = _fetch(location, int(told["CodeSize"]), where, direct=session.options.local)
    if sha256(data) != told["CodeSha256"]:
        raise AwsError(
            "the downloaded package is not the one that is deployed (CodeSha256 differs)",
            where=where,
            hint="run the command again: the download was cut short, or something on the way changed it",
        )
    return data


def _fetch(location: str, size: int, where: str, *, direct: bool) -> bytes:
    """`direct`: past any proxy, for the local cloud. Never more than one byte over `size` is read."""
    from http.client import HTTPException
    from urllib.request import ProxyHandler, build_opener

    opener = build_opener(ProxyHandler({})) if direct else build_opener()
    try:
        with opener.open(location, timeout=_TIMEOUT) as response:
            return bytes(response.read(size + 1))
    except (OSError, HTTPException) as error:
        # The address carries a signature: it stays out of the message.
        raise AwsError(f"the deployed package could not be downloaded: {error}", where=where) from error
