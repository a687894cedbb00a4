"""GET, for states that lie behind http(s): with a token, a limit of size, and the token kept at its host."""

from __future__ import annotations

from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from fnroll.errors import FnError

_TIMEOUT = 60
_HINTS = {
    401: "TFE_TOKEN is the token that is sent",
    403: "TFE_TOKEN is the token that is sent",
    404: "check the address; some servers say this too to who may not read it",
}


class _TokenStays(HTTPRedirectHandler):
    """A redirect to another host goes without the token."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            made.remove_header("Authorization")
        return made


def get(url: str, token: str | None, limit: int) -> bytes:
    """The body. Raises FnError for an address that does not answer, or with more than `limit` bytes."""
    request = Request(url, headers={"User-Agent": "fnroll", "Accept": "application/json, */*"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    shown = url.partition("?")[0]
    try:
        with build_opener(_TokenStays).open(request, timeout=_TIMEOUT) as answer:
            data = bytes(answer.read(limit + 1))
    except HTTPError as error:
        raise FnError(f"answered {error.code} {error.reason}", where=shown, hint=_HINTS.get(error.code)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise FnError(f"could not be read: {getattr(error, 'reason', error)}", where=shown) from error
    if len(data) > limit:
        raise FnError(f"is larger than {limit} bytes", where=shown)
    return data
