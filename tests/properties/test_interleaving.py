"""A session's events depend on its own audio, not on whose steps are run beside its own."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import make_recognizer, transcribe_scripted
from fakes_speech import OPTIONS, SHORT_PHRASES, Phrase, speak, wavering
from streamscribe.events import Event
from streamscribe.model import Step
from streamscribe.options import SessionOptions

BLOCK_LEN = 6_000


@settings(max_examples=25, deadline=None)
@given(
    streams=st.lists(st.tuples(SHORT_PHRASES, OPTIONS), min_size=2, max_size=4),
    order=st.integers(0, 10**6),
)
def test_any_interleaving_of_sessions_gives_the_same_events_per_session(
    streams: list[tuple[list[Phrase], SessionOptions]], order: int
) -> None:
    rng = random.Random(order)
    recognizer = make_recognizer(wavering(1))
    audios = [speak(phrases) for phrases, _ in streams]
    sessions = [recognizer.open(options) for _, options in streams]
    ended = [False] * len(sessions)
    waiting: dict[int, Step] = {}
    events: list[list[Event]] = [[] for _ in sessions]
    while not all(session.finished for session in sessions):
        index = rng.randrange(len(sessions))
        session, audio = sessions[index], audios[index]
        if session.heard_at < len(audio):
            session.receive_audio(audio[session.heard_at : session.heard_at + BLOCK_LEN])
        elif not ended[index]:
            session.receive_eof()
            ended[index] = True
        for waits, other in enumerate(sessions):
            if (step := other.step_wanted()) is not None:
                waiting[waits] = step
        batch = rng.sample(sorted(waiting), rng.randint(0, len(waiting)))
        results = recognizer.run([waiting.pop(waits) for waits in batch])
        for waits, result in zip(batch, results, strict=True):
            sessions[waits].step_done(result)
            events[waits] += sessions[waits].take_events()
        events[index] += session.take_events()
    for (_, options), audio, got in zip(streams, audios, events, strict=True):
        assert got == transcribe_scripted(audio, options, wavering(1))
