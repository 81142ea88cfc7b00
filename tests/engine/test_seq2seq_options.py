"""What a seq2seq model refuses: every message says what was wrong, what was got, what is allowed.

What models of both families refuse is in test_abilities.py.
"""

from dataclasses import replace

import pytest

from streamscribe.abilities import Abilities
from streamscribe.errors import OptionError, UnsupportedLanguage
from streamscribe.options import CommitBy, Latency, Search, SessionOptions, Task
from streamscribe.seq2seq_options import SLACK_LEN, resolve
from streamscribe.timeline import SAMPLE_RATE

PLAIN = Abilities(model="plain", languages=("en", "de"))
ABLE = Abilities(
    model="able",
    languages=("en", "de"),
    tasks=tuple(Task),
    searches=tuple(Search),
    aligns=True,
    prompt_tokens=8,
)
LONG_TEXT = "Ada Lovelace and Charles Babbage, engineers of London"


def refusal(options: SessionOptions, abilities: Abilities = PLAIN, prompt_tokens: int = 0) -> str:
    with pytest.raises(OptionError) as refused:
        resolve(options, abilities, prompt_tokens)
    return str(refused.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            SessionOptions(language="fr"),
            "option 'language' is 'fr'; allowed: en, de: the languages of plain",
        ),
        (
            SessionOptions(task=Task.TRANSLATE),
            "option 'task' is 'translate'; allowed: transcribe: what plain can do",
        ),
        (
            SessionOptions(search=Search.BEAM),
            "option 'search' is 'beam'; allowed: greedy: what plain can do",
        ),
        (
            SessionOptions(commit_by=CommitBy.ALIGNMENT),
            "option 'commit_by' is 'alignment'; allowed: agreement: plain does not say where its"
            " words were spoken",
        ),
        (
            SessionOptions(prompt="Ada"),
            "option 'prompt' is 'Ada'; allowed: no text: plain takes no prompt",
        ),
        (
            SessionOptions(hotwords=("Ada", "Lovelace")),
            "option 'hotwords' is ['Ada', 'Lovelace']; allowed: an empty list: plain can't be"
            " biased",
        ),
    ],
)
def test_what_a_plain_model_cannot_do_is_refused(options: SessionOptions, message: str) -> None:
    assert refusal(options) == message


def test_a_language_that_is_not_the_models_has_an_error_of_its_own() -> None:
    with pytest.raises(UnsupportedLanguage):
        resolve(SessionOptions(language="fr"), ABLE, 0)


def test_a_prompt_that_is_too_long_is_refused_and_shortened_in_the_message() -> None:
    assert refusal(SessionOptions(prompt=LONG_TEXT), ABLE, 9) == (
        f"option 'prompt' is '{LONG_TEXT[:40]}...'; allowed: at most 8 tokens of able; it has 9"
    )


def test_a_prompt_of_nothing_but_spaces_is_none() -> None:
    assert resolve(SessionOptions(prompt=" \n"), PLAIN, 0).prompt == " \n"


LONGEST = replace(PLAIN, longest_len=10 * SAMPLE_RATE + SLACK_LEN)


def test_a_window_may_be_as_long_as_the_positions_allow() -> None:
    assert resolve(SessionOptions(window_ms=10_000), LONGEST, 0).window_ms == 10_000


def test_a_longer_window_is_refused() -> None:
    assert refusal(SessionOptions(window_ms=10_001), LONGEST) == (
        "option 'window_ms' is 10001; allowed: at most 10000: what plain has positions for, less"
        " some slack"
    )


def test_without_a_limit_any_window_is_fine() -> None:
    assert resolve(SessionOptions(window_ms=30_000), PLAIN, 0).window_ms == 30_000


@pytest.mark.parametrize(
    ("abilities", "commit_by"), [(PLAIN, CommitBy.AGREEMENT), (ABLE, CommitBy.ALIGNMENT)]
)
def test_what_was_left_open_is_filled_in(abilities: Abilities, commit_by: CommitBy) -> None:
    assert resolve(SessionOptions(), abilities, 0) == SessionOptions(
        task=Task.TRANSCRIBE,
        search=Search.GREEDY,
        commit_by=commit_by,
        latency=Latency.MEDIUM,
    )


def test_what_was_chosen_is_kept() -> None:
    chosen = SessionOptions(
        language="de",
        task=Task.TRANSLATE,
        search=Search.SAMPLE,
        temperature=0.5,
        commit_by=CommitBy.ALIGNMENT,
        latency=Latency.LOW,
        prompt=LONG_TEXT,
    )
    assert resolve(chosen, ABLE, 8) == chosen
