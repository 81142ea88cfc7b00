"""The default model's graphs against the vendor's, on the same weights, in one process.

Both run on one thread, by turns, and the fastest of several runs counts: machines are shared, so
only the ratios say much. Windows are re-encoded as a live stream does it: the vendor's encoder
hears all of a window again at every hop, ours only what is new.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.command import Request, bench_command
from bench.corpus import load_clips
from bench.live import run_live
from bench.outcome import Figures, Grid, Outcome
from bench.stopwatch import Stopwatch, TimedGraph, attach
from bench.vendor_graphs import VendorModel, vendor_folder
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.model import DecodeStep, FrontState, Samples, Step, StepKind, StepResult
from streamscribe.passes import Row
from streamscribe.recognizer import Recognizer, load_recognizer
from streamscribe.seq2seq import Ask
from streamscribe.stages import Told, untold
from streamscribe.timeline import ms_to_len
from streamscribe.vad import Vad

REPEATS: Final = 15
WINDOWS_MS: Final = (2_000, 4_000, 8_000)
HOP_MS: Final = 500
ROWS: Final = (1, 4, 8, 16)
PAST: Final = 20
"""Tokens said before the one that is timed."""
DRAFT: Final = 12
LIVE_CLIPS: Final = 6
VOCABULARY_SIZE: Final = 32_768


class VendorLive:
    """The vendor's graphs as a model that sessions can be driven with; the rest is ``ours``."""

    def __init__(self, ours: EncoderDecoderModel, vendor: VendorModel) -> None:
        self._vendor = vendor
        self.name, self.languages = ours.name, ours.languages
        self.resolve, self.new_policy = ours.resolve, ours.new_policy
        self.told: Told = untold

    def warm_up(self) -> None:
        """Nothing: the first run is discarded."""

    def run(self, steps: Sequence[Step]) -> list[StepResult]:
        """One call each."""
        return [self._vendor.decode(step) for step in steps if isinstance(step, DecodeStep)]


class TimedVad:
    """A detector whose calls are timed."""

    seconds = 0.0

    def __init__(self, vad: Vad) -> None:
        self._vad = vad
        self.frame_len = vad.frame_len

    def speech_probability(self, frame: Samples) -> float:
        """That of the detector."""
        began = time.perf_counter()
        probability = self._vad.speech_probability(frame)
        TimedVad.seconds += time.perf_counter() - began
        return probability


@dataclass(frozen=True, slots=True)
class Compared:
    """Both models, and the audio they are timed on."""

    ours: EncoderDecoderModel
    vendor: VendorModel
    samples: Samples


@bench_command("graphs")
def main(request: Request) -> Outcome:
    """Encoder, decoder and live streams with our graphs and with the vendor's."""
    recognizer = load_recognizer(threads=1)
    ours = recognizer.model
    assert isinstance(ours, EncoderDecoderModel), "only the default model is compared"
    vendor = VendorModel(vendor_folder(), VOCABULARY_SIZE)
    clips = load_clips(request.speech / "dev", request.limit or LIVE_CLIPS)[:LIVE_CLIPS]
    speech = np.concatenate([clip.samples for clip in clips])
    both = Compared(ours, vendor, speech)
    figures: Figures = {
        "encoder_ms": {str(window): _encoding(both, window) for window in WINDOWS_MS},
        "decoder_ms": _decoding(both),
        "sixteen_steps_ms": _sixteen(both),
        "live": _live(recognizer, both),
    }
    return Outcome(figures, (_encoder_grid(figures), _decoder_grid(figures), _live_grid(figures)))


def fastest(ways: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Milliseconds of the fastest run of each way; the ways take turns."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, run in ways.items():
            began = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - began)
    return {name: 1_000 * seconds for name, seconds in best.items()}


def _encoding(both: Compared, window_ms: int) -> dict[str, float]:
    samples = both.samples[: ms_to_len(window_ms)]
    before = both.ours.decode(_step(samples[: -ms_to_len(HOP_MS)])).front
    times = fastest({
        "vendor": lambda: both.vendor.encode(samples),
        "ours_afresh": lambda: both.ours.encode([_step(samples)]),
        "ours": lambda: both.ours.encode([_step(samples, before=before)]),
    })  # fmt: skip
    return {**times, "ratio": times["vendor"] / times["ours"]}


def _decoding(both: Compared) -> Figures:
    samples = both.samples[: ms_to_len(4_000)]
    theirs = both.vendor.decoder_of(samples)
    audios = both.ours.encode([_step(samples)] * max(ROWS))
    _, begun = theirs.start((1,))
    _, said = theirs.extend((500,) * PAST, begun)
    past = both.ours.passes.run([Row(audios[0], Ask((1, *(500,) * PAST)))])[0].cache

    def rows(count: int, tokens: tuple[int, ...]) -> Callable[[], object]:
        asked = [Row(audio, Ask(tokens, past)) for audio in audios[:count]]
        return lambda: both.ours.passes.run(asked)

    ways = {
        "vendor_token": lambda: theirs.extend((500,), said),
        "vendor_draft": lambda: theirs.extend((500,) * DRAFT, said),
        "draft": rows(1, (500,) * DRAFT),
        **{f"rows_{count}": rows(count, (500,)) for count in ROWS},
    }
    times = fastest(ways)
    ratios = {
        f"ratio_{count}": count * times["vendor_token"] / times[f"rows_{count}"] for count in ROWS
    }
    return {**times, **ratios, "ratio_draft": times["vendor_draft"] / times["draft"]}


def _sixteen(both: Compared) -> dict[str, float]:
    """Sixteen sessions' steps in one call, and in a call each."""
    hop_len, window_len = ms_to_len(HOP_MS), ms_to_len(3_000)
    steps = [_step(both.samples[at * hop_len :][:window_len]) for at in range(16)]
    drafts = [both.ours.decode(step) for step in steps]
    steps = [
        _step(step.samples, draft=found.tokens[:-2], before=found.front)
        for step, found in zip(steps, drafts, strict=True)
    ]
    return fastest({
        "together": lambda: both.ours.run(steps),
        "one_by_one": lambda: [both.ours.run([step]) for step in steps],
        "vendor": lambda: [both.vendor.decode(step) for step in steps],
    }, repeats=3)  # fmt: skip


def _live(recognizer: Recognizer, both: Compared) -> Figures:
    """Seconds per second of audio, by where they went."""
    old = Recognizer(VendorLive(both.ours, both.vendor), recognizer.new_vad, recognizer.options)
    encoder, decoder = TimedGraph(both.vendor.encoder), TimedGraph(both.vendor.decoder)
    both.vendor.encoder, both.vendor.decoder = encoder, decoder
    nothing = TimedGraph(None)
    before = _spent(old, Stopwatch(nothing, encoder, decoder), both.samples)
    after = _spent(recognizer, attach(recognizer), both.samples)
    return {"vendor": before, "ours": after, "ratio": before["rtf"] / after["rtf"]}


def _spent(recognizer: Recognizer, watch: Stopwatch, samples: Samples) -> dict[str, float]:
    timed = Recognizer(recognizer.model, lambda: TimedVad(recognizer.new_vad()), recognizer.options)
    graphs = {"front": watch.front, "encoder": watch.encoder, "decoder": watch.decoder}
    for _ in range(2):  # the first run is discarded
        TimedVad.seconds = 0.0
        for graph in graphs.values():
            graph.seconds, graph.calls = 0.0, 0
        began = time.perf_counter()
        for _ in run_live(timed, samples):
            pass
        wall_s = time.perf_counter() - began
    audio_s = len(samples) / ms_to_len(1_000)
    parts = {name: graph.seconds / audio_s for name, graph in graphs.items()}
    parts["vad"] = TimedVad.seconds / audio_s
    rtf = wall_s / audio_s
    calls = {f"{name}_calls_per_s": graph.calls / audio_s for name, graph in graphs.items()}
    return {"rtf": rtf, **parts, "python": rtf - sum(parts.values()), **calls}


def _step(
    samples: Samples, *, draft: tuple[int, ...] = (), before: FrontState | None = None
) -> DecodeStep:
    return DecodeStep(samples, (), draft, 30, StepKind.PARTIAL, len(samples), front=before)


def _encoder_grid(figures: Figures) -> Grid:
    parts = figures["encoder_ms"]
    assert isinstance(parts, dict)
    rows = [
        (f"{window} ms", *(f"{part[name]:.1f}" for name in ("vendor", "ours_afresh", "ours")),
         f"{part['ratio']:.2f}")
        for window, part in parts.items()
    ]  # fmt: skip
    columns = ("window", "vendor, ms", "ours, all of it", "ours, a hop later", "ratio")
    return Grid("Encoding a window again", columns, rows)


def _decoder_grid(figures: Figures) -> Grid:
    part, steps = figures["decoder_ms"], figures["sixteen_steps_ms"]
    assert isinstance(part, dict) and isinstance(steps, dict)
    rows = [("a token, vendor", f"{part['vendor_token']:.2f}", "")]
    rows += [
        (
            f"a token of {count} rows",
            f"{part[f'rows_{count}']:.2f}",
            f"{part[f'ratio_{count}']:.2f}",
        )
        for count in ROWS
    ]
    rows += [
        (f"a draft of {DRAFT}, vendor", f"{part['vendor_draft']:.2f}", ""),
        (f"a draft of {DRAFT}", f"{part['draft']:.2f}", f"{part['ratio_draft']:.2f}"),
        *((f"16 steps, {name}", f"{value:.1f}", f"{steps['vendor'] / value:.2f}")
          for name, value in steps.items()),
    ]  # fmt: skip
    return Grid("Decoding", ("what", "ms", "ratio"), rows)


def _live_grid(figures: Figures) -> Grid:
    live = figures["live"]
    assert isinstance(live, dict)
    names = ("rtf", "vad", "front", "encoder", "decoder", "python")
    rows = [
        (name, *(f"{1_000 * live[who][name]:.1f}" for who in ("vendor", "ours"))) for name in names
    ]
    rows.append(("ratio", "", f"{live['ratio']:.2f}"))
    return Grid("A live stream, ms per second of audio", ("where", "vendor", "ours"), rows)


if __name__ == "__main__":
    main()
