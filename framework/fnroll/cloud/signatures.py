"""Who signed a request: the access keys that this cloud knows, and the check of a signature against them.

Known are the keys that its IAM and STS have made, those of the environment that `fn local up` was started in, and those
that functions get. Any other key has its own id for its secret (`test` and `test`), so that no client needs setting up;
one that looks like AWS's own, and that nobody here has made, is unknown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from fnroll.cloud import sigv4
from fnroll.cloud.clock import Clock
from fnroll.cloud.faults import Fault
from fnroll.cloud.invoke import CREDENTIALS
from fnroll.cloud.names import ACCOUNT
from fnroll.cloud.sigv4 import Signature, SignatureError
from fnroll.emulator.wire import Request

_MADE_BY_AWS = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}")


class Signatures:
    """`keys`: secrets by access key id; `required`: whether every API call must be signed."""

    def __init__(self, clock: Clock, keys: Mapping[str, str], *, required: bool = False) -> None:
        own = {CREDENTIALS["AWS_ACCESS_KEY_ID"]: CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
        self._clock = clock
        self._keys = {**own, **keys}
        self.required = required

    def check(self, request: Request) -> Signature:
        """The signature of a request that is signed as it should be. Raises Fault with AWS's refusals."""
        try:
            signature = sigv4.read(request)
            if signature is None:
                raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
            sigv4.check(request, signature, self._secret(signature), datetime.fromtimestamp(self._clock.time(), UTC))
        except SignatureError as error:
            raise Fault(error.code, error.message) from None
        return signature

    def _secret(self, signature: Signature) -> str:
        key_id = signature.key_id
        if key_id in self._keys:
            return self._keys[key_id]
        made = _made_here(key_id, signature.token)
        if made is not None:
            return made
        if _MADE_BY_AWS.fullmatch(key_id):
            raise SignatureError(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        return key_id


def _made_here(key_id: str, token: str | None) -> str | None:
    """The secret of a key that moto's IAM or STS has made; those of STS count with their token only."""
    if "moto.sts.models" in sys.modules:
        from moto.sts.models import sts_backends

        for sessions in list(sts_backends[ACCOUNT].values()):
            for role in list(sessions.assumed_roles):
                if role.access_key_id == key_id:
                    return str(role.secret_access_key) if role.session_token == token else None
    if "moto.iam.models" in sys.modules:
        from moto.iam.models import iam_backends

        for users in list(iam_backends[ACCOUNT].values()):
            for key in list(users.access_keys.values()):
                if key.access_key_id == key_id and key.status == "Active":
                    return str(key.secret_access_key)
    return None
