import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from streamscribe_server.logs import JsonLines, stream_line


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger, and what it writes as JSON lines."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    logger = logging.Logger("streamscribe_server.engine", logging.INFO)
    logger.addHandler(handler)
    yield logger, out


def only(out: io.StringIO) -> dict[str, Any]:
    (line,) = out.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_line_of_a_stream_keeps_its_fields_apart(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, out = written
    stream_line(logger, "s7", "closed", key="ada", audio_s=1.5, reason="done")
    line = only(out)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "INFO",
        "logger": "streamscribe_server.engine",
        "message": "stream closed",
        "stream": "s7",
        "key": "ada",
        "audio_s": 1.5,
        "reason": "done",
    }


def test_for_people_the_same_line_reads_as_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stream_line(logging.getLogger("engine"), "s7", "closed", key=None, audio_s=1.5, reason="done")
    assert caplog.messages == ["stream s7 closed: audio_s=1.5 reason=done"]


def test_any_other_line_is_one_object_too(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = written
    logger.warning("%d streams\nare cut", 3)
    assert only(out)["message"] == "3 streams\nare cut"


def test_a_traceback_stays_on_the_line(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = written
    try:
        raise RuntimeError("scripted")
    except RuntimeError:
        logger.exception("stream s7 failed")
    line = only(out)
    assert (line["level"], line["message"]) == ("ERROR", "stream s7 failed")
    assert line["exception"].endswith("RuntimeError: scripted")


def test_a_field_can_not_pose_as_the_level(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = written
    stream_line(logger, "s7", "opened", level="CRITICAL")
    assert only(out)["level"] == "INFO"


def test_below_info_nothing_is_written(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = written
    logger.setLevel(logging.WARNING)
    stream_line(logger, "s7", "opened")
    assert out.getvalue() == ""
