"""The options of ``streamscribe serve`` that say who may come in, and how."""

import ipaddress
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from streamscribe_server.tls import BadCertificate, Certificate, check

if TYPE_CHECKING:
    from streamscribe_server.entrance import Terms

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(dir_okay=False, path_type=Path)


class Access(TypedDict):
    """Options of the same names."""

    api_keys: Path | None
    allow_anonymous: bool
    open_metrics: bool
    sessions_per_key: int | None
    opens_per_minute: int
    cors_origins: tuple[str, ...]
    tls_cert: Path | None
    tls_key: Path | None
    forwarded_allow_ips: str


def access_options(command: F) -> F:
    """Add the options of ``Access``."""
    for option in reversed((*_of_keys(), *_of_the_net())):
        command = option(command)
    return command


def _of_keys() -> tuple[Callable[[F], F], ...]:
    return (
        click.option(
            "--api-keys",
            type=_FILE,
            metavar="FILE",
            help="Admit only clients with one of these keys: KEY or NAME:KEY, one a line. The"
            " environment variable STREAMSCRIBE_API_KEYS takes them with commas between.",
        ),
        click.option(
            "--allow-anonymous",
            is_flag=True,
            help="Listen to other machines although no key is asked for.",
        ),
        click.option("--open-metrics", is_flag=True, help="Ask for no key at /metrics."),
        click.option(
            "--sessions-per-key",
            type=click.IntRange(1),
            help="Most sessions of one key at once [default: no limit but --max-sessions].",
        ),
        click.option(
            "--opens-per-minute",
            default=600,
            show_default=True,
            type=click.IntRange(1),
            help="Most new connections of one key, or without keys of one address.",
        ),
    )


def _of_the_net() -> tuple[Callable[[F], F], ...]:
    return (
        click.option(
            "--cors-origin",
            "cors_origins",
            multiple=True,
            metavar="ORIGIN",
            help="Let web pages of this origin use the server, such as https://example.com; may be"
            " repeated.",
        ),
        click.option("--tls-cert", type=_FILE, metavar="FILE", help="Certificate to speak TLS."),
        click.option("--tls-key", type=_FILE, metavar="FILE", help="Private key of it."),
        click.option(
            "--forwarded-allow-ips",
            default="127.0.0.1,::1",
            show_default=True,
            metavar="ADDRESSES",
            help="Proxies that are believed whom they forward for; * believes everybody.",
        ),
    )


def terms_of(access: Access) -> "Terms":
    """Who may come in. Raises ``click.UsageError`` and ``OSError``."""
    from streamscribe_server.entrance import Terms
    from streamscribe_server.keys import ENVIRONMENT, BadKeys, read_keys
    from streamscribe_server.origins import BadOrigin, checked_origin

    try:
        keys = read_keys(access["api_keys"], os.environ.get(ENVIRONMENT))
        _warn_of_readers(access["api_keys"])
        origins = tuple(checked_origin(origin) for origin in access["cors_origins"])
    except (BadKeys, BadOrigin) as error:
        raise click.UsageError(str(error)) from error
    if access["sessions_per_key"] is not None and keys is None:
        raise click.UsageError("--sessions-per-key counts by keys, and there are no --api-keys")
    return Terms(
        keys=keys,
        open_metrics=access["open_metrics"],
        sessions_per_key=access["sessions_per_key"],
        opens_per_minute=access["opens_per_minute"],
        origins=origins,
    )


def _warn_of_readers(file: Path | None) -> None:
    if file is not None and os.name == "posix" and file.stat().st_mode & stat.S_IROTH:
        logger.warning("every user of this machine can read the keys in %s; chmod o-r it", file)


def certificate_of(access: Access) -> Certificate | None:
    """The files to speak TLS with. Raises ``click.UsageError`` and ``OSError``."""
    cert, key = access["tls_cert"], access["tls_key"]
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        given, missing = ("--tls-key", "--tls-cert") if key else ("--tls-cert", "--tls-key")
        raise click.UsageError(f"{given} needs {missing} as well")
    certificate = Certificate(cert, key)
    try:
        check(certificate)
    except BadCertificate as error:
        raise click.UsageError(str(error)) from error
    return certificate


def refuse_if_exposed(address: str, access: Access, terms: "Terms") -> None:
    """Raises ``click.UsageError`` if other machines reach ``address`` and nobody needs a key."""
    if is_loopback(address) or terms.keys is not None or access["allow_anonymous"]:
        return
    raise click.UsageError(
        f"{address} can be reached from other machines, and no API key is asked for; list keys"
        " with --api-keys FILE or STREAMSCRIBE_API_KEYS, or let anybody in with --allow-anonymous"
    )


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches ``address``."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
