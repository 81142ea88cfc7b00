"""Short scenes of scripted speech, and their events as lines of JSON.

What the engine makes of them lies in ``events/<scene>.jsonl``, and is reviewed as a diff. After a
change that is meant to change events::

    PYTHONPATH=tests python -m golden.scenes
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from fakes import feed, join, make_recognizer, silence, talk, transcribe_scripted, word
from streamscribe.events import Event
from streamscribe.options import Commit, SessionOptions
from streamscribe.recognizer import drive

EVENTS: Final = Path(__file__).parent / "events"


def soft_pause() -> list[Event]:
    """Two phrases, and a pause between them that closes nothing."""
    return transcribe_scripted(join(silence(0.5), talk(1, 6), silence(0.5), talk(7, 12)))


def hard_endpoint() -> list[Event]:
    """Two phrases with silence between them; the second ends in silence too."""
    options = SessionOptions(endpoint_silence_ms=800)
    audio = join(silence(1.5), talk(1, 6), silence(1.2), talk(7, 9), silence(1.2))
    return transcribe_scripted(audio, options)


def longest_segment() -> list[Event]:
    """Speech without a pause, cut at the longest length."""
    return transcribe_scripted(talk(1, 24), SessionOptions(max_segment_ms=4_000))


def full_window() -> list[Event]:
    """Speech without a pause that outgrows the window."""
    return transcribe_scripted(talk(1, 24), SessionOptions(window_ms=4_000))


def commit_final() -> list[Event]:
    """Nothing is promised before the final."""
    audio = join(talk(1, 6), silence(0.5), talk(7, 12))
    return transcribe_scripted(audio, SessionOptions(commit=Commit.FINAL))


def flush() -> list[Event]:
    """A flush between two words, one in silence, and the end of the audio."""
    recognizer = make_recognizer()
    session = recognizer.open()
    events = feed(session, recognizer, join(silence(0.3), talk(1, 5)))
    session.flush("between words")
    events += feed(session, recognizer, join(talk(6, 9), silence(1.5)))
    session.flush("in silence")
    events += feed(session, recognizer, word(10))
    session.receive_eof()
    return events + list(drive(session, recognizer))


SCENES: Final[dict[str, Callable[[], list[Event]]]] = {
    scene.__name__: scene
    for scene in (soft_pause, hard_endpoint, longest_segment, full_window, commit_final, flush)
}


def as_lines(events: list[Event]) -> str:
    """One line of JSON per event; words as text, start, end and confidence."""
    return "".join(_line(event) + "\n" for event in events)


def _line(event: Event) -> str:
    fields = asdict(event)
    for words in [fields["words"]] if "words" in fields else []:
        fields["words"] = [
            [word["text"], word["start_at"], word["end_at"], round(word["confidence"], 3)]
            for word in words
        ]
    return json.dumps({"event": type(event).__name__, **fields})


def regenerate() -> None:
    """Write what the engine makes of every scene now."""
    EVENTS.mkdir(exist_ok=True)
    for name, scene in SCENES.items():
        (EVENTS / f"{name}.jsonl").write_text(as_lines(scene()), encoding="utf-8")


if __name__ == "__main__":
    regenerate()
