"""What a ``start`` message may ask for: from the wire's words to the engine's."""

from dataclasses import replace
from typing import Any

from streamscribe.errors import AudioError, OptionError, UnknownModel
from streamscribe.ingest import AudioFormat
from streamscribe.options import Commit, SessionOptions
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import Start
from streamscribe_server.catalogue import DEFAULT_MODEL, Catalogue
from streamscribe_server.mailbox import Open
from streamscribe_server.speech import speech_of, told


class Refused(Exception):
    """The server doesn't do what a client asked for."""

    def __init__(self, code: str, message: str, close_code: CloseCode) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.close_code = close_code


def terms_of(start: Start, catalogue: Catalogue) -> Open:
    """The stream that ``start`` asks for. Raises ``Refused``."""
    if start.resume is not None:
        raise Refused(
            "resume_unavailable",
            "this server can't resume a stream; start a new one without resume",
            CloseCode.PROTOCOL_ERROR,
        )
    try:
        model = catalogue.find(DEFAULT_MODEL if start.model is None else start.model)
        audio = AudioFormat(start.audio.encoding, start.audio.rate, start.audio.channels)
        options = model.recognizer.resolve(_options(start, model.options))
        return Open(model.name, audio, options)
    except UnknownModel as error:
        raise Refused(error.code, str(error), CloseCode.UNKNOWN_MODEL) from error
    except AudioError as error:
        raise Refused(error.code, str(error), CloseCode.UNUSABLE_AUDIO) from error
    except OptionError as error:
        raise Refused(error.code, str(error), CloseCode.PROTOCOL_ERROR) from error


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
