"""Structured logging: an event name and key-value fields, through the standard library.

    log = get_logger(__name__)
    log.info("run started", run_id=run_id, steps=12)

A library must not decide where logs go: these are ordinary `logging` records whose fields
are in `record.fields`; `configure` is for programs, such as the CLI.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any


class Logger:
    """A `logging.Logger` that takes fields."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **fields: Any) -> None:
        self._emit(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._emit(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._emit(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._emit(logging.ERROR, event, fields)

    def exception(self, event: str, *, redact: Callable[[str], str], **fields: Any) -> None:
        """As `error`, with the traceback of the exception being handled as the text in the
        field `exception`, for it may hold secrets: handlers get it through `redact`."""
        if self._logger.isEnabledFor(logging.ERROR):
            import traceback

            self._emit(
                logging.ERROR, event, {**fields, "exception": redact(traceback.format_exc())}
            )

    def _emit(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"fields": fields})


def get_logger(name: str) -> Logger:
    return Logger(name)


class KeyValueFormatter(logging.Formatter):
    """`12:00:00 info run started run_id=... steps=12`, and a traceback on lines of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        record.levelname = record.levelname.lower()
        fields = dict(getattr(record, "fields", {}))
        traceback = fields.pop("exception", None)
        line = " ".join([super().format(record), *(f"{k}={v!r}" for k, v in fields.items())])
        return line if traceback is None else f"{line}\n{traceback.rstrip()}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (seconds since the epoch), level, logger, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        import json

        entry = {
            "time": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(level: str = "warning", *, as_json: bool = False) -> None:
    """Send Stoker's log to stderr. For programs; a library leaves this to its user."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else KeyValueFormatter())
    logger = logging.getLogger("stoker")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
