"""Who signed a request: the access keys that this cloud knows, and the check of a signature against them.

Known are the keys that its IAM and STS have made, those of the environment that `fn local up` was started in, and those
that functions get. Any other key has its own id for its secret (`test` and `test`), so that no client needs setting up;
one that looks like AWS's own, and that nobody here has made, is unknown.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from fnroll.cloud import sigv4, sigv4_pieces
from fnroll.cloud.accounts import FUNCTION_SECRET, is_functions, made_here
from fnroll.cloud.clock import Clock
from fnroll.cloud.faults import Fault
from fnroll.cloud.sigv4 import Signature, SignatureError
from fnroll.emulator.wire import Request

LARGE = 1 << 18
"""Bytes of a body that take about a millisecond."""

_MADE_BY_AWS = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}")


class Signatures:
    """`keys`: secrets by access key id; `required`: whether every API call must be signed."""

    def __init__(self, clock: Clock, keys: Mapping[str, str], *, required: bool = False) -> None:
        self._clock = clock
        self._keys = keys
        self.required = required

    async def admit(self, request: Request) -> Signature:
        """As `check`; beside the event loop, where the body is so large that others would wait for it."""
        if len(request.body) < LARGE:
            return self.check(request)
        return await asyncio.to_thread(self.check, request)

    def check(self, request: Request) -> Signature:
        """The signature of a request that is signed as it should be. Raises Fault with AWS's refusals."""
        try:
            signature = sigv4.read(request)
            if signature is None:
                raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
            secret = self._secret(signature)
            sigv4.check(request, signature, secret, datetime.fromtimestamp(self._clock.time(), UTC))
            if sigv4_pieces.is_in_pieces(request):
                sigv4_pieces.check(request, signature, secret)
        except SignatureError as error:
            raise Fault(error.code, error.message) from None
        return signature

    def _secret(self, signature: Signature) -> str:
        key_id = signature.key_id
        if key_id in self._keys:
            return self._keys[key_id]
        if is_functions(key_id):
            return FUNCTION_SECRET
        made = made_here(key_id)
        # Those of STS count with their token only.
        if made is not None and made.active and (made.token is None or made.token == signature.token):
            return made.secret
        if _MADE_BY_AWS.fullmatch(key_id):
            raise SignatureError(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        return key_id
