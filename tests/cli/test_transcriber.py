import secrets
from collections.abc import Iterator
from typing import Unpack

import click
import numpy as np
import pytest
from click.testing import CliRunner

from fakes import join, make_recognizer, silence, talk
from fakes_live import RunningServer, running_server
from fakes_server import SPEECH, ScriptedRecognizer
from streamscribe.abilities import Abilities
from streamscribe.codec import Encoding, encode
from streamscribe.device import CPU
from streamscribe.errors import IncompleteSample
from streamscribe.ingest import AudioFormat
from streamscribe.loading import Loaded, ModelChoice
from streamscribe.options import CommitBy, Latency, Search, SessionOptions, Task
from streamscribe.recognizer import Recognizer
from streamscribe_cli import transcriber
from streamscribe_cli.listen import listen
from streamscribe_cli.main import cli
from streamscribe_cli.transcribe import transcribe
from streamscribe_cli.transcriber import (
    Chosen,
    LocalTranscriber,
    RemoteTranscriber,
    make_transcriber,
    transcriber_options,
)
from streamscribe_protocol.messages import Final, Partial
from streamscribe_server.command import serve
from streamscribe_server.entrance import Terms
from streamscribe_server.keys import read_keys
from streamscribe_server.speech import Speech

PCM16 = AudioFormat("pcm_s16le", 16_000, 1)
SAID = {
    "--language": "DE",
    "--task": "translate",
    "--prompt": "Lovelace",
    "--latency": "low",
    "--commit-by": "alignment",
    "--search": "sample",
    "--beam-size": "3",
    "--temperature": "0.5",
    "--hotword": "Ada",
}
SPOKEN = [part for option in SAID.items() for part in option]
POLYGLOT = Abilities(
    model="scripted",
    languages=("en", "de"),
    tasks=tuple(Task),
    searches=tuple(Search),
    prompt_tokens=100,
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(ScriptedRecognizer()) as running:
        yield running


def remote(server: RunningServer, *, partials: bool) -> RemoteTranscriber:
    return RemoteTranscriber(server.url, {"model": None, "partials": partials})


def test_a_server_transcribes_what_the_blocks_hold(server: RunningServer) -> None:
    events = list(remote(server, partials=True).events(PCM16, iter([SPEECH, SPEECH])))
    assert [event.text for event in events if isinstance(event, Final)] == ["100 100"]
    assert any(isinstance(event, Partial) for event in events)


def test_the_model_is_known_once_the_server_has_answered(server: RunningServer) -> None:
    transcriber = remote(server, partials=False)
    list(transcriber.events(PCM16, iter([SPEECH])))
    assert transcriber.model == "scripted"


def test_what_the_blocks_raise_is_raised_to_whoever_reads_the_events(
    server: RunningServer,
) -> None:
    def blocks() -> Iterator[bytes]:
        yield SPEECH
        raise IncompleteSample(left_bytes=1, frame_bytes=2)

    with pytest.raises(IncompleteSample):
        list(remote(server, partials=False).events(PCM16, blocks()))


def test_the_engine_here_gives_the_protocols_events_with_times_in_milliseconds() -> None:
    audio = join(silence(1.0), talk(1, 3), silence(2.0))
    block = encode(np.stack([audio, audio], axis=1), Encoding.PCM_F32LE)
    local = LocalTranscriber("scripted", make_recognizer())
    events = list(local.events(AudioFormat("pcm_f32le", 16_000, 2), iter([block])))
    final = events[-1]
    assert isinstance(final, Final)
    assert final.text == "w1 w2 w3."
    assert 900 < final.words[0].start_ms < final.words[-1].end_ms < final.end_ms < 4_000


def test_what_the_blocks_raise_is_raised_by_the_engine_here_too() -> None:
    def blocks() -> Iterator[bytes]:
        yield SPEECH
        raise IncompleteSample(left_bytes=1, frame_bytes=2)

    with pytest.raises(IncompleteSample):
        list(LocalTranscriber("scripted", make_recognizer()).events(PCM16, blocks()))


@pytest.fixture
def choices() -> list[ModelChoice]:
    """How each of those recognizers was to be loaded."""
    return []


@pytest.fixture
def loaded(choices: list[ModelChoice], monkeypatch: pytest.MonkeyPatch) -> list[SessionOptions]:
    """Options of each recognizer that was asked for; all of them have scripted ears."""
    options: list[SessionOptions] = []

    def load(choice: ModelChoice, asked: SessionOptions) -> Loaded:
        options.append(asked)
        choices.append(choice)
        scripted = make_recognizer()
        return Loaded(CPU, Recognizer(scripted.model, scripted.new_vad, asked), ())

    monkeypatch.setattr(transcriber, "load_one", load)
    return options


@pytest.mark.parametrize("command", [transcribe, listen, serve])
def test_every_command_that_hears_speech_can_be_told_of_it(command: click.Command) -> None:
    assert set(Speech.__annotations__) <= {parameter.name for parameter in command.params}


def test_the_device_that_is_asked_for_reaches_the_engine_here(
    loaded: list[SessionOptions], choices: list[ModelChoice]
) -> None:
    CliRunner().invoke(cli, ["transcribe", "--device", "cuda:1", "-"], input=SPEECH)
    CliRunner().invoke(cli, ["transcribe", "-"], input=SPEECH)
    assert [choice.device for choice in choices] == ["cuda:1", "auto"]


def test_a_device_that_can_not_be_had_fails_and_says_how_to_get_it() -> None:
    result = CliRunner().invoke(cli, ["transcribe", "--device", "cuda:99", "-"], input=SPEECH)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: device cuda:99 can't be used: ")


def test_a_device_can_not_be_chosen_for_a_server() -> None:
    asked = ["transcribe", "--server", "ws://127.0.0.1:1", "--device", "cuda", "-"]
    result = CliRunner().invoke(cli, asked, input=SPEECH)
    assert (result.exit_code, "--device can't go with --server" in result.stderr) == (2, True)


def test_what_is_said_of_the_speech_reaches_the_engine_here(loaded: list[SessionOptions]) -> None:
    CliRunner().invoke(cli, ["transcribe", *SPOKEN, "-"], input=SPEECH)
    assert loaded == [
        SessionOptions(
            partials=False,
            language="DE",
            task=Task.TRANSLATE,
            prompt="Lovelace",
            latency=Latency.LOW,
            commit_by=CommitBy.ALIGNMENT,
            search=Search.SAMPLE,
            beam_size=3,
            temperature=0.5,
            hotwords=("Ada",),
        )
    ]


def test_what_is_not_said_is_left_to_the_engine_here(loaded: list[SessionOptions]) -> None:
    result = CliRunner().invoke(cli, ["transcribe", "-"], input=SPEECH)
    assert (result.exit_code, loaded) == (0, [SessionOptions(partials=False)])


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--language", "de", "option 'language' is 'de'; allowed: xx"),
        ("--task", "translate", "option 'task' is 'translate'; allowed: transcribe"),
        ("--prompt", "Ada", "option 'prompt' is 'Ada'; allowed: no text"),
        ("--commit-by", "alignment", "option 'commit_by' is 'alignment'; allowed: agreement"),
        ("--search", "beam", "option 'search' is 'beam'; allowed: greedy"),
        ("--beam-size", "17", "17 is not in the range 1<=x<=16"),
        ("--temperature", "nan", "option 'temperature' is nan; allowed: 0 to 2"),
    ],
)
def test_what_can_not_be_followed_is_bad_usage(
    option: str, value: str, said: str, loaded: list[SessionOptions]
) -> None:
    result = CliRunner().invoke(cli, ["transcribe", option, value, "-"], input=SPEECH)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_what_is_said_of_the_speech_reaches_the_server() -> None:
    recognizer = ScriptedRecognizer(abilities=POLYGLOT)
    with running_server(recognizer) as server:
        arguments = ["transcribe", "--server", server.url, *SPOKEN, "-"]
        result = CliRunner().invoke(cli, arguments, input=SPEECH)
    assert (result.exit_code, result.stdout) == (0, "100\n")
    (session,) = recognizer.sessions
    assert session.options == SessionOptions(
        partials=False,
        language="de",
        task=Task.TRANSLATE,
        prompt="Lovelace",
        latency=Latency.LOW,
        commit_by=CommitBy.ALIGNMENT,
        search=Search.SAMPLE,
        beam_size=3,
        temperature=0.5,
        hotwords=("Ada",),
    )


@pytest.mark.parametrize(("live", "overflow"), [(True, "gap"), (False, "wait")])
def test_a_microphone_does_not_wait_for_a_connection_and_a_recording_does(
    live: bool, overflow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    @transcriber_options
    @click.pass_context
    def ask(ctx: click.Context, **chosen: Unpack[Chosen]) -> None:
        make_transcriber(ctx, chosen, live=live)

    def remember(server: str, options: dict[str, object]) -> None:
        asked.append(options)

    monkeypatch.setattr(transcriber, "RemoteTranscriber", remember)
    result = CliRunner().invoke(click.command()(ask), ["--server", "localhost"])
    assert result.exit_code == 0, result.output
    assert [(one["partials"], one["overflow"]) for one in asked] == [(live, overflow)]


def test_what_the_server_can_not_follow_is_its_word_against_it(server: RunningServer) -> None:
    arguments = ["transcribe", "--server", server.url, "--language", "de", "-"]
    result = CliRunner().invoke(cli, arguments, input=SPEECH)
    assert result.exit_code == 1
    assert "unsupported_language" in result.stderr
    assert "allowed: en: the languages of scripted" in result.stderr


def test_a_server_that_wants_a_key_is_shown_it() -> None:
    key = secrets.token_urlsafe(24)
    terms = Terms(keys=read_keys(None, key))
    with running_server(ScriptedRecognizer(), terms=terms) as server:
        arguments = ["transcribe", "--server", server.url, "-"]
        runner = CliRunner()
        refused = runner.invoke(cli, arguments, input=SPEECH)
        assert refused.exit_code == 1
        assert "it wants an API key" in refused.output
        served = runner.invoke(cli, [*arguments, "--api-key", key], input=SPEECH)
    assert (served.exit_code, served.output.strip()) == (0, "100")


def test_a_key_without_a_server_is_refused() -> None:
    result = CliRunner().invoke(cli, ["transcribe", "--api-key", "x" * 32, "-"], input=SPEECH)
    assert result.exit_code == 2
    assert "--api-key is for a --server, and there is none" in result.output
