"""Hotwords: spelled in any vocabulary, written where they cost little, and nowhere else."""

from collections.abc import Sequence

import numpy as np
import pytest

from streamscribe.ctc import GreedyDecoder
from streamscribe.errors import OptionError
from streamscribe.hotwords import Hotwords
from streamscribe.model import LogProbs
from streamscribe.tokens import ByteTokenTable, decode

LETTERS = [b"<b>", b" ", *(bytes([letter]) for letter in b"abcdefghijklmnopqrstuvwxyz")]
TABLE = ByteTokenTable(LETTERS)
WORD_PIECES = [b"<b>", *(piece.encode() for piece in (" k", " kate", "a", "te", " is", " a", "t"))]


def hotwords(*phrases: str, boost: float = 1.0) -> Hotwords:
    return Hotwords(phrases, TABLE, len(LETTERS), boost=boost)


def heard(*frames: str | dict[str, float], pieces: Sequence[bytes] = LETTERS) -> LogProbs:
    """Frames that surely say a piece (``_``: blank), or pieces with these probabilities."""
    found = np.full((len(frames), len(pieces)), 1e-5)
    for row, frame in zip(found, frames, strict=True):
        for piece, probability in (frame if isinstance(frame, dict) else {frame: 0.999}).items():
            row[0 if piece == "_" else pieces.index(piece.encode())] = probability
    log_probs: LogProbs = np.log(found).astype(np.float32)
    return log_probs


def greedy(log_probs: LogProbs, words: Hotwords | None, table: ByteTokenTable = TABLE) -> str:
    decoder = GreedyDecoder(0, hotwords=words)
    decoder.receive(log_probs)
    return decode([spike.token for spike in decoder.finish()], table)


K_OR_C = {"k": 0.6, "c": 0.39}


def test_a_phrase_replaces_what_sounds_a_little_better() -> None:
    log_probs = heard("a", " ", K_OR_C, "_", "a", "t", " ", "i", "s")
    assert greedy(log_probs, None) == "a kat is"
    assert greedy(log_probs, hotwords("cat")) == "a cat is"


def test_a_phrase_may_cost_its_boost_for_each_character_and_no_more() -> None:
    log_probs = heard(" ", {"k": 0.9, "c": 0.9 * np.exp(-3.1)}, "a", "t", " ")
    assert greedy(log_probs, hotwords("cat", boost=1.0)).strip() == "kat"
    assert greedy(log_probs, hotwords("cat", boost=1.05)).strip() == "cat"


def test_only_whole_words_are_replaced() -> None:
    assert greedy(heard("s", K_OR_C, "a", "t", " "), hotwords("cat")) == "skat "
    assert greedy(heard(K_OR_C, "a", "t", "s"), hotwords("cat")) == "kats"


def test_words_at_the_start_and_the_end_of_a_segment_count() -> None:
    assert greedy(heard("_", K_OR_C, "a", "t", "_"), hotwords("cat")) == "cat"


def test_a_missing_space_is_written_if_that_costs_little() -> None:
    log_probs = heard("a", {"_": 0.6, " ": 0.39}, "c", "a", "t", {"_": 0.6, " ": 0.39}, "i", "s")
    assert greedy(log_probs, None) == "acatis"
    assert greedy(log_probs, hotwords("cat")) == "a cat is"


def test_phrases_of_several_words_cross_spaces() -> None:
    log_probs = heard("n", "e", "w", " ", "y", {"a": 0.7, "o": 0.29}, "r", "k", " ", "i", "s")
    assert greedy(log_probs, hotwords("New York")) == "new york is"


def test_of_overlapping_phrases_those_that_gain_most_are_written() -> None:
    log_probs = heard(
        {"b": 0.6, "c": 0.39}, "a", "t", " ", {"e": 0.6, "a": 0.39}, "t", " ", {"u": 0.6, "a": 0.05}
    )
    assert greedy(log_probs, hotwords("cat", "at a", "cat at")) == "cat at u"
    assert greedy(log_probs, hotwords("cat", "at a")) == "cat at a"


def test_times_are_those_of_the_frames_that_say_the_phrase() -> None:
    log_probs = heard("a", " ", K_OR_C, K_OR_C, "_", "a", "t", " ")
    decoder = GreedyDecoder(0, hotwords=hotwords("cat"))
    decoder.receive(log_probs)
    spikes = decoder.finish()
    assert [(spike.start, spike.end) for spike in spikes] == [
        (0, 1), (1, 2), (2, 4), (5, 6), (6, 7), (7, 8),
    ]  # fmt: skip
    assert spikes[2].log_prob == pytest.approx(np.log(0.39), abs=1e-5)


def test_double_letters_need_a_blank_between() -> None:
    log_probs = heard("b", "e", {"_": 0.5, "l": 0.49}, {"l": 0.5, "_": 0.49}, {"l": 0.99})
    assert greedy(log_probs, None) == "bel"
    assert greedy(log_probs, hotwords("bell")) == "bell"


def test_pieces_that_hold_their_space_need_none_before() -> None:
    table = ByteTokenTable(WORD_PIECES)
    log_probs = heard(" a", {" is": 0.6, " kate": 0.39}, "_", " is", pieces=WORD_PIECES)
    words = Hotwords(["kate"], table, len(WORD_PIECES), boost=1.0)
    assert greedy(log_probs, None, table) == " a is is"
    assert greedy(log_probs, words, table) == " a kate is"


def test_a_word_of_one_piece_can_not_be_followed_by_itself_without_a_blank() -> None:
    table = ByteTokenTable(WORD_PIECES)
    words = Hotwords(("kate",), table, len(WORD_PIECES), boost=1.0)
    first, second = {" is": 0.6, " kate": 0.39}, {"_": 0.6, " kate": 0.39}
    runs_on = heard(first, second, "te", pieces=WORD_PIECES)
    assert greedy(runs_on, words, table).strip() == "iste"
    another_begins = heard(first, {"_": 0.6, " a": 0.39}, "te", pieces=WORD_PIECES)
    assert greedy(another_begins, words, table).strip() == "kate ate"


def test_a_vocabulary_without_spaces_finds_phrases_anywhere() -> None:
    pieces = [b"<b>", *(character.encode() for character in "東京都市")]
    table = ByteTokenTable(pieces)
    log_probs = heard("市", {"都": 0.6, "東": 0.39}, "京", "都", pieces=pieces)
    assert greedy(log_probs, Hotwords(["東京"], table, len(pieces), boost=1.0), table) == "市東京都"


def test_settled_tokens_wait_for_phrases_that_may_still_replace_them() -> None:
    log_probs = heard("a", " ", K_OR_C, "a", "t", " ", "i", "s")
    decoder = GreedyDecoder(0, hotwords=hotwords("cat", boost=0.5))
    settled: list[str] = []
    for frame in log_probs:
        decoder.receive(frame[np.newaxis])
        tokens = [spike.token for spike in decoder.spikes[: decoder.settled]]
        settled.append(decode(tokens, TABLE))
    assert settled == ["", "", "", "", "", "a ca", "a cat ", "a cat i"]


def test_new_hotwords_count_from_the_next_word_on() -> None:
    log_probs = heard(K_OR_C, "a", "t", " ", K_OR_C, "a", "t")
    found: list[str] = []
    for frame in range(len(log_probs) + 1):
        decoder = GreedyDecoder(0)
        decoder.receive(log_probs[:frame])
        decoder.hotwords = hotwords("cat")
        decoder.receive(log_probs[frame:])
        found.append(decode([spike.token for spike in decoder.finish()], TABLE))
    assert found == ["cat cat", *["kat cat"] * 4, *["kat kat"] * 3]


def test_what_old_hotwords_have_written_stays() -> None:
    log_probs = heard(K_OR_C, "a", "t", " ", K_OR_C, "a", "t")
    decoder = GreedyDecoder(0, hotwords=hotwords("cat"))
    decoder.receive(log_probs[:4])
    decoder.hotwords = None
    decoder.receive(log_probs[4:])
    assert decode([spike.token for spike in decoder.finish()], TABLE) == "cat kat"


@pytest.mark.parametrize(
    ("pieces", "used"),
    [
        ([" ", "C", "A", "T"], [" ", "C", "A", "T"]),
        ([" ", "c", "a", "t", "C"], [" ", "C", "a", "t"]),
        ([" c", "at", "a", "t", " Ca", " ca", "x"], [" Ca", "t"]),
        ([" cat", " ca", " Cat"], [" Cat"]),
        ([" ca", "t", "T", "at"], [" ca", "t", "T"]),
        (["c", "a", "t"], ["c", "a", "t"]),
        ([" ", "c", "ca", "a", "at", "t", "ta"], [" ", "c", "ca", "a", "at", "t"]),
    ],
)
def test_a_phrase_is_spelled_in_all_ways_as_written_or_else_in_any_case(
    pieces: list[str], used: list[str]
) -> None:
    table = ByteTokenTable(piece.encode() for piece in pieces)
    tokens = Hotwords(["Cat"], table, len(pieces)).graph.lattice.tokens[1:-1]
    assert {pieces[token] for token in tokens} == set(used)


def test_a_phrase_is_found_however_the_model_spells_it() -> None:
    pieces = ["", " ka", " k", "te", "a", "t", "e", "s"]
    table = ByteTokenTable(piece.encode() for piece in pieces)
    words = Hotwords(["kate"], table, len(pieces), boost=1.0)
    unsure = {"s": 0.6, "e": 0.39}
    for frames in ((" ka", "t", unsure), (" k", "a", "t", unsure)):
        assert greedy(heard(*frames, pieces=[p.encode() for p in pieces]), words, table) == " kate"


def test_characters_without_a_piece_are_spelled_in_bytes() -> None:
    pieces = [b" ", b"c", b"a", b"f", b"\xc3", b"\xa9"]
    tokens = Hotwords(["café"], ByteTokenTable(pieces), 6).graph.lattice.tokens
    assert tokens[1:-1].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("phrases", "complaint"),
    [
        (["fine", "café"], "'café'; allowed: phrases that the vocabulary can spell; it lacks 'é'"),
        (["b2b"], "it lacks '2'"),
        ([" "], "phrases of 1 to 100 characters"),
        (["a" * 101], "phrases of 1 to 100 characters"),
        ([f"a{'b' * (n % 30)}{'c' * (n // 30)}" for n in range(1001)], "at most 1000 phrases"),
    ],
)
def test_phrases_that_cannot_be_used_are_named(phrases: list[str], complaint: str) -> None:
    with pytest.raises(OptionError, match=complaint):
        hotwords(*phrases)


@pytest.mark.parametrize("boost", [0.0, -1.0, 10.1, float("nan")])
def test_a_boost_out_of_range_is_refused(boost: float) -> None:
    with pytest.raises(OptionError, match="hotword_boost"):
        hotwords("cat", boost=boost)


def test_a_longer_phrase_is_not_paid_twice_for_its_beginning() -> None:
    words = hotwords("new york", "new york city", "city", boost=1.0)
    state, total = words.start, 0.0
    for letter in "new york city":
        state, gained = words.step(state, LETTERS.index(letter.encode()))
        total += gained
    assert total + words.finish(state) == pytest.approx(len("new york city"))


def test_what_an_unfinished_phrase_was_lent_is_given_back() -> None:
    words = hotwords("york", "yorkshire")
    state, total = words.start, 0.0
    for letter in "yorks":
        state, gained = words.step(state, LETTERS.index(letter.encode()))
        total += gained
    assert total == 5.0
    assert total + words.finish(state) == 0.0
