"""Carry a plan out, step by step, each write on the RevisionId that it was planned on.

The executor is small: a table from the kind of a step to the method that does it. After each write to $LATEST the
function is waited for and read again, and must be what was just sent: whoever changed it in between is not
overwritten. A write that AWS refuses because the function moved (412) or is moving (409) stops the deploy; what was
done and what was not is in the message, and the next run plans from what is there then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fnroll.aws import SYSTEM, Clock, Session
from fnroll.aws.aliases import create_alias, move_alias
from fnroll.aws.errors import role_not_assumable
from fnroll.aws.functions import FunctionState, create_function, tag, untag, update_code, update_configuration
from fnroll.aws.layers import publish_layer_version
from fnroll.aws.urls import add_permission, create_url, remove_permission, update_url
from fnroll.aws.versions import publish_version
from fnroll.aws.waits import ACTIVE, UPDATED, wait_for
from fnroll.deploy.desired import Desired, differences
from fnroll.deploy.plan import Plan, Step, own_tags
from fnroll.errors import AwsError, Conflict, DeployError, PreconditionFailed

ROLE_TRIES = 12
ROLE_PAUSE = 2.5
"""A role made a moment ago is known to Lambda within some seconds; twelve tries are half a minute."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell the user: a step begun, a step done, or what is being waited for."""

    kind: str
    text: str


Report = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What a deploy came to. `version` is what the alias serves, `previous` what it served before."""

    name: str
    alias: str
    version: str
    previous: str | None
    changed: bool
    function_url: str | None


def apply(plan: Plan, session: Session, report: Report = lambda _: None, *, clock: Clock = SYSTEM) -> Result:
    """Carry out `plan`. Raises DeployError when a step fails, naming what was done and what was not."""
    run = _Run(plan, session, report, clock)
    for number, step in enumerate(plan.steps):
        report(Event("step", f"{step.kind}: {step.reason}"))
        try:
            run.do(step)
        except AwsError as error:
            raise _stopped(plan, number, error) from error
    return run.result()


def _stopped(plan: Plan, number: int, error: AwsError) -> DeployError:
    moved = isinstance(error, (Conflict, PreconditionFailed))
    why = "somebody else changed the function while this deploy ran" if moved else "the deploy stopped"
    done = ", ".join(step.kind for step in plan.steps[:number]) or "nothing"
    left = ", ".join(step.kind for step in plan.steps[number:])
    served = plan.actual.alias.version if plan.actual.alias else "nothing"
    return DeployError(
        f"{why}: {error.message}\n  done: {done}; not done: {left}; alias {plan.alias} serves {served} as before",
        where=plan.desired.name,
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
    url: str | None = None

    def __post_init__(self) -> None:
        actual = self.plan.actual
        self.state = actual.function
        self.layers = dict(actual.layers or {})
        self.version = actual.alias.version if actual.alias else None
        self.url = actual.url.url if actual.url else None

    @property
    def desired(self) -> Desired:
        return self.plan.desired

    def do(self, step: Step) -> None:
        {
            "publish-layer": self._publish_layer,
            "create-function": self._create_function,
            "update-code": self._update_code,
            "update-configuration": self._update_configuration,
            "tag": self._tag,
            "untag": self._untag,
            "publish-version": self._publish_version,
            "create-url": self._create_url,
            "update-url": self._update_url,
            "allow-url": self._allow_url,
            "disallow-url": self._disallow_url,
            "create-alias": self._create_alias,
            "move-alias": self._move_alias,
        }[step.kind](step)

    def result(self) -> Result:
        alias = self.plan.actual.alias
        return Result(
            name=self.desired.name,
            alias=self.plan.alias,
            version=self.version or "",
            previous=alias.version if alias else None,
            changed=bool(self.plan.steps),
            function_url=self.url,
        )

    # $LATEST

    def _publish_layer(self, step: Step) -> None:
        assert step.layer is not None
        layer = step.layer
        request: dict[str, Any] = {"Content": {"ZipFile": layer.data}, "Description": layer.description}
        if layer.license is not None:
            request["LicenseInfo"] = layer.license
        if layer.runtime is not None:
            request["CompatibleRuntimes"] = [layer.runtime.base]
        self.layers[layer.code_sha256] = publish_layer_version(self.session.control, layer.name, request).arn

    def _layer_arns(self) -> list[str]:
        return [layer if isinstance(layer, str) else self.layers[layer.code_sha256] for layer in self.desired.layers]

    def _code(self) -> dict[str, Any]:
        return {"ZipFile": self.desired.package.data} if self.desired.package is not None else dict(self.desired.code)

    def _create_function(self, step: Step) -> None:
        desired = self.desired
        # Resets of blocks that are not there are for updates; CreateFunction takes what the file says and defaults.
        configuration = {
            key: value for key, value in desired.configuration.items() if key in desired.said or value not in ("", [])
        }
        for key in ("VpcConfig", "DeadLetterConfig", "Environment"):
            if key not in desired.said:
                configuration.pop(key, None)
        request = {**desired.creation, **configuration, "Code": self._code(), "Tags": own_tags(desired)}
        if self._layer_arns():
            request["Layers"] = self._layer_arns()
        if desired.architectures is not None:
            request["Architectures"] = list(desired.architectures)
        self._create_patiently(request)
        self._settle()

    def _create_patiently(self, request: dict[str, Any]) -> None:
        for attempt in range(1, ROLE_TRIES + 1):
            try:
                create_function(self.session.control, self.desired.name, request)
                return
            except AwsError as error:
                if attempt == ROLE_TRIES or not role_not_assumable(error):
                    raise
                self.report(Event("wait", f"the role cannot be assumed by Lambda yet (try {attempt} of {ROLE_TRIES})"))
                self.clock.sleep(ROLE_PAUSE)

    def _update_code(self, step: Step) -> None:
        request = self._code()
        if self.desired.architectures is not None:
            request["Architectures"] = list(self.desired.architectures)
        update_code(self.session.control, self.desired.name, request, self._revision)
        self._settle()
        package = self.desired.package
        assert self.state is not None
        if package is not None and self.state.code_sha256 != package.code_sha256:
            raise PreconditionFailed(f"after our upload the code is {self.state.code_sha256}, which is not ours")

    def _update_configuration(self, step: Step) -> None:
        request = dict(step.sends)
        if "Layers" in request:
            request["Layers"] = self._layer_arns()
        update_configuration(self.session.control, self.desired.name, request, self._revision)
        self._settle()
        assert self.state is not None
        other = differences(self.desired, self.state.configuration).keys() & request.keys()
        if other or ("Layers" in request and list(self.state.layers) != request["Layers"]):
            words = ", ".join(sorted(other)) or "Layers"
            raise PreconditionFailed(f"after our update the configuration is not what we sent ({words})")

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
        client, name = self.session.control, self.desired.name
        published = publish_version(
            client,
            name,
            code_sha256=self.state.code_sha256,
            description=step.sends["Description"],
            revision_id=self._revision,
        )
        self.version = published.version
        wait_for(client, name, ACTIVE, qualifier=published.version, clock=self.clock, progress=self._waiting)

    # the URL

    def _create_url(self, step: Step) -> None:
        self.url = create_url(self.session.control, self.desired.name, self.plan.alias, step.sends).url

    def _update_url(self, step: Step) -> None:
        self.url = update_url(self.session.control, self.desired.name, self.plan.alias, step.sends).url

    def _allow_url(self, step: Step) -> None:
        add_permission(self.session.control, self.desired.name, self.plan.alias, step.sends)

    def _disallow_url(self, step: Step) -> None:
        remove_permission(self.session.control, self.desired.name, self.plan.alias, step.sends["StatementId"])

    # the alias: nothing comes after it that could fail and leave traffic on half a deploy

    def _create_alias(self, step: Step) -> None:
        assert self.version is not None
        create_alias(self.session.control, self.desired.name, self.plan.alias, self.version)

    def _move_alias(self, step: Step) -> None:
        alias = self.plan.actual.alias
        assert self.version is not None and alias is not None
        move_alias(self.session.control, self.desired.name, self.plan.alias, self.version, alias.revision_id)
