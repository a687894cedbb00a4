"""What `fn dev` does for functions of managed instances, which run on a capacity provider and only when published."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fnroll.errors import NotFound

if TYPE_CHECKING:
    from fnroll.cli.app import App
    from fnroll.definition import Definition

CONFIG: Final = "CapacityProviderConfig"
_INSTANCES: Final = "LambdaManagedInstancesCapacityProviderConfig"
_ROLE: Final = "arn:aws:iam::000000000000:role/fn-dev"


def provided(app: App, definition: Definition) -> Definition:
    """The definition with a capacity provider of this cloud, made if it is not there, in place of the one it names."""
    if CONFIG not in definition.request:
        return definition
    instances = definition.request[CONFIG][_INSTANCES]
    arn = _provider(app, instances["CapacityProviderArn"].rpartition(":")[2])
    config = {**definition.request[CONFIG], _INSTANCES: {**instances, "CapacityProviderArn": arn}}
    return replace(definition, request={**definition.request, CONFIG: config})


def publish(app: App, definition: Definition) -> None:
    """What was deployed to $LATEST, as what an invocation without a qualifier means. Raises AwsError."""
    from fnroll.aws.errors import border

    if CONFIG in definition.request:
        client: Any = app.session().control
        with border("PublishVersion", definition.name):
            client.publish_version(FunctionName=definition.name, PublishTo="LATEST_PUBLISHED")


def _provider(app: App, name: str) -> str:
    from fnroll.aws.errors import border

    client: Any = app.session().control
    try:
        with border("GetCapacityProvider", name):
            found = client.get_capacity_provider(CapacityProviderName=name)
    except NotFound:
        with border("CreateCapacityProvider", name):
            found = client.create_capacity_provider(
                CapacityProviderName=name,
                VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": []},
                PermissionsConfig={"CapacityProviderOperatorRoleArn": _ROLE},
            )
    arn: str = found["CapacityProvider"]["CapacityProviderArn"]
    return arn
