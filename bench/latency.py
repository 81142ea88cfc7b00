"""How late captions are: from speech onset to the first right word, from endpoint to final.

Recordings go through the socket of a real server, one stream at a time, as fast as they are
spoken. Each is followed by silence, as a microphone stays open. Times are taken where events
arrive, on the clock of the audio: what is spoken at t is sent at t.

The same streams are also played without waiting: the audio's position is the clock, and each
model call adds the time that it really took (``by_position``). That covers all recordings, and
hand-marked ones, where the onset is a person's and not our own detector's.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import click
import numpy as np

from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips, silence, spread
from bench.decoding import seconds_of
from bench.live import PACKET_S, PCM_16K, run_live, to_pcm
from bench.onsets import Utterance, marked_onset_s, utterances
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.viewing import Seen, View, delays, first_right_s, views
from streamscribe.model import Samples
from streamscribe.options import SessionOptions
from streamscribe.recognizer import Recognizer, load_recognizer
from streamscribe.vad import make_vad
from streamscribe_cli.latency import paced, packets, sent_ms
from streamscribe_cli.server_process import ServerProcess, local_server
from streamscribe_client import connect

TAIL_S: Final = 1.5
"""Silence after each recording: longer than the endpoint waits for."""
NEAR_S: Final = 0.5
"""A hand-marked onset and ours are the same when they are this near."""
SLOWEST: Final = 5
"""Late segments that the file shows by name."""
PAUSE_S: Final = 0.3
"""Silence that a hand-marked onset must follow."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One recording as a viewer saw it."""

    clip: Clip
    views: Sequence[View]
    utterances: Sequence[Utterance]
    """Of the same segments."""


@bench_command("latency")
@click.option("--fast", is_flag=True, help="By audio position only: no server, no waiting.")
@click.option(
    "--real-time-s", type=click.IntRange(1), default=160, show_default=True,
    help="Seconds of recordings to send at the pace of speech.",
)  # fmt: skip
def main(request: Request, fast: bool, real_time_s: int) -> Outcome:
    """First partial and final: how long after the words, through a real socket."""
    dev = load_clips(request.speech / "dev", request.limit)
    long = load_clips(request.speech / "long", request.limit)
    by_hand = [clip for clip in load_clips(request.speech / "vad") if clip.kind == "vad"]
    marked = by_hand[: request.limit]
    figures: Figures = {"tail_s": TAIL_S, "packet_s": PACKET_S}
    if not fast:
        chosen = [*spread(dev, real_time_s / 2), *spread(long, real_time_s / 2)]
        figures |= _figures(list(_through_a_server(chosen)))
    recognizer = load_recognizer()
    list(run_live(recognizer, dev[0].samples))  # warm-up, discarded
    figures["by_position"] = _figures(
        [_by_position(recognizer, clip) for clip in with_progress([*dev, *long], "by position")]
    )
    if marked:
        watched = [_by_position(recognizer, clip) for clip in with_progress(marked, "hand-marked")]
        figures["hand_marked"] = {**_figures(watched), "by_hand": _against_marks(watched)}
    return Outcome(figures, (_grid(figures),))


def _through_a_server(clips: list[Clip]) -> Iterator[Watched]:
    with local_server("--log-level", "warning") as server:
        for clip in with_progress(clips, "real time"):
            samples = _with_tail(clip)
            yield _watched(clip, samples, _send(server, samples))


def _send(server: ServerProcess, samples: Samples) -> list[Seen]:
    pcm = packets(PCM_16K, [to_pcm(samples)], silence_ms=0)
    with connect(server.url) as stream:
        started_s = time.perf_counter()
        stream.send_soon(paced(PCM_16K, pcm, started_s))
        return [Seen(event, time.perf_counter() - started_s) for event in stream]


def _by_position(recognizer: Recognizer, clip: Clip) -> Watched:
    """A step starts when its audio is there and the step before is done; it takes what it took."""
    samples = _with_tail(clip)
    seen: list[Seen] = []
    free_s = 0.0
    for happened in run_live(recognizer, samples):
        at_s = max(happened.arrived_s, free_s)
        if happened.step is not None:
            free_s = at_s = at_s + happened.step.seconds
        seen += [Seen(event, at_s) for event in happened.events]
    return _watched(clip, samples, seen)


def _with_tail(clip: Clip) -> Samples:
    return np.concatenate((clip.samples, silence(TAIL_S)))


def _watched(clip: Clip, samples: Samples, seen: list[Seen]) -> Watched:
    heard = utterances(samples, SessionOptions(), make_vad("webrtc"))
    found = views(seen)
    return Watched(clip, found, [spoken_in(view, heard) for view in found])


def spoken_in(view: View, heard: list[Utterance]) -> Utterance:
    """The utterance that a segment ends."""
    return [one for one in heard if one.onset_s < view.endpoint_s][-1]


def _figures(watched: list[Watched]) -> Figures:
    pairs = [pair for one in watched for pair in zip(one.views, one.utterances, strict=True)]
    spoken = [(view, said) for view, said in pairs if view.final and view.final.text]
    onsets = [(view, said) for view, said in spoken if said.after_pause]
    first = [
        right_s - said.onset_s
        for view, said in onsets
        if (right_s := first_right_s(view)) is not None
    ]
    closed = [view for view, _ in spoken if view.rule == "silence"]
    return {
        "recordings": len(watched),
        "audio_s": sum(seconds_of(one.clip.samples) for one in watched),
        "segments": len(pairs),
        "empty_finals": len(pairs) - len(spoken),
        "begun_in_mid_speech": len(spoken) - len(onsets),
        "first_partial": {**delays(first), "none": len(onsets) - len(first)},
        "silence_waited": delays([s.silence_s for _, s in spoken if s.silence_s is not None]),
        "final_compute": delays([_after_endpoint(view) for view in closed]),
        "closed_otherwise": len(spoken) - len(closed),
        "slowest": _slowest(watched),
    }


def _slowest(watched: list[Watched]) -> list[Figures]:
    """The latest first partials, with what was shown before."""
    late = [
        (right_s - said.onset_s, one.clip.name, view)
        for one in watched
        for view, said in zip(one.views, one.utterances, strict=True)
        if said.after_pause and (right_s := first_right_s(view)) is not None
    ]
    late.sort(key=lambda item: item[0], reverse=True)
    return [
        {
            "delay_s": delay_s,
            "clip": name,
            "segment": view.segment,
            "first_shown": view.partials[0].text,
            "final": view.final.text[:60] if view.final else "",
        }
        for delay_s, name, view in late[:SLOWEST]
    ]


def _after_endpoint(view: View) -> float:
    """From the packet that made the endpoint possible to the final."""
    assert view.final is not None
    return view.final.at_s - sent_ms(view.endpoint_s * 1_000, PACKET_S * 1_000) / 1_000


def _against_marks(watched: list[Watched]) -> Figures:
    """First partials from the onsets that were marked by hand, and how far ours are from them."""
    from_marks, ours_late = [], []
    for one in watched:
        for view, said in zip(one.views, one.utterances, strict=True):
            mark_s = marked_onset_s(one.clip.speech, said.onset_s, within_s=NEAR_S, pause_s=PAUSE_S)
            right_s = first_right_s(view)
            if mark_s is not None and right_s is not None and said.after_pause:
                from_marks.append(right_s - mark_s)
                ours_late.append(said.onset_s - mark_s)
    return {"first_partial": delays(from_marks), "our_onset_late": delays(ours_late)}


def _grid(figures: Figures) -> Grid:
    parts = {
        "through the socket": figures if "first_partial" in figures else None,
        "by position, all": figures["by_position"],
        "by position, hand-marked audio": figures.get("hand_marked"),
    }
    rows = []
    for name, part in parts.items():
        if isinstance(part, dict):
            first = part["first_partial"]
            rows.append((
                name, _span(first), f"{first['none']} of {first['none'] + first['count']}",
                _span(part["silence_waited"]), _span(part["final_compute"]),
            ))  # fmt: skip
    marks = figures.get("hand_marked")
    if isinstance(marks, dict):
        rows.append(
            ("  from the marked onset", _span(marks["by_hand"]["first_partial"]), "", "", "")
        )
    columns = ("measured", "first partial", "none", "silence waited", "endpoint to final")
    return Grid("Latency in seconds, p50 / p95", columns, rows)


def _span(part: dict[str, float]) -> str:
    return f"{part['p50_s']:.3f} / {part['p95_s']:.3f}" if part["count"] else "-"


if __name__ == "__main__":
    main()
