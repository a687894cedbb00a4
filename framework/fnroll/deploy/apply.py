"""Carry a plan out, step by step, each write on the RevisionId that it was planned on.

The executor is small: a table from the kind of a step to the method that does it. After each write to $LATEST the
function is waited for and read again, and must be what was just sent: whoever changed it in between is not
overwritten. A write that AWS refuses because the function is moving (409) is sent once more when that has ended and
left everything as it was, or is left out if it brought just what was to be sent (our own write, its answer lost). Any
other change, and a write on a RevisionId that is no longer the last (412), stops the deploy; what was done and what was
not is in the message, and the next run plans from what is there then.

AddPermission and RemovePermission carry no RevisionId: a statement is addressed by its Sid and ours are nobody else's,
while a policy's RevisionId would stop the deploy for a statement that is none of its business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from fnroll.aws import SYSTEM, Clock, Session
from fnroll.aws.aliases import create_alias, get_alias, move_alias
from fnroll.aws.functions import (
    LATEST,
    FunctionState,
    create_function,
    delete_function,
    get_function,
    tag,
    untag,
    update_code,
    update_configuration,
)
from fnroll.aws.objects import upload
from fnroll.aws.roles import with_a_new_role
from fnroll.aws.versions import list_versions, publish_version
from fnroll.aws.waits import ACTIVE, UPDATED, wait_for
from fnroll.deploy import beside
from fnroll.deploy.checks import CODE, changed_members, content
from fnroll.deploy.desired import RESETS, Desired, differences
from fnroll.deploy.plan import Plan, own_tags
from fnroll.deploy.publish import publish
from fnroll.deploy.settings import OF_FUNCTION
from fnroll.deploy.signing import MEMBER as SIGNING
from fnroll.deploy.steps import Step
from fnroll.deploy.told import Event, Report, Result
from fnroll.errors import AwsError, Conflict, DeployError, NotFound, PreconditionFailed


def apply(plan: Plan, session: Session, report: Report = lambda _: None, *, clock: Clock = SYSTEM) -> Result:
    """Carry out `plan`. Raises DeployError when a step fails, naming what was done and what was not."""
    run = _Run(plan, session, report, clock)
    for number, step in enumerate(plan.steps):
        report(Event("step", f"{step.kind}: {step.reason}"))
        try:
            run.do(step)
        except AwsError as error:
            raise _stopped(run, number, error) from error
    return run.result()


def _stopped(run: _Run, number: int, error: AwsError) -> DeployError:
    steps = run.plan.steps
    moved = isinstance(error, (Conflict, PreconditionFailed))
    why = "somebody else changed the function while this deploy ran" if moved else "the deploy stopped"
    seen = run.what_moved(steps[number]) if moved else ""
    if steps[number].kind in ("create-alias", "move-alias"):
        run.look_at_alias()
    done = ", ".join(step.kind for step in steps[:number]) or "nothing"
    left = ", ".join(step.kind for step in steps[number:])
    return DeployError(
        f"{why}: {error.message}{seen}\n  done: {done}; not done: {left}; {run.serving()}",
        where=run.desired.name,
        hint=error.hint or "run the deploy again: it goes on from what is there",
    )


@dataclass(slots=True)
class _Run:
    """The state of one application: the function as last read, the layers' ARNs, the version published."""

    plan: Plan
    session: Session
    report: Report
    clock: Clock
    state: FunctionState | None = None
    layers: dict[str, str] = field(default_factory=dict)
    version: str | None = None
    beside: beside.Beside = field(init=False)
    moved: bool = False
    object_version: str | None = None
    found: str | None = None
    """What the alias was found to serve after a write to it had failed, in words."""

    def __post_init__(self) -> None:
        actual = self.plan.actual
        self.state = actual.function
        self.layers = dict(actual.layers or {})
        self.version = actual.alias.version if actual.alias else None
        place = (self.desired.url.at if self.desired.url else None) or self.plan.alias
        door = actual.doors.get(place)
        url = door.url.url if door and door.url else None
        where = self.desired.name, self.plan.alias, self.desired.log_group
        self.beside = beside.Beside(self.session, *where, self.clock, self._waiting, url)

    @property
    def desired(self) -> Desired:
        return self.plan.desired

    def do(self, step: Step) -> None:
        if step.kind in beside.KINDS:
            self._beside(step)
            return
        {
            "publish-layer": self._publish_layer,
            "upload-code": self._upload,
            "create-function": self._create_function,
            "update-code": self._update_code,
            "update-configuration": self._update_configuration,
            "tag": self._tag,
            "untag": self._untag,
            "publish-version": self._publish_version,
            "create-alias": self._create_alias,
            "move-alias": self._move_alias,
            "delete-version": self._delete_version,
        }[step.kind](step)

    def result(self) -> Result:
        alias = self.plan.actual.alias
        return Result(
            name=self.desired.name,
            alias=self.plan.alias,
            version=self.version if self.moved or alias is None else alias.version,
            previous=alias.version if alias else None,
            changed=bool(self.plan.steps),
            function_url=self.beside.url,
        )

    def serving(self) -> str:
        """What the alias serves at this moment, in words."""
        alias, name = self.plan.actual.alias, self.plan.alias
        if self.found is not None:
            return self.found
        if self.moved:
            return f"alias {name} {'serves' if alias else 'is new and serves'} {self.version} now"
        return f"alias {name} serves {alias.version if alias else 'nothing'} as before"

    def look_at_alias(self) -> None:
        """After a write to the alias that failed: it may have been done all the same, or by somebody else."""
        alias, name = self.plan.actual.alias, self.plan.alias
        before = alias.version if alias else None
        try:
            now = get_alias(self.session.control, self.desired.name, name).version
        except NotFound:
            return
        except AwsError:
            self.found = f"what alias {name} serves could not be read"
        else:
            self.found = None if now == before else f"alias {name} serves {now} now"

    def what_moved(self, step: Step) -> str:
        """When the function that refused a step was changed, in words; "" if even that cannot be read."""
        name = self.desired.name
        if step.kind in ("create-alias", "move-alias"):
            return ""
        try:
            modified = get_function(self.session.control, name).last_modified
            return f"\n  {name} was last modified at {modified}; CloudTrail knows by whom" if modified else ""
        except AwsError:
            return ""

    # $LATEST

    def _publish_layer(self, step: Step) -> None:
        assert step.layer is not None
        layer = step.layer
        self.layers[layer.code_sha256] = publish(self.session, layer)

    def _layer_arns(self) -> list[str]:
        return [layer if isinstance(layer, str) else self.layers[layer.code_sha256] for layer in self.desired.layers]

    def _code(self) -> dict[str, Any]:
        if self.desired.package is not None and not self.desired.by_s3:
            return {"ZipFile": bytes(self.desired.package.data)}
        return {**self.desired.code, **({"S3ObjectVersion": self.object_version} if self.object_version else {})}

    def _upload(self, step: Step) -> None:
        package, sent = self.desired.package, [0]
        assert package is not None

        def progress(count: int) -> None:
            sent[0] += count
            self.report(Event("wait", f"uploaded {sent[0]} of {len(package.data)} bytes"))

        where = step.sends["S3Bucket"], step.sends["S3Key"]
        self.object_version = upload(self.session, *where, bytes(package.data), package.code_sha256, progress)

    def _create_function(self, step: Step) -> None:
        desired = self.desired
        # Resets of blocks that are not there are for updates; CreateFunction takes what the file says and defaults.
        configuration = dict(desired.configuration)
        for key in RESETS.keys() - desired.said:
            configuration.pop(key, None)
        request = {
            **desired.creation,
            **configuration,
            "Code": self._code(),
            "Tags": own_tags(desired, self.plan.alias),
        }
        if self._layer_arns():
            request["Layers"] = self._layer_arns()
        if desired.architectures is not None:
            request["Architectures"] = list(desired.architectures)
        try:
            self._with_a_new_role(lambda: create_function(self.session.control, desired.name, request))
        except Conflict:  # it is there: made by this very call, whose answer was lost, or by somebody else
            self._settle()
            if self._differs({**configuration, "Layers": self._layer_arns()}):
                raise
        self._settle()
        if differing := self._differs({**configuration, "Layers": self._layer_arns()}):
            raise PreconditionFailed(f"after its creation the function is not what we sent ({', '.join(differing)})")

    def _differs(self, request: Mapping[str, Any]) -> list[str]:
        """What of our code and `request` the function as last read does not have."""
        assert self.state is not None
        return [*([] if self._has_our_code(self.state) else ["code"]), *self._missing(request, self.state)]

    def _with_a_new_role(self, send: Callable[[], object]) -> None:
        with_a_new_role(send, self._waiting, clock=self.clock)

    def _update_code(self, step: Step) -> None:
        before, request = self.state, self._code()
        if self.desired.architectures is not None:
            request["Architectures"] = list(self.desired.architectures)
        self._write(
            lambda: update_code(self.session.control, self.desired.name, request, self._revision),
            self._has_our_code,
        )
        self._settle()
        assert self.state is not None
        if not self._has_our_code(self.state):
            raise PreconditionFailed(f"after our upload the code is {self.state.code_sha256}, which is not ours")
        self._check_others(before, (CODE,))

    def _has_our_code(self, state: FunctionState) -> bool:
        package, wanted = self.desired.package, self.desired.architectures
        # Without a package the code lies on S3 or in a registry, and its hash is not known here.
        return (package is None or state.code_sha256 == package.code_sha256) and wanted in (None, state.architectures)

    def _update_configuration(self, step: Step) -> None:
        before, request = self.state, dict(step.sends)
        if "Layers" in request:
            request["Layers"] = self._layer_arns()
        self._write(
            lambda: update_configuration(self.session.control, self.desired.name, request, self._revision),
            lambda state: not self._missing(request, state),
        )
        self._settle()
        assert self.state is not None
        if missing := self._missing(request, self.state):
            raise PreconditionFailed(f"after our update the configuration is not what we sent ({', '.join(missing)})")
        self._check_others(before, request.keys())

    def _check_others(self, before: FunctionState | None, sent: Collection[str]) -> None:
        assert before is not None and self.state is not None
        members = {*self.desired.configuration, "Layers", CODE} - {*sent}
        if changed := changed_members(before, self.state, members):
            raise PreconditionFailed(f"after our update {', '.join(changed)} changed, which we did not send")

    def _missing(self, request: Mapping[str, Any], state: FunctionState) -> list[str]:
        """The members of `request` that `state` does not have."""
        missing = differences(self.desired, state.configuration).keys() & request.keys()
        if "Layers" in request and list(state.layers) != request["Layers"]:
            missing |= {"Layers"}
        return sorted(missing)

    def _write(self, send: Callable[[], object], done: Callable[[FunctionState], bool]) -> None:
        """Send; where an update is running, wait for its end and send once more if it was no change of others. One that
        was refused because it has been done (the answer to it was lost, and the SDK sent it again) is done."""
        before = self.state
        assert before is not None
        try:
            self._with_a_new_role(send)
        except (Conflict, PreconditionFailed) as refusal:
            if isinstance(refusal, Conflict):
                self.report(Event("wait", "an update is in progress"))
            self._settle()
            after = self.state
            assert after is not None
            if isinstance(refusal, Conflict) and content(after) == content(before):
                self._with_a_new_role(send)
            elif not done(after):
                raise

    def _settle(self) -> None:
        self.state = wait_for(
            self.session.control, self.desired.name, UPDATED, clock=self.clock, progress=self._waiting
        )

    def _waiting(self, words: str) -> None:
        self.report(Event("wait", words))

    @property
    def _revision(self) -> str | None:
        return self.state.revision_id if self.state else None

    def _tag(self, step: Step) -> None:
        assert self.state is not None
        tag(self.session.control, self.state.arn, step.sends["Tags"])

    def _untag(self, step: Step) -> None:
        assert self.state is not None
        untag(self.session.control, self.state.arn, step.sends["TagKeys"])

    # the version

    def _publish_version(self, step: Step) -> None:
        assert self.state is not None
        client, name, sha = self.session.control, self.desired.name, self.state.code_sha256
        published: list[str] = []

        def send() -> None:
            description, revision = step.sends["Description"], self._revision
            row = publish_version(client, name, code_sha256=sha, description=description, revision_id=revision)
            published.append(row.version)

        def published_already(after: FunctionState) -> bool:
            last = [row for row in list_versions(client, name) if row.version.isdecimal()][-1:]
            ours = [row for row in last if row.version not in known and row.description == step.sends["Description"]]
            published.extend(row.version for row in ours if row.code_sha256 == sha == after.code_sha256)
            return bool(published)

        known = {alias.version for alias in (self.plan.actual.alias,) if alias is not None}
        self._write(send, published_already)
        wait_for(client, name, ACTIVE, qualifier=published[0], clock=self.clock, progress=self._waiting)
        self.version = published[0]

    def _beside(self, step: Step) -> None:
        self.beside.do(step)
        if step.target in (*OF_FUNCTION, SIGNING):
            self._reread()

    def _reread(self) -> None:
        """A setting may give the function a new RevisionId; what it is must be the same."""
        before = self.state
        self._settle()
        assert self.state is not None
        if before is not None and content(before) != content(self.state):
            raise PreconditionFailed("code or configuration are no longer what this deploy read or wrote")

    # the alias: of what could leave traffic on half a deploy, nothing comes after it

    def _goal(self, step: Step) -> str:
        """$LATEST if the step names it, else the version that was published."""
        goal = LATEST if step.sends["FunctionVersion"] == LATEST else self.version
        assert goal is not None
        return goal

    def _create_alias(self, step: Step) -> None:
        goal = self._goal(step)
        self._to(goal, lambda: create_alias(self.session.control, self.desired.name, self.plan.alias, goal))

    def _move_alias(self, step: Step) -> None:
        alias = self.plan.actual.alias
        assert alias is not None
        goal, name = self._goal(step), self.plan.alias
        self._to(goal, lambda: move_alias(self.session.control, self.desired.name, name, goal, alias.revision_id))

    def _to(self, goal: str, send: Callable[[], object]) -> None:
        """A refusal of what has been done (its answer was lost, and the SDK sent it again) is none."""
        try:
            send()
        except (Conflict, PreconditionFailed):
            there = get_alias(self.session.control, self.desired.name, self.plan.alias)
            if there.version != goal or there.weights:
                raise
        self.version, self.moved = goal, True

    def _delete_version(self, step: Step) -> None:
        """Gone already is as good; one that an alias has been given meanwhile stays."""
        version = step.sends["Qualifier"]
        try:
            delete_function(self.session.control, self.desired.name, version)
        except NotFound:
            pass
        except Conflict as error:
            self.report(Event("wait", f"version {version} stays: {error.message}"))
