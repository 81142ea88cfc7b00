"""A policy driven by hand: a look is asked for, and answered with words by number."""

from fakes import WordTable
from streamscribe.commitment import AGREEING_LOOKS, SURE_LOG_PROB
from streamscribe.encoder_decoder import LEAD_LEN
from streamscribe.events import Event, Final, Partial, Rule
from streamscribe.guards import Doubt
from streamscribe.model import DecodeResult
from streamscribe.options import SessionOptions
from streamscribe.seq2seq_look import Look
from streamscribe.seq2seq_policy import Seq2SeqPolicy
from streamscribe.seq2seq_traits import Traits
from streamscribe.timeline import SAMPLE_RATE
from streamscribe.words import Span

SECOND = SAMPLE_RATE
SURE = -0.01
UNSURE = 2 * SURE_LOG_PROB
UNLIKELY = Doubt().mean_log_prob - 1


class Driven:
    """A policy with one segment after the other, each voiced throughout."""

    def __init__(
        self, *, max_tokens_per_s: float = 50.0, hears_alone: bool = False, **options: object
    ) -> None:
        made = SessionOptions(**{"hop_ms": 1_000, **options})  # type: ignore[arg-type]
        traits = Traits(max_tokens_per_s, lead_len=LEAD_LEN, hears_alone=hears_alone)
        self.policy = Seq2SeqPolicy(made, WordTable(), traits)
        self.segment = -1
        self.start_at = 0

    def open(self, at: int = 0) -> None:
        self.segment += 1
        self.start_at = at
        self.policy.open(self.segment, at, at)

    def look(self, at: int) -> Look:
        """The look of a hop that is due at ``at``."""
        look = self.policy.look_at_hop(at, talking=True)
        assert look is not None, f"no look is due at {at}"
        return look

    def pause(self, at: int) -> Look:
        """The look at a soft pause, where somebody spoke until just now."""
        look = self.policy.look_at_pause(at, at)
        assert look is not None
        return look

    def answer(
        self, look: Look, *tokens: int, log_prob: float = SURE, language: str | None = None
    ) -> list[Event]:
        result = DecodeResult(
            tokens, tuple(log_prob for _ in tokens), ended=True, language=language
        )
        return self.policy.done(look, result, [Span(self.start_at, look.end_at)])

    def close(self, at: int) -> Final:
        return self.policy.close(at, [Span(self.start_at, at)])

    def agree(self, *tokens: int) -> list[Event]:
        """As many looks with the same words as it takes to commit all of them but the last."""
        events: list[Event] = []
        known = 0
        for hop in range(AGREEING_LOOKS):
            look = self.look(self.start_at + (hop + 1) * SECOND)
            known = len(look.forced)
            events = self.answer(look, *tokens[known:])
        return events


def opened(*, max_tokens_per_s: float = 50.0, **options: object) -> Driven:
    driven = Driven(max_tokens_per_s=max_tokens_per_s, hears_alone=False, **options)
    driven.open()
    return driven


def text_of(events: list[Event]) -> str | None:
    partials = [event for event in events if isinstance(event, Partial)]
    return partials[-1].text if partials else None


def look_at_end(driven: Driven) -> Look:
    look = driven.policy.look_at_end(Rule.SILENCE, 9 * SECOND, 9 * SECOND)
    assert look is not None
    return look
