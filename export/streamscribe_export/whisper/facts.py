"""What a bundle states of a Whisper model, from the names of its tokens and its configuration.

Tokens are text up to the end of the sequence; behind it come the start, a token for each language
of models for several, the tasks, and others that only prompts hold, the last of which says that no
times are wanted; all that follow are times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamscribe_export.errors import UnsupportedCheckpoint, VocabularyMismatch
from streamscribe_export.pieces import Piece, byte_level_piece
from streamscribe_export.whisper.graphs import AlignmentHead
from streamscribe_export.whisper.weights import Weights

END: Final = "<|endoftext|>"
START: Final = "<|startoftranscript|>"
PREVIOUS: Final = "<|startofprev|>"
NO_SPEECH: Final = ("<|nospeech|>", "<|nocaptions|>")
NO_TIMES: Final = "<|notimestamps|>"
TASKS: Final = ("transcribe", "translate")
ENGLISH_ONLY_SIZE: Final = 51864
"""Tokens of the models for English alone; the others have more."""

STRIDE_LEN: Final = 320
"""Samples between two frames of the encoder."""
SHORTEST_LEN: Final = 160_000
TAIL_LEN: Final = 16_000
"""How much silence these models need after the audio: see bench/whisper_silence.py."""

MAX_PER_S_ENGLISH: Final = 6.5
MAX_PER_S: Final = 12.0
"""More tokens than this per second are not speech; some scripts take several for a letter."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a checkpoint says beside its weights."""

    names: Mapping[int, str]
    """Of every token."""
    suppressed: Sequence[int]
    suppressed_first: Sequence[int]
    alignment_heads: Sequence[Sequence[int]]
    """Pairs of layer and head; empty where nobody has found them."""


@dataclass(frozen=True, slots=True)
class WhisperFacts:
    """The tokens' part of a manifest."""

    tokens: dict[str, Any]
    """The object ``tokens``."""
    prompt: dict[str, Any]
    """The object ``prompt``."""
    pieces: tuple[Piece, ...]
    languages: tuple[str, ...]
    heads: tuple[AlignmentHead, ...]


def read_facts(told: Told, weights: Weights) -> WhisperFacts:
    """The facts. Raises ``VocabularyMismatch`` where a token that is needed is missing."""
    numbers = {name: token for token, name in told.names.items()}
    missing = [name for name in (END, START, NO_TIMES) if name not in numbers]
    if missing:
        raise VocabularyMismatch(f"the tokenizer has no {', '.join(missing)}, as Whisper's have")
    end, last = numbers[END], numbers[NO_TIMES]
    size = weights.vocabulary_size
    if last >= size:
        raise VocabularyMismatch(f"the tokenizer names token {last}; the decoder has {size}")
    languages = {} if size <= ENGLISH_ONLY_SIZE else _languages(told.names, numbers[START])
    no_speech = next((numbers[name] for name in NO_SPEECH if name in numbers), None)
    prompt: dict[str, Any] = {
        "start": [numbers[START]],
        "languages": languages,
        "tasks": {task: numbers[f"<|{task}|>"] for task in TASKS} if languages else {},
        "end": [last],
    }
    if PREVIOUS in numbers:
        prompt["previous"] = numbers[PREVIOUS]
    if no_speech is not None:
        prompt["no_speech"] = no_speech
    special = [token for token in range(size) if token > end]
    return WhisperFacts(
        tokens={
            "format": "pieces",
            "vocabulary_size": size,
            "eos": end,
            "max_per_s": MAX_PER_S if languages else MAX_PER_S_ENGLISH,
            "suppressed": sorted({*told.suppressed, *special}),
            "suppressed_first": sorted(told.suppressed_first),
        },
        prompt=prompt,
        pieces=tuple(
            "" if token >= end else byte_level_piece(told.names.get(token, ""))
            for token in range(size)
        ),
        languages=tuple(languages) or ("en",),
        heads=_heads(told, weights),
    )


def front_end_lengths(weights: Weights) -> dict[str, int]:
    """The lengths in the object ``front_end``."""
    longest_len = weights.frames * STRIDE_LEN
    return {
        "receptive_field_len": STRIDE_LEN,
        "stride_len": STRIDE_LEN,
        "shortest_len": min(SHORTEST_LEN, longest_len),
        "tail_len": TAIL_LEN,
        "longest_len": longest_len,
    }


def _languages(names: Mapping[int, str], start: int) -> dict[str, int]:
    """The tokens after the start, up to the first task."""
    found = {}
    token = start + 1
    while (name := names.get(token, "")) and name[2:-2] not in TASKS:
        found[name.removeprefix("<|").removesuffix("|>")] = token
        token += 1
    return found


def _heads(told: Told, weights: Weights) -> tuple[AlignmentHead, ...]:
    """Those that are known to follow the audio; else all of the decoder's upper half."""
    layers = weights.layers("decoder")
    stated = [AlignmentHead(layer, head) for layer, head in told.alignment_heads]
    if any(one.layer >= layers or one.head >= weights.heads for one in stated):
        raise UnsupportedCheckpoint(
            f"alignment heads {[tuple(pair) for pair in told.alignment_heads]} are not all in"
            f" {layers} layers of {weights.heads} heads"
        )
    upper = [
        AlignmentHead(layer, head)
        for layer in range(layers // 2, layers)
        for head in range(weights.heads)
    ]
    return tuple(sorted(stated or upper, key=lambda one: (one.layer, one.head)))
