"""Text as the head writes it: a to z, the apostrophe and single spaces; numbers spelled out."""

import re
import unicodedata
from typing import Final

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz'"

_ONES: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_TITLES: Final = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "st": "saint",
    "&": "and",
}
_NUMBER: Final = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(st|nd|rd|th)?")
_AMBIGUOUS: Final = re.compile(
    r"[$%@#=+*<>/\\^_~|\[\]{}]|\d[.:]\d|[A-Za-z]\d|\d(?!st|nd|rd|th)[A-Za-z]"
)
_LARGEST: Final = 999_999


def spelled(text: str) -> str | None:
    """``text`` in the head's letters; ``None`` if something in it can't be spelled for sure.

    Signs of currency, arithmetic and the like have several readings, and so has a number with a
    decimal point or one beyond 999,999; a training label with a guess in it is worse than none.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\u2018", "'")
    plain = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
    if _AMBIGUOUS.search(plain):
        return None
    numbers = [int(found[0].replace(",", "")) for found in _NUMBER.findall(plain)]
    if any(number > _LARGEST for number in numbers):
        return None
    words = _NUMBER.sub(_number_in, plain).lower().replace("&", " and ")
    if any(c.isalpha() and c not in LETTERS for c in words):
        return None
    words = re.sub(r"[^a-z']+", " ", words)
    return " ".join(filter(None, (_bare(word) for word in words.split())))


def number_words(number: int) -> str:
    """A whole number from 0 to 999,999, as English words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f" {_ONES[ones]}" if ones else "")
    unit, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    whole, rest = divmod(number, unit)
    return f"{number_words(whole)} {name}" + (f" {number_words(rest)}" if rest else "")


def ordinal_words(number: int) -> str:
    """The same as an ordinal: ``twenty first``."""
    *before, last = number_words(number).split()
    if last in _ORDINALS:
        ordinal = _ORDINALS[last]
    else:
        ordinal = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return " ".join((*before, ordinal))


def year_words(number: int) -> str:
    """A year from 1100 to 1999 as it is read: ``eighteen forty two``."""
    century, rest = divmod(number, 100)
    if rest == 0:
        return f"{number_words(century)} hundred"
    return f"{number_words(century)} {'o ' if rest < 10 else ''}{number_words(rest)}"


def _number_in(found: re.Match[str]) -> str:
    digits, suffix = found.groups()
    number = int(digits.replace(",", ""))
    if number > _LARGEST:
        return found[0]
    if suffix:
        return f" {ordinal_words(number)} "
    if "," not in digits and 1100 <= number <= 1999:
        return f" {year_words(number)} "
    return f" {number_words(number)} "


def _bare(word: str) -> str:
    """Without quotation marks, which look like apostrophes; titles in full."""
    if word.startswith("'") and word not in ("'tis", "'twas", "'em"):
        word = word[1:]
    if word.endswith("'") and not word.endswith("s'"):
        word = word[:-1]
    word = word.strip("'") if word.count("'") > 1 else word
    return _TITLES.get(word, word)
