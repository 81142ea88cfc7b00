"""The socket and the process: with ``wire_guards``, the only importer of uvicorn.

uvicorn by itself cuts every WebSocket as soon as it is told to stop. Ours drains first, and goes
on answering ``/health`` and ``/ready`` meanwhile.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette

from streamscribe_server.limits import Limits
from streamscribe_server.tls import Certificate
from streamscribe_server.wire_guards import guarded_http, guarded_websocket

_CUT_S = 2
"""After the drain, time for closing handshakes before connections are dropped."""
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Transport:
    """What lies between a client and the application."""

    certificate: Certificate | None = None
    """To speak TLS with."""
    trusted_proxies: str = ""
    """Addresses, separated by commas, whose word is taken for whom they forward for."""


class CannotListen(OSError):
    """The address can't be listened on; the message says why and what to do."""


def bind(host: str, port: int, limits: Limits) -> socket.socket:
    """A socket bound to ``host`` and ``port`` (0: a free one), not yet accepting.

    Raises ``CannotListen``.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CannotListen(f"host {host!r} can't be found: {error}") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted sockets inherit these.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, limits.receive_buffer_bytes)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux only
        timeout_ms = round(limits.unacknowledged_s * 1_000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise CannotListen(_why_not(host, port, error)) from error
    return listener


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use by another program;"
            " choose another with --port, or let --port 0 find a free one"
        )
    if error.errno == errno.EACCES:
        return f"port {port} on {host} is not allowed to you; choose one from 1024 to 65535"
    return f"can't listen on port {port} of {host}: {error.strerror}"


class DrainingServer(uvicorn.Server):
    """Drains between being told to stop and stopping; a second Ctrl-C cuts the drain short."""

    def __init__(
        self,
        app: Starlette,
        limits: Limits,
        on_ready: Callable[[], None],
        transport: Transport | None = None,
    ) -> None:
        """``on_ready`` is called once, when connections are being accepted."""
        transport = transport or Transport()
        certificate = transport.certificate
        super().__init__(
            uvicorn.Config(
                app,
                http=guarded_http(limits),
                ws=guarded_websocket(limits),
                ws_max_size=limits.hard_frame_bytes,
                # A pong waits behind audio that we have not read yet, so it proves nothing.
                ws_ping_timeout=None,
                # Audio doesn't compress, and trying costs memory and time per stream.
                ws_per_message_deflate=False,
                ssl_certfile=certificate.cert if certificate else None,
                ssl_keyfile=certificate.key if certificate else None,
                proxy_headers=bool(transport.trusted_proxies),
                forwarded_allow_ips=transport.trusted_proxies,
                server_header=False,
                lifespan="on",
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=_CUT_S,
            )
        )
        _quieten()
        self._app = app
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then say so."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let streams finish, then stop as uvicorn does."""
        await self._unless_forced(self._app.state.service.drain())
        await super().shutdown(sockets)

    async def _unless_forced(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        while not task.done() and not self.force_exit:
            await asyncio.wait({task}, timeout=_POLL_S)
        if task.done():
            task.result()
        else:
            task.cancel()


def _quieten() -> None:
    """Our own lines say more, in fewer. uvicorn's tell whole URLs and headers, and keys in them."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_no_refusal)


def _no_refusal(record: logging.LogRecord) -> bool:
    """uvicorn takes a WebSocket that was refused with an HTTP status for an error of ours."""
    return record.msg != "ASGI callable returned without completing handshake."


def run_until_stopped(
    app: Starlette,
    listener: socket.socket,
    limits: Limits,
    on_ready: Callable[[], None],
    transport: Transport | None = None,
) -> None:
    """Serve on ``listener`` until SIGINT or SIGTERM, and drain. Raises ``CannotListen``."""
    host, port = listener.getsockname()[:2]
    try:
        DrainingServer(app, limits, on_ready, transport).run(sockets=[listener])
    except OSError as error:
        raise CannotListen(_why_not(host, port, error)) from error
    except KeyboardInterrupt:
        return  # uvicorn repeats the signal after stopping in good order
