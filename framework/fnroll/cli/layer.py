"""`fn layer`: layer versions in the account."""

from __future__ import annotations

from typing import Any

import click

from fnroll.cli.app import App, output_option
from fnroll.errors import UsageError


@click.group()
def layer() -> None:
    """Layer versions in the account and Region.

    fn deploy publishes what a function's Layers need by itself; here it is done for others, or looked at.
    """


@layer.command("publish")
@click.argument("source", metavar="./DIR|runtime:NAME")
@click.option(
    "--arch",
    "architectures",
    type=click.Choice(["x86_64", "arm64"]),
    multiple=True,
    help="For a runtime: the architecture. Repeatable.  [default: all that it is for]",
)
@click.option("--dry-run", is_flag=True, help="Say what would be published.")
@output_option("table", "json")
@click.pass_obj
def publish(app: App, source: str, architectures: tuple[str, ...], dry_run: bool, output: Any) -> None:
    """Publish a directory or a runtime as a layer version, private to the account.

    A version with the same content is not made twice: its ARN is printed. The runtime's licence is written into it.
    """
    from fnroll.deploy.publish import find
    from fnroll.deploy.publish import publish as publish_version
    from fnroll.layers import build, find_runtime

    def say(text: str) -> None:
        app.say(text, dim=True)

    if source.startswith("runtime:"):
        runtime = find_runtime(source.removeprefix("runtime:"), app.directory)
        native = runtime.binary or (runtime.recipe is not None and not runtime.self_contained)
        each = (architectures or runtime.architectures) if native else (None,)
        packages = [build(source, app.directory, architecture=one, say=say) for one in each]
    elif architectures:
        raise UsageError("--arch is for runtimes: a directory goes as it is")
    else:
        packages = [build(source, app.directory)]
    if unfit := next((one for one in packages if not one.self_contained and not app.settings.local), None):
        raise UsageError(
            f"{unfit.name} runs on this machine's own interpreter, which Lambda has not",
            hint="the key 'layer' of its runtime.json says what brings one (docs/runtimes.md)",
        )
    session, rows = app.session(), []
    for package in packages:
        found = find(session, package)
        arn = found or (None if dry_run else publish_version(session, package))
        rows.append(
            {
                "name": package.name,
                "architecture": package.architecture,
                "size": len(package.data),
                "code_sha256": package.code_sha256,
                "arn": arn,
                "state": "is there already" if found else "would be published" if dry_run else "published",
            }
        )
    app.show_rows(
        output,
        rows,
        {"name": "Layer", "architecture": "Architecture", "size": "Zip", "state": "State", "arn": "ARN"},
    )


@layer.command("list")
@click.argument("name", required=False)
@output_option("table", "json", "tsv")
@click.pass_obj
def list_(app: App, name: str | None, output: Any) -> None:
    """List the layers of the account and Region with their newest version, or all versions of the layer NAME."""
    from fnroll.aws.layers import layer_versions, layers

    client = app.session().control
    found = layer_versions(client, name) if name else layers(client)
    rows = [
        {
            "name": one.name,
            "version": one.version,
            "architectures": list(one.architectures),
            "description": one.description,
            "created": one.created,
            "arn": one.arn,
        }
        for one in found
    ]
    app.show_rows(
        output,
        rows,
        {
            "name": "Layer",
            "version": "Version",
            "architectures": "Architectures",
            "description": "Description",
            "created": "Created",
            "arn": "ARN",
        },
    )
