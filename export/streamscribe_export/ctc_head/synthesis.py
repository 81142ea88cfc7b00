"""A corpus of synthetic speech, in the same form as a corpus of recordings."""

import json
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import numpy as np
import soundfile

from streamscribe.timeline import SAMPLE_RATE
from streamscribe_export.ctc_head.corpus import MANIFEST
from streamscribe_export.ctc_head.voices import Voice, make_voices, voice_file

SHORTEST_S = 0.8
LONGEST_S = 20.0


@dataclass(frozen=True, slots=True)
class Task:
    """One utterance to make."""

    number: int
    text: str
    folder: Path
    kokoro: Path | None
    seed: int


def synthesise(  # noqa: PLR0913 - all but two by keyword
    sentences: Sequence[str],
    folder: Path,
    *,
    kokoro: Path | None,
    hours: float,
    workers: int,
    seed: int,
    made: Callable[[float], None],
) -> None:
    """Speak ``sentences`` in order until there are ``hours`` of speech; write them as a corpus.

    Utterances that are there already are kept, so that an interrupted run goes on. ``made`` is
    told the seconds of each. kokoro: see ``make_voices``. Raises ``click.ClickException`` if a
    voice is not installed or the sentences run out at less than half of what was asked for.
    """
    make_voices(kokoro)
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [Task(number, text, folder, kokoro, seed) for number, text in enumerate(sentences)]
    seconds, lines = 0.0, []
    with ProcessPoolExecutor(workers) as pool:
        block = 64 * workers
        for first in range(0, len(tasks), block):
            for entry in pool.map(_speak, tasks[first : first + block], chunksize=8):
                if entry is not None:
                    lines.append(json.dumps(entry))
                    seconds += float(str(entry["seconds"]))
                    made(float(str(entry["seconds"])))
            if seconds >= hours * 3600:
                break
    if seconds < hours * 1800:
        raise click.ClickException(
            f"{len(sentences)} sentences make {seconds / 3600:.1f} h of speech, and {hours:g} h"
            " were asked for; give more text, or fewer --synthetic-hours"
        )
    (folder / MANIFEST).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _speak(task: Task) -> dict[str, object] | None:
    """The manifest's entry of one utterance; ``None`` where a voice gave nothing usable."""
    rng = np.random.default_rng((task.seed, task.number))
    voice = _choose(float(rng.random()), task.kokoro)
    path = voice_file(task.folder, task.number)
    if not path.is_file():
        try:
            samples = voice.say(task.text, rng)
        except (subprocess.SubprocessError, KeyError, IndexError):
            return None
        if not SHORTEST_S <= len(samples) / SAMPLE_RATE <= LONGEST_S:
            return None
        peak = float(np.abs(samples).max())
        soundfile.write(path, samples * min(1.0, 0.9 / (peak + 1e-9)), SAMPLE_RATE)
    return {
        "audio": path.name,
        "text": task.text,
        "speaker": voice.name,
        "set": f"synthetic_{voice.name}",
        "seconds": round(soundfile.info(path).duration, 3),
    }


def _choose(draw: float, kokoro: Path | None) -> Voice:
    for share, voice in _voices(kokoro):
        draw -= share
        if draw < 0:
            return voice
    return _voices(kokoro)[0][1]


@cache
def _voices(kokoro: Path | None) -> list[tuple[float, Voice]]:
    return make_voices(kokoro)
