"""The deployed package: its bytes, from the address that GetFunction gives for ten minutes."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from fnroll.aws.errors import border
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
    location = answer.get("Code", {}).get("Location", "")
    if not location.startswith(("https://", "http://")):
        raise AwsError("there is no package to download", operation="GetFunction", where=where)
    told = answer["Configuration"]
    data = _fetch(location, int(told["CodeSize"]), where, direct=session.options.local)
    if b64encode(hashlib.sha256(data).digest()).decode() != told["CodeSha256"]:
        raise AwsError("the downloaded package is not the one that is deployed (CodeSha256 differs)", where=where)
    return data


def download_layer(session: Session, arn: str) -> bytes:
    """The zip of a layer version. Raises as `download_code`."""
    with border("GetLayerVersionByArn", arn):
        content = session.control.get_layer_version_by_arn(Arn=arn)["Content"]
    data = _fetch(content["Location"], int(content["CodeSize"]), arn, direct=session.options.local)
    if b64encode(hashlib.sha256(data).digest()).decode() != content["CodeSha256"]:
        raise AwsError("the downloaded layer is not the one that is published (CodeSha256 differs)", where=arn)
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
