"""The environment variables of the function's process: one table, layer by layer, and the order in which they merge.

Source: recorded on AWS and the merge order of AWS's own emulator (facts 2.8). Later layers win, so a customer may
replace the defaults and never what the platform tells. Paths come from the sandbox's layout: where a tier cannot give
/var/task, LAMBDA_TASK_ROOT and the search paths name the directory that holds the code there. HOME is not set, as on
Lambda. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fnroll.emulator.api import FunctionConfig
from fnroll.sandbox.api import Layout

DAEMON = ("169.254.100.1", "2000")


def build(config: FunctionConfig, layout: Layout, log_stream: str) -> dict[str, str]:
    """Every variable of the process, in Lambda's merge order: later wins."""
    return {
        **_defaults(config, layout),
        **config.environment,
        **_xray(),
        **config.credentials,
        **_runtime(config, layout, log_stream),
        **_platform(config, layout),
    }


def log_group(config: FunctionConfig) -> str:
    return config.log_group or f"/aws/lambda/{config.name}"


def is_provided(runtime: str | None) -> bool:
    """Whether the runtime is the customer's own: no interpreter of AWS's, no AWS_EXECUTION_ENV."""
    return runtime is None or runtime.startswith("provided")


def _defaults(config: FunctionConfig, layout: Layout) -> Mapping[str, str]:
    """What a customer may replace: locale and search paths."""
    own = is_provided(config.runtime)
    path = ["/usr/local/bin", "/usr/bin/", "/bin", f"{layout.opt}/bin"]
    libraries = ["/lib64", "/usr/lib64", layout.runtime, f"{layout.runtime}/lib"]
    libraries += [layout.task, f"{layout.task}/lib", f"{layout.opt}/lib"]
    return {
        "LANG": "en_US.UTF-8",
        "PATH": ":".join(path if own else [f"{layout.lang}/bin", *path]),
        "LD_LIBRARY_PATH": ":".join(libraries if own else [f"{layout.lang}/lib", *libraries]),
        **({} if own else _managed(config.runtime or "", layout)),
        # Lambda sets no TMPDIR. Where a tier cannot give /tmp itself, it is the one way to the scratch directory that
        # belongs to this environment and is removed with it.
        **({} if layout.tmp == "/tmp" else {"TMPDIR": layout.tmp}),
    }


def _managed(runtime: str, layout: Layout) -> Mapping[str, str]:
    """What the shell in front of AWS's own runtimes adds, by language."""
    variables = {} if runtime.startswith("java") else {"PWD": layout.task, "SHLVL": "0"}
    if runtime.startswith("python"):
        # The client looks into /opt itself, as on Lambda; elsewhere it has to be told.
        path = layout.runtime if layout.opt == "/opt" else f"{layout.opt}/python:{layout.runtime}"
        variables |= {"PYTHONPATH": path, "LC_CTYPE": "C.UTF-8"}
    if match := re.match(r"nodejs(\d+)", runtime):
        modules = [f"{layout.opt}/nodejs/node{match[1]}/node_modules", f"{layout.opt}/nodejs/node_modules"]
        modules += [f"{layout.runtime}/node_modules", layout.runtime, layout.task]
        variables["NODE_PATH"] = ":".join(modules)
    return variables


def _xray() -> Mapping[str, str]:
    host, port = DAEMON
    return {
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": f"{host}:{port}",
        "_AWS_XRAY_DAEMON_ADDRESS": host,
        "_AWS_XRAY_DAEMON_PORT": port,
    }


def _runtime(config: FunctionConfig, layout: Layout, log_stream: str) -> Mapping[str, str]:
    return {
        **({} if config.handler is None else {"_HANDLER": config.handler}),
        **({} if is_provided(config.runtime) else {"AWS_EXECUTION_ENV": f"AWS_Lambda_{config.runtime}"}),
        "AWS_LAMBDA_LOG_GROUP_NAME": log_group(config),
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "LAMBDA_TASK_ROOT": layout.task,
        "LAMBDA_RUNTIME_DIR": layout.runtime,
        **_logging(config),
    }


def _logging(config: FunctionConfig) -> Mapping[str, str]:
    if config.log_format != "JSON":
        return {}
    return {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": config.application_log_level or "INFO"}


_NOT_FOR_EXTENSIONS = (
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
)


def for_extension(variables: Mapping[str, str]) -> dict[str, str]:
    """What an external extension sees of the runtime's variables (facts 2.2)."""
    return {name: value for name, value in variables.items() if name not in _NOT_FOR_EXTENSIONS and name[0] != "_"}


def _platform(config: FunctionConfig, layout: Layout) -> Mapping[str, str]:
    return {
        "AWS_REGION": config.region,
        "AWS_DEFAULT_REGION": config.region,
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": config.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": config.initialization,
        **({} if config.concurrency == 1 else {"AWS_LAMBDA_MAX_CONCURRENCY": str(config.concurrency)}),
        "AWS_LAMBDA_RUNTIME_API": layout.api,
        "TZ": ":UTC",
    }
