"""The two ways to a text: whole audio in one model call, and the stream that we are judged by."""

from collections.abc import Iterable

import numpy as np

from streamscribe import guards
from streamscribe.ctc import GreedyDecoder
from streamscribe.ctc_model import CtcModel
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.events import Event, Final
from streamscribe.model import DecodeResult, DecodeStep, Samples, StepKind
from streamscribe.recognizer import Recognizer
from streamscribe.timeline import SAMPLE_RATE, ms_to_len
from streamscribe.tokens import decode


def model_of(recognizer: Recognizer) -> EncoderDecoderModel:
    """The recognizer's model, which these benchmarks know to be a seq2seq one."""
    model = recognizer.model
    assert isinstance(model, EncoderDecoderModel), f"{model.name} is not a seq2seq model"
    return model


def whole_step(recognizer: Recognizer, samples: Samples, draft: tuple[int, ...] = ()) -> DecodeStep:
    """The step that decodes all of ``samples`` at once; without a draft, token by token."""
    return DecodeStep(
        samples=samples,
        forced=(),
        draft=draft,
        max_new_tokens=guards.token_cap(len(samples), model_of(recognizer).max_tokens_per_s),
        kind=StepKind.FINAL,
        due_at=len(samples),
    )


def decode_whole(recognizer: Recognizer, samples: Samples) -> str:
    """Text of all of ``samples`` in one greedy, step-wise decode: no detector, no guard but the
    token-rate cap."""
    return text_of(recognizer, model_of(recognizer).decode(whole_step(recognizer, samples)))


def decode_whole_ctc(recognizer: Recognizer, samples: Samples) -> str:
    """Text of all of ``samples`` in one window of a CTC model, greedy."""
    model = recognizer.model
    assert isinstance(model, CtcModel), f"{model.name} is not a CTC model"
    decoder = GreedyDecoder(model.blank)
    decoder.receive(model.frames(samples[np.newaxis])[0])
    spikes = decoder.finish()
    return decode([spike.token for spike in spikes], model.tokens, ended=True).strip()


def decode_in_pieces(recognizer: Recognizer, samples: Samples, piece_ms: int) -> str:
    """The same with the audio first cut into pieces of at most ``piece_ms``.

    Each cut lies in the quietest 300 ms of the second half of its piece.
    """
    texts = []
    while len(samples) > ms_to_len(piece_ms):
        cut = quietest(samples, ms_to_len(piece_ms) // 2, ms_to_len(piece_ms))
        texts.append(decode_whole(recognizer, samples[:cut]))
        samples = samples[cut:]
    texts.append(decode_whole(recognizer, samples))
    return " ".join(texts)


def quietest(samples: Samples, first: int, last: int) -> int:
    """Middle of the 300 ms with the least energy between the positions ``first`` and ``last``."""
    stretch = ms_to_len(300)
    energy = np.concatenate(([0.0], np.cumsum(np.square(samples[first:last], dtype=np.float64))))
    return first + int((energy[stretch:] - energy[:-stretch]).argmin()) + stretch // 2


def text_of(recognizer: Recognizer, result: DecodeResult) -> str:
    """The text of a result's tokens."""
    return decode(result.tokens, model_of(recognizer).tokens, ended=True).strip()


def final_text(events: Iterable[Event]) -> str:
    """The text of a whole stream."""
    return " ".join(event.text for event in events if isinstance(event, Final) and event.text)


def seconds_of(samples: Samples) -> float:
    """Length of audio in seconds."""
    return len(samples) / SAMPLE_RATE
