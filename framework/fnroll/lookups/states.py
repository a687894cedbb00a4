"""A Terraform state from where it lies: a table of schemes, each a function from a place to bytes.

A local file that only notes a backend (terraform's own `.terraform/terraform.tfstate`) is followed to it, once; the
workspace comes from TF_WORKSPACE, else from the file `environment` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fnroll.definition.tfstate import Location, State, backend_location, located, parse
from fnroll.definition.tfstate.location import DEFAULT_WORKSPACE
from fnroll.errors import AwsError, FnError
from fnroll.lookups.http import get

if TYPE_CHECKING:
    from fnroll.aws import Session

MAX_STATE = 512 * 1024 * 1024
"""Bytes."""

_TFE_HOST = "app.terraform.io"


@dataclass(frozen=True, slots=True)
class _Reach:
    """What reading needs: the environment, where paths start, the session of the run, and how http is spoken."""

    env: Mapping[str, str]
    directory: Path
    session: Callable[[], Session]
    get: Callable[[str, str | None, int], bytes]


def read_state(
    url: str,
    env: Mapping[str, str],
    directory: Path,
    session: Callable[[], Session],
    *,
    get: Callable[[str, str | None, int], bytes] = get,
) -> State:
    """The state at a URL, checked. Raises FnError."""
    reach = _Reach(env, directory, session, get)
    place = located(url)
    state = _read(place, reach)
    if state.backend is not None:
        workspace = _workspace(place, reach)
        state = _read(backend_location(state.backend, workspace, str(place)), reach)
    state.check()
    return state


def _read(place: Location, reach: _Reach) -> State:
    try:
        return parse(_SCHEMES[place.scheme](place, reach), str(place))
    except AwsError as error:
        # What AWS says is no fault of the definition's own session: the place belongs to the message.
        raise FnError(error.message, where=str(place), hint=error.hint) from error


def _workspace(place: Location, reach: _Reach) -> str:
    if named := reach.env.get("TF_WORKSPACE"):
        return named
    if place.scheme == "file":
        try:
            beside = (reach.directory / place.parts[0]).parent / "environment"
            return beside.read_text(encoding="utf-8").strip() or DEFAULT_WORKSPACE
        except (OSError, UnicodeDecodeError):
            pass
    return DEFAULT_WORKSPACE


def _file(place: Location, reach: _Reach) -> bytes:
    path = reach.directory / place.parts[0]
    try:
        if path.stat().st_size > MAX_STATE:
            raise FnError(f"is larger than {MAX_STATE} bytes", where=str(place))
        return path.read_bytes()
    except OSError as error:
        hint = "terraform init writes it" if path.parent.name == ".terraform" else None
        raise FnError(f"cannot be read: {error.strerror}", where=str(place), hint=hint) from error


def _http(place: Location, reach: _Reach) -> bytes:
    return reach.get(place.parts[0], reach.env.get("TFE_TOKEN"), MAX_STATE)


def _s3(place: Location, reach: _Reach) -> bytes:
    from fnroll.aws import Session
    from fnroll.aws.objects import read_object

    session = reach.session()
    options = place.options
    if options and not session.options.local:
        session = Session(_apart(session.options, options))
    bucket, key = place.parts
    return read_object(session, bucket, key, MAX_STATE)


def _apart(base: Any, options: Mapping[str, str]) -> Any:
    """The options of a session for a backend block: its own region, endpoint, profile, role and keys."""
    from dataclasses import replace

    keys = (options["access_key"], options["secret_key"]) if {"access_key", "secret_key"} <= options.keys() else None
    return replace(
        base,
        region=options.get("region", base.region),
        endpoint=options.get("endpoint", base.endpoint),
        profile=options.get("profile", base.profile),
        assume_role=options.get("role_arn", base.assume_role),
        keys=keys or base.keys,
    )


def _remote(place: Location, reach: _Reach) -> bytes:
    """Terraform Cloud: the workspace's id, its newest state version, the bytes."""
    host, organization, workspace = place.parts
    token = place.options.get("token") or reach.env.get("TFE_TOKEN")
    if not token:
        raise FnError("there is no token for it", where=str(place), hint="export TFE_TOKEN=...")
    base = f"https://{host or _TFE_HOST}/api/v2"
    where = f"{base}/organizations/{organization}/workspaces/{workspace}"
    found = _member(reach.get(where, token, MAX_STATE), where, "data", "id")
    newest = f"{base}/workspaces/{found}/current-state-version"
    download = _member(reach.get(newest, token, MAX_STATE), newest, "data", "attributes", "hosted-state-download-url")
    return reach.get(download, token, MAX_STATE)


def _member(data: bytes, where: str, *path: str) -> str:
    try:
        value = json.loads(data)
        for step in path:
            value = value[step]
        return str(value)
    except (ValueError, LookupError, TypeError) as error:
        raise FnError(f"answered without {'.'.join(path)}", where=where) from error


def _gs(place: Location, reach: _Reach) -> bytes:
    try:
        from google.cloud import storage  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise _absent(place, "gs") from error
    bucket, key = place.parts
    try:
        encryption = place.options.get("encryption_key") or reach.env.get("GOOGLE_ENCRYPTION_KEY")
        blob = storage.Client().bucket(bucket).blob(key, encryption_key=_decoded(encryption))
        return bytes(blob.download_as_bytes())
    except Exception as error:  # the SDK's errors have no common root, and its credentials' another
        raise FnError(f"could not be read: {error}", where=str(place)) from error


def _decoded(key: str | None) -> bytes | None:
    from base64 import b64decode

    return b64decode(key) if key else None


def _azurerm(place: Location, reach: _Reach) -> bytes:
    _, account, container, name = place.parts
    env, options = reach.env, place.options
    key = options.get("access_key") or env.get("ARM_ACCESS_KEY") or env.get("AZURE_STORAGE_ACCESS_KEY")
    if options.get("use_azuread_auth") == "true" or env.get("ARM_USE_AZUREAD") == "true":
        key = None
    try:
        return read_blob(f"https://{account}.blob.core.windows.net", container, name, key)
    except ImportError as error:
        raise _absent(place, "azurerm") from error
    except Exception as error:  # as above
        raise FnError(f"could not be read: {error}", where=str(place)) from error


def read_blob(account_url: str, container: str, name: str, key: str | None) -> bytes:
    """A blob of Azure's, by an account's key or else by the SDK's own chain of credentials."""
    from azure.storage.blob import BlobServiceClient  # type: ignore[import-not-found,unused-ignore]

    credential: Any = key
    if key is None:
        from azure.identity import DefaultAzureCredential  # type: ignore[import-not-found,unused-ignore]

        credential = DefaultAzureCredential()
    client = BlobServiceClient(account_url, credential=credential).get_blob_client(container, name)
    return bytes(client.download_blob().readall())


def _absent(place: Location, extra: str) -> FnError:
    hint = f"pip install 'fnroll[{extra}]'"
    return FnError(f"{extra}:// needs a package that is not installed", where=str(place), hint=hint)


_SCHEMES: Mapping[str, Callable[[Location, _Reach], bytes]] = {
    "file": _file,
    "http": _http,
    "s3": _s3,
    "remote": _remote,
    "gs": _gs,
    "azurerm": _azurerm,
}
