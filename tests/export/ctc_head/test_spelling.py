"""Labels are spelled as they are spoken, or not at all."""

import pytest

pytest.importorskip("torch")

from streamscribe_export.ctc_head.spelling import (
    LETTERS,
    number_words,
    ordinal_words,
    spelled,
    year_words,
)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("IT'S NOT FIRST PERSON NOW", "it's not first person now"),
        ("“Well—well!” said Mr. Stubb.", "well well said mister stubb"),
        ("‘Tis a whale’s tail, the sailors’ prize", "'tis a whale's tail the sailors' prize"),
        ("42 ships, 1,250 men", "forty two ships one thousand two hundred fifty men"),
        ("In 1851, on the 3rd day", "in eighteen fifty one on the third day"),
        ("naïve café", "naive cafe"),
    ],
)
def test_text_is_spelled_as_it_is_spoken(written: str, spoken: str) -> None:
    assert spelled(written) == spoken


@pytest.mark.parametrize("written", ["it costs $5", "3.14 of it", "at 7:30", "B2B", "привет"])
def test_text_with_several_readings_is_no_label(written: str) -> None:
    assert spelled(written) is None


def test_numbers_ordinals_and_years_are_words() -> None:
    assert number_words(0) == "zero"
    assert number_words(910_015) == "nine hundred ten thousand fifteen"
    assert ordinal_words(20) == "twentieth"
    assert ordinal_words(312) == "three hundred twelfth"
    assert year_words(1906) == "nineteen o six"
    assert year_words(1700) == "seventeen hundred"


def test_a_spelled_text_has_only_the_heads_letters() -> None:
    text = spelled("Señor Düsseldorf's 19th “answer”: no; 500 & more...")
    assert text is not None
    assert set(text) <= {*LETTERS, " "}
    assert "  " not in text and text == text.strip()
