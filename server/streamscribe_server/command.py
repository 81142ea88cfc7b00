"""``streamscribe serve``. What takes long to import is imported when the command runs."""

import logging
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from streamscribe.device import ALLOWED, AUTO, CPU, Device
from streamscribe.loading import ModelChoice
from streamscribe.options import RANGES_MS, SessionOptions
from streamscribe.store import DEFAULT_MODEL, SPHINX
from streamscribe_protocol.messages import STREAM_PATH
from streamscribe_server.access_options import (
    Access,
    access_options,
    certificate_of,
    is_loopback,
    refuse_if_exposed,
    terms_of,
)
from streamscribe_server.limits import Limits
from streamscribe_server.logs import set_up
from streamscribe_server.scheduling import threads_per_worker
from streamscribe_server.scheduling_options import Sharing, scheduling_of, scheduling_options
from streamscribe_server.speech import Speech, told
from streamscribe_server.speech_options import speech_options
from streamscribe_server.tls import Certificate
from streamscribe_server.watch_options import Watch, traces_of, watch_options

if TYPE_CHECKING:
    from streamscribe_server.catalogue import Catalogue
    from streamscribe_server.entrance import Terms

logger = logging.getLogger(__name__)

_DEFAULTS = SessionOptions()


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen."""

    host: str
    port: int


class Chosen(Speech, Sharing, Access, Watch):
    """Options that come in groups."""


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
@access_options
@scheduling_options
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Threads of one model call [default: so many that workers use every core once].",
)
@click.option(
    "--device",
    default=AUTO,
    show_default=True,
    help=f"What the model runs on: {ALLOWED}.",
)
@watch_options
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
    device: str,
    **chosen: Unpack[Chosen],
) -> None:
    """Transcribe live audio for clients that connect over WebSockets.

    The options from --endpoint-silence-ms to --hotword are for clients that don't choose
    themselves.
    """
    set_up(chosen["log_level"], chosen["log_format"])
    limits = Limits(max_sessions=max_sessions)
    options = SessionOptions(
        endpoint_silence_ms=endpoint_silence_ms,
        soft_pause_ms=min(_DEFAULTS.soft_pause_ms, endpoint_silence_ms),
    )
    threads = threads or threads_per_worker(scheduling_of(chosen, [CPU]).workers)
    choice = ModelChoice(model, vad, threads, models_dir, language_model, device)
    _serve(Place(host, port), chosen, limits, choice, told(options, chosen))


def _serve(
    place: Place, chosen: Chosen, limits: Limits, choice: ModelChoice, options: SessionOptions
) -> None:
    from streamscribe_server.app import make_app
    from streamscribe_server.uvicorn_server import Transport, bind, run_until_stopped

    terms = terms_of(chosen)
    certificate = certificate_of(chosen)
    with bind(place.host, place.port, limits) as listener:
        _look_at_exposure(listener, chosen, terms, certificate)
        traces = traces_of(chosen)
        catalogue, devices = _load(choice, options)
        scheme = "ws" if certificate is None else "wss"
        address = f"{scheme}://{_address(listener)}{STREAM_PATH} (model {catalogue.default.name})"
        run_until_stopped(
            make_app(catalogue, limits, scheduling_of(chosen, devices), terms=terms, traces=traces),
            listener,
            limits,
            on_ready=lambda: click.echo(f"streamscribe: listening on {address}"),
            transport=Transport(certificate, chosen["forwarded_allow_ips"]),
        )


def _look_at_exposure(
    listener: socket.socket, access: Access, terms: "Terms", certificate: Certificate | None
) -> None:
    address = listener.getsockname()[0]
    refuse_if_exposed(address, access, terms)
    if terms.keys is not None and certificate is None and not is_loopback(address):
        logger.warning("API keys come in the clear to %s; --tls-cert encrypts them", address)


def _load(choice: ModelChoice, options: SessionOptions) -> tuple["Catalogue", list[Device]]:
    from streamscribe.converting import ready_bundle
    from streamscribe.loading import load_recognizers
    from streamscribe_server.catalogue import Catalogue, ServedModel

    bundle = ready_bundle(choice.model, choice.models_dir)
    loaded = load_recognizers(choice, options)
    devices = [one.device for one in loaded]
    logger.info("model %s runs on %s", bundle.name, ", ".join(map(str, devices)))
    first, *others = (one.recognizer for one in loaded)
    first.resolve(options)  # what the model can't follow is refused before anybody connects
    served = ServedModel(bundle.name, bundle.languages, first, options, tuple(others))
    return Catalogue([served]), devices


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
