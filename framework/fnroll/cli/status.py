"""`fn status`: what is deployed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from fnroll.cli.app import App, alias_option, output_option


@click.command()
@alias_option
@output_option("table", "json")
@click.pass_obj
def status(app: App, alias: str, output: Any) -> None:
    """Show what is deployed."""
    from fnroll import deploy as engine

    found = engine.status(app.session(), app.definition(full=False).name, alias)
    if output == "json":
        app.show_json(asdict(found))
        return
    aliases = [f"{name}: {shares(traffic)}" for name, traffic in found.aliases.items()]
    state = " ".join(filter(None, [found.state, found.last_update_status, found.reason]))
    rows = {
        "Function": found.name,
        "ARN": found.arn,
        "State": state,
        "Runtime": found.runtime or found.package_type,
        "Memory, timeout": f"{found.memory_mb} MB, {found.timeout} s",
        "Code": f"{found.code_sha256} ({found.code_size} bytes)",
        "Layers": ", ".join(found.layers) or "none",
        "Modified": found.last_modified,
        "Aliases": "; ".join(aliases) or "none",
        "Function URL": found.function_url or "none",
    }
    for name, value in rows.items():
        app.show(f"{name:16} {value}")


def shares(traffic: Any) -> str:
    """{"2": 0.9, "3": 0.1} -> "2 (90%), 3 (10%)"; one version alone without its share."""
    if len(traffic) == 1:
        return f"version {next(iter(traffic))}"
    return "versions " + ", ".join(f"{version} ({share:.4g})" for version, share in traffic.items())
