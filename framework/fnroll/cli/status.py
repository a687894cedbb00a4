"""`fn status`: what is deployed, who serves it, and whether the working tree is still that."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, alias_option, output_option
from fnroll.errors import FnError

if TYPE_CHECKING:
    from fnroll.deploy import FunctionStatus


@click.command()
@alias_option
@click.option("--qualifier", metavar="NAME", help="Show this version or alias.  [default: $LATEST]")
@click.option("--drift/--no-drift", default=True, show_default=True, help="Compare the working tree with it.")
@output_option("table", "json")
@click.pass_obj
def status(app: App, /, alias: str, qualifier: str | None, drift: bool, output: Any) -> None:
    """Show what is deployed.

    State, code digest, all aliases with their shares of the traffic, the alias's URL, and in what the working tree
    differs (fn diff shows how).
    """
    from fnroll import deploy as engine

    found = engine.status(app.session(), app.definition(full=False).name, alias, qualifier)
    differs = _drift(app, alias, qualifier) if drift else None
    if output == "json":
        app.show_json(asdict(found) | ({} if differs is None else {"drift": differs}))
        return
    for name, value in _rows(found, differs).items():
        app.show(f"{name:16} {value}")


def _rows(found: FunctionStatus, differs: dict[str, Any] | None) -> dict[str, str]:
    aliases = [f"{name}: {shares(traffic)}" for name, traffic in found.aliases.items()]
    rows = {
        "Function": found.name,
        "ARN": found.arn,
        "Version": found.version,
        "State": " ".join(filter(None, [found.state, found.last_update_status, found.reason])),
        "Runtime": f"{found.runtime or found.package_type}, {', '.join(found.architectures)}",
        "Memory, timeout": f"{found.memory_mb} MB, {found.timeout} s",
        "Code": f"{found.code_sha256} ({found.code_size} bytes)",
        "Layers": ", ".join(found.layers) or "none",
        "Modified": found.last_modified,
        "Aliases": "; ".join(aliases) or "none",
        "Function URL": found.function_url or "none",
    }
    return rows if differs is None else rows | {"Working tree": _words(differs)}


def _drift(app: App, alias: str, qualifier: str | None) -> dict[str, Any]:
    """In what the working tree differs, by name; `unknown`: why that could not be found out."""
    from fnroll.cli.diff import AS_DEPLOYED, compare_tree

    try:
        found = compare_tree(app, AS_DEPLOYED | {"alias": alias, "qualifier": qualifier}, download=False)
    except FnError as error:
        return {"different": None, "differs_in": [], "behind": None, "unknown": error.message}
    names = [*(["code"] if found.code else []), *(found.sides.changed if found.sides else ())]
    names += [f"{step.kind} {step.target}".rstrip() for step in found.beside]
    return {"different": found.different, "differs_in": names, "behind": found.behind, "unknown": None}


def _words(differs: dict[str, Any]) -> str:
    if differs["unknown"] is not None:
        return f"not compared: {differs['unknown'].splitlines()[0]}"
    if differs["behind"] is not None:
        return f"as $LATEST, but the alias serves version {differs['behind']}, which is not"
    return f"differs in {', '.join(differs['differs_in'])}" if differs["different"] else "as deployed"


def shares(traffic: Any) -> str:
    """{"2": 0.9, "3": 0.1} -> "2 (90%), 3 (10%)"; one version alone without its share."""
    if len(traffic) == 1:
        return f"version {next(iter(traffic))}"
    return "versions " + ", ".join(f"{version} ({share * 100:.4g}%)" for version, share in traffic.items())
