"""Where a state lies: a URL as lambroll takes them, or a backend block of Terraform, to a `Location`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from posixpath import join
from typing import Any
from urllib.parse import unquote, urlsplit

from fnroll.errors import FnError

DEFAULT_WORKSPACE = "default"
_FORMS = (
    "a path, file://PATH, http(s)://…, s3://BUCKET/KEY, remote://HOST/ORGANIZATION/WORKSPACE, gs://BUCKET/KEY, "
    "azurerm://[SUBSCRIPTION@]GROUP/ACCOUNT/CONTAINER/BLOB"
)


@dataclass(frozen=True, slots=True)
class Location:
    """`scheme` and what it needs: file (path), http (URL), s3 (bucket, key), remote (host, organization, workspace),
    gs (bucket, key), azurerm (group, account, container, blob). `options` as a backend block names them."""

    scheme: str
    parts: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "/".join(self.parts) if self.scheme in ("file", "http") else f"{self.scheme}://{'/'.join(self.parts)}"


def located(url: str) -> Location:
    """Raises FnError for what is no place of a state."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise FnError(f"is no URL: {error}", where=url, hint=f"write {_FORMS}") from None
    scheme = parts.scheme.lower()
    if scheme in ("http", "https"):
        return Location("http", (url,))
    if scheme == "":
        return Location("file", (url,))
    if scheme == "file":
        return Location("file", (unquote(parts.path),))
    steps = [step for step in parts.path.split("/") if step]
    authority = parts.netloc.rpartition("@")[2]
    if scheme in ("s3", "gs") and authority and steps:
        return Location(scheme, (authority, parts.path.lstrip("/")))
    if scheme == "remote" and host and len(steps) == 2:
        return Location(scheme, (authority, *steps))
    if scheme == "azurerm" and authority and len(steps) >= 3:
        group, account, container, blob = authority, steps[0], steps[1], "/".join(steps[2:])
        options = {"subscription_id": parts.username} if parts.username else {}
        return Location(scheme, (group, account, container, blob), options)
    raise FnError("is no place of a Terraform state", where=url, hint=f"write {_FORMS}")


def backend_location(backend: Mapping[str, Any], workspace: str, where: str) -> Location:
    """Where a backend block says the state lies. Raises FnError for a backend that is not known or not whole."""
    kind = str(backend.get("type"))
    config = backend.get("config") or {}
    options = {key: value for key, value in config.items() if isinstance(value, str) and value}
    named = workspace != DEFAULT_WORKSPACE
    try:
        if kind == "s3":
            return _s3(config, options, workspace if named else None)
        if kind == "gcs":
            prefix = options.get("prefix", "")
            return Location("gs", (options["bucket"], join(prefix, f"{workspace}.tfstate")), options)
        if kind == "azurerm":
            key = options["key"] + (f"env:{workspace}" if named else "")
            group = options.get("resource_group_name", "")
            return Location(
                "azurerm", (group, options["storage_account_name"], options["container_name"], key), options
            )
        if kind in ("remote", "cloud"):
            return _remote(config, options, workspace)
    except KeyError as error:
        raise FnError(f"the backend {kind} has no {error.args[0]}", where=where, hint="run terraform init") from None
    known = "s3, gcs, azurerm, remote and cloud are"
    raise FnError(f"the backend {kind} is not supported; {known}", where=where, hint="give the state's own URL")


def _s3(config: Mapping[str, Any], options: Mapping[str, str], workspace: str | None) -> Location:
    key = options["key"]
    if workspace is not None:
        key = join(options.get("workspace_key_prefix", "env:"), workspace, key)
    endpoints = config.get("endpoints")
    more = {"endpoint": endpoints["s3"]} if isinstance(endpoints, Mapping) and endpoints.get("s3") else {}
    role = config.get("assume_role")
    if isinstance(role, list) and role:
        role = role[0]
    if isinstance(role, Mapping) and role.get("role_arn"):
        more["role_arn"] = role["role_arn"]
    return Location("s3", (options["bucket"], key), {**options, **more})


def _remote(config: Mapping[str, Any], options: Mapping[str, str], workspace: str) -> Location:
    workspaces = config.get("workspaces")
    if isinstance(workspaces, list):
        workspaces = workspaces[0] if workspaces else None
    if not isinstance(workspaces, Mapping):
        raise KeyError("workspaces")
    name = workspaces.get("name") or (f"{workspaces['prefix']}{workspace}" if workspaces.get("prefix") else "")
    if not name:
        name = workspace if workspaces.get("tags") else ""
    if not name:
        raise KeyError("workspaces.name")
    return Location("remote", (options.get("hostname", ""), options["organization"], name), options)
