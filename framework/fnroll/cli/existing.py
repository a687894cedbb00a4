"""What a function that exists has and GetFunction does not tell, read for `fn init`.

What the caller may not read, or the other side does not know, is left out, and said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fnroll.cli.app import App

if TYPE_CHECKING:
    from fnroll.aws import FunctionState

ALIAS = "current"
_UNREADABLE = (403, 405, 501)


def settings_of(app: App, state: FunctionState, qualifier: str | None, *, url_apart: bool) -> dict[str, Any]:
    """The value of the key Fn. `qualifier`: as the user gave it; `url_apart`: a file of its own has the function URL.

    Raises AwsError for all but a refusal to read one thing, which is said."""
    from fnroll.aws.logs import log_group
    from fnroll.aws.settings import list_sources, read_setting
    from fnroll.aws.urls import find_url, policy_statements
    from fnroll.deploy.settings import OF_ALIAS, OF_FUNCTION
    from fnroll.deploy.written_settings import extras_of

    session, name = app.session(), state.name
    alias = _alias(app, name, qualifier)
    group = log_group(name, state)
    found = {
        key: _read(app, key, lambda key=key: read_setting(session, key, name, alias or "", group), {})  # type: ignore[misc]
        for key in (*OF_FUNCTION, *(OF_ALIAS if alias else ()))
    }
    url, sources, statements = None, (), ()
    if alias is not None:
        sources = _read(app, "EventSourceMappings", lambda: list_sources(session.control, name, alias), ())
        statements = _read(app, "Permissions", lambda: policy_statements(session.control, name, alias), ())
        if not url_apart:
            url = _read(app, "FunctionUrl", lambda: find_url(session.control, name, alias), None)
    extras, notes = extras_of(found, sources, url, statements)
    for note in notes:
        app.warn(note)
    return extras


def code_signing(app: App, state: FunctionState) -> str | None:
    """The ARN of the function's code signing configuration, which AWS tells by a call of its own."""
    from fnroll.aws.settings import read_setting

    if state.package_type == "Image":  # images are signed otherwise
        return None
    key = "CodeSigningConfigArn"
    found = _read(app, key, lambda: read_setting(app.session(), key, state.name, "", ""), {})
    return str(found[key]) if key in found else None


def _alias(app: App, name: str, qualifier: str | None) -> str | None:
    """The alias whose settings are meant; None for a version, and where there is none."""
    from fnroll.aws.aliases import get_alias
    from fnroll.errors import NotFound

    wanted = qualifier or ALIAS
    if not wanted.isdecimal() and wanted != "$LATEST":
        try:
            return get_alias(app.session().control, name, wanted).name
        except NotFound:
            pass
    app.warn(f"{wanted} is no alias of {name}: what Fn says of one (URL, permissions, event sources …) is not written")
    return None


def _read(app: App, key: str, read: Callable[[], Any], nothing: Any) -> Any:
    from fnroll.errors import AwsError

    try:
        return read()
    except AwsError as error:
        if error.status not in _UNREADABLE:
            raise
        app.warn(f"{key} could not be read and is left out: {error.message}")
        return nothing
