import io

import pytest
from rich.console import Console

from fakes_captions import final, partial
from streamscribe.ingest import AudioFormat
from streamscribe_cli.audio_files import Recording
from streamscribe_cli.display import Lines, open_captions, open_display, open_progress_bar
from streamscribe_client.events import Disconnected, Reconnected
from streamscribe_protocol.messages import Error, Gap, SpeechStarted

DIM_ITALIC, PLAIN = "\x1b[2;3m", "\x1b[0m"
UP = "\x1b[1A"


def on_terminal(width: int = 40) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_committed_words_are_plain_and_tentative_ones_dim() -> None:
    console = on_terminal()
    with open_captions(console) as captions:
        captions.show(partial("And so my", committed=6))
    assert f"And so{DIM_ITALIC} my{PLAIN}" in written(console)


def test_only_the_newest_two_lines_of_an_open_caption_are_shown() -> None:
    console = on_terminal(width=10)
    with open_captions(console) as captions:
        captions.show(partial("one two three four five six", committed=27))
        shown = written(console)
    assert "one" not in shown
    assert ("three four" in shown, "five six" in shown) == (True, True)


def test_a_final_is_written_once_and_no_line_above_the_open_caption_is_touched_again() -> None:
    console = on_terminal()
    with open_captions(console) as captions:
        captions.show(final("Hello."))
        for text in ("Good", "Good bye", "Good bye now"):
            captions.show(partial(text, segment=1))
    assert written(console).count("Hello.") == 1
    assert UP not in written(console).partition("Hello.")[2].rpartition("now")[0]


def test_a_final_without_text_leaves_no_line() -> None:
    console = on_terminal()
    with open_captions(console) as captions:
        captions.show(final(""))
        assert "\n" not in written(console)


def test_text_that_looks_like_markup_is_shown_as_it_is() -> None:
    console = on_terminal()
    with open_captions(console) as captions:
        captions.show(final("[bold] :smile:"))
    assert "[bold] :smile:" in written(console)


def test_without_a_terminal_finals_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(partials=False)
    for event in (SpeechStarted(0, 0, 0), partial("Hel"), final("Hello."), final("")):
        lines.show(event)
    assert capsys.readouterr().out == "Hello.\n"


def test_a_bar_shows_how_much_of_a_partial_is_committed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines(partials=True)
    lines.show(partial("And so, my", committed=6, at_ms=930))
    lines.show(final("And so, my friend.", end_ms=11_200))
    assert capsys.readouterr().out.splitlines() == [
        "[ 0.93] And so|, my",
        "[11.20] final: And so, my friend.",
    ]


def test_an_error_that_the_stream_survives_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Lines(partials=False).show(Error(0, "odd", "something odd", fatal=False))
    assert capsys.readouterr() == ("", "warning: odd: something odd\n")


def test_a_broken_connection_is_a_line_below_the_open_caption_until_it_is_back() -> None:
    console = on_terminal(width=60)
    with open_captions(console) as captions:
        captions.show(partial("And so", committed=6))
        captions.show(Disconnected("no close frame"))
        broken = written(console)
        captions.show(Reconnected("continued", after_s=1.0))
        back = written(console).removeprefix(broken)
        captions.show(partial("And so my", committed=6))
        later = written(console).removeprefix(broken + back)
    assert "And so\n" in broken
    assert "the connection is broken; trying again" in broken.rpartition("And so")[2]
    assert ("broken" in back, "connected again" in back) == (False, True)
    assert "connected" not in later


def test_of_the_connection_files_and_pipes_get_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines(partials=False)
    for event in (Disconnected("no close frame"), Reconnected("fresh", 2.04), Gap(9, 0, 100)):
        lines.show(event)
    assert capsys.readouterr() == (
        "",
        "the connection is broken; trying again: no close frame\n"
        "connected again after 2.0 s\n"
        "warning: audio was lost while the connection was broken\n",
    )


def test_where_standard_output_is_no_terminal_lines_are_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_display(partials_as_lines=True) as display:
        assert isinstance(display, Lines)


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    recording = Recording(AudioFormat("pcm_s16le", 16_000, 1), 2.0, iter([b"\0\0", b"\1\1"]))
    with open_progress_bar("talk.wav", 2.0, shown=True) as bar:
        assert list(bar.followed(recording)) == [b"\0\0", b"\1\1"]
        bar.echo("Hello.\n")
    assert capsys.readouterr() == ("Hello.\n", "")


def test_a_bar_never_writes_to_standard_output(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes standard error for a terminal then
    with open_progress_bar("talk.wav", 2.0, shown=True) as bar:
        bar.echo("Hello.\n")
    shown = capsys.readouterr()
    assert (shown.out, "talk.wav" in shown.err) == ("Hello.\n", True)
