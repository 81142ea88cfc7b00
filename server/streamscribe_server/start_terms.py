"""What a ``start`` message may ask for: from the wire's words to the engine's."""

from dataclasses import replace
from typing import Any

from streamscribe.errors import AudioError, OptionError, UnknownModel
from streamscribe.ingest import AudioFormat
from streamscribe.options import Commit, Latency, SessionOptions
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import Start
from streamscribe_server.catalogue import DEFAULT_MODEL, Catalogue, ServedModel
from streamscribe_server.mailbox import Open


class Refused(Exception):
    """The server doesn't do what a client asked for."""

    def __init__(self, code: str, message: str, close_code: CloseCode) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.close_code = close_code


def terms_of(start: Start, catalogue: Catalogue) -> Open:
    """The stream that ``start`` asks for. Raises ``Refused``."""
    _refuse_what_is_not_there(start)
    try:
        model = catalogue.find(DEFAULT_MODEL if start.model is None else start.model)
        _check_language(start.language, model)
        audio = AudioFormat(start.audio.encoding, start.audio.rate, start.audio.channels)
        options = model.recognizer.resolve(_options(start, model.options))
        return Open(model.name, audio, options)
    except UnknownModel as error:
        raise Refused(error.code, str(error), CloseCode.UNKNOWN_MODEL) from error
    except AudioError as error:
        raise Refused(error.code, str(error), CloseCode.UNUSABLE_AUDIO) from error
    except OptionError as error:
        raise Refused(error.code, str(error), CloseCode.PROTOCOL_ERROR) from error


def _refuse_what_is_not_there(start: Start) -> None:
    if start.resume is not None:
        raise Refused(
            "resume_unavailable",
            "this server can't resume a stream; start a new one without resume",
            CloseCode.PROTOCOL_ERROR,
        )
    if start.task != "transcribe":
        raise _unsupported("task", start.task, "'transcribe'")


def _unsupported(name: str, got: object, allowed: str) -> Refused:
    return Refused(
        "unsupported_option",
        f"option {name!r} is {got!r}, which this server can't do; allowed: {allowed}",
        CloseCode.PROTOCOL_ERROR,
    )


def _check_language(asked: str | None, model: ServedModel) -> None:
    if asked is not None and asked.lower() not in model.languages:
        raise Refused(
            "unsupported_language",
            f"language {asked!r} is not one of model {model.name}'s;"
            f" allowed: {', '.join(model.languages)}",
            CloseCode.PROTOCOL_ERROR,
        )


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
    return replace(
        defaults,
        partials=start.partials,
        commit=Commit(start.commit),
        hotwords=start.hotwords or defaults.hotwords,
        latency=defaults.latency if start.latency is None else Latency(start.latency),
        **given,
    )
