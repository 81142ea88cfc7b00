"""Whatever breaks when, the server hears the audio once, and what was said in between, in place."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes_resuming_server import FRAME_BYTES, ResumingServer
from streamscribe_client import outgoing
from streamscribe_client.breaks import Broken
from streamscribe_client.dialogue import Dialogue, Phase
from streamscribe_client.stream_options import Perseverance, start_message

Step = tuple[str, Any]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.just("audio"), st.integers(1, 30))
    | st.tuples(st.just("hear"), st.integers(1, 6))
    | st.tuples(st.just("acknowledge"), st.integers(0, 100))
    | st.tuples(st.just("lose"), st.integers(0, 3))
    | st.tuples(st.just("resume"), st.sampled_from(["continued", "fresh"]))
    | st.tuples(st.sampled_from(["flush", "hotwords", "answer"]), st.none()),
    max_size=40,
)
BOUND_LEN = 20


class Caller:
    """Says numbered bytes, and remembers the places of all else."""

    def __init__(self, perseverance: Perseverance) -> None:
        self.dialogue = Dialogue(start_message({}), perseverance)
        self.server = ResumingServer(self.dialogue)
        self.server.open()
        self.audio = bytearray()
        self.flushes: dict[str, int] = {}
        self.answered: set[str] = set()
        self.hotwords: list[tuple[int, tuple[str, ...]]] = [(0, ())]

    def take(self, step: Step) -> None:
        match step:
            case "audio", length:
                piece = bytes((len(self.audio) + at) % 251 for at in range(length))
                self.audio += piece
                self.dialogue.audio(memoryview(piece))
            case "flush", _:
                self.flushes[self.dialogue.flush()] = len(self.audio)
            case "hotwords", _ if len(self.audio) % FRAME_BYTES:
                pass  # inside a sample: whether that is heard with them is nobody's business
            case "hotwords", _:
                phrases = (f"after {len(self.audio)}",)
                self.dialogue.hotwords(phrases)
                self.hotwords.append((len(self.audio), phrases))
            case "resume", resumed if self.dialogue.phase is Phase.BROKEN:
                self.server.resume(resumed)
            case _ if self.dialogue.phase is not Phase.BROKEN:
                self._be_heard(step)

    def _be_heard(self, step: Step) -> None:
        match step:
            case "hear", frames:
                self.server.hear(frames)
            case "acknowledge", at:
                self.server.acknowledge(at)
            case "answer", _:
                self.answered |= self.server.flushed_at.keys()
                self.server.answer_flushes()
            case "lose", frames:
                for _ in range(frames):
                    self.dialogue.next_frame()
                assert isinstance(self.dialogue.closed(1006, ""), Broken)

    def finish(self) -> None:
        self.dialogue.finish()
        self.take(("resume", "continued"))
        self.server.hear(10_000)
        self.server.end()

    def hotwords_at(self, byte: int) -> tuple[str, ...]:
        return [phrases for at, phrases in self.hotwords if at <= byte][-1]


@pytest.fixture(autouse=True, scope="module")
def _short_frames() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outgoing, "FRAME_BYTES", 7)
        yield


@given(steps=STEPS)
def test_the_server_hears_everything_once_wherever_connections_break(steps: list[Step]) -> None:
    caller = Caller(Perseverance(buffer_s=60))
    for step in steps:
        caller.take(step)
    caller.finish()
    server = caller.server
    assert server.audio == caller.audio
    assert server.finished_at == len(caller.audio)
    assert server.hotwords_at == [caller.hotwords_at(byte) for byte in range(len(caller.audio))]
    assert caller.dialogue.phase is Phase.OVER


@given(steps=STEPS)
def test_a_flush_that_was_not_answered_is_said_again_in_its_place(steps: list[Step]) -> None:
    caller = Caller(Perseverance(buffer_s=60))
    for step in steps:
        caller.take(step)
    caller.finish()
    for flush_id in caller.flushes.keys() - caller.answered:
        place = max(caller.flushes[flush_id], caller.server.fresh_at)
        assert caller.server.flushed_at[flush_id] == place


@given(steps=STEPS)
def test_a_live_source_loses_the_oldest_audio_and_nothing_else(steps: list[Step]) -> None:
    caller = Caller(Perseverance(buffer_s=BOUND_LEN / 16_000))
    lost: set[int] = set()
    for step in steps:
        said = len(caller.server.resumes)
        caller.take(step)
        for resume in caller.server.resumes[said:]:
            lost |= set(range(resume.acked_at * FRAME_BYTES, resume.from_at * FRAME_BYTES))
            kept_len = len(caller.audio) // FRAME_BYTES - resume.from_at
            # Half a sample may count as one, and what waited to be sent is dropped last.
            assert kept_len >= BOUND_LEN - 1 or resume.from_at == resume.acked_at
    caller.finish()
    lost |= {
        byte
        for resume in caller.server.resumes
        for byte in range(resume.acked_at * FRAME_BYTES, resume.from_at * FRAME_BYTES)
    }
    assert len(caller.server.audio) == len(caller.audio)
    for byte in set(range(len(caller.audio))) - lost:
        assert caller.server.audio[byte] == caller.audio[byte]


@given(steps=STEPS)
def test_where_nothing_may_be_lost_nothing_is(steps: list[Step]) -> None:
    caller = Caller(Perseverance(buffer_s=BOUND_LEN / 16_000, overflow="wait"))
    for step in steps:
        caller.take(step)
    caller.finish()
    assert caller.server.audio == caller.audio
    assert all(resume.from_at == resume.acked_at for resume in caller.server.resumes)
