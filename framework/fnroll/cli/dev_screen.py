"""What `fn dev` says, as lines to read or, with --output json, as JSON lines on stdout; threads may say at once."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fnroll.cli.dev_lines import Request, line_of, logged
from fnroll.errors import FnError

if TYPE_CHECKING:
    from fnroll.cli.app import App
    from fnroll.emulator import LogLine


class Screen:
    def __init__(self, app: App, *, as_json: bool) -> None:
        self._app = app
        self._as_json = as_json
        self._lock = threading.Lock()

    def serving(self, name: str, url: str | None) -> None:
        where = url or "has no URL: through Invoke alone, with a TenantId"
        self._tell({"event": "serving", "function": name, "url": url}, f"{name}\t{where}", result=True)

    def reloaded(self, name: str, milliseconds: float) -> None:
        record = {"event": "reloaded", "function": name, "ms": round(milliseconds)}
        self._tell(record, f"{name} reloaded in {milliseconds:.0f} ms", fg="green")

    def request(self, request: Request) -> None:
        text, style = line_of(request)
        self._tell({"event": "request", **asdict(request)}, text, **style)

    def refused(self, name: str, why: str) -> None:
        self._tell({"event": "refused", "function": name, "error": why}, f"{name} did not run: {why}", fg="red")

    def logged(self, line: LogLine) -> None:
        with self._lock:
            for text in logged(line):
                self._app.say(text)

    def broken(self, name: str) -> None:
        """Its log has said why."""
        why = "does not start as it is now; what worked before, if anything, goes on"
        self._tell({"event": "broken", "function": name, "error": why}, f"{name} {why}", fg="red")

    def note(self, text: str) -> None:
        with self._lock:
            self._app.say(text, dim=True)

    def failed(self, directory: str, error: FnError) -> None:
        """What is there goes on."""
        with self._lock:
            if self._as_json:
                self._line({"event": "error", "directory": directory, "error": str(error)})
            self._app.complain(str(error))

    def _tell(self, record: dict[str, Any], text: str, *, result: bool = False, **style: Any) -> None:
        with self._lock:
            if self._as_json:
                self._line(record)
            elif result:
                self._app.show(text)
                sys.stdout.flush()
            else:
                self._app.say(text, **style)

    def _line(self, record: dict[str, Any]) -> None:
        self._app.show(json.dumps(record, ensure_ascii=False))
        sys.stdout.flush()
