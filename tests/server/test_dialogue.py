import json

import pytest

from fakes_server import ScriptedRecognizer, catalogue_of
from streamscribe.abilities import Abilities
from streamscribe.events import Partial
from streamscribe.ingest import AudioFormat
from streamscribe.options import Commit, CommitBy, Latency, Search, SessionOptions, Task
from streamscribe_protocol import messages
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_server.catalogue import Catalogue, ServedModel
from streamscribe_server.dialogue import Dialogue, State
from streamscribe_server.frames import never_started, start_of
from streamscribe_server.identity import Identity, Restart
from streamscribe_server.limits import Limits
from streamscribe_server.mailbox import (
    Audio,
    Ended,
    Failed,
    Finish,
    Flush,
    Hotwords,
    Open,
    Opened,
    Progress,
)
from streamscribe_server.reaction import NOTHING, Closing, Reaction
from streamscribe_server.start_terms import Refused, terms_of

AUDIO = {"encoding": "pcm_s16le", "rate": 16_000, "channels": 1}
POLYGLOT = Abilities(
    model="scripted",
    languages=("en", "de"),
    tasks=tuple(Task),
    searches=tuple(Search),
    prompt_tokens=100,
)


IDENTITY = Identity(session="s1", token="t1")
LIMITS = Limits(max_frame_bytes=1_000)
CATALOGUE = catalogue_of(ScriptedRecognizer())


def dialogue_of(text: str, catalogue: Catalogue = CATALOGUE) -> Dialogue:
    """The dialogue that a start begins, or goes on with. Raises ``Refused``."""
    asked = start_of(text, Limits())
    assert asked is not None
    restart = Restart(asked.resume, "unknown") if asked.resume else None
    return Dialogue(IDENTITY, terms_of(asked, catalogue), catalogue, LIMITS, restart)


def opened_with(defaults: SessionOptions, **fields: object) -> SessionOptions:
    """Options of the stream that a start opens at a server of a model that can do much."""
    model = ServedModel("scripted", ("en",), ScriptedRecognizer(abilities=POLYGLOT), defaults)
    return dialogue_of(start(**fields), Catalogue([model])).terms.options


def start(**fields: object) -> str:
    return json.dumps({"type": "start", "audio": AUDIO} | fields)


def streaming(**fields: object) -> Dialogue:
    dialogue = dialogue_of(start(**fields))
    dialogue.take_update(Opened())
    return dialogue


def finishing() -> Dialogue:
    dialogue = streaming()
    dialogue.receive_text('{"type": "finish"}')
    return dialogue


def ready_of(reaction: Reaction) -> messages.Ready:
    (ready,) = reaction.replies
    assert isinstance(ready, messages.Ready)
    return ready


def refusal_of(frame: str | bytes) -> Refused:
    """Why a first frame begins no session."""
    with pytest.raises(Refused) as caught:
        dialogue_of(frame) if isinstance(frame, str) else start_of(frame, Limits())
    return caught.value


def error_of(reaction: Reaction) -> messages.Error:
    (message,) = reaction.replies
    assert isinstance(message, messages.Error)
    return message


def assert_refused(reaction: Reaction, code: str, close_code: CloseCode) -> messages.Error:
    error = error_of(reaction)
    assert (error.code, error.fatal) == (code, True)
    assert reaction.closing == Closing(close_code, code)
    return error


def test_a_start_opens_a_stream_with_the_options_of_the_server() -> None:
    reaction = dialogue_of(start()).open()
    options = SessionOptions(task=Task.TRANSCRIBE)
    opened = Open("scripted", AudioFormat("pcm_s16le", 16_000, 1), options)
    assert reaction == Reaction(commands=(opened,))


def test_ready_is_said_once_the_engine_has_opened_the_stream() -> None:
    dialogue = dialogue_of(start(commit="final", hop_ms=250))
    ready = ready_of(dialogue.take_update(Opened()))
    assert (ready.session, ready.model, ready.resume_token) == ("s1", "scripted", "t1")
    assert (ready.resumed, ready.resume_reason, ready.send_from_at) == (None, None, 0)
    assert (ready.heartbeat_s, ready.resume_s) == (LIMITS.heartbeat_s, LIMITS.resume_s)
    assert (ready.options.commit, ready.options.hop_ms) == ("final", 250)


def test_a_client_may_choose_when_segments_close() -> None:
    endpointing = {"silence_ms": 200, "max_segment_ms": 20_000}
    terms = dialogue_of(start(endpointing=endpointing, commit="final")).terms
    assert terms.options == SessionOptions(
        task=Task.TRANSCRIBE,
        commit=Commit.FINAL,
        endpoint_silence_ms=200,
        soft_pause_ms=200,
        max_segment_ms=20_000,
    )


def test_a_client_may_say_what_is_spoken_and_how_to_write_it() -> None:
    options = opened_with(
        SessionOptions(),
        language="DE",
        task="translate",
        prompt="Ada Lovelace",
        commit_by="alignment",
        latency="low",
        search="sample",
        beam_size=3,
        temperature=0.5,
        hotwords=["Ada"],
    )
    assert options == SessionOptions(
        language="de",
        task=Task.TRANSLATE,
        prompt="Ada Lovelace",
        commit_by=CommitBy.ALIGNMENT,
        latency=Latency.LOW,
        search=Search.SAMPLE,
        beam_size=3,
        temperature=0.5,
        hotwords=("Ada",),
    )


def test_what_a_client_does_not_say_is_as_the_server_was_told() -> None:
    defaults = SessionOptions(
        language="de",
        task=Task.TRANSLATE,
        prompt="Ada Lovelace",
        commit_by=CommitBy.ALIGNMENT,
        latency=Latency.LOW,
        search=Search.BEAM,
        beam_size=3,
        temperature=0.5,
        hotwords=("Ada",),
    )
    assert opened_with(defaults) == defaults
    chosen = opened_with(defaults, task="transcribe", prompt="", temperature=0)
    assert (chosen.task, chosen.prompt, chosen.temperature) == (Task.TRANSCRIBE, "", 0.0)
    assert (chosen.language, chosen.beam_size) == ("de", 3)


def test_ready_tells_how_the_speech_is_written() -> None:
    asked = {"commit_by": "agreement", "latency": "high", "search": "greedy", "temperature": 0.5}
    told = ready_of(dialogue_of(start(language="EN", **asked)).take_update(Opened())).options
    assert (told.language, told.task, told.commit_by) == ("en", "transcribe", "agreement")
    assert (told.latency, told.search, told.beam_size) == ("high", "greedy", 5)
    assert told.temperature == 0.5


@pytest.mark.parametrize("name", ["default", "scripted", None])
def test_a_model_is_found_by_its_name_or_as_the_default(name: str | None) -> None:
    assert dialogue_of(start(model=name, language="EN")).terms.model == "scripted"


@pytest.mark.parametrize(
    ("fields", "code", "close_code", "named"),
    [
        ({"model": "huge"}, "unknown_model", CloseCode.UNKNOWN_MODEL, "default, scripted"),
        ({"language": "de"}, "unsupported_language", CloseCode.PROTOCOL_ERROR, "allowed: en"),
        ({"task": "translate"}, "invalid_option", CloseCode.PROTOCOL_ERROR, "allowed: transcribe"),
        ({"task": "sing"}, "invalid_message", CloseCode.PROTOCOL_ERROR, "start.task"),
        ({"prompt": "Ada"}, "invalid_option", CloseCode.PROTOCOL_ERROR, "takes no prompt"),
        ({"search": "sample"}, "invalid_option", CloseCode.PROTOCOL_ERROR, "allowed: greedy"),
        ({"beam_size": 17}, "invalid_option", CloseCode.PROTOCOL_ERROR, "1 to 16"),
        ({"temperature": 2.5}, "invalid_option", CloseCode.PROTOCOL_ERROR, "0 to 2"),
        ({"hotwords": ["unspeakable"]}, "invalid_option", CloseCode.PROTOCOL_ERROR, "hotwords"),
        ({"hop_ms": 1}, "invalid_option", CloseCode.PROTOCOL_ERROR, "100 to 5000 ms"),
        ({"version": 9}, "unsupported_version", CloseCode.PROTOCOL_ERROR, "allowed: 1"),
        ({"audio": AUDIO | {"rate": 0}}, "unsupported_rate", CloseCode.UNUSABLE_AUDIO, "0 Hz"),
        (
            {"audio": AUDIO | {"encoding": "mp3"}},
            "unsupported_encoding",
            CloseCode.UNUSABLE_AUDIO,
            "pcm_s16le",
        ),
        (
            {"audio": AUDIO | {"channels": 7}},
            "unsupported_channels",
            CloseCode.UNUSABLE_AUDIO,
            "1 or 2",
        ),
        ({"audio": "loud"}, "invalid_message", CloseCode.PROTOCOL_ERROR, "start.audio"),
    ],
)
def test_a_start_that_asks_for_what_is_not_there_is_refused_by_name(
    fields: dict[str, object], code: str, close_code: CloseCode, named: str
) -> None:
    refusal = refusal_of(start(**fields))
    assert (refusal.code, refusal.close_code) == (code, close_code)
    assert named in refusal.message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("hello", "invalid_json"),
        ("[1, 2]", "invalid_json"),
        ('{"no": "type"}', "invalid_message"),
        ('{"type": "flush", "id": "1"}', "not_started"),
        ('{"type": "finish"}', "not_started"),
        ('{"type": "hotwords", "hotwords": []}', "not_started"),
        ('{"type": "keep_alive"}', "not_started"),
        (json.dumps({"type": "x" * 2_000_000}), "frame_too_large"),
    ],
)
def test_text_that_is_not_a_start_is_refused_before_the_start(text: str, code: str) -> None:
    assert refusal_of(text).code == code


def test_messages_of_an_unknown_type_are_ignored() -> None:
    assert start_of('{"type": "colour", "red": 1}', LIMITS) is None
    assert streaming().receive_text('{"type": "colour", "red": 1}') == NOTHING


def test_audio_before_the_start_is_refused() -> None:
    refusal = refusal_of(b"\0\0")
    assert (refusal.code, refusal.close_code) == ("audio_before_start", CloseCode.PROTOCOL_ERROR)


def test_a_second_start_is_refused() -> None:
    assert_refused(streaming().receive_text(start()), "already_started", CloseCode.PROTOCOL_ERROR)


def test_a_frame_above_the_limit_is_refused_with_both_numbers() -> None:
    reaction = streaming().receive_bytes(bytes(1_001))
    error = assert_refused(reaction, "frame_too_large", CloseCode.FRAME_TOO_LARGE)
    assert "1001 bytes" in error.message
    assert "at most 1000" in error.message


def test_audio_and_flushes_go_to_the_engine_in_order() -> None:
    dialogue = streaming()
    assert dialogue.receive_bytes(b"\0\0").commands == (Audio(b"\0\0"),)
    assert dialogue.receive_text('{"type": "flush", "id": "f"}').commands == (Flush("f"),)
    assert dialogue.receive_text('{"type": "finish"}').commands == (Finish(),)


def test_what_comes_after_finish_is_ignored_and_said_once() -> None:
    dialogue = finishing()
    error = error_of(dialogue.receive_bytes(b"\0\0"))
    assert (error.code, error.fatal) == ("finished", False)
    assert dialogue.receive_bytes(b"\0\0") == NOTHING
    assert dialogue.receive_text('{"type": "flush", "id": "f"}') == NOTHING
    assert dialogue.state is State.FINISHING


def test_done_is_the_last_message_and_tells_the_length_of_the_audio() -> None:
    dialogue = finishing()
    reaction = dialogue.take_update(Ended(heard_at=24_000))
    assert reaction.replies == (messages.Done(0, 1_500),)
    assert reaction.closing == Closing(CloseCode.NORMAL, "done")


def test_events_of_the_engine_become_messages() -> None:
    update = Progress((Partial(0, "hi", 2, (), 8_000),), decided_at=8_000, settled_at=0)
    reaction = streaming().take_update(update)
    assert reaction.replies == (messages.Partial(0, 0, "hi", 2, (), 500),)


@pytest.mark.parametrize(
    ("code", "close_code"),
    [("internal", CloseCode.INTERNAL), ("invalid_sample", CloseCode.UNUSABLE_AUDIO)],
)
def test_a_failure_of_the_engine_is_told_by_its_code(code: str, close_code: CloseCode) -> None:
    assert_refused(streaming().take_update(Failed(code, "why")), code, close_code)


def test_the_backlog_is_the_audio_received_and_not_yet_decided() -> None:
    dialogue = streaming()
    for _ in range(64):
        dialogue.receive_bytes(bytes(1_000))
    dialogue.take_update(Progress((), decided_at=24_000, settled_at=0))
    assert dialogue.backlog_s == 0.5


def test_a_client_that_never_starts_is_told_how_long_was_waited() -> None:
    refusal = never_started(Limits())
    assert (refusal.code, refusal.close_code) == ("start_timeout", CloseCode.IDLE)
    assert "10 s" in refusal.message


def test_a_silent_client_is_told_how_to_stay() -> None:
    error = assert_refused(streaming().time_out(), "idle_timeout", CloseCode.IDLE)
    assert "send silence" in error.message


def test_draining_finishes_the_stream_and_asks_to_reconnect() -> None:
    dialogue = streaming()
    assert dialogue.drain().commands == (Finish(),)
    assert dialogue.receive_bytes(b"\0\0") == NOTHING
    reaction = dialogue.take_update(Ended(heard_at=0))
    assert reaction == Reaction(closing=Closing(CloseCode.RESTARTING, "restarting"))


def test_a_stream_that_was_finishing_anyway_ends_as_usual_while_draining() -> None:
    dialogue = finishing()
    assert dialogue.drain() == NOTHING
    assert dialogue.take_update(Ended(heard_at=0)).closing == Closing(CloseCode.NORMAL, "done")


def test_after_the_close_nothing_is_answered_any_more() -> None:
    dialogue = streaming()
    dialogue.receive_text("no message")
    assert dialogue.receive_text(start()) == NOTHING
    assert dialogue.receive_bytes(b"\0\0") == NOTHING
    assert dialogue.heartbeat() == NOTHING
    assert dialogue.take_update(Opened()) == NOTHING
    assert dialogue.drain() == NOTHING


def test_hotwords_go_to_the_engine_in_the_order_of_the_audio() -> None:
    reaction = streaming().receive_text('{"type": "hotwords", "hotwords": ["Ada"]}')
    assert reaction == Reaction(commands=(Hotwords(("Ada",)),))


def test_hotwords_that_the_model_cannot_follow_change_nothing_and_the_stream_goes_on() -> None:
    dialogue = streaming()
    reaction = dialogue.receive_text('{"type": "hotwords", "hotwords": ["unspeakable"]}')
    error = error_of(reaction)
    assert (error.code, error.fatal) == ("invalid_option", False)
    assert (reaction.commands, reaction.closing) == ((), None)
    assert dialogue.state is State.STREAMING
