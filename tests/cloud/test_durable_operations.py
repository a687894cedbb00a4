"""What was answered is there after kill -9, of the operations whose records are not functions alone."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from cloud_support import ARN, ROLE, client, make, process, served

HELLO = ARN + "hello"
PROVIDER = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:mine"


def test_each_answered_write_survives(tmp_path: Path) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "lambda:*", "Resource": HELLO}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with process(tmp_path) as (running, url):
        api = client(url)
        api.create_capacity_provider(
            CapacityProviderName="mine",
            VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": []},
            PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE},
            Tags={"a": "b"},
        )
        instances = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": PROVIDER}}
        config = {"MemorySize": 2048, "CapacityProviderConfig": instances}
        published = make(api, PublishTo="LATEST_PUBLISHED", **config)
        scaling = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 2}
        api.put_function_scaling_config(
            FunctionName="hello", Qualifier="$LATEST.PUBLISHED", FunctionScalingConfig=scaling
        )
        policy = api.put_resource_policy(ResourceArn=HELLO, Policy=text)
        make(api, "tenanted", TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
        running.send_signal(signal.SIGKILL)
        running.wait()
    with served(tmp_path) as (endpoint, _):
        api = client(endpoint)
        assert api.list_tags(Resource=PROVIDER)["Tags"] == {"a": "b"}
        there = api.get_function_configuration(FunctionName="hello", Qualifier="$LATEST.PUBLISHED")
        assert (there["RevisionId"], there["State"]) == (published["RevisionId"], "Active")
        found = api.get_function_scaling_config(FunctionName="hello", Qualifier="$LATEST.PUBLISHED")
        assert found["RequestedFunctionScalingConfig"] == scaling
        assert api.get_resource_policy(ResourceArn=HELLO)["RevisionId"] == policy["RevisionId"]
        assert "TenancyConfig" in api.get_function_configuration(FunctionName="tenanted")
