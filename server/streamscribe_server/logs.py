"""Log lines: for people, or as JSON for programs.

What happened to a stream is logged with ``stream_line``, which keeps the fields apart for JSON::

    … INFO streamscribe_server.engine: stream 2fea87da opened: model=moonshine-tiny-en
    {"time": "…", "level": "INFO", "logger": "streamscribe_server.engine",
     "message": "stream opened", "stream": "2fea87da", "model": "moonshine-tiny-en"}
"""

import json
import logging
import time
from typing import Literal

LogFormat = Literal["text", "json"]
Field = str | int | float | None


def set_up(level: str, log_format: LogFormat) -> None:
    """Write lines of ``level`` and above to standard error in ``log_format``."""
    handler = logging.StreamHandler()
    if log_format == "json":
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def stream_line(logger: logging.Logger, stream: str, said: str, **fields: Field) -> None:
    """Log at INFO what happened to a stream. Fields that are None are left out."""
    if not logger.isEnabledFor(logging.INFO):
        return
    known = {name: value for name, value in fields.items() if value is not None}
    text = " ".join(f"{name}={value}" for name, value in known.items())
    logger.info(
        "stream %s %s%s",
        stream,
        said,
        f": {text}" if text else "",
        extra={"said": f"stream {said}", "fields": {"stream": stream, **known}},
    )


class JsonLines(logging.Formatter):
    """One JSON object a line. Tracebacks are in ``exception``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for ``record``."""
        line: dict[str, object] = {
            "time": _utc(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": getattr(record, "said", None) or record.getMessage(),
        }
        for name, value in getattr(record, "fields", {}).items():
            line.setdefault(name, value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _utc(created_s: float) -> str:
    """RFC 3339 with milliseconds."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created_s))
    return f"{whole}.{int(created_s * 1_000) % 1_000:03d}Z"
