"""What each family's models refuse, and what they make of options that were left open."""

from collections.abc import Callable

import pytest

from fakes import ScriptedModel, finals, make_recognizer, talk, transcribe_scripted
from fakes_ctc import ScriptedCtcModel
from streamscribe import ctc_options, seq2seq_options
from streamscribe.abilities import Abilities
from streamscribe.errors import OptionError, UnsupportedLanguage
from streamscribe.options import (
    PROMPT_CHARACTERS,
    CommitBy,
    Latency,
    Search,
    SessionOptions,
    Task,
)
from streamscribe.recognizer import Recognizer, load_model
from streamscribe.store import find_bundle

RECOGNIZERS: dict[str, Callable[[], Recognizer]] = {
    "seq2seq": lambda: make_recognizer(ScriptedModel()),
    "ctc": lambda: make_recognizer(ScriptedCtcModel()),
}
ANYTHING = Abilities(
    model="polyglot",
    languages=("en", "de", "pt-BR"),
    tasks=(Task.TRANSLATE, Task.TRANSCRIBE),
    searches=tuple(Search),
    aligns=True,
    prompt_tokens=3,
)


def resolved(
    options: SessionOptions, abilities: Abilities = ANYTHING, prompt_tokens: int = 0
) -> SessionOptions:
    return seq2seq_options.resolve(options, abilities, prompt_tokens)


@pytest.mark.parametrize("family", RECOGNIZERS)
@pytest.mark.parametrize(
    ("option", "allowed"),
    [
        ({"language": "de"}, "allowed: xx: the languages of scripted"),
        ({"task": Task.TRANSLATE}, "allowed: transcribe: what scripted"),
        ({"prompt": "Ada Lovelace"}, "allowed: no text: scripted"),
        ({"search": Search.SAMPLE}, "option 'search' is 'sample'; allowed: greedy"),
        ({"commit_by": CommitBy.ALIGNMENT}, "option 'commit_by' is 'alignment'; allowed: "),
    ],
)
def test_a_plain_model_refuses_what_it_cannot_do(
    family: str, option: dict[str, object], allowed: str
) -> None:
    with pytest.raises(OptionError, match=allowed):
        RECOGNIZERS[family]().open(SessionOptions(**option))  # type: ignore[arg-type]


def test_a_ctc_model_commits_in_no_other_way() -> None:
    with pytest.raises(OptionError, match="none: scripted-ctc is a CTC model"):
        RECOGNIZERS["ctc"]().open(SessionOptions(commit_by=CommitBy.AGREEMENT))


@pytest.mark.parametrize("family", RECOGNIZERS)
def test_a_language_of_the_model_is_fine_however_it_is_written(family: str) -> None:
    chosen = RECOGNIZERS[family]().resolve(SessionOptions(language="XX"))
    assert (chosen.language, chosen.task, chosen.latency) == (
        "xx",
        Task.TRANSCRIBE,
        Latency.MEDIUM if family == "seq2seq" else None,  # the scripted one has no presets
    )


@pytest.mark.parametrize("family", RECOGNIZERS)
def test_what_was_resolved_is_resolved_to_itself(family: str) -> None:
    recognizer = RECOGNIZERS[family]()
    once = recognizer.resolve(SessionOptions(language="XX"))
    assert recognizer.resolve(once) == once


def test_the_ctc_model_of_this_package_refuses_what_it_cannot_do() -> None:
    model = load_model(find_bundle("moonshine-tiny-en-ctc"), threads=1)
    with pytest.raises(UnsupportedLanguage) as refusal:
        model.resolve(SessionOptions(language="de"))
    assert refusal.value.code == "unsupported_language"
    with pytest.raises(OptionError, match="takes no prompt"):
        model.resolve(SessionOptions(prompt="Ada"))
    chosen = model.resolve(SessionOptions(language="EN"))
    assert (chosen.language, chosen.latency, chosen.search) == (
        "en",
        Latency.MEDIUM,
        Search.GREEDY,
    )


def test_a_language_is_spelled_as_the_model_spells_it() -> None:
    assert resolved(SessionOptions(language="PT-br")).language == "pt-BR"


def test_a_model_that_can_do_both_writes_the_words_unless_asked_to_translate() -> None:
    assert resolved(SessionOptions()).task is Task.TRANSCRIBE
    assert resolved(SessionOptions(task=Task.TRANSLATE)).task is Task.TRANSLATE


def test_a_model_that_translates_does_so_unasked_and_refuses_to_write_the_words() -> None:
    abilities = Abilities(model="interpreter", languages=("de",), tasks=(Task.TRANSLATE,))
    assert resolved(SessionOptions(), abilities).task is Task.TRANSLATE
    with pytest.raises(OptionError, match="allowed: translate: what interpreter can do"):
        resolved(SessionOptions(task=Task.TRANSCRIBE), abilities)


def test_a_prompt_may_have_as_many_tokens_as_the_model_takes() -> None:
    options = SessionOptions(prompt="Ada Lovelace")
    assert resolved(options, prompt_tokens=3).prompt == "Ada Lovelace"
    with pytest.raises(OptionError, match="at most 3 tokens of polyglot; it has 4"):
        resolved(options, prompt_tokens=4)


@pytest.mark.parametrize(
    ("option", "allowed"),
    [
        ({"beam_size": 0}, "1 to 16"),
        ({"beam_size": 17}, "1 to 16"),
        ({"temperature": -0.1}, "0 to 2"),
        ({"temperature": float("nan")}, "0 to 2"),
        ({"prompt": "a" * (PROMPT_CHARACTERS + 1)}, "2001 characters'; allowed: at most 2000"),
    ],
)
def test_a_value_outside_its_range_is_refused_for_every_model(
    option: dict[str, object], allowed: str
) -> None:
    with pytest.raises(OptionError, match=allowed):
        SessionOptions(**option)  # type: ignore[arg-type]


def test_a_ctc_model_leaves_latency_and_search_to_others() -> None:
    options = SessionOptions(search=Search.BEAM)
    assert ctc_options.resolve(options, "plain", ("en",)).search is Search.BEAM


@pytest.mark.parametrize("model", [ScriptedModel(), ScriptedCtcModel()])
@pytest.mark.parametrize(("asked", "told"), [("XX", "xx"), (None, None)])
def test_a_final_says_the_language_that_was_asked_for(
    model: ScriptedModel | ScriptedCtcModel, asked: str | None, told: str | None
) -> None:
    options = SessionOptions(language=asked)
    (final,) = finals(transcribe_scripted(talk(1, 5), options, model))
    assert final.language == told
