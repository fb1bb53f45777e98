"""Structured logs: one JSON object per line, or one readable line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

FIELDS = ("namespace", "task", "experiment", "phase", "queue", "object")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if getattr(record, name, "")}
        line["logger"] = record.name
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        where = "/".join(
            str(getattr(record, name)) for name in ("task", "experiment", "object") if hasattr(record, name)
        )
        text = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname:<7} {where} {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(style: str) -> None:
    """Send everything to standard error; `style` is json or text."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # kopf tells of every event of every object; our own lines say what was done about it.
    for noisy in ("kopf.objects", "kopf.activities", "kopf._core.engines"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
