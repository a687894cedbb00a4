"""Whose a request is: the account of an access key, and who has it.

    twelve digits                  that account, which is its own root
    a key that IAM or STS made     the account that moto keeps it in, and its user or assumed role
    a function's key               the function's account
    any other, and none            the account 000000000000

moto's keys are looked at where they lie, without making backends for accounts that have none: this is asked on the
event loop.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from fnroll.cloud.names import DEFAULT_ACCOUNT, Home

_OF_FUNCTIONS: Final = "ASIAFNLC"
_MADE: Final = ("AKIA", "ASIA")
"""How the ids of keys begin that IAM and STS make."""

FUNCTION_SECRET: Final = "local-cloud-needs-no-secret"


class Caller(NamedTuple):
    """Who makes a request, and where: by the access key that it is signed with (None: it is not)."""

    home: Home
    key_id: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """`names`: the ARNs under which a policy may mean it, its own first."""

    account: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that IAM or STS has made. `token`: of STS's alone; `active`: whether it may still sign."""

    owner: Identity
    secret: str
    token: str | None
    active: bool


def account_of(key_id: str | None) -> str:
    if key_id is None:
        return DEFAULT_ACCOUNT
    if _is_account(key_id):
        return key_id
    if not key_id.startswith(_MADE):
        return DEFAULT_ACCOUNT
    digits = key_id.removeprefix(_OF_FUNCTIONS)
    if digits != key_id and _is_account(digits):
        return digits
    return next((account for account, backend in _backends("iam") if key_id in backend.access_keys), DEFAULT_ACCOUNT)


def credentials(account: str) -> Mapping[str, str]:
    """What a function of the account signs with: made up, and never the user's own."""
    return {
        "AWS_ACCESS_KEY_ID": _OF_FUNCTIONS + account,
        "AWS_SECRET_ACCESS_KEY": FUNCTION_SECRET,
        "AWS_SESSION_TOKEN": "local-cloud-session",
    }


def is_functions(key_id: str) -> bool:
    """Whether it is a key that functions get."""
    return key_id.startswith(_OF_FUNCTIONS) and _is_account(key_id.removeprefix(_OF_FUNCTIONS))


def identity(key_id: str | None) -> Identity:
    """Who a key stands for: the account itself, where nobody in particular."""
    made = made_here(key_id) if key_id is not None else None
    if made is not None:
        return made.owner
    account = account_of(key_id)
    return Identity(account, (f"arn:aws:iam::{account}:root",))


def made_here(key_id: str) -> MadeKey | None:
    """What moto's IAM or STS knows of a key that they have made."""
    for account, backend in _backends("sts"):
        for role in list(backend.assumed_roles):
            if role.access_key_id == key_id:
                names = (str(role.arn), str(role.role_arn), f"arn:aws:iam::{account}:root")
                return MadeKey(Identity(account, names), str(role.secret_access_key), str(role.session_token), True)
    for account, backend in _backends("iam"):
        for user in list(backend.users.values()):
            for key in list(user.access_keys):
                if key.access_key_id == key_id:
                    owner = Identity(account, (str(user.arn), f"arn:aws:iam::{account}:root"))
                    return MadeKey(owner, str(key.secret_access_key), None, key.status == "Active")
    return None


def _is_account(text: str) -> bool:
    return len(text) == 12 and text.isascii() and text.isdigit()


def _backends(service: str) -> Iterator[tuple[str, Any]]:
    """What moto has of a service, by account."""
    models = sys.modules.get(f"moto.{service}.models")
    for account, backends in list(getattr(models, f"{service}_backends", {}).items()):
        for backend in list(backends.values()):
            yield str(account), backend
