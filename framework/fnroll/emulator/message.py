"""HTTP messages as values: a parsed request, and an answer's head as bytes. Pure; the connection is wire.py's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote


@dataclass(slots=True)
class Request:
    """One parsed request, not to be changed (frozen it would take four times as long to make). Header names are lower
    case; `body` is whole, `Transfer-Encoding` undone."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    _fields: Mapping[str, str] | None = field(default=None, init=False, repr=False, compare=False)

    def known(self, fields: Mapping[str, str]) -> Request:
        """Itself, for who has its `fields` already."""
        self._fields = fields
        return self

    @property
    def fields(self) -> Mapping[str, str]:
        """The first value of each header, by lower-case name."""
        if self._fields is None:
            self._fields = dict(reversed(self.headers))
        return self._fields

    @property
    def path(self) -> str:
        """The path as sent, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def segments(self) -> list[str]:
        """The path split at `/`, each segment percent-decoded (so an encoded slash stays inside its segment)."""
        return [unquote(part) for part in self.path.split("/")[1:]]

    @property
    def query_string(self) -> str:
        return self.target.partition("?")[2]

    @property
    def query(self) -> dict[str, str]:
        """The last value of each query parameter, decoded."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def header(self, name: str) -> str | None:
        """The first value of a header, by lower-case name."""
        return self.fields.get(name)


Headers = Sequence[tuple[str, str]]

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_ONE_LINE = str.maketrans("\r\n", "  ")


def one_line(text: str) -> str:
    """Line ends become spaces, so that no value can begin a header of its own."""
    return text.translate(_ONE_LINE) if "\n" in text or "\r" in text else text


def head(status: int, headers: Headers, length: int | None) -> bytes:
    """Status line and headers as bytes; Content-Length is added when `length` is given.

    Header values are sent as Latin-1, a value that does not fit as UTF-8; line ends in them become spaces, so that no
    value can begin a header of its own.
    """
    lines = [f"{name}: {value}" for name, value in headers]
    given = "".join(lines)
    if "\n" in given or "\r" in given:
        lines = [line.translate(_ONE_LINE) for line in lines]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    text = "\r\n".join((f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}", *lines, "", ""))
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def origin_form(target: str) -> str:
    """`http://host/path` as `/path`: a server has to take what is sent to proxies too (RFC 9112, 3.2.2)."""
    if target.startswith("/") or "://" not in target:
        return target
    return "/" + target.partition("://")[2].partition("/")[2]
