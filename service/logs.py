"""How log lines look: for people, or as JSON, one object a line, for programs that collect them."""

import json
import logging
from datetime import UTC, datetime

from service.printable import printable

FIELDS = "fields"
"""Name of a record's attribute that holds what a line of JSON has beside its message."""

OURS = ("service", "uvicorn")
"""Loggers that follow FACE_LOG_LEVEL. The root stays at warnings: at lower levels, Pillow logs what is in a photo."""


class TextFormatter(logging.Formatter):
    """One line a record, whatever text of a caller is in its message, and a traceback below."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = printable(record.message)
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time (RFC 3339, UTC), level, logger, message, its fields, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


FORMATTERS = {
    "text": TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"),
    "json": JsonFormatter(),
}


def configure(level: str, style: str) -> None:
    """Everything to standard error, in one of FORMATTERS."""
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATTERS[style])
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
