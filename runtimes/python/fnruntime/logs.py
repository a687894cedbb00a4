"""The function's log: what `logging` and the client's own reports look like in it, as text and as JSON.

Where lines of one report must stay one event, they end in carriage returns and are indented by no-break spaces.
"""

import json
import logging
import os
import sys
import time
import traceback

current = {"request_id": "", "tenant_id": None}
"""Of the invocation under way."""

_TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
_SECONDS = "%Y-%m-%dT%H:%M:%S"
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "tenant_id"}


def set_up():
    """Give the root logger a handler, as functions expect it. Its level stays WARNING unless Lambda is told another."""
    logging.Formatter.converter = time.gmtime
    handler = _Handler()
    handler.setFormatter(_Json() if as_json() else logging.Formatter(_TEXT, _SECONDS))
    logger = logging.getLogger()
    logger.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = "DEBUG" if level == "TRACE" else "CRITICAL" if level == "FATAL" else level
    if level in ("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"):
        logger.setLevel(level)


def as_json():
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def error(result):
    """Report a failure: `result` is the error object that is posted."""
    if as_json():
        stamp = time.strftime(_SECONDS + "Z", time.gmtime())
        _write(_dumps({"timestamp": stamp, "level": "ERROR", **result}) + "\n")
        return
    kind, message = result["errorType"], result["errorMessage"]
    lines = [f"[ERROR] {kind}: {message}" if kind and message else f"[ERROR] {kind or message}"]
    lines.append("Traceback (most recent call last):")
    for entry in result["stackTrace"]:
        lines += [_indented(line) for line in entry.splitlines()] or [""]
    _write("\r".join(lines) + "\n")


def _indented(line):
    text = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(text)) + text


def _write(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def _dumps(value):
    return json.dumps(value, ensure_ascii=False, default=str)


class _Handler(logging.Handler):
    def emit(self, record):
        try:
            record.aws_request_id = current["request_id"]
            record.tenant_id = current["tenant_id"]
            _write(self.format(record))
        except Exception:
            self.handleError(record)


class _Json(logging.Formatter):
    """One object a line. What `extra` gave is a member of its own."""

    def format(self, record):
        kind, value, trace = record.exc_info or (None, None, None)
        plain = isinstance(record.msg, dict) and not record.args
        found = {
            "timestamp": self.formatTime(record, _SECONDS + "Z"),
            "level": record.levelname,
            "message": record.msg if plain else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(trace) if trace else None,
            "errorType": kind.__name__ if kind else None,
            "errorMessage": str(value) if kind else None,
            "requestId": record.aws_request_id,
            "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if kind else None,
            "tenantId": record.tenant_id,
        }
        extra = {name: item for name, item in vars(record).items() if name not in _OWN and name not in found}
        return _dumps({name: item for name, item in {**found, **extra}.items() if item is not None}) + "\n"
