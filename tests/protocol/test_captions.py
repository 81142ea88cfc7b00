import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamscribe_protocol.captions import to_json_lines, to_srt, to_text, to_vtt
from streamscribe_protocol.cues import LINE_CHARACTERS, MAX_CUE_MS, MIN_CUE_MS, cues_of
from streamscribe_protocol.messages import Final, Word


def spoken(text: str, start_ms: int = 0, word_ms: int = 300) -> Final:
    """A final whose words follow one another without pauses."""
    words = tuple(
        Word(word, start_ms + index * word_ms, start_ms + (index + 1) * word_ms, 0.9, "measured")
        for index, word in enumerate(text.split())
    )
    return Final(1, 0, text, words, start_ms, start_ms + len(words) * word_ms, 0)


def lines_of(text: str, word_ms: int = 300) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues_of([spoken(text, word_ms=word_ms)])]


def test_srt_numbers_its_cues_and_writes_milliseconds_after_a_comma() -> None:
    assert to_srt([spoken("Hello there.", 3_723_004, 600), spoken("Bye.", 3_726_000, 1_500)]) == (
        "1\n01:02:03,004 --> 01:02:04,204\nHello there.\n\n2\n01:02:06,000 --> 01:02:07,500\nBye.\n"
    )


def test_vtt_has_a_head_and_escapes_what_is_markup() -> None:
    assert to_vtt([spoken("R&D <is> fun", 0, 500)]) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nR&amp;D &lt;is&gt; fun\n"
    )


def test_no_finals_make_an_empty_srt_and_a_valid_vtt() -> None:
    assert (to_srt([]), to_vtt([])) == ("", "WEBVTT\n")


def test_text_has_a_line_for_every_final_that_says_something() -> None:
    assert to_text([spoken("One."), spoken(""), spoken("Two.")]) == "One.\nTwo.\n"


def test_json_lines_hold_every_final_as_on_the_wire() -> None:
    first, second = to_json_lines([spoken("One."), spoken("")]).splitlines()
    assert (json.loads(first)["type"], json.loads(first)["text"]) == ("final", "One.")
    assert json.loads(second)["text"] == ""


def test_a_short_sentence_stays_on_one_line() -> None:
    assert lines_of("The quick brown fox jumps over it.") == [
        ("The quick brown fox jumps over it.",)
    ]


def test_a_line_breaks_after_punctuation_rather_than_in_the_middle() -> None:
    assert lines_of("Ask not what your country can do, ask what you can do for it.") == [
        ("Ask not what your country can do,", "ask what you can do for it.")
    ]


def test_a_cue_ends_with_the_sentence_rather_than_full() -> None:
    text = "We set sail on this new sea. There is new knowledge to be gained, and rights to be won."
    assert [" ".join(lines) for lines in lines_of(text)] == [
        "We set sail on this new sea.",
        "There is new knowledge to be gained, and rights to be won.",
    ]


def test_a_line_does_not_end_with_an_article() -> None:
    lines = lines_of("Nobody expected anything of the remarkable expedition yesterday")
    assert lines == [("Nobody expected anything", "of the remarkable expedition yesterday")]


def test_a_cue_ends_at_a_long_pause() -> None:
    early = Word("wait", 0, 300, 0.9, "measured")
    late = Word("what?", 2_000, 2_300, 0.9, "measured")
    cues = cues_of([Final(1, 0, "wait what?", (early, late), 0, 2_300, 0)])
    assert [(cue.start_ms, cue.lines) for cue in cues] == [(0, ("wait",)), (2_000, ("what?",))]


def test_a_short_word_is_shown_for_a_second_if_nothing_follows() -> None:
    (cue,) = cues_of([spoken("Yes.", 500, 200)])
    assert (cue.start_ms, cue.end_ms) == (500, 500 + MIN_CUE_MS)


def test_a_short_word_gives_way_to_the_next_cue() -> None:
    first, second = cues_of([spoken("Yes.", 0, 200), spoken("No.", 400, 2_000)])
    assert (first.end_ms, second.start_ms) == (400, 400)


def test_slow_speech_is_cut_so_that_no_cue_lasts_longer_than_seven_seconds() -> None:
    cues = cues_of([spoken("one two three four five six", word_ms=2_000)])
    assert max(cue.end_ms - cue.start_ms for cue in cues) <= MAX_CUE_MS
    assert len(cues) == 2


def test_a_final_without_words_spreads_its_text_over_its_time() -> None:
    text = "word " * 40
    cues = cues_of([Final(1, 0, text, (), 1_000, 21_000, 0)])
    assert cues[0].start_ms == 1_000
    assert cues[-1].end_ms == 21_000


def test_a_word_longer_than_a_line_stands_alone_on_its_line() -> None:
    long = "x" * 50
    assert long in [line for lines in lines_of(f"so this {long} is it") for line in lines]


WORDS = st.builds(
    Word,
    text=st.text(st.characters(), max_size=12) | st.just("y" * 60) | st.sampled_from(["a,", "b."]),
    start_ms=st.integers(-1_000, 60_000),
    end_ms=st.integers(-1_000, 60_000),
    confidence=st.just(0.5),
    timing=st.just("measured"),
)
ANY_FINALS = st.lists(
    st.builds(
        Final,
        seq=st.just(1),
        segment=st.just(0),
        text=st.text(max_size=30),
        words=st.lists(WORDS, max_size=30).map(tuple),
        start_ms=st.integers(0, 60_000),
        end_ms=st.integers(0, 60_000),
        ack_at=st.just(0),
    ),
    max_size=4,
)


@given(finals=ANY_FINALS)
def test_no_word_is_lost_or_reordered_whatever_its_times(finals: list[Final]) -> None:
    said: list[str] = []
    for final in finals:
        from_words = " ".join(word.text for word in final.words).split()
        said += from_words or final.text.split()
    assert " ".join(line for cue in cues_of(finals) for line in cue.lines).split() == said


@given(finals=ANY_FINALS)
def test_a_cue_has_at_most_two_lines_of_42_characters_or_one_long_word(finals: list[Final]) -> None:
    for cue in cues_of(finals):
        assert len(cue.lines) in (1, 2)
        assert all(len(line) <= LINE_CHARACTERS or " " not in line for line in cue.lines)


@given(finals=ANY_FINALS)
def test_cues_are_ordered_last_a_while_and_never_overlap(finals: list[Final]) -> None:
    cues = cues_of(finals)
    assert all(0 <= cue.start_ms < cue.end_ms <= cue.start_ms + MAX_CUE_MS for cue in cues)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(cues))


@given(finals=ANY_FINALS)
def test_no_text_can_break_out_of_its_cue_in_a_vtt_file(finals: list[Final]) -> None:
    blocks = to_vtt(finals).split("\n\n")
    cues = cues_of(finals)
    assert len(blocks) == 1 + len(cues)
    assert all(block.count("-->") == 1 for block in blocks[1:])
