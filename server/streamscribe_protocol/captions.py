"""Finals as SRT, WebVTT, plain text or JSON lines. Pure functions: finals in, a file's text out."""

from collections.abc import Iterable

from streamscribe_protocol.cues import cues_of
from streamscribe_protocol.messages import Final, encode


def to_srt(finals: Iterable[Final]) -> str:
    """A SubRip file."""
    blocks = [
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        + "\n".join(cue.lines)
        + "\n"
        for number, cue in enumerate(cues_of(finals), start=1)
    ]
    return "\n".join(blocks)


def to_vtt(finals: Iterable[Final]) -> str:
    """A WebVTT file."""
    blocks = [
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n"
        + "\n".join(_escaped(line) for line in cue.lines)
        + "\n"
        for cue in cues_of(finals)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def to_text(finals: Iterable[Final]) -> str:
    """The text of every final that has one, a line each."""
    texts = (" ".join(final.text.split()) for final in finals)
    return "".join(f"{text}\n" for text in texts if text)


def to_json_lines(finals: Iterable[Final]) -> str:
    """Every final as it stands on the wire, a line each."""
    return "".join(f"{encode(final)}\n" for final in finals)


def _clock(at_ms: int, mark: str) -> str:
    """``HH:MM:SS,mmm`` with ``mark`` before the milliseconds; hours grow past 99."""
    seconds, milliseconds = divmod(at_ms, 1_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{milliseconds:03}"


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
