from streamscribe.events import Endpoint as EndpointEvent
from streamscribe.events import Event, Final, Rule, Timing, Word
from streamscribe_protocol import messages
from streamscribe_server.mailbox import Progress
from streamscribe_server.translate import Translator

RATE = 16_000


def progress(*events: Event, settled_at: int = 0) -> Progress:
    return Progress(events, decided_at=settled_at, settled_at=settled_at)


def test_a_final_acknowledges_its_audio_at_the_rate_of_the_client() -> None:
    translator = Translator(rate_hz=44_100)
    final = Final(0, "", (), start_at=0, end_at=2 * RATE)
    (told,) = translator.translate(progress(final, settled_at=2 * RATE))
    assert isinstance(told, messages.Final)
    assert told.ack_at == 2 * 44_100


def test_a_final_acknowledges_nothing_that_is_not_settled() -> None:
    translator = Translator(rate_hz=RATE)
    final = Final(0, "", (), start_at=0, end_at=2 * RATE)
    (told,) = translator.translate(progress(final, settled_at=RATE + 5))
    assert isinstance(told, messages.Final)
    assert told.ack_at == RATE + 5


def test_silence_is_acknowledged_once_a_second() -> None:
    translator = Translator(rate_hz=8_000)
    told = [
        message
        for settled_at in range(0, 3 * RATE + 1, RATE // 4)
        for message in translator.translate(progress(settled_at=settled_at))
    ]
    assert told == [messages.Ack(0, 8_000), messages.Ack(0, 16_000), messages.Ack(0, 24_000)]


def test_a_position_before_an_earlier_one_is_not_taken_back() -> None:
    translator = Translator(rate_hz=RATE)
    translator.translate(progress(settled_at=3 * RATE))
    final = Final(0, "", (), start_at=RATE, end_at=2 * RATE)
    (told,) = translator.translate(progress(final, settled_at=3 * RATE))
    assert isinstance(told, messages.Final)
    assert told.ack_at == 3 * RATE


def test_times_become_milliseconds_and_words_keep_where_their_times_come_from() -> None:
    word = Word("hello", 1_600, 8_000, 0.91239, Timing.ESTIMATED)
    final = Final(4, "hello", (word,), start_at=1_600, end_at=RATE)
    (told,) = Translator(rate_hz=RATE).translate(progress(final, settled_at=RATE))
    assert told == messages.Final(
        seq=0,
        segment=4,
        text="hello",
        words=(messages.Word("hello", 100, 500, 0.912, "estimated"),),
        start_ms=100,
        end_ms=1_000,
        ack_at=RATE,
    )


def test_a_final_tells_the_language_where_it_is_known() -> None:
    translator = Translator(rate_hz=RATE)
    known = Final(0, "ja", (), start_at=0, end_at=RATE, language="de")
    unknown = Final(1, "", (), start_at=RATE, end_at=2 * RATE)
    told = translator.translate(progress(known, unknown))
    assert [message.language for message in told if isinstance(message, messages.Final)] == [
        "de",
        None,
    ]


def test_an_endpoint_names_its_rule() -> None:
    (told,) = Translator(rate_hz=RATE).translate(progress(EndpointEvent(1, Rule.FLUSH, RATE)))
    assert told == messages.Endpoint(0, 1, "flush", 1_000)
