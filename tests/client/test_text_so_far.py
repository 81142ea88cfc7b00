import pytest

from streamscribe_client.text_so_far import CONTEXT_CHARACTERS, TextSoFar
from streamscribe_protocol.errors import RemoteProtocolError
from streamscribe_protocol.messages import Endpoint, Final, Partial, Resume, SpeechStarted


def partial(segment: int, text: str, committed: int) -> Partial:
    return Partial(7, segment, text, committed, (), 0)


def final(segment: int, text: str) -> Final:
    return Final(7, segment, text, (), 0, 900, ack_at=0)


def heard(*messages: SpeechStarted | Partial | Endpoint | Final) -> TextSoFar:
    text = TextSoFar()
    for message in messages:
        text.take(message)
    return text


def test_an_open_segment_is_resumed_with_its_committed_text() -> None:
    text = heard(SpeechStarted(2, 0, 0), partial(0, "Ask not what", 7))
    assert text.resume("t", from_at=5, acked_at=4, last_seq=9, heard_at=6) == Resume(
        token="t",
        from_at=5,
        acked_at=4,
        last_seq=9,
        next_segment=0,
        segment_open=True,
        committed_text="Ask not",
        context_text="",
        heard_at=6,
    )


def test_after_a_final_the_next_segment_is_asked_for_and_the_text_is_context() -> None:
    text = heard(
        SpeechStarted(2, 0, 0), partial(0, "Ask", 3), Endpoint(3, 0, "silence", 9), final(0, "Ask.")
    )
    assert (text.next_segment, text.segment_open, text.committed_text) == (1, False, "")
    assert text.context_text == "Ask."


def test_context_is_the_last_words_of_all_finals_within_the_bound() -> None:
    text = heard(*(final(number, f"word{number:03}") for number in range(100)))
    assert len(text.context_text) <= CONTEXT_CHARACTERS
    assert text.context_text.split() == [f"word{number:03}" for number in range(50, 100)]


def test_context_without_spaces_is_cut_anywhere() -> None:
    assert heard(final(0, "字" * 500)).context_text == "字" * CONTEXT_CHARACTERS


@pytest.mark.parametrize("again", [SpeechStarted(9, 0, 0), final(0, "Ask."), partial(0, "Ask", 0)])
def test_a_segment_that_is_closed_does_not_come_again(
    again: SpeechStarted | Final | Partial,
) -> None:
    with pytest.raises(RemoteProtocolError, match="of segment 0 came, but segment 0 has its final"):
        heard(SpeechStarted(2, 0, 0), final(0, "Ask."), again)


def test_a_segment_is_opened_once() -> None:
    with pytest.raises(RemoteProtocolError, match="SpeechStarted 9 .* open already"):
        heard(SpeechStarted(2, 0, 0), SpeechStarted(9, 0, 0))


@pytest.mark.parametrize(
    "message", [partial(0, "Ask what", 8), partial(0, "Ask not", 3), final(0, "Ask what.")]
)
def test_committed_text_does_not_change(message: Partial | Final) -> None:
    with pytest.raises(RemoteProtocolError, match="changed the 7 characters"):
        heard(SpeechStarted(2, 0, 0), partial(0, "Ask not what", 7), message)


def test_each_segment_has_its_own_promises() -> None:
    text = heard(final(0, "Ask"), SpeechStarted(3, 1, 0), partial(1, "not", 3), final(1, "not"))
    assert text.next_segment == 2
