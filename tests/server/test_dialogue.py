import json

import pytest

from fakes_server import ScriptedRecognizer, catalogue_of
from streamscribe.abilities import Abilities
from streamscribe.continuation import Continuation
from streamscribe.events import Gap, Partial
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


def test_keep_alive_says_nothing_to_anybody() -> None:
    assert streaming().receive_text('{"type": "keep_alive"}') == NOTHING
    assert finishing().receive_text('{"type": "keep_alive"}') == NOTHING


def test_a_flush_that_is_repeated_is_ignored() -> None:
    dialogue = streaming()
    assert dialogue.receive_text('{"type": "flush", "id": "f"}').commands == (Flush("f"),)
    assert dialogue.receive_text('{"type": "flush", "id": "f"}') == NOTHING
    assert dialogue.receive_text('{"type": "flush", "id": "g"}').commands == (Flush("g"),)


def test_finish_may_be_said_twice() -> None:
    assert finishing().receive_text('{"type": "finish"}') == NOTHING


def test_a_client_that_comes_back_is_told_from_where_on_audio_is_wanted() -> None:
    dialogue = streaming()
    dialogue.receive_bytes(bytes(641))
    ready = ready_of(dialogue.go_on())
    assert (ready.resumed, ready.resume_reason) == ("continued", None)
    assert (ready.send_from_at, ready.resume_token) == (320, "t1")


def test_a_sample_that_a_break_has_cut_is_taken_once() -> None:
    dialogue = streaming()
    dialogue.receive_bytes(b"\1\2\3")
    dialogue.go_on()
    assert dialogue.receive_bytes(b"\3").commands == ()
    assert dialogue.receive_bytes(b"\4\5\6").commands == (Audio(b"\4\5\6"),)
    assert dialogue.received_at == 3


def test_a_break_while_a_cut_sample_is_repeated_loses_nothing() -> None:
    dialogue = streaming(audio=AUDIO | {"channels": 2})
    dialogue.receive_bytes(b"\1\2\3\4\5\6\7")
    dialogue.go_on()
    assert dialogue.receive_bytes(b"\5\6").commands == ()
    dialogue.go_on()
    assert dialogue.receive_bytes(b"\5\6\7\x08").commands == (Audio(b"\x08"),)


def test_after_finish_a_client_that_comes_back_may_repeat_what_it_said() -> None:
    dialogue = finishing()
    assert ready_of(dialogue.go_on()).resumed == "continued"
    assert dialogue.receive_text('{"type": "hotwords", "hotwords": ["Ada"]}') == NOTHING
    assert dialogue.receive_text('{"type": "finish"}') == NOTHING


RESUME = {
    "token": "lost",
    "from_at": 48_000,
    "acked_at": 48_000,
    "last_seq": 17,
    "next_segment": 3,
    "segment_open": True,
    "committed_text": "ask not",
    "context_text": "x" * 500,
    "heard_at": 90_000,
}


def test_a_session_begun_again_goes_on_where_the_client_says() -> None:
    dialogue = dialogue_of(start(resume=RESUME))
    (opened,) = dialogue.open().commands
    assert isinstance(opened, Open)
    assert opened.continuation == Continuation(
        start_at=48_000,
        segment=3,
        segment_open=True,
        committed_text="ask not",
        context_text="x" * 400,
        lost_from_at=None,
    )
    dialogue.receive_bytes(bytes(100))
    ready = ready_of(dialogue.take_update(Opened()))
    assert (ready.resumed, ready.resume_reason) == ("fresh", "unknown")
    assert (ready.send_from_at, ready.resume_token) == (48_000, "t1")


def test_audio_between_what_was_acknowledged_and_what_is_left_is_lost() -> None:
    terms = dialogue_of(start(resume=RESUME | {"from_at": 60_000})).terms
    assert terms.continuation is not None
    assert (terms.continuation.lost_from_at, terms.continuation.start_at) == (48_000, 60_000)


def test_audio_lost_is_told_in_the_positions_of_the_client() -> None:
    lost = RESUME | {"acked_at": 44_101, "from_at": 88_203}
    dialogue = streaming(resume=lost, audio=AUDIO | {"rate": 44_100})
    gap = Gap(from_at=16_000, to_at=32_000)  # rounded, as the engine counts
    update = Progress((gap,), decided_at=32_000, settled_at=32_000)
    assert dialogue.take_update(update).replies == (messages.Gap(0, 44_101, 88_203),)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"last_seq": 0}, "last_seq is 0; allowed: 1 or more"),
        ({"acked_at": -1}, "acked_at is -1; allowed: 0 or more"),
        ({"from_at": 47_999}, "from_at is 47999; allowed: acked_at (48000) or more"),
        ({"next_segment": -1}, "segment"),
        ({"segment_open": False}, "committed_text"),
        ({"committed_text": "long " * 1_000}, "committed_text"),
    ],
)
def test_a_resume_that_no_session_can_have_come_to_is_refused(
    fields: dict[str, object], named: str
) -> None:
    refusal = refusal_of(start(resume=RESUME | fields))
    assert (refusal.code, refusal.close_code) == ("invalid_option", CloseCode.PROTOCOL_ERROR)
    assert named in refusal.message


def test_a_heartbeat_tells_how_far_the_session_has_come() -> None:
    dialogue = streaming(resume=RESUME)
    dialogue.receive_bytes(bytes(1_000))
    for _ in range(63):
        dialogue.receive_bytes(bytes(1_000))
    update = Progress((), decided_at=48_000 + 24_000, settled_at=0, compute_s=0.3)
    dialogue.take_update(update)
    assert dialogue.heartbeat().replies == (
        messages.Heartbeat(
            0, received_at=48_000 + 32_000, heard_ms=4_500, lag_ms=500, realtime_factor=0.2
        ),
    )


def test_a_heartbeat_before_any_audio_is_all_zeros() -> None:
    assert streaming().heartbeat().replies == (messages.Heartbeat(0, 0, 0, 0, 0.0),)


def test_a_session_that_is_too_long_is_finished_and_told_so() -> None:
    dialogue = streaming()
    assert dialogue.reach_time_limit().commands == (Finish(),)
    assert dialogue.receive_bytes(b"\0\0") == NOTHING
    reaction = dialogue.take_update(Ended(heard_at=0))
    error = assert_refused(reaction, "session_limit", CloseCode.SESSION_LIMIT)
    assert "43200 s" in error.message


def test_a_session_that_finishes_anyway_is_not_too_long() -> None:
    dialogue = finishing()
    assert dialogue.reach_time_limit() == NOTHING
    assert dialogue.take_update(Ended(heard_at=0)).closing == Closing(CloseCode.NORMAL, "done")
