"""``streamscribe listen``: live captions of what the microphone hears."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Unpack

import click

from streamscribe_cli.display import open_display
from streamscribe_cli.microphone import Microphone, device_of, devices, open_microphone
from streamscribe_cli.transcriber import Chosen, make_transcriber, transcriber_options


@click.command()
@click.option("--device", metavar="NAME", help="Number of a microphone, or a part of its name.")
@click.option("--list-devices", is_flag=True, help="Show the microphones and exit.")
@transcriber_options
@click.pass_context
def listen(
    ctx: click.Context, device: str | None, list_devices: bool, **chosen: Unpack[Chosen]
) -> None:
    """Caption what the microphone hears, until Ctrl-C.

    Words that may still change are dim; a finished line stays as it is. Where the output is not
    a terminal, only finished lines are written.
    """
    if list_devices:
        _list_devices()
        return
    transcriber = make_transcriber(ctx, chosen, live=True)
    with open_microphone(device_of(device)) as microphone, _stopped_by_interrupt(microphone):
        click.echo(f"listening to {microphone.name}; Ctrl-C ends", err=True)
        with open_display(partials_as_lines=False) as display:
            for event in transcriber.events(microphone.format, microphone.blocks()):
                display.show(event)
    if microphone.dropped_s:
        click.echo(
            f"warning: {microphone.dropped_s:.1f} s of audio were lost: the transcribing was"
            " too slow. 'streamscribe check' says how fast this machine is",
            err=True,
        )


def _list_devices() -> None:
    found = devices()
    for line in found:
        click.echo(line)
    click.echo("* is the default" if found else "there is no microphone", err=not found)


@contextmanager
def _stopped_by_interrupt(microphone: Microphone) -> Iterator[None]:
    """The first Ctrl-C ends the listening, so that the last final comes; a second one, all."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, previous)
        microphone.stop()

    previous = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
