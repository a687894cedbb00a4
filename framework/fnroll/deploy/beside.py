"""The writes on what stands beside code and configuration: settings, the URL, permissions, event sources.

They carry no RevisionId: none of these APIs takes one, or it would guard what is none of its business. Each is
addressed by what it is (a setting's name, a Sid, a UUID), so repeating one changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fnroll.aws import Clock, Session
from fnroll.aws.functions import LATEST
from fnroll.aws.settings import put_setting, reset_setting, wait_until_provisioned, write_source
from fnroll.aws.urls import add_permission, create_url, delete_url, policy_sids, remove_permission, update_url
from fnroll.deploy.steps import Kind, Step
from fnroll.errors import Conflict, NotFound


@dataclass(slots=True)
class Beside:
    """Where the writes go; `url` is the definition's URL as it is now."""

    session: Session
    name: str
    alias: str
    log_group: str
    clock: Clock
    waiting: Callable[[str], None]
    url: str | None

    def do(self, step: Step) -> None:
        KINDS[step.kind](self, step)

    def _put(self, step: Step) -> None:
        put_setting(self.session, step.target, self.name, self.alias, self.log_group, step.sends)
        if step.target == "ProvisionedConcurrency":
            wait_until_provisioned(self.session, self.name, self.alias, clock=self.clock, progress=self.waiting)

    def _reset(self, step: Step) -> None:
        reset_setting(self.session, step.target, self.name, self.alias, self.log_group)

    def _source(self, step: Step) -> None:
        write_source(self.session.control, step.kind.partition("-")[0], self.name, self.alias, step.sends)

    def _place(self, step: Step) -> str | None:
        """The alias that a step on URL or policy is aimed at; None for $LATEST."""
        return None if step.target == LATEST else step.target

    def _create_url(self, step: Step) -> None:
        client, place = self.session.control, self._place(step)
        try:
            made = create_url(client, self.name, place, step.sends)
        except Conflict:  # made by this very call, whose answer was lost; or by somebody else: then it becomes ours
            made = update_url(client, self.name, place, {"Cors": {}, **step.sends})
        self.url = made.url

    def _update_url(self, step: Step) -> None:
        self.url = update_url(self.session.control, self.name, self._place(step), step.sends).url

    def _delete_url(self, step: Step) -> None:
        try:
            delete_url(self.session.control, self.name, self._place(step))
        except NotFound:
            pass
        if self.url == step.sends["FunctionUrl"]:
            self.url = None

    def _allow(self, step: Step) -> None:
        client, place = self.session.control, self._place(step)
        try:
            add_permission(client, self.name, place, step.sends)
        except Conflict:  # a Sid of ours holds a digest of its statement: if it is there, it is this one
            if step.sends["StatementId"] not in policy_sids(client, self.name, place):
                raise

    def _disallow(self, step: Step) -> None:
        try:
            remove_permission(self.session.control, self.name, self._place(step), step.sends["StatementId"])
        except NotFound:
            pass


KINDS: Final[Mapping[Kind, Callable[[Beside, Step], None]]] = {
    "put-setting": Beside._put,
    "reset-setting": Beside._reset,
    "create-url": Beside._create_url,
    "update-url": Beside._update_url,
    "delete-url": Beside._delete_url,
    "allow": Beside._allow,
    "disallow": Beside._disallow,
    "create-event-source": Beside._source,
    "update-event-source": Beside._source,
    "delete-event-source": Beside._source,
}
