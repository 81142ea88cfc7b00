"""What the project has to reach, in one table, and how a result is judged by it."""

from collections.abc import Mapping
from typing import Final

from bench.load_targets import LOAD_TARGETS
from bench.robustness_targets import ROBUSTNESS_TARGETS
from bench.target import Target as Target
from bench.target import Verdict as Verdict

BENCHES: Final = (
    "start",
    "memory",
    "install",
    "latency",
    "cost",
    "threads",
    "graphs",
    "offline_speed",
    "accuracy",
    "draft_agreement",
    "sensitivity",
    "endpoint_curve",
    "noise",
    "ctc_curve",
    "ctc_search",
    "ctc_cost",
    "export_speed",
    "digits",
    "whisper_offline",
    "whisper_streaming",
    "whisper_silence",
    "fuzz",
    "soak",
    "chaos",
    "capacity",
    "fairness",
    "overload",
    "idle",
)
"""Every benchmark, in the order in which ``all`` runs them."""


def _accuracy(folder: str, shown: str, points: float) -> tuple[Target, ...]:
    above = "streamed above offline"
    return (
        Target("accuracy", (folder, "offline", "wer_percent"), f"offline WER, {shown}", "%"),
        Target(
            "accuracy", (folder, "append", "above_offline", "points"),
            f"{above}, {shown}, commit append", "points", points,
        ),
        Target(
            "accuracy", (folder, "final", "above_offline", "points"),
            f"{above}, {shown}, commit final", "points",
        ),
    )  # fmt: skip


def _churn(folder: str, shown: str) -> tuple[Target, ...]:
    return (
        Target(
            "accuracy", (folder, "append", "churn", "committed_changed"),
            f"committed words changed, {shown}", "words", 0,
        ),
        *(
            Target(
                "accuracy", (folder, mode, "churn", "per_final_word"),
                f"churn, {shown}, commit {mode}", "changed / final",
            )
            for mode in ("append", "final")
        ),
    )  # fmt: skip


def _export(model: str, times_torch: float) -> tuple[Target, ...]:
    return (
        Target("export_speed", (model, "export_s"), f"export of {model}", "s", 180),
        Target(
            "export_speed", (model, "peak_memory_mb"), f"peak memory of exporting {model}", "MB",
            6_000,
        ),
        *(
            Target(
                "export_speed", (model, "speed", f"window_{window}", "times_torch", "bundle"),
                f"{model} against torch, windows of {window}", "x", times_torch, at_least=True,
            )
            for window in ("5s", "10s")
        ),
    )  # fmt: skip


def _whisper_live(way: str, latency: str, points: float | None, shown: bool) -> tuple[Target, ...]:
    path, said = (way, latency), f"Whisper tiny.en live, {way}, {latency}"
    delays = zip(("p50_s", "p95_s"), (0.9, 1.6) if shown else (None, None), strict=True)
    return (
        Target(
            "whisper_streaming", (*path, "above_offline", "points"), f"{said}, above offline",
            "points", points,
        ),
        *(
            Target(
                "whisper_streaming", (*path, "shown", name), f"{said}, word shown, {name[:3]}",
                "s", bound,
            )
            for name, bound in delays
        ),
        Target("whisper_streaming", (*path, "cores"), f"{said}, cores of a stream", "cores", 0.35),
    )  # fmt: skip


def _whisper_race(path: tuple[str, str, str], shown: str, times: float) -> Target:
    *clips, against = path
    return Target(
        "whisper_offline", (*clips, "times_faster", against), f"Whisper tiny.en, {shown}", "x",
        times, at_least=True,
    )  # fmt: skip


TARGETS: Final = (
    *_accuracy("dev", "file by file", 1.0),
    *_accuracy("joined", "one session", 1.5),
    *_accuracy("long", "long recordings", 1.0),
    Target(
        "accuracy", ("long", "append", "above_offline_in_pieces", "points"),
        "streamed above offline in pieces, long, commit append", "points",
    ),
    Target("cost", ("rtf",), "real-time factor, dev and long", "s / s", 0.15),
    Target("cost", ("times_offline",), "live against whole files, real-time factors", "x"),
    Target("cost", ("full_window", "rtf"), "real-time factor, full window", "s / s"),
    Target(
        "offline_speed", ("whole_file", "speed_ratio"),
        "speed against the vendor's library", "x", 1.0, at_least=True,
    ),
    Target("latency", ("first_partial", "p50_s"), "first partial, p50", "s", 0.8),
    Target("latency", ("first_partial", "p95_s"), "first partial, p95", "s", 1.2),
    Target("latency", ("first_partial", "none"), "segments without a first partial", "segments"),
    Target("latency", ("silence_waited", "p50_s"), "silence waited for, p50", "s"),
    Target("latency", ("final_compute", "p95_s"), "endpoint to final, p95", "s", 0.2),
    *_churn("dev", "file by file"),
    *_churn("joined", "one session"),
    *_churn("long", "long recordings"),
    Target("start", ("import_client", "median_s"), "import streamscribe_client", "s", 0.3),
    Target("start", ("serve_ready", "median_s"), "streamscribe serve to ready", "s", 3.0),
    Target("memory", ("one_stream_mb",), "server with one stream", "MB", 400),
    Target("memory", ("per_idle_stream_mb",), "per further idle stream", "MB", 5),
    Target("install", ("venv_mb",), "base install with the default model", "MB", 400),
    Target("install", ("forbidden_packages",), "torch or transformers installed", "packages", 0),
    Target("draft_agreement", ("words_differ_percent",), "draft changes the words", "% of texts"),
    Target("sensitivity", ("spread_points",), "offline WER, spread by framing", "points"),
    Target("ctc_curve", ("offline", "wer_percent"), "CTC model, offline WER", "%"),
    Target(
        "ctc_curve", ("presets", "medium", "wer_percent"), "CTC model, streamed at medium, WER",
        "%", 25.0,
    ),
    Target(
        "ctc_curve", ("presets", "medium", "above_offline", "points"),
        "CTC model, streamed at medium above offline", "points", 0.5,
    ),
    Target(
        "ctc_search", ("ways", "language_model", "wer_percent"),
        "the same with a 3-gram language model", "%",
    ),
    Target(
        "ctc_cost", ("windowed", "rtf"), "CTC model, real-time factor at medium, 10 min", "s / s"
    ),
    Target(
        "ctc_cost", ("windowed", "second_half_to_first"), "its second half to its first", "x", 1.1
    ),
    Target(
        "ctc_cost", ("times_whole_segment",), "window against the whole segment every hop", "x"
    ),
    *_export("wav2vec2_base", 1.3),
    *_export("wav2vec2_base_int8", 2.0),
    Target(
        "export_speed", ("sew_gain", "bundle"), "SEW against wav2vec2 of its size, ONNX", "x",
        1.9, at_least=True,
    ),
    _whisper_race(
        ("int8", "clips_3_15s", "faster_whisper"), "int8 against faster-whisper, 3-15 s", 3.0
    ),
    _whisper_race(("int8", "clips_30s", "faster_whisper"), "the same, 30 s", 1.3),
    _whisper_race(("float32", "clips_5_15s", "optimum"), "float32 against optimum, 5-15 s", 2.0),
    _whisper_race(("float32", "clips_5_15s", "torch"), "float32 against torch, 5-15 s", 3.0),
    *(
        Target(
            "whisper_offline", ("accuracy", model, "above_theirs", "points"),
            f"{model}, WER above faster-whisper", "points", 0.3,
        )
        for model in ("whisper-tiny.en", "whisper-base")
    ),
    *_whisper_live("agreement", "medium", 1.0, shown=False),
    *_whisper_live("alignment", "medium", 1.5, shown=True),
    Target("whisper_streaming", ("noise", "finals"), "Whisper: finals from noise", "finals", 0),
    *LOAD_TARGETS,
    *ROBUSTNESS_TARGETS,
    Target("noise", ("webrtc", "final_words_per_hour"), "words from noise, WebRTC", "words / h"),
    Target("noise", ("silero", "final_words_per_hour"), "words from noise, Silero", "words / h"),
)  # fmt: skip
"""Every row has its own line; the figures come from the JSON file of the row's benchmark."""


def number_at(figures: Mapping[str, object], path: tuple[str, ...]) -> float | None:
    """The number that ``path`` leads to; None when there is none, or it is no number."""
    at: object = figures
    for key in path:
        if not isinstance(at, Mapping) or key not in at:
            return None
        at = at[key]
    return float(at) if isinstance(at, int | float) else None
