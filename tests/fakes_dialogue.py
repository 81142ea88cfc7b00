"""Dialogues that are open, broken, or go on."""

import json
from dataclasses import replace
from typing import Any

from fakes_wire_server import READY
from streamscribe_client.breaks import Broken
from streamscribe_client.dialogue import Dialogue
from streamscribe_client.stream_options import PERSEVERANCE, Perseverance, start_message
from streamscribe_protocol.messages import (
    Error,
    encode,
)

CONTINUED = replace(READY, resumed="continued")
FRESH = replace(READY, resumed="fresh", resume_reason="unknown", session="s-2", resume_token="t-2")
INTERNAL = Error(2, "internal", "out of memory", fatal=True)


def opened(perseverance: Perseverance = PERSEVERANCE) -> Dialogue:
    dialogue = Dialogue(start_message({"hotwords": ("Ada",)}), perseverance)
    dialogue.receive(encode(READY))
    return dialogue


def broken(code: int = 1006) -> Dialogue:
    dialogue = opened()
    assert isinstance(dialogue.closed(code, ""), Broken)
    return dialogue


def asked(dialogue: Dialogue) -> Any:  # noqa: ANN401 - JSON
    return json.loads(dialogue.opening())["resume"]


def go_on(dialogue: Dialogue, seq: int) -> None:
    dialogue.opening()
    dialogue.receive(encode(replace(FRESH, seq=seq)))
