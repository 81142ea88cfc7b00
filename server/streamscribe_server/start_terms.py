"""What a ``start`` message may ask for: from the wire's words to the engine's."""

from dataclasses import replace
from typing import Any

from streamscribe.continuation import Continuation
from streamscribe.errors import AudioError, OptionError, UnknownModel
from streamscribe.ingest import AudioFormat
from streamscribe.options import Commit, SessionOptions
from streamscribe.timeline import at_from_rate
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import Resume, Start
from streamscribe_server.catalogue import DEFAULT_MODEL, Catalogue
from streamscribe_server.mailbox import Open
from streamscribe_server.speech import speech_of, told

CONTEXT_CHARACTERS = 400
"""Newest part of ``Resume.context_text`` that is used."""


class Refused(Exception):
    """The server doesn't do what a client asked for."""

    def __init__(
        self, code: str, message: str, close_code: CloseCode, close_reason: str | None = None
    ) -> None:
        """``close_reason``: for the close frame; the code unless given."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.close_code = close_code
        self.close_reason = close_reason or code


def terms_of(start: Start, catalogue: Catalogue) -> Open:
    """The stream that ``start`` asks for. Raises ``Refused``."""
    if start.resume is not None:
        check_resume(start.resume)
    try:
        model = catalogue.find(DEFAULT_MODEL if start.model is None else start.model)
        audio = AudioFormat(start.audio.encoding, start.audio.rate, start.audio.channels)
        options = model.recognizer.resolve(_options(start, model.options))
        continuation = continuation_of(start.resume, audio.rate_hz) if start.resume else None
        return Open(model.name, audio, options, continuation)
    except UnknownModel as error:
        raise Refused(error.code, str(error), CloseCode.UNKNOWN_MODEL) from error
    except AudioError as error:
        raise Refused(error.code, str(error), CloseCode.UNUSABLE_AUDIO) from error
    except OptionError as error:
        raise Refused(error.code, str(error), CloseCode.PROTOCOL_ERROR) from error


def continuation_of(resume: Resume, rate_hz: int) -> Continuation:
    """Where a fresh session goes on, from the client's clock to the engine's.

    Raises ``OptionError`` for what no session can have said.
    """
    start_at = at_from_rate(resume.from_at, rate_hz)
    lost_from_at = at_from_rate(resume.acked_at, rate_hz)
    return Continuation(
        start_at=start_at,
        segment=resume.next_segment,
        segment_open=resume.segment_open,
        committed_text=" ".join(resume.committed_text.split()),
        context_text=resume.context_text[-CONTEXT_CHARACTERS:],
        lost_from_at=lost_from_at if lost_from_at < start_at else None,
    )


def check_resume(resume: Resume) -> None:
    """Raises ``Refused`` for positions that no session can have."""
    allowed = {
        "last_seq": (resume.last_seq >= 1, "1 or more"),
        "acked_at": (resume.acked_at >= 0, "0 or more"),
        "from_at": (resume.from_at >= resume.acked_at, f"acked_at ({resume.acked_at}) or more"),
    }
    for name, (fine, said) in allowed.items():
        if not fine:
            message = f"start.resume.{name} is {getattr(resume, name)}; allowed: {said}"
            raise Refused("invalid_option", message, CloseCode.PROTOCOL_ERROR)


def _options(start: Start, defaults: SessionOptions) -> SessionOptions:
    asked = {"hop_ms": start.hop_ms}
    if start.endpointing is not None:
        endpointing = start.endpointing
        asked |= {
            "endpoint_silence_ms": endpointing.silence_ms,
            "soft_pause_ms": endpointing.soft_pause_ms,
            "min_speech_ms": endpointing.min_speech_ms,
            "pre_roll_ms": endpointing.pre_roll_ms,
            "max_segment_ms": endpointing.max_segment_ms,
        }
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if "endpoint_silence_ms" in given and "soft_pause_ms" not in given:
        given["soft_pause_ms"] = min(defaults.soft_pause_ms, given["endpoint_silence_ms"])
    chosen = replace(defaults, partials=start.partials, commit=Commit(start.commit), **given)
    return told(chosen, speech_of(start))
