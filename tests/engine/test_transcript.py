"""The text of all segments, and the marks that say where in the audio it was spoken.

Tokens are words; positions are small numbers.
"""

from collections.abc import Sequence

from fakes import PERIOD, WordTable
from streamscribe.commitment import AGREEING_LOOKS, Agreement
from streamscribe.transcript import Mark, Transcript


def begun(at: int = 0) -> Transcript:
    transcript = Transcript(WordTable())
    transcript.begin_segment(at)
    return transcript


def hear(transcript: Transcript, tokens: Sequence[int], looks: int = 1) -> None:
    for _ in range(looks):
        transcript.replace_hypothesis(tokens, [0.0] * len(tokens))


def test_a_hypothesis_replaces_the_one_before() -> None:
    transcript = begun()
    hear(transcript, (1, 2, 3))
    hear(transcript, (1, 5))
    assert transcript.hypothesis == (1, 5)


def test_settled_tokens_are_not_replaced() -> None:
    transcript = begun()
    hear(transcript, (1, 2, 3))
    transcript.settle(2)
    hear(transcript, (7, 8))
    assert transcript.tokens == [1, 2, 7, 8]


def test_what_stood_long_enough_is_stable() -> None:
    transcript = begun()
    hear(transcript, (1, 2, 3), looks=AGREEING_LOOKS)
    assert transcript.stable_index(Agreement(), 0) == 2


def test_stability_is_counted_anew_behind_what_is_settled() -> None:
    transcript = begun()
    hear(transcript, (1, 2, 3), looks=AGREEING_LOOKS)
    transcript.settle(2)
    hear(transcript, (3, 4))
    assert transcript.stable_index(Agreement(), 0) == 2


def test_a_segment_begins_with_everything_settled_and_a_mark() -> None:
    transcript = begun()
    hear(transcript, (1, 2))
    transcript.settle(2)
    transcript.begin_segment(900)
    assert (transcript.segment_index, transcript.fixed) == (2, 2)
    assert transcript.newest_mark == Mark(900, 2)


def test_a_pause_becomes_a_mark_once_its_words_and_the_next_are_stable() -> None:
    transcript = begun()
    hear(transcript, (1, 2))
    transcript.note_pause(500)
    hear(transcript, (1, 2, 3))
    transcript.promote_pauses(2)
    assert transcript.newest_mark == Mark(500, 2)


def test_a_pause_waits_until_its_words_are_stable() -> None:
    transcript = begun()
    hear(transcript, (1, 2))
    transcript.note_pause(500)
    hear(transcript, (1, 2, 3))
    transcript.promote_pauses(1)
    assert transcript.newest_mark == Mark(0, 0)
    transcript.promote_pauses(2)
    assert transcript.newest_mark == Mark(500, 2)


def test_a_pause_waits_until_a_word_follows() -> None:
    transcript = begun()
    hear(transcript, (1, 2))
    transcript.note_pause(500)
    transcript.promote_pauses(2)
    assert transcript.newest_mark == Mark(0, 0)


def test_a_pause_whose_words_were_revised_is_forgotten() -> None:
    transcript = begun()
    hear(transcript, (1, 2))
    transcript.note_pause(500)
    hear(transcript, (1, 9, 3))
    transcript.promote_pauses(2)
    hear(transcript, (1, 2, 3))
    transcript.promote_pauses(2)
    assert transcript.newest_mark == Mark(0, 0)


def test_punctuation_at_a_pause_may_go_or_come() -> None:
    transcript = begun()
    hear(transcript, (1, 2, PERIOD))
    transcript.note_pause(500)
    hear(transcript, (1, 2, 3))
    transcript.promote_pauses(2)
    assert transcript.newest_mark == Mark(500, 2)


def test_punctuation_after_a_pauses_words_belongs_before_it() -> None:
    transcript = begun()
    hear(transcript, (1, 2))
    transcript.note_pause(500)
    hear(transcript, (1, 2, PERIOD, 3))
    transcript.promote_pauses(3)
    assert transcript.newest_mark == Mark(500, 3)


def test_a_pause_before_any_word_makes_no_mark() -> None:
    transcript = begun()
    hear(transcript, ())
    transcript.note_pause(500)
    hear(transcript, (1, 2))
    transcript.promote_pauses(1)
    assert transcript.newest_mark == Mark(0, 0)


def test_a_pause_is_not_carried_into_the_next_segment() -> None:
    transcript = begun()
    hear(transcript, (1, 2))
    transcript.note_pause(500)
    transcript.settle(2)
    transcript.begin_segment(900)
    hear(transcript, (1, 2, 3))
    transcript.promote_pauses(4)
    assert transcript.newest_mark == Mark(900, 2)


def test_a_mark_made_here_settles_the_text() -> None:
    transcript = begun()
    hear(transcript, (1, 2, 3))
    transcript.mark_here(700)
    assert transcript.fixed == 3
    assert transcript.newest_mark == Mark(700, 3)


def test_a_mark_made_here_drops_the_sentences_end() -> None:
    transcript = begun()
    hear(transcript, (1, 2, PERIOD))
    transcript.mark_here(700)
    assert transcript.tokens == [1, 2]


def test_a_mark_made_here_keeps_punctuation_that_is_settled() -> None:
    transcript = begun()
    hear(transcript, (1, 2, PERIOD))
    transcript.settle(3)
    transcript.mark_here(700)
    assert transcript.tokens == [1, 2, PERIOD]
    assert transcript.newest_mark == Mark(700, 3)


def marked() -> Transcript:
    """Three marks, at 0, 500 and 900; the words 1 to 6."""
    transcript = begun()
    for at, tokens in ((500, (1, 2)), (900, (3, 4))):
        hear(transcript, tokens)
        transcript.mark_here(at)
    hear(transcript, (5, 6))
    return transcript


def test_a_window_begins_at_the_earliest_mark_that_it_can_reach() -> None:
    transcript = marked()
    assert transcript.window_mark(1_000, 1_000) == Mark(0, 0)
    assert transcript.window_mark(1_000, 999) == Mark(500, 2)
    assert transcript.window_mark(1_000, 500) == Mark(500, 2)
    assert transcript.window_mark(1_000, 100) == Mark(900, 4)


def test_a_window_that_reaches_no_mark_begins_at_the_newest() -> None:
    assert marked().window_mark(5_000, 100) == Mark(900, 4)


def test_marks_and_text_of_earlier_segments_are_forgotten() -> None:
    transcript = marked()
    transcript.settle(6)
    transcript.begin_segment(1_200)
    hear(transcript, (7,))
    transcript.forget_before(800)
    assert transcript.marks == [Mark(900, 0), Mark(1_200, 2)]
    assert transcript.tokens == [5, 6, 7]
    assert (transcript.segment_index, transcript.fixed) == (2, 2)


def test_the_text_of_the_open_segment_is_never_forgotten() -> None:
    transcript = marked()
    transcript.forget_before(800)
    assert transcript.tokens == [1, 2, 3, 4, 5, 6]
    assert transcript.marks == [Mark(900, 4)]


def test_the_newest_mark_is_never_forgotten() -> None:
    transcript = marked()
    transcript.forget_before(100_000)
    assert transcript.newest_mark == Mark(900, 4)


def test_a_token_keeps_its_probability_when_others_are_forgotten() -> None:
    transcript = begun()
    transcript.replace_hypothesis((1, 2), (-0.1, -0.2))
    transcript.settle(2)
    transcript.begin_segment(900)
    transcript.replace_hypothesis((3,), (-0.3,))
    transcript.forget_before(900)
    assert (transcript.tokens, transcript.log_probs) == ([3], [-0.3])
