"""A whole recording's finals as the text of one file."""

import json
from dataclasses import asdict
from enum import StrEnum
from typing import assert_never

from streamscribe_protocol.captions import to_srt, to_text, to_vtt
from streamscribe_protocol.messages import Final


class Format(StrEnum):
    """What a transcript is written as."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"

    @property
    def suffix(self) -> str:
        """How the names of files in this format end."""
        return ".txt" if self is Format.TEXT else f".{self}"


def written(format: Format, name: str, model: str | None, finals: list[Final]) -> str:
    """The transcript of the recording ``name``, as it is written.

    JSON is one line: ``file``, ``model``, ``text``, and ``segments`` with ``start_ms``,
    ``end_ms``, ``text``, the protocol's ``words``, and ``language`` where it is known.
    """
    match format:
        case Format.TEXT:
            return to_text(finals)
        case Format.SRT:
            return to_srt(finals)
        case Format.VTT:
            return to_vtt(finals)
        case Format.JSON:
            return json.dumps(_document(name, model, finals), ensure_ascii=False) + "\n"
        case _:
            assert_never(format)


def _document(name: str, model: str | None, finals: list[Final]) -> dict[str, object]:
    spoken = [final for final in finals if final.text]
    text = " ".join(final.text for final in spoken)
    return {
        "file": name,
        "model": model,
        "text": text,
        "segments": [_segment(final) for final in spoken],
    }


def _segment(final: Final) -> dict[str, object]:
    known = {} if final.language is None else {"language": final.language}
    return {
        "start_ms": final.start_ms,
        "end_ms": final.end_ms,
        "text": final.text,
        "words": [asdict(word) for word in final.words],
        **known,
    }
