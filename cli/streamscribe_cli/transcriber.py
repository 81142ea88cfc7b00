"""Who does the transcribing, the same to callers: an engine in this process, or a server.

Both take bytes in a declared format and give the protocol's events.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import click
from click.core import ParameterSource

from streamscribe.device import AUTO
from streamscribe.ingest import AudioFormat, Ingest
from streamscribe.loading import ModelChoice, load_one
from streamscribe.options import Commit, SessionOptions
from streamscribe.store import DEFAULT_MODEL, SPHINX
from streamscribe_cli.models import models_dir_option
from streamscribe_client.events import StreamEvent
from streamscribe_client.stream_options import ConnectOptions
from streamscribe_protocol.messages import CommitMode
from streamscribe_server.mailbox import Progress
from streamscribe_server.speech import Speech, told
from streamscribe_server.speech_options import speech_options
from streamscribe_server.translate import Translator

if TYPE_CHECKING:
    from streamscribe.model import Samples
    from streamscribe.recognizer import Recognizer

F = TypeVar("F", bound=Callable[..., Any])

VADS = ("webrtc", "silero")
_ONLY_LOCAL = {
    "vad": "--vad",
    "language_model": "--language-model",
    "threads": "--threads",
    "models_dir": "--models-dir",
}


class Chosen(Speech):
    """What ``transcriber_options`` adds to a command's parameters."""

    server: str | None
    api_key: str | None
    model: str | None
    vad: str
    commit: CommitMode
    language_model: str | None
    models_dir: Path
    threads: int | None


class Transcriber(Protocol):
    """Turns audio into events."""

    @property
    def model(self) -> str | None:
        """Name of the model; ``None`` while only a server knows it."""
        ...

    def events(self, format: AudioFormat, blocks: Iterable[bytes]) -> Iterator[StreamEvent]:
        """The events of one stream, as they happen.

        Raises whatever ``blocks`` raises, and what stops the transcribing.
        """
        ...


def transcriber_options(command: F) -> F:
    """Add the options that say who transcribes and how."""
    for option in reversed(
        (
            click.option("--server", metavar="URL", help="Let this server do it."),
            click.option(
                "--api-key",
                metavar="KEY",
                help="Show it this key [default: STREAMSCRIBE_API_KEY].",
            ),
            click.option(
                "--model",
                metavar="NAME",
                help=f"Name or folder of a model [default: {DEFAULT_MODEL}, or the server's].",
            ),
            click.option(
                "--vad",
                type=click.Choice(VADS),
                default=VADS[0],
                show_default=True,
                help="What tells speech from silence.",
            ),
            click.option(
                "--commit",
                type=click.Choice([mode.value for mode in Commit]),
                default=Commit.APPEND.value,
                show_default=True,
                help="append: committed words never change. final: all may, until the final.",
            ),
            speech_options,
            click.option(
                "--language-model",
                metavar="FILE",
                help=f"Let this n-gram model (ARPA, or '{SPHINX}') judge a CTC model's words.",
            ),
            models_dir_option,
            click.option("--threads", type=click.IntRange(1), help="Threads of one model call."),
        )
    ):
        command = option(command)
    return command


def make_transcriber(
    ctx: click.Context, chosen: Chosen, *, live: bool, device: str = AUTO
) -> Transcriber:
    """What the options of the running command ask for; loads the model if it is for us.

    ``live``: partials are wanted, and a source that can't wait must not wait for a server. Else
    there are finals only, and a recording waits rather than lose anything.
    ``device``: what the model runs on, as ``parse_devices`` reads it.

    Raises ``click.UsageError`` for options that only the server could follow.
    """
    if chosen["server"] is None:
        if chosen["api_key"] is not None:
            raise click.UsageError("--api-key is for a --server, and there is none")
        return _local(chosen, live, device)
    if device != AUTO:
        raise click.UsageError("--device can't go with --server, which has chosen already")
    for name, option in _ONLY_LOCAL.items():
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} can't go with --server, which has chosen already")
    asked = ConnectOptions(
        api_key=chosen["api_key"],
        model=chosen["model"],
        language=chosen["language"],
        task=chosen["task"],
        prompt=chosen["prompt"],
        partials=live,
        commit=chosen["commit"],
        commit_by=chosen["commit_by"],
        latency=chosen["latency"],
        search=chosen["search"],
        beam_size=chosen["beam_size"],
        temperature=chosen["temperature"],
        hotwords=chosen["hotwords"],
        overflow="gap" if live else "wait",
        connection_events=True,
    )
    return RemoteTranscriber(chosen["server"], asked)


def _local(chosen: Chosen, partials: bool, device: str) -> "LocalTranscriber":
    choice = ModelChoice(
        model=chosen["model"] or DEFAULT_MODEL,
        vad=chosen["vad"],
        threads=chosen["threads"],
        models_dir=chosen["models_dir"],
        language_model=chosen["language_model"],
        device=device,
    )
    options = told(SessionOptions(partials=partials, commit=Commit(chosen["commit"])), chosen)
    recognizer = load_one(choice, options).recognizer
    return LocalTranscriber(recognizer.model.name, recognizer)


class LocalTranscriber:
    """An engine in this process."""

    def __init__(self, model: str, recognizer: "Recognizer") -> None:
        self.model = model
        self._recognizer = recognizer

    def events(self, format: AudioFormat, blocks: Iterable[bytes]) -> Iterator[StreamEvent]:
        """See ``Transcriber``. Every ``ack_at`` is 0: there is nobody to acknowledge to."""
        from streamscribe.recognizer import transcribe

        translator = Translator(format.rate_hz)
        for event in transcribe(self._recognizer, _samples(format, blocks)):
            progress = Progress((event,), decided_at=0, settled_at=0)
            yield from cast("list[StreamEvent]", translator.translate(progress))


class RemoteTranscriber:
    """A server."""

    def __init__(self, server: str, asked: ConnectOptions) -> None:
        self.model = asked["model"]
        self._server = server
        self._asked = asked

    def events(self, format: AudioFormat, blocks: Iterable[bytes]) -> Iterator[StreamEvent]:
        """See ``Transcriber``. ``blocks`` are taken on another thread."""
        from streamscribe_client import connect

        asked = self._asked.copy()
        asked["rate"] = format.rate_hz
        asked["encoding"] = str(format.encoding)
        asked["channels"] = format.channels
        with connect(self._server, **asked) as stream:
            self.model = stream.model
            stream.send_soon(blocks)
            yield from stream


def _samples(format: AudioFormat, blocks: Iterable[bytes]) -> Iterator["Samples"]:
    ingest = Ingest(format)
    for block in blocks:
        yield ingest.receive(block)
    yield ingest.finish()
