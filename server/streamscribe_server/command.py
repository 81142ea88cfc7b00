"""``streamscribe serve``. What takes long to import is imported when the command runs."""

import logging
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from streamscribe.options import RANGES_MS, SessionOptions
from streamscribe.store import DEFAULT_MODEL, SPHINX
from streamscribe_protocol.messages import STREAM_PATH
from streamscribe_server.limits import Limits
from streamscribe_server.scheduling import Scheduling, threads_per_worker
from streamscribe_server.scheduling_options import Sharing, scheduling_of, scheduling_options
from streamscribe_server.speech import Speech, told
from streamscribe_server.speech_options import speech_options

if TYPE_CHECKING:
    from streamscribe_server.catalogue import Catalogue

_DEFAULTS = SessionOptions()


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model to load and how."""

    model: str
    """Name, or the folder of a bundle."""
    vad: str
    threads: int | None
    models_dir: Path | None
    language_model: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen."""

    host: str
    port: int


class Chosen(Speech, Sharing):
    """Options of both groups."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="Name or folder of a model."
)
@click.option(
    "--models-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where pulled models lie [default: the user's cache folder].",
)
@click.option(
    "--vad",
    default="webrtc",
    show_default=True,
    type=click.Choice(["webrtc", "silero"]),
    help="What tells speech from silence.",
)
@click.option(
    "--endpoint-silence-ms",
    default=_DEFAULTS.endpoint_silence_ms,
    show_default=True,
    type=click.IntRange(*RANGES_MS["endpoint_silence_ms"]),
    help="Silence that closes a segment.",
)
@speech_options
@click.option(
    "--language-model",
    metavar="FILE",
    help=f"Let this n-gram model (ARPA, or '{SPHINX}') judge a CTC model's words.",
)
@click.option(
    "--max-sessions",
    default=Limits().max_sessions,
    show_default=True,
    type=click.IntRange(1),
    help="Most connections at once; more are refused with 503.",
)
@scheduling_options
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Threads of one model call [default: so many that workers use every core once].",
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Least serious lines to log.",
)
def serve(  # noqa: PLR0913 - one parameter per option
    host: str,
    port: int,
    model: str,
    models_dir: Path | None,
    vad: str,
    endpoint_silence_ms: int,
    language_model: str | None,
    max_sessions: int,
    threads: int | None,
    log_level: str,
    **chosen: Unpack[Chosen],
) -> None:
    """Transcribe live audio for clients that connect over WebSockets.

    The options from --endpoint-silence-ms to --hotword are for clients that don't choose
    themselves.
    """
    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    limits = Limits(max_sessions=max_sessions)
    options = SessionOptions(
        endpoint_silence_ms=endpoint_silence_ms,
        soft_pause_ms=min(_DEFAULTS.soft_pause_ms, endpoint_silence_ms),
    )
    scheduling = scheduling_of(chosen)
    threads = threads or threads_per_worker(scheduling.workers)
    choice = ModelChoice(model, vad, threads, models_dir, language_model)
    _serve(Place(host, port), limits, scheduling, choice, told(options, chosen))


def _serve(
    place: Place,
    limits: Limits,
    scheduling: Scheduling,
    choice: ModelChoice,
    options: SessionOptions,
) -> None:
    from streamscribe_server.app import make_app
    from streamscribe_server.uvicorn_server import bind, run_until_stopped

    listener = bind(place.host, place.port, limits)
    catalogue = _load(choice, options)
    address = f"ws://{_address(listener)}{STREAM_PATH} (model {catalogue.default.name})"
    run_until_stopped(
        make_app(catalogue, limits, scheduling),
        listener,
        limits,
        on_ready=lambda: click.echo(f"streamscribe: listening on {address}"),
    )


def _load(choice: ModelChoice, options: SessionOptions) -> "Catalogue":
    from streamscribe.recognizer import load_recognizer
    from streamscribe.store import find_bundle
    from streamscribe_server.catalogue import Catalogue, ServedModel

    bundle = find_bundle(choice.model, choice.models_dir)
    recognizer = load_recognizer(
        choice.model,
        vad=choice.vad,
        options=options,
        threads=choice.threads,
        models_dir=choice.models_dir,
        language_model=choice.language_model,
    )
    recognizer.resolve(options)  # what the model can't follow is refused before anybody connects
    return Catalogue([ServedModel(bundle.name, bundle.languages, recognizer, options)])


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
