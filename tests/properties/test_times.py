"""Words' times are ordered, and lie inside the audio and inside their segment."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import WORD_LEN, finals, transcribe_scripted
from fakes_speech import OPTIONS, PHRASES, Phrase, count_words, speak, wavering
from streamscribe.events import Final, Partial, SpeechStarted
from streamscribe.options import SessionOptions
from streamscribe.timeline import ms_to_len


@settings(max_examples=15, deadline=None)
@given(phrases=PHRASES, options=OPTIONS, seed=st.integers(0, 10**6))
def test_words_are_in_order_and_inside_what_was_heard_of_their_segment(
    phrases: list[Phrase], options: SessionOptions, seed: int
) -> None:
    audio = speak(phrases)
    start_at = 0
    for event in transcribe_scripted(audio, options, wavering(seed)):
        if isinstance(event, SpeechStarted):
            start_at = event.at
        if not isinstance(event, Partial | Final):
            continue
        until_at = event.at if isinstance(event, Partial) else event.end_at
        edges = [at for word in event.words for at in (word.start_at, word.end_at)]
        assert edges == sorted(edges)
        assert all(start_at <= at <= until_at <= len(audio) for at in edges)


@settings(max_examples=15, deadline=None)
@given(phrases=PHRASES, options=OPTIONS, seed=st.integers(0, 10**6))
def test_the_text_is_its_words(phrases: list[Phrase], options: SessionOptions, seed: int) -> None:
    for event in transcribe_scripted(speak(phrases), options, wavering(seed)):
        if isinstance(event, Partial | Final):
            assert event.text == " ".join(word.text for word in event.words)
            assert all(0 <= word.confidence <= 1 for word in event.words)


@settings(max_examples=15, deadline=None)
@given(phrases=PHRASES)
def test_a_word_is_found_near_where_it_was_spoken(phrases: list[Phrase]) -> None:
    """A hop is the accuracy to expect, or the silence after it where one began."""
    options = SessionOptions(hop_ms=500, soft_pause_ms=300)
    slack_len = ms_to_len(500 + 300) + 2 * WORD_LEN
    true_at = spoken_at(phrases)
    for final in finals(transcribe_scripted(speak(phrases), options)):
        for word in final.words:
            middle_at = true_at[word.text.strip(".")] + WORD_LEN // 2
            assert word.start_at - slack_len <= middle_at <= word.end_at + slack_len


def spoken_at(phrases: list[Phrase]) -> dict[str, int]:
    """Where each word really begins."""
    at = ms_to_len(400)
    starts: dict[str, int] = {}
    for words, pause_ms in phrases:
        for _ in range(words):
            starts[f"w{len(starts) + 1}"] = at
            at += WORD_LEN + ms_to_len(90)
        at += ms_to_len(pause_ms)
    assert len(starts) == count_words(phrases)
    return starts
