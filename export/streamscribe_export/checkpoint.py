"""A checkpoint: found here or on the hub, its facts read, its weights loaded.

Nothing that a checkpoint brings is run: no code of its own, no pickle that holds more than tensors.
"""

import contextlib
import io
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from streamscribe_export.detection import detect_any
from streamscribe_export.errors import (
    CheckpointError,
    DamagedCheckpoint,
    HeadNotTrained,
    ProcessorMissing,
    UnsupportedCheckpoint,
)
from streamscribe_export.families import CheckpointFamily

TorchModel: TypeAlias = Any
Tokenizer: TypeAlias = Any
Extractor: TypeAlias = Any

NOT_FOR_INFERENCE: Final = re.compile(r"(^|\.)masked_spec_embed$|(^|\.)position_ids$")
"""Weights that only training uses, or that are computed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder with a checkpoint of a known family."""

    folder: Path
    source: str
    """What a bundle states as its source."""
    family: CheckpointFamily
    config: dict[str, Any]
    """The content of ``config.json``."""
    extractor: dict[str, Any]
    """What ``preprocessor_config.json`` says."""

    @property
    def weight_bytes(self) -> int:
        """Bytes of the files that hold weights."""
        return sum(path.stat().st_size for path in weight_files(self.folder))


def read_checkpoint(folder: Path, source: str) -> Checkpoint:
    """The facts of the checkpoint in ``folder``; weights are not opened."""
    config = _read_json(folder / "config.json", "not a checkpoint of transformers")
    family = detect_any(config)
    if not weight_files(folder):
        raise DamagedCheckpoint(
            f"{folder} holds no weights; allowed: model.safetensors or pytorch_model.bin"
        )
    return Checkpoint(folder, source, family, config, _read_extractor(folder))


def weight_files(folder: Path) -> list[Path]:
    """The files with weights; the safe format goes before pickles."""
    safe = sorted(folder.glob("model*.safetensors"))
    return safe or sorted(folder.glob("pytorch_model*.bin"))


def load_model(checkpoint: Checkpoint) -> TorchModel:
    """The model in float32, for inference, every weight of which was in the checkpoint."""
    _check_safetensors(checkpoint.folder)
    with quiet():
        import torch
        import transformers

        model_class = getattr(transformers, checkpoint.family.model_class, None)
        if model_class is None:
            raise UnsupportedCheckpoint(
                f"transformers {transformers.__version__} has no {checkpoint.family.model_class};"
                " allowed: a version that does; for M-CTC-T that is one below 4.58"
            )
        try:
            model, found = model_class.from_pretrained(
                checkpoint.folder, output_loading_info=True, dtype=torch.float32,
                local_files_only=True, trust_remote_code=False,
            )  # fmt: skip
        except (OSError, RuntimeError, ValueError, KeyError, EOFError) as error:
            raise _damaged(checkpoint.folder, error) from error
    missing = [name for name in found["missing_keys"] if not NOT_FOR_INFERENCE.search(name)]
    if missing:
        raise HeadNotTrained(missing=sorted(missing, key=_head_first))
    return model.eval()


def load_tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    """The checkpoint's tokenizer; one for phonemes needs no phonemizer to write them."""
    folder = checkpoint.folder
    names = ("vocab.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
    if not any((folder / name).is_file() for name in names):
        raise ProcessorMissing(
            f"{folder} has no tokenizer; allowed: the files that processor.save_pretrained writes,"
            f" among them one of {', '.join(names)}"
        )
    with quiet():
        import transformers

        stated = _read_json(folder / "tokenizer_config.json", "", optional=True)
        characters = (
            checkpoint.family.has_ctc_head
            and "tokenizer_class" not in stated
            and (folder / "vocab.json").is_file()
        )
        build = transformers.Wav2Vec2CTCTokenizer if characters else transformers.AutoTokenizer
        try:
            return build.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, do_phonemize=False
            )
        except ImportError as error:
            raise ProcessorMissing(f"the tokenizer needs another package: {error}") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProcessorMissing(f"{folder}: the tokenizer can't be read: {error}") from error


def load_extractor(checkpoint: Checkpoint) -> Extractor | None:
    """The original feature extractor to compare with; None where what it needs is missing."""
    with quiet():
        import transformers

        auto: Any = transformers.AutoFeatureExtractor
        try:
            return auto.from_pretrained(
                checkpoint.folder, local_files_only=True, trust_remote_code=False
            )
        except (ImportError, OSError, ValueError, KeyError):
            return None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no chatter of other people's code."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        with contextlib.redirect_stderr(io.StringIO()):
            yield


def _read_extractor(folder: Path) -> dict[str, Any]:
    """Later versions of transformers keep it inside the processor's file."""
    fields = _read_json(folder / "preprocessor_config.json", "", optional=True)
    if not fields:
        whole = _read_json(folder / "processor_config.json", "", optional=True)
        nested = whole.get("feature_extractor")
        fields = nested if isinstance(nested, dict) else {}
    if not fields:
        raise ProcessorMissing(
            f"{folder} has no preprocessor_config.json; allowed: the files that"
            " processor.save_pretrained writes"
        )
    return fields


def _read_json(path: Path, otherwise: str, *, optional: bool = False) -> dict[str, Any]:
    if not path.is_file():
        if optional:
            return {}
        raise CheckpointError(f"{path.parent} has no {path.name}: it is {otherwise}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedCheckpoint(f"{path} can't be read: {error}") from error
    if not isinstance(values, dict):
        raise DamagedCheckpoint(f"{path} holds no JSON object")
    return values


def _check_safetensors(folder: Path) -> None:
    """Every file is as long as its header says; the library's own message names none."""
    from safetensors import SafetensorError, safe_open

    for path in weight_files(folder):
        if path.suffix == ".safetensors":
            try:
                with safe_open(path, framework="np"):
                    pass
            except (SafetensorError, OSError) as error:
                raise DamagedCheckpoint(
                    f"{path} ({path.stat().st_size} bytes) is cut short or damaged: {error};"
                    " fetch it again"
                ) from error


def _damaged(folder: Path, error: Exception) -> DamagedCheckpoint:
    said = str(error).strip().splitlines()
    return DamagedCheckpoint(f"{folder} can't be loaded: {said[0] if said else error!r}")


def _head_first(name: str) -> tuple[bool, str]:
    return not name.startswith(("lm_head", "ctc_head")), name
