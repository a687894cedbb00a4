"""Verbs on functions: read, create, update, tag, delete. Frozen values out, our errors, one API call each.

The verbs take a client, so that a test can hand in a stubbed one. Requests are dicts in the API's own shapes, less the
name of the function.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fnroll.aws.errors import border

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

LATEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class FunctionState:
    """One version of a function ($LATEST too), as AWS described it.

    `configuration` is the FunctionConfiguration as answered. `tags` is None where they were not asked for or may not be
    read; `image_uri` is set for container images, by GetFunction only. `state` and `last_update_status` hold AWS's
    words, "" if it did not say.
    """

    name: str
    version: str
    configuration: Mapping[str, Any] = field(repr=False)
    tags: Mapping[str, str] | None = None
    image_uri: str | None = None

    @property
    def arn(self) -> str:
        """As answered: with the qualifier, if it was asked for by one."""
        return str(self.configuration.get("FunctionArn", ""))

    @property
    def code_sha256(self) -> str:
        return str(self.configuration.get("CodeSha256", ""))

    @property
    def revision_id(self) -> str | None:
        return self.configuration.get("RevisionId")

    @property
    def state(self) -> str:
        return str(self.configuration.get("State", ""))

    @property
    def last_update_status(self) -> str:
        return str(self.configuration.get("LastUpdateStatus", ""))

    @property
    def reason(self) -> str:
        """Why it is in its state, in AWS's words; the failed or running update first. "" if AWS gave none."""
        if self.last_update_status in ("Failed", "InProgress"):
            keys = ("LastUpdateStatusReason", "LastUpdateStatusReasonCode", "StateReason", "StateReasonCode")
        else:
            keys = ("StateReason", "StateReasonCode", "LastUpdateStatusReason", "LastUpdateStatusReasonCode")
        return next((str(self.configuration[key]) for key in keys if self.configuration.get(key)), "")

    @property
    def last_modified(self) -> str:
        """ISO 8601 with +0000, as AWS writes it."""
        return str(self.configuration.get("LastModified", ""))

    @property
    def description(self) -> str:
        return str(self.configuration.get("Description", ""))

    @property
    def runtime(self) -> str | None:
        return self.configuration.get("Runtime")

    @property
    def package_type(self) -> str:
        return str(self.configuration.get("PackageType") or "Zip")

    @property
    def architectures(self) -> tuple[str, ...]:
        return tuple(self.configuration.get("Architectures") or ("x86_64",))

    @property
    def layers(self) -> tuple[str, ...]:
        """The ARNs of its layer versions, in order."""
        return tuple(layer["Arn"] for layer in self.configuration.get("Layers") or ())

    @property
    def moving(self) -> bool:
        """Whether it is being created or updated at this moment."""
        return self.state == "Pending" or self.last_update_status == "InProgress"


def state_of(
    configuration: Mapping[str, Any], tags: Mapping[str, str] | None = None, image_uri: str | None = None
) -> FunctionState:
    """A FunctionConfiguration as answered by any call, as a value."""
    kept = {key: value for key, value in configuration.items() if key != "ResponseMetadata"}
    name = str(kept.get("FunctionName", ""))
    return FunctionState(name, str(kept.get("Version", LATEST)), kept, tags, image_uri)


def get_function(client: LambdaClient, name: str, qualifier: str | None = None) -> FunctionState:
    """GetFunction: configuration, tags, image. Raises NotFound."""
    more: Any = {} if qualifier is None else {"Qualifier": qualifier}
    with border("GetFunction", name if qualifier is None else f"{name}:{qualifier}"):
        answer = client.get_function(FunctionName=name, **more)
    tags = None if answer.get("TagsError") else dict(answer.get("Tags") or {})
    return state_of(answer["Configuration"], tags, answer.get("Code", {}).get("ImageUri"))


def find_function(client: LambdaClient, name: str, qualifier: str | None = None) -> FunctionState | None:
    """As `get_function`; None where there is none."""
    from fnroll.errors import NotFound

    try:
        return get_function(client, name, qualifier)
    except NotFound:
        return None


def create_function(client: LambdaClient, name: str, request: Mapping[str, Any]) -> FunctionState:
    """CreateFunction. Raises Conflict if it exists, AwsError if the role cannot be assumed (yet)."""
    with border("CreateFunction", name):
        arguments: Any = {**request, "FunctionName": name}
        return state_of(client.create_function(**arguments))


def update_configuration(
    client: LambdaClient, name: str, request: Mapping[str, Any], revision_id: str | None
) -> FunctionState:
    """UpdateFunctionConfiguration with the members of `request`. Raises PreconditionFailed, Conflict."""
    with border("UpdateFunctionConfiguration", name):
        arguments: Any = {**request, "FunctionName": name, **_on(revision_id)}
        return state_of(client.update_function_configuration(**arguments))


def update_code(client: LambdaClient, name: str, request: Mapping[str, Any], revision_id: str | None) -> FunctionState:
    """UpdateFunctionCode: ZipFile or ImageUri, and Architectures. Raises PreconditionFailed, Conflict."""
    with border("UpdateFunctionCode", name):
        arguments: Any = {**request, "FunctionName": name, **_on(revision_id)}
        return state_of(client.update_function_code(**arguments))


def delete_function(client: LambdaClient, name: str, version: str | None = None) -> None:
    """DeleteFunction: all of it, or one published version. Raises NotFound, Conflict (an alias uses the version)."""
    with border("DeleteFunction", name if version is None else f"{name}:{version}"):
        if version is None:
            client.delete_function(FunctionName=name)
        else:
            client.delete_function(FunctionName=name, Qualifier=version)


def tag(client: LambdaClient, arn: str, tags: Mapping[str, str]) -> None:
    """TagResource: set these, leave the others."""
    with border("TagResource", arn):
        client.tag_resource(Resource=arn, Tags=dict(tags))


def untag(client: LambdaClient, arn: str, keys: Iterable[str]) -> None:
    """UntagResource."""
    with border("UntagResource", arn):
        client.untag_resource(Resource=arn, TagKeys=list(keys))


def _on(revision_id: str | None) -> dict[str, str]:
    return {} if revision_id is None else {"RevisionId": revision_id}


def list_functions(client: LambdaClient) -> Iterator[FunctionState]:
    """ListFunctions, page by page as they are asked for; in AWS's order, without tags and without states."""
    with border("ListFunctions", "functions"):
        pages = iter(client.get_paginator("list_functions").paginate())
    while True:
        with border("ListFunctions", "functions"):
            page = next(pages, None)
        if page is None:
            return
        yield from (state_of(row) for row in page.get("Functions", ()))


def list_tags(client: LambdaClient, arn: str) -> dict[str, str]:
    """ListTags of a function, by its ARN without a qualifier. Raises NotFound."""
    with border("ListTags", arn):
        return dict(client.list_tags(Resource=arn).get("Tags") or {})
