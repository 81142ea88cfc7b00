"""A small CTC checkpoint that learns digits from scratch, saved the way users have theirs.

Its layers are those of wav2vec2: seven convolutions that make a frame of 400 samples every 320, the
first with group norm, then a transformer. Only the widths are small. Batches hold recordings of one
length, so that nothing is padded. The same recipe was tried with SEW and with layer norm, which
learned nothing in that time.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.digits_audio import TRAINING, Digits
from bench.outcome import Figures
from bench.progress import with_progress
from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE

SPECIALS: Final = ("<pad>", "<s>", "</s>", "<unk>", "|")
VOCABULARY: Final = (*SPECIALS, *sorted(set("zeroonetwothreefourfivesixseveneightnine")))
WIDTHS: Final = (32, 32, 64, 64, 64, 64, 64)
HIDDEN: Final = 144
FAMILY: Final = "Wav2Vec2"
SETTINGS: Final[dict[str, Any]] = {
    "vocab_size": len(VOCABULARY), "hidden_size": HIDDEN, "num_hidden_layers": 3,
    "num_attention_heads": 4, "intermediate_size": 3 * HIDDEN, "num_conv_pos_embeddings": 32,
    "num_conv_pos_embedding_groups": 8, "layerdrop": 0.0, "hidden_dropout": 0.0,
    "attention_dropout": 0.0, "activation_dropout": 0.0, "feat_proj_dropout": 0.0,
    "final_dropout": 0.0, "apply_spec_augment": False, "ctc_loss_reduction": "mean",
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "feat_extract_norm": "group", "conv_dim": WIDTHS,
}  # fmt: skip
Labels = npt.NDArray[np.int64]

THREADS: Final = 1
BATCH_S: Final = 5.0
LENGTHS_S: Final = (0.5, 12.0)
LEARNING_RATE: Final = 1e-3
WARM_UP: Final = 0.1


@dataclass(frozen=True, slots=True)
class Training:
    """How a checkpoint was made."""

    audio_s: float
    seconds: float
    loss: float
    """Mean of the last tenth."""


def train(digits: Digits, steps: int, folder: Path) -> Training:
    """Train one checkpoint and save it with its processor; the same on every run."""
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = _new_model()
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=steps, pct_start=WARM_UP
    )
    began, audio_s, losses = time.perf_counter(), 0.0, []
    for step in with_progress(range(steps), "training"):
        samples, labels = _batch(rng, digits, step / steps)
        loss = model(torch.from_numpy(samples), labels=torch.from_numpy(labels)).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        audio_s += samples.size / SAMPLE_RATE
        losses.append(loss.item())
    model.eval()
    model.save_pretrained(folder)
    _save_processor(folder)
    seconds = time.perf_counter() - began
    return Training(audio_s, seconds, float(np.mean(losses[-(steps // 10) :])))


def recipe(steps: int) -> Figures:
    """All that a checkpoint depends on but the audio and the versions of packages."""
    facts = {
        "family": FAMILY, "settings": SETTINGS, "steps": steps, "batch_s": BATCH_S,
        "lengths_s": LENGTHS_S, "learning_rate": LEARNING_RATE, "warm_up": WARM_UP,
        "threads": THREADS, "manner": asdict(TRAINING),
    }  # fmt: skip
    same: Figures = json.loads(json.dumps(facts))
    return same


def texts_of(folder: Path, samples: Sequence[Samples]) -> list[str]:
    """What the original library makes of whole recordings, one by one."""
    import torch
    from transformers import AutoModelForCTC, AutoProcessor

    torch.set_num_threads(THREADS)
    processor, model = (kind.from_pretrained(folder) for kind in (AutoProcessor, AutoModelForCTC))
    texts = []
    for one in with_progress(samples, "original"):
        inputs = processor(one, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            logits = model(**inputs).logits
        texts += processor.batch_decode(logits.argmax(-1))
    return texts


def _new_model() -> Any:  # noqa: ANN401
    import transformers

    return transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**SETTINGS))


def _batch(rng: np.random.Generator, digits: Digits, done: float) -> tuple[Samples, Labels]:
    """Recordings of one length, normalised, and their letters; short ones at first."""
    shortest, longest = LENGTHS_S
    longest = shortest + (longest - shortest) * min(1.0, 0.15 + done)
    seconds = shortest + (longest - shortest) * float(rng.uniform()) ** 2
    count = max(1, round(BATCH_S / seconds))
    joined = [digits.join(rng, seconds, TRAINING) for _ in range(min(count, 16))]
    samples = np.stack([_normal(recording.samples) for recording in joined])
    texts = [
        [VOCABULARY.index(letter) for letter in recording.text.replace(" ", "|")]
        for recording in joined
    ]
    labels = np.full((len(texts), max(map(len, texts))), -100, dtype=np.int64)
    for row, text in zip(labels, texts, strict=True):
        row[: len(text)] = text
    return samples, labels


def _normal(samples: Samples) -> Samples:
    scaled: Samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    return scaled.astype(np.float32)


def _save_processor(folder: Path) -> None:
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({token: id for id, token in enumerate(VOCABULARY)}))
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
    tokenizer = Wav2Vec2CTCTokenizer(str(vocabulary))
    Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
