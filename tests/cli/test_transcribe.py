import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from fakes_captions import ScriptedTranscriber, always, final
from streamscribe.ingest import AudioFormat
from streamscribe_cli import transcribe
from streamscribe_cli.main import cli
from streamscribe_protocol.messages import Error

SAMPLES = np.zeros(1_600, dtype=np.float32)
HELLO = final("Hello there.", start_ms=100, end_ms=1_100)
BYE = final("Good bye.", segment=1, start_ms=2_000, end_ms=3_000)


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> ScriptedTranscriber:
    """Who transcribes: says the same two sentences of every recording."""
    scripted = ScriptedTranscriber(HELLO, BYE)
    monkeypatch.setattr(transcribe, "make_transcriber", always(scripted))
    return scripted


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two recordings in it."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("one.wav", SAMPLES, 16_000)
    soundfile.write("two.flac", SAMPLES, 48_000)
    return tmp_path


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["transcribe", *arguments], input=stdin)


def test_text_is_a_line_for_every_final(says: ScriptedTranscriber, folder: Path) -> None:
    result = run("one.wav")
    assert (result.exit_code, result.stdout) == (0, "Hello there.\nGood bye.\n")
    assert result.stderr == ""


def test_the_audio_arrives_in_the_files_own_format(says: ScriptedTranscriber, folder: Path) -> None:
    run("two.flac")
    assert says.heard == [(AudioFormat("pcm_f32le", 48_000, 1), SAMPLES.tobytes())]


def test_each_of_several_texts_stands_below_its_name(
    says: ScriptedTranscriber, folder: Path
) -> None:
    assert run("one.wav", "two.flac").stdout == (
        "==> one.wav <==\nHello there.\nGood bye.\n\n==> two.flac <==\nHello there.\nGood bye.\n"
    )


def test_json_is_one_object_per_recording_and_line(says: ScriptedTranscriber, folder: Path) -> None:
    lines = run("--format", "json", "one.wav", "two.flac").stdout.splitlines()
    first, second = (json.loads(line) for line in lines)
    assert (first["file"], second["file"]) == ("one.wav", "two.flac")
    assert (first["model"], first["text"]) == ("scripted", "Hello there. Good bye.")
    assert first["segments"][1] == {
        "start_ms": 2_000,
        "end_ms": 3_000,
        "text": "Good bye.",
        "words": [
            {
                "text": text,
                "start_ms": 2_000,
                "end_ms": 3_000,
                "confidence": 0.9,
                "timing": "estimated",
            }
            for text in ("Good", "bye.")
        ],
    }


def test_json_names_the_language_where_it_is_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    german = replace(BYE, text="Auf Wiedersehen.", language="de")
    monkeypatch.setattr(transcribe, "make_transcriber", always(ScriptedTranscriber(HELLO, german)))
    document = json.loads(run("--format", "json", "one.wav").stdout)
    assert [segment.get("language") for segment in document["segments"]] == [None, "de"]
    assert "language" not in document["segments"][0]


def test_subtitles_go_to_standard_output(says: ScriptedTranscriber, folder: Path) -> None:
    assert run("--format", "srt", "one.wav").stdout.startswith("1\n00:00:00,100 --> ")
    assert run("--format", "vtt", "one.wav").stdout.startswith("WEBVTT\n\n00:00:00.100 --> ")


def test_subtitles_of_several_recordings_need_a_folder(
    says: ScriptedTranscriber, folder: Path
) -> None:
    result = run("--format", "srt", "one.wav", "two.flac")
    assert (result.exit_code, "say which folder" in result.stderr) == (2, True)


def test_transcripts_go_into_the_folder_under_the_recordings_names(
    says: ScriptedTranscriber, folder: Path
) -> None:
    result = run("--format", "srt", "--output", "new/subtitles", "one.wav", "two.flac")
    assert (result.exit_code, result.stdout) == (0, "")
    written = sorted(path.name for path in (folder / "new" / "subtitles").iterdir())
    assert written == ["one.srt", "two.srt"]


def test_the_transcript_of_one_recording_can_be_given_a_name(
    says: ScriptedTranscriber, folder: Path
) -> None:
    run("--output", "talk.txt", "one.wav")
    assert (folder / "talk.txt").read_text() == "Hello there.\nGood bye.\n"


def test_a_recording_is_never_overwritten(says: ScriptedTranscriber, folder: Path) -> None:
    result = run("--output", "one.wav", "one.wav")
    assert (result.exit_code, "would overwrite the recording" in result.stderr) == (2, True)


def test_two_transcripts_never_go_to_the_same_file(says: ScriptedTranscriber, folder: Path) -> None:
    soundfile.write("one.flac", SAMPLES, 16_000)
    result = run("--output", ".", "one.wav", "one.flac")
    assert (result.exit_code, "would both go to one.txt" in result.stderr) == (2, True)


def test_a_bad_recording_is_reported_and_the_others_are_transcribed(
    says: ScriptedTranscriber, folder: Path
) -> None:
    result = run("missing.wav", "one.wav")
    assert result.exit_code == 2
    assert result.stderr == "error: missing.wav: No such file or directory\n"
    assert result.stdout == "==> one.wav <==\nHello there.\nGood bye.\n"


def test_a_recording_without_speech_is_an_empty_text_and_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcribe, "make_transcriber", always(ScriptedTranscriber()))
    result = run("one.wav")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "warning: one.wav: no speech found\n"


def test_an_error_that_a_server_reports_and_survives_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = ScriptedTranscriber(Error(0, "odd", "something odd", fatal=False), HELLO)
    monkeypatch.setattr(transcribe, "make_transcriber", always(scripted))
    result = run("one.wav")
    assert (result.exit_code, result.stdout) == (0, "Hello there.\n")
    assert result.stderr == "warning: one.wav: odd: something odd\n"


def test_raw_audio_comes_through_standard_input_as_described(says: ScriptedTranscriber) -> None:
    options = ("--rate", "8000", "--channels", "2", "--encoding", "mulaw")
    result = run("-", *options, stdin=b"\1\2\3\4")
    assert (result.exit_code, result.stdout) == (0, "Hello there.\nGood bye.\n")
    assert says.heard == [(AudioFormat("mulaw", 8_000, 2), b"\1\2\3\4")]


def test_raw_audio_is_16_khz_pcm16_unless_described(says: ScriptedTranscriber) -> None:
    run("-", stdin=b"\1\2")
    assert says.heard == [(AudioFormat("pcm_s16le", 16_000, 1), b"\1\2")]


def test_a_file_can_not_be_described(says: ScriptedTranscriber, folder: Path) -> None:
    result = run("--rate", "8000", "one.wav")
    assert (result.exit_code, "files say it themselves" in result.stderr) == (2, True)


def test_standard_input_can_be_given_once(says: ScriptedTranscriber) -> None:
    assert run("-", "-", stdin=b"\1\2").exit_code == 2


def test_what_only_the_engine_here_could_follow_is_refused_for_a_server(folder: Path) -> None:
    result = run("--server", "localhost", "--vad", "silero", "one.wav")
    assert (result.exit_code, "--vad can't go with --server" in result.stderr) == (2, True)
