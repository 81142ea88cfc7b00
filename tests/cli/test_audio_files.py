import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamscribe.errors import AudioError, InvalidSample, UnsupportedChannels, UnsupportedRate
from streamscribe.ingest import AudioFormat
from streamscribe_cli.audio_files import UnusableRecording, open_recording, raw_recording

PCM16 = AudioFormat("pcm_s16le", 16_000, 1)
TONE = (np.sin(np.arange(40_000) / 20) / 2).astype(np.float32)
"""2.5 s at 16 kHz."""


def silently(message: str) -> None:
    raise AssertionError(f"unexpected warning: {message}")


def read(path: Path) -> np.ndarray:
    with open_recording(path, silently) as recording:
        samples = np.frombuffer(b"".join(recording.blocks), "<f4")
        return samples.reshape(-1, recording.format.channels)


def read_with_warnings(path: Path) -> tuple[int, list[str]]:
    warnings: list[str] = []
    with open_recording(path, warnings.append) as recording:
        return len(b"".join(recording.blocks)) // recording.format.frame_bytes, warnings


def refusal(path: Path) -> AudioError:
    with pytest.raises(AudioError) as raised, open_recording(path, silently) as recording:
        list(recording.blocks)
    return raised.value


class Pipe:
    """Gives what was written, one write per read."""

    def __init__(self, *writes: bytes) -> None:
        self._writes: Iterator[bytes] = iter(writes)

    def read1(self, size: int) -> bytes:
        return next(self._writes, b"")


def test_a_16_bit_file_is_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, TONE, 16_000, subtype="PCM_16")
    assert np.array_equal(read(path)[:, 0], soundfile.read(path, dtype="float32")[0])


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "aiff"])
def test_other_kinds_of_files_are_read_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, TONE, 16_000)
    assert len(read(path)) == len(TONE)


def test_rate_channels_and_length_are_the_files_own(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([TONE, -TONE], axis=1), 48_000)
    with open_recording(path, silently) as recording:
        assert recording.format == AudioFormat("pcm_f32le", 48_000, 2)
        assert recording.length_s == len(TONE) / 48_000


def test_a_block_holds_no_more_than_a_second(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, TONE, 16_000)
    with open_recording(path, silently) as recording:
        assert [len(block) // 4 for block in recording.blocks] == [16_000, 16_000, 8_000]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert str(refusal(tmp_path / "nothing.wav")) == "No such file or directory"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert str(refusal(tmp_path)) == "this is a folder, not a file"


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    assert str(refusal(tmp_path / "mine.wav")) == "Permission denied"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    assert str(refusal(tmp_path / "empty.wav")) == "the file is empty (0 bytes)"


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", TONE[:0], 16_000)
    assert "holds no audio (0 samples)" in str(refusal(tmp_path / "none.wav"))


def test_what_is_no_audio_is_refused_with_the_command_that_converts(tmp_path: Path) -> None:
    path = tmp_path / "my notes.wav"
    path.write_text("not a sound")
    said = str(refusal(path))
    assert said.startswith("not a WAV, FLAC, OGG, MP3 or AIFF file that can be read")
    assert f"ffmpeg -i '{path}' recording.flac" in said


def test_raw_audio_is_refused_with_the_command_that_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "tone.raw"
    path.write_bytes(bytes(100))
    assert f"streamscribe transcribe - --rate 16000 < {path}" in str(refusal(path))


def test_more_than_two_channels_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "three.wav", np.stack([TONE] * 3, axis=1), 16_000)
    assert isinstance(refusal(tmp_path / "three.wav"), UnsupportedChannels)


@pytest.mark.parametrize("rate_hz", [7_999, 96_001])
def test_a_rate_outside_the_range_is_refused(rate_hz: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", TONE, rate_hz)
    assert isinstance(refusal(tmp_path / "tone.wav"), UnsupportedRate)


def test_a_sample_that_is_no_number_is_refused_with_its_position(tmp_path: Path) -> None:
    samples = TONE.copy()
    samples[20_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    error = refusal(tmp_path / "nan.wav")
    assert isinstance(error, InvalidSample)
    assert str(error).startswith("sample 20000 is nan")


def test_a_wav_file_that_is_cut_short_is_read_with_a_warning_of_both_sizes(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, TONE, 16_000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:40_044])
    length, warnings = read_with_warnings(path)
    assert length == 20_000
    assert len(warnings) == 1
    assert "promises 80000 bytes of audio, it holds 40000" in warnings[0]


def test_a_wav_header_written_before_its_length_was_known_is_no_reason_to_warn(
    tmp_path: Path,
) -> None:
    path = tmp_path / "piped.wav"
    soundfile.write(path, TONE, 16_000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(read(path)) == len(TONE)


def test_a_damaged_file_is_read_up_to_the_damage_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "half.flac"
    soundfile.write(path, TONE, 16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    length, warnings = read_with_warnings(path)
    assert length == 16_000
    assert warnings == ["the file is damaged or cut short: 1.0 s of 2.5 s could be read"]


def test_raw_audio_is_handed_on_as_soon_as_it_comes_in_whole_samples() -> None:
    pipe = Pipe(b"\1\2\3", b"\4", b"\5\6")
    assert list(raw_recording(pipe, PCM16, silently).blocks) == [b"\1\2", b"\3\4", b"\5\6"]


def test_raw_audio_that_ends_inside_a_sample_loses_that_sample_with_a_warning() -> None:
    warnings: list[str] = []
    blocks = raw_recording(Pipe(b"\1\2\3"), PCM16, warnings.append).blocks
    assert list(blocks) == [b"\1\2"]
    assert warnings == ["the last 1 of 3 bytes are no whole sample (2 bytes); left out"]


def test_an_empty_pipe_is_refused() -> None:
    with pytest.raises(UnusableRecording, match="nothing came"):
        list(raw_recording(Pipe(), PCM16, silently).blocks)


def test_a_file_with_a_header_is_not_taken_for_raw_audio() -> None:
    content = io.BytesIO()
    soundfile.write(content, TONE, 16_000, format="WAV")
    with pytest.raises(UnusableRecording, match="this is a WAV file"):
        list(raw_recording(Pipe(content.getvalue()), PCM16, silently).blocks)
