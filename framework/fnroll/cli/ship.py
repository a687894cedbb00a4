"""`fn deploy`: the flags; what they do is in shipping.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli import packing
from fnroll.cli.app import App, alias_option, output_option
from fnroll.cli.function_url import function_url_option
from fnroll.errors import UsageError

if TYPE_CHECKING:
    from fnroll.cli.shipping import Done


@click.command()
@click.argument(
    "directories", nargs=-1, metavar="[DIR]...", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@alias_option
@click.option("--dry-run", is_flag=True, help="Print the plan; send no write.")
@click.option("--src", type=click.Path(exists=True, path_type=Path), help="The code: a directory, or a zip as it is.")
@click.option("--publish/--no-publish", default=True, show_default=True, help="Publish a version and move the alias.")
@click.option("--alias-to-latest", is_flag=True, help="Point the alias at $LATEST; implies --no-publish.")
@click.option("--skip-archive", is_flag=True, help="Pack nothing: the code lies on S3 already (Code.S3Bucket, S3Key).")
@click.option("--skip-configuration", is_flag=True, help="Deploy the code alone: no configuration, layers, tags.")
@click.option("--skip-function", is_flag=True, help="Deploy URL and key Fn alone: no code, configuration, version.")
@click.option("--canary", is_flag=True, help="Leave the alias, and start a canary of what was published.")
@click.option("--supersede", is_flag=True, help="With --canary: end the canary that is on first.")
@click.option("--keep-versions", type=click.IntRange(min=0), default=0, metavar="N", help="Delete all but N versions.")
@click.option("--ignore", metavar="PATHS", default="", help="Leave these members as they are deployed (.A.B, .C[0]).")
@function_url_option
@packing.exclude_option
@packing.style_option
@packing.symlink_option
@click.option("--jobs", type=click.IntRange(min=1), default=8, show_default=True, help="Functions at a time.")
@click.option("--fail-fast", is_flag=True, help="With several: begin no further one after a failure.")
@output_option("table", "json")
@click.pass_obj
def deploy(app: App, /, directories: tuple[Path, ...], **said: Any) -> None:
    """Create or update the function, publish, move the alias.

    Reads what is deployed, makes a plan, applies it. An unchanged function costs reads alone. Every write carries the
    RevisionId that it was planned on; the alias moves last, and only to a version that is Active.

    With several DIRs their functions are deployed side by side, one line each, paced together under Lambda's limits;
    if one fails the others are finished all the same.
    """
    from fnroll.cli.shipping import Order, deploy_all, deploy_one, show_plan, show_result

    order = Order.of(app, said)
    if said["supersede"] and not said["canary"]:
        raise UsageError("--supersede goes with --canary")
    if said["canary"] and len(directories) > 1:
        raise UsageError("--canary is for one function: start the others' with fn canary start")
    if len(directories) <= 1:
        done = deploy_one(app, order, directories[0] if directories else app.directory)
        if said["canary"] and done.result is not None:
            _start_canary(app, said, done)
            return
        if done.result is None:
            show_plan(app, done.plan, said["output"])
        else:
            show_result(app, done.plan, done.result, said["output"])
        return
    deploy_all(app, order, directories, said["output"])


def _start_canary(app: App, said: dict[str, Any], done: Done) -> None:
    """Of the version that was just published; the plan is release.json's."""
    from fnroll.cli.canary_run import begin
    from fnroll.cli.shipping import show_result

    assert done.result is not None
    show_result(app, done.plan, done.result, said["output"])
    kinds = {step.kind for step in done.plan.steps}
    if "publish-version" not in kinds:
        app.say("nothing was published, so there is nothing to start a canary of")
    elif "create-alias" in kinds:
        app.say("this is the alias's first version: there is none beside it to be judged against")
    else:
        nothing: dict[str, Any] = dict.fromkeys(
            ("plan_file", "alpha", "ratio_floor", "on_fail", "on_hold", "hold_hours")
        )
        begin(app, {**nothing, "steps": (), "alias": said["alias"]}, None, said["supersede"])
