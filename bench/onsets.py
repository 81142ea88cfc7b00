"""Where speech begins and ends as the engine hears it: its own detector and segmenter, no model."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamscribe.events import Rule
from streamscribe.model import Samples
from streamscribe.options import SessionOptions
from streamscribe.segmenter import Closed, Opened, Segmenter
from streamscribe.timeline import at_to_s
from streamscribe.vad import VadFactory


@dataclass(frozen=True, slots=True)
class Utterance:
    """The speech of one segment, in seconds."""

    onset_s: float
    """First voiced sample."""
    after_pause: bool
    """False: the segment before was cut in the middle of speech, so this is no true onset."""
    silence_s: float | None
    """Silence at the end that the rule waited for; None unless silence closed the segment."""


def utterances(samples: Samples, options: SessionOptions, vad: VadFactory) -> list[Utterance]:
    """One per segment that a session with these options opens, in order."""
    detector, segmenter = vad(), Segmenter(options)
    found: list[Utterance] = []
    onset_at, cut = 0, False
    frame_len = detector.frame_len
    for start_at in range(0, len(samples) - frame_len + 1, frame_len):
        end_at = start_at + frame_len
        probability = detector.speech_probability(samples[start_at:end_at])
        match segmenter.receive(probability, start_at, frame_len):
            case Opened(onset_at=opened_at):
                onset_at = opened_at
            case Closed(rule=rule):
                silent = rule is Rule.SILENCE
                silence_s = at_to_s(end_at - segmenter.voiced_until_at) if silent else None
                found.append(Utterance(at_to_s(onset_at), not cut, silence_s))
                segmenter.close(end_at, end_at)
                cut = not silent
    if segmenter.is_open:
        found.append(Utterance(at_to_s(onset_at), not cut, None))
    return found


def marked_onset_s(
    marks: Sequence[tuple[float, float]], heard_s: float, *, within_s: float, pause_s: float
) -> float | None:
    """The hand-marked beginning of speech that ``heard_s`` belongs to.

    It lies within ``within_s`` of it and follows at least ``pause_s`` without marked speech; None
    if there is none.
    """
    quiet_since_s = 0.0
    candidates = []
    for start_s, end_s in sorted(marks):
        if start_s - quiet_since_s >= pause_s and abs(start_s - heard_s) <= within_s:
            candidates.append(start_s)
        quiet_since_s = max(quiet_since_s, end_s)
    return min(candidates, key=lambda start_s: abs(start_s - heard_s), default=None)
