"""Format of log lines: text, or JSON with one object per line for log collectors."""

import json
import logging
from datetime import UTC, datetime

from service.text import printable

FIELDS = "fields"
"""Name of the log record's attribute that holds additional fields of its JSON line."""

LOGGERS = ("service", "uvicorn")
"""Loggers with the level of FACE_LOG_LEVEL. The root logger's is WARNING: below it, Pillow logs metadata of photos."""


class TextFormatter(logging.Formatter):
    """One line per record, since control characters in the message are escaped, and a traceback below."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = printable(record.message)
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time (RFC 3339, UTC), level, logger, message, FIELDS, and a traceback."""

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
    """Log to standard error, with the format of FORMATTERS that `style` names."""
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATTERS[style])
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(level.upper())
