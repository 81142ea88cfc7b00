from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamscribe.model import Samples
from streamscribe_cli.audio_files import UnusableRecording
from streamscribe_cli.load.programme import Programme, make_programme, read_recording

LOOP = Programme(bytes(range(10)), speech_len=5)


def tone(seconds: float, level: float = 0.5) -> Samples:
    return np.full(round(seconds * 16_000), level, dtype=np.float32)


def joined(programme: Programme, start_at: int, packet_len: int, count: int) -> bytes:
    packets = programme.packets(start_at, packet_len)
    return b"".join(bytes(packet) for packet in islice(packets, count))


def test_packets_go_on_at_the_beginning_when_the_loop_is_over() -> None:
    assert joined(LOOP, 3, 2, 4) == bytes([6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])


def test_a_packet_may_be_longer_than_the_loop() -> None:
    assert joined(LOOP, 0, 12, 1) == bytes(range(10)) * 2 + bytes(range(4))


def test_all_packets_are_of_the_same_length() -> None:
    assert {len(packet) for packet in islice(LOOP.packets(1, 3), 20)} == {6}


def test_after_each_recording_there_is_silence_that_closes_its_segment() -> None:
    programme = make_programme([tone(1.0), tone(1.0, 0.25)], endpoint_silence_ms=800, seed=1)
    samples = np.frombuffer(programme.pcm, dtype="<i2")
    edges = np.flatnonzero(np.diff((samples != 0).astype(int)))
    pause_len = edges[1] - edges[0]
    assert 1.2 * 16_000 <= pause_len < 2.4 * 16_000
    assert samples[-19_200:].any() == np.False_
    assert programme.speech_len == 32_000


def test_the_same_seed_gives_the_same_programme_and_another_another() -> None:
    recordings = [tone(0.1, level / 10) for level in range(1, 9)]
    first, again, other = (
        make_programme(recordings, endpoint_silence_ms=800, seed=seed).pcm for seed in (1, 1, 2)
    )
    assert first == again != other


def test_streams_begin_all_over_the_loop_and_always_at_the_same_places() -> None:
    programme = Programme(bytes(2 * 16_000), speech_len=0)
    starts = programme.starts(8, seed=3)
    assert [at // 2_000 for at in starts] == list(range(8))
    assert programme.starts(8, seed=3) == starts != programme.starts(8, seed=4)


def test_nothing_to_play_is_refused() -> None:
    with pytest.raises(ValueError, match="hold no audio"):
        make_programme([tone(0)], endpoint_silence_ms=800, seed=0)


def test_a_recording_of_another_rate_is_played_at_ours_in_mono(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.full((8_000, 2), 0.5), 8_000)
    samples = read_recording(path)
    assert samples.shape == (16_000,)
    assert samples[4_000:12_000] == pytest.approx(0.5, abs=0.01)


def test_a_recording_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("not audio at all")
    with pytest.raises(UnusableRecording, match=r"notes\.wav: not a WAV"):
        read_recording(path)
