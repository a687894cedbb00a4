"""The control plane: which operation is which function, each run as one transaction on one thread of its own.

That thread is the only writer of the database. A large upload is checked and hashed there, so the event loop, which
carries the invocations, never waits for one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fnroll.cloud import (
    aliases,
    capacity_providers,
    code_signing,
    functions,
    layer_policies,
    layers,
    policy,
    provisioned,
    resource_policies,
    scaling,
    settings,
    sources,
    tags,
    urls,
    versions,
)
from fnroll.cloud.accounts import Caller
from fnroll.cloud.records import Call, Effects, Given, Result
from fnroll.cloud.services import Services
from fnroll.cloud.state import State
from fnroll.cloud.store import Store

OPERATIONS: Mapping[str, Callable[[Call, Given], Result]] = {
    "AddPermission": policy.add_permission,
    "CreateAlias": aliases.create_alias,
    "CreateFunction": functions.create_function,
    "CreateFunctionUrlConfig": urls.create_function_url_config,
    "DeleteAlias": aliases.delete_alias,
    "DeleteFunction": functions.delete_function,
    "DeleteFunctionUrlConfig": urls.delete_function_url_config,
    "DeleteLayerVersion": layers.delete_layer_version,
    "GetAccountSettings": tags.get_account_settings,
    "GetAlias": aliases.get_alias,
    "GetFunction": functions.get_function,
    "GetFunctionConfiguration": functions.get_function_configuration,
    "GetFunctionUrlConfig": urls.get_function_url_config,
    "GetLayerVersion": layers.get_layer_version,
    "GetLayerVersionByArn": layers.get_layer_version_by_arn,
    "GetPolicy": policy.get_policy,
    "ListAliases": aliases.list_aliases,
    "ListFunctionUrlConfigs": urls.list_function_url_configs,
    "ListFunctions": functions.list_functions,
    "ListLayerVersions": layers.list_layer_versions,
    "ListLayers": layers.list_layers,
    "ListTags": tags.list_tags,
    "ListVersionsByFunction": versions.list_versions_by_function,
    "PublishLayerVersion": layers.publish_layer_version,
    "PublishVersion": versions.publish_version,
    "RemovePermission": policy.remove_permission,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "UpdateAlias": aliases.update_alias,
    "UpdateFunctionCode": functions.update_function_code,
    "UpdateFunctionConfiguration": functions.update_function_configuration,
    "UpdateFunctionUrlConfig": urls.update_function_url_config,
    "CreateEventSourceMapping": sources.create_event_source_mapping,
    "DeleteEventSourceMapping": sources.delete_event_source_mapping,
    "GetEventSourceMapping": sources.get_event_source_mapping,
    "ListEventSourceMappings": sources.list_event_source_mappings,
    "UpdateEventSourceMapping": sources.update_event_source_mapping,
    "DeleteProvisionedConcurrencyConfig": provisioned.delete_provisioned_concurrency_config,
    "GetProvisionedConcurrencyConfig": provisioned.get_provisioned_concurrency_config,
    "ListProvisionedConcurrencyConfigs": provisioned.list_provisioned_concurrency_configs,
    "PutProvisionedConcurrencyConfig": provisioned.put_provisioned_concurrency_config,
    "CreateCodeSigningConfig": code_signing.create_code_signing_config,
    "DeleteCodeSigningConfig": code_signing.delete_code_signing_config,
    "DeleteFunctionCodeSigningConfig": code_signing.delete_function_code_signing_config,
    "GetCodeSigningConfig": code_signing.get_code_signing_config,
    "GetFunctionCodeSigningConfig": code_signing.get_function_code_signing_config,
    "ListCodeSigningConfigs": code_signing.list_code_signing_configs,
    "ListFunctionsByCodeSigningConfig": code_signing.list_functions_by_code_signing_config,
    "PutFunctionCodeSigningConfig": code_signing.put_function_code_signing_config,
    "UpdateCodeSigningConfig": code_signing.update_code_signing_config,
    "AddLayerVersionPermission": layer_policies.add_layer_version_permission,
    "GetLayerVersionPolicy": layer_policies.get_layer_version_policy,
    "RemoveLayerVersionPermission": layer_policies.remove_layer_version_permission,
    "CreateCapacityProvider": capacity_providers.create_capacity_provider,
    "DeleteCapacityProvider": capacity_providers.delete_capacity_provider,
    "GetCapacityProvider": capacity_providers.get_capacity_provider,
    "ListCapacityProviders": capacity_providers.list_capacity_providers,
    "ListFunctionVersionsByCapacityProvider": capacity_providers.list_function_versions_by_capacity_provider,
    "UpdateCapacityProvider": capacity_providers.update_capacity_provider,
    "DeleteResourcePolicy": resource_policies.delete_resource_policy,
    "GetResourcePolicy": resource_policies.get_resource_policy,
    "PutResourcePolicy": resource_policies.put_resource_policy,
    "GetFunctionScalingConfig": scaling.get_function_scaling_config,
    "PutFunctionScalingConfig": scaling.put_function_scaling_config,
    **dict(settings.operations()),
}

Value = TypeVar("Value")


class Control:
    """Runs operations. `fetch_s3(account, bucket, key, version)` reads an object of the local S3; it may block, as
    calls of `services` do."""

    def __init__(
        self,
        state: State,
        store: Store,
        fetch_s3: Callable[[str, str, str, str | None], bytes],
        services: Services | None = None,
        *,
        pace: float | None = None,
    ) -> None:
        self._state = state
        self._pace = pace
        self._store = store
        self._fetch_s3 = fetch_s3
        self._services = services
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fn-control")

    async def run(self, work: Callable[[sqlite3.Connection], Value]) -> Value:
        """`work` as one transaction; when this returns it is committed."""

        def whole() -> Value:
            with self._state.transaction() as db:
                return work(db)

        return await asyncio.get_running_loop().run_in_executor(self._thread, whole)

    async def call(self, name: str, caller: Caller, port: int, parse: Callable[[], Given]) -> tuple[Result, Effects]:
        """One operation: its result, and what must happen now that it is committed. Faults are raised.

        `parse` runs on the control thread too: decoding an upload takes long.
        """
        effects = Effects()

        def whole() -> Result:
            given = parse()
            with self._state.transaction() as db:
                call = Call(
                    db,
                    self._store,
                    name,
                    caller,
                    port,
                    self._fetch_s3,
                    self._services,
                    effects=effects,
                    pace=self._pace,
                )
                return OPERATIONS[name](call, given)

        result = await asyncio.get_running_loop().run_in_executor(self._thread, whole)
        return result, effects

    def close(self) -> None:
        """Finish what is running. Idempotent."""
        self._thread.shutdown()
