"""N-gram language models: what the files say is what is looked up, and broken files are named."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np
import pytest

from streamscribe.errors import BrokenModel
from streamscribe.language_model import LanguageModel, load_language_model

ARPA = """
\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-99 <s> -0.3
-1.0 </s>
-0.7 new -0.4
-0.9 york -0.2
-1.5 times

\\2-grams:
-0.5 <s> new -0.1
-0.2 new york -0.6
-0.8 york times

\\3-grams:
-0.05 <s> new york

\\end\\
"""


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return path


def log10_of(model: LanguageModel, *words: str) -> list[float]:
    context = model.start
    scores: list[float] = []
    for word in words:
        score = model.score(context, word)
        context = score.context
        scores.append(round(score.log_prob / math.log(10), 4))
    return scores


def test_the_longest_listed_context_counts(arpa: Path) -> None:
    assert log10_of(load_language_model(arpa), "new", "york") == [-0.5, -0.05]


def test_an_unlisted_context_costs_its_back_off(arpa: Path) -> None:
    model = load_language_model(arpa)
    # new york | times: no triple, back-off of "new york", then the pair "york times"
    assert log10_of(model, "new", "york", "times") == [-0.5, -0.05, -1.4]
    # neither "<s> times" nor "times new" is listed, and "times" has no back-off
    assert log10_of(model, "times", "new") == [-1.8, -0.7]


def test_an_unseen_word_is_as_likely_as_the_rarest_and_says_so(arpa: Path) -> None:
    model = load_language_model(arpa)
    score = model.score(model.start, "boston")
    assert (round(score.log_prob / math.log(10), 4), score.known) == (-1.5, False)
    assert score.context == ()


def test_a_model_may_say_itself_how_likely_unseen_words_are(tmp_path: Path) -> None:
    path = tmp_path / "unk.arpa"
    text = ARPA.replace("1=5", "1=6").replace("-1.5 times", "-1.5 times\n-2.5 <unk>")
    path.write_text(text, encoding="utf-8")
    model = load_language_model(path)
    score = model.score((), "boston")
    assert (round(score.log_prob / math.log(10), 4), score.known) == (-2.5, False)


@pytest.mark.parametrize("word", ["York", "YORK", "york,", '"york"'])
def test_case_and_punctuation_do_not_matter(arpa: Path, word: str) -> None:
    model = load_language_model(arpa)
    assert model.knows(word)
    assert model.score(model.start, word) == model.score(model.start, "york")


def test_beginnings_of_words_are_known(arpa: Path) -> None:
    model = load_language_model(arpa)
    assert [model.begins(text) for text in ("", "yo", "York", "yorks", "z", '"tim')] == [
        True, True, True, False, False, True,
    ]  # fmt: skip


def test_a_compressed_file_is_the_same_model(arpa: Path) -> None:
    packed = arpa.with_suffix(".arpa.gz")
    packed.write_bytes(gzip.compress(arpa.read_bytes()))
    model = load_language_model(packed)
    assert model.size == (5, 3, 1)
    assert log10_of(model, "new", "york") == [-0.5, -0.05]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("\\data\\", "", "is not an ARPA file"),
        ("\\end\\", "", r"ends after line 22; expected: \\end\\"),
        ("ngram 2=3", "ngram 2=4", "line 19.*3-grams.*expected: a log-prob, 2 word"),
        ("ngram 2=3", "ngram 2=2", r"line 17: '-0.8 york times'; expected: \\3-grams:"),
        ("-0.2 new york", "-0.2 new jersey", "line 16.*listed as 1-grams, not 'jersey'"),
        ("-0.2 new york", "abc new york", "line 16.*expected: a log-prob"),
        ("-0.2 new york", "nan new york", "a 2-gram's number is not finite"),
        ("-0.2 new york -0.6", "-0.8 york times", "lists a 2-gram twice"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = tmp_path / "broken.arpa"
    path.write_text(ARPA.replace(old, new), encoding="utf-8")
    with pytest.raises(BrokenModel, match=complaint):
        load_language_model(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match=r"nowhere.arpa can't be read: No such file"):
        load_language_model(tmp_path / "nowhere.arpa")


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bnot gzip", b"\xff\xfe\x00", b"PK\x03\x04"])
def test_other_files_are_no_language_models(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(BrokenModel, match=r"other (can't be read|is not an ARPA file)"):
        load_language_model(path)


def packed_bits(records: list[list[tuple[int, int]]]) -> bytes:
    """Records of (value, bits), lowest bits first, without gaps; 8 bytes of padding follow."""
    bits = "".join(f"{value:0{width}b}"[::-1] for record in records for value, width in record)
    return int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little") + b"\0" * 8


def sphinx_model() -> bytes:
    """``a``, ``b`` and the pairs ``b a`` and ``a b``."""
    one = 1 / math.log10(1.0001)  # a factor of ten
    log_probs = np.zeros(65536, dtype="<f4")
    log_probs[[5, 6]] = [-0.5 * one, -0.25 * one]
    words = [(-1.0 * one, -0.125 * one, 0), (-0.75 * one, 0.0, 1), (0.0, 0.0, 2)]
    pairs = [[(1, 2), (5, 16)], [(0, 2), (6, 16)], [(0, 2), (0, 16)]]
    return b"".join(
        [
            b"Trie Language Model\x02",
            struct.pack("<3I", 2, 2, 1),
            log_probs.tobytes(),
            *(struct.pack("<ffI", *word) for word in words),
            packed_bits(pairs),
            struct.pack("<I", 4) + b"a\0b\0",
        ]
    )


def test_a_sphinx_model_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tiny.lm.bin"
    path.write_bytes(sphinx_model())
    model = load_language_model(path)
    assert model.size == (2, 2)
    assert log10_of(model, "b", "a", "b", "b") == [-0.75, -0.5, -0.25, -0.75]
    assert log10_of(model, "a", "a") == [-1.0, -1.125]


@pytest.mark.parametrize("length", [19, 20, 30, 262_200, -14, -1])
def test_a_sphinx_model_that_is_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.lm.bin"
    path.write_bytes(sphinx_model()[:length])
    with pytest.raises(BrokenModel, match="cut.lm.bin"):
        load_language_model(path)


def test_a_sphinx_model_that_points_outside_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.lm.bin"
    data = bytearray(sphinx_model())
    data[32 + 4 * 65536 + 32] = 77  # where the last word's pairs end
    path.write_bytes(data)
    with pytest.raises(BrokenModel, match="points to n-grams that it does not hold"):
        load_language_model(path)
