"""The web application: one WebSocket path, and what machines ask about the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket

from streamscribe.version import __version__
from streamscribe_protocol.messages import STREAM_PATH
from streamscribe_server.catalogue import Catalogue
from streamscribe_server.entrance import Admitted, Entrance, Refused, Terms
from streamscribe_server.keys import answered_subprotocol
from streamscribe_server.limits import Limits
from streamscribe_server.loop_lag import watch_loop_lag
from streamscribe_server.metrics import Metrics
from streamscribe_server.pacing import Pace
from streamscribe_server.schedulers import Schedulers
from streamscribe_server.scheduling import Scheduling
from streamscribe_server.service import Service

if TYPE_CHECKING:
    from streamscribe_server.tracing import Traces


def make_app(
    catalogue: Catalogue,
    limits: Limits | None = None,
    scheduling: Scheduling | None = None,
    metrics: Metrics | None = None,
    terms: Terms | None = None,
    traces: "Traces | None" = None,
) -> Starlette:
    """The application; ``app.state.service`` is its :class:`Service`.

    Must run under a server that stops reading from a socket while ``receive`` is not called and
    supports denial responses: uvicorn with ``ws="websockets-sansio"``.
    scheduling: how the work is shared out; None: as suits this machine.
    terms: who may come in; None: anybody. traces: where spans of sessions go; None: nowhere.
    """
    limits = limits or Limits()
    terms = terms or Terms()
    metrics = metrics or Metrics()
    metrics.serving(__version__, (model.name for model in catalogue.models))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        schedulers = Schedulers(catalogue, limits, metrics, scheduling, traces)
        service = Service(catalogue, limits, schedulers, metrics)
        await service.start()
        app.state.service = service
        lag = asyncio.create_task(watch_loop_lag(metrics.loop_lag), name="loop lag")
        yield
        lag.cancel()
        await service.drain()
        await service.stop()
        if traces is not None:
            await asyncio.to_thread(traces.close)

    app = Starlette(
        routes=_routes(),
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
        middleware=[_cross_origin(terms.origins)] if terms.origins else [],
    )
    app.state.entrance = Entrance(terms)
    return app


def _routes() -> list[BaseRoute]:
    return [
        WebSocketRoute(STREAM_PATH, _stream),
        WebSocketRoute("/{path:path}", _no_such_stream),
        Route("/health", _health),
        Route("/ready", _ready),
        Route("/metrics", _metrics),
        Route("/v1/models", _models),
    ]


def _cross_origin(origins: tuple[str, ...]) -> Middleware:
    """Lets pages of other hosts read what they ask for. WebSockets are not touched by it."""
    return Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET"],
        allow_headers=["Authorization"],
    )


async def _stream(websocket: WebSocket) -> None:
    service: Service = websocket.app.state.service
    entrance: Entrance = websocket.app.state.entrance
    answer = entrance.admit(websocket)
    if isinstance(answer, Admitted) and (unready := service.shut_because()):
        answer = Refused(503, "overloaded", unready.message, service.limits.retry_after_s)
        service.metrics.refused(unready.reason)
    elif isinstance(answer, Refused):
        service.metrics.refused(answer.code)
    if isinstance(answer, Refused):
        await websocket.send_denial_response(_refusal(answer))
        return
    with entrance.inside(answer):
        await service.serve(_as_served(websocket, service.limits), answer.key)


def _as_served(websocket: WebSocket, limits: Limits) -> WebSocket:
    """``websocket`` read no faster than is fair, and accepted with the subprotocol it waits for."""
    subprotocol = answered_subprotocol(websocket)

    async def send(message: Message) -> None:
        if message["type"] == "websocket.accept" and subprotocol is not None:
            message = {**message, "subprotocol": subprotocol}
        await websocket.send(message)

    return WebSocket(websocket.scope, Pace(websocket.receive, limits), send)


async def _no_such_stream(websocket: WebSocket) -> None:
    message = f"nothing is at {websocket.url.path}; streams are at {STREAM_PATH}"
    await websocket.send_denial_response(_error(404, "not_found", message))


async def _health(request: Request) -> JSONResponse:
    """The process is alive. Says nothing about whether it can take a stream."""
    service: Service = request.app.state.service
    return JSONResponse(
        {
            "status": "ok",
            "version": __version__,
            "uptime_s": round(service.uptime_s, 1),
            "streams": service.connections,
        }
    )


async def _ready(request: Request) -> JSONResponse:
    """A stream opened now would be served."""
    service: Service = request.app.state.service
    refusal = service.unready_because()
    if refusal is None:
        return JSONResponse({"ready": True})
    headers = {"Retry-After": str(service.limits.retry_after_s)}
    return JSONResponse(
        {"ready": False, "reason": refusal.message}, status_code=503, headers=headers
    )


async def _metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    entrance: Entrance = request.app.state.entrance
    if not entrance.terms.open_metrics and (refused := entrance.may_ask(request)):
        return _refusal(refused)
    service.count()
    body, content_type = service.metrics.exposition(request.headers.get("Accept", ""))
    return Response(body, headers={"Content-Type": content_type})


async def _models(request: Request) -> JSONResponse:
    service: Service = request.app.state.service
    entrance: Entrance = request.app.state.entrance
    if refused := entrance.may_ask(request):
        return _refusal(refused)
    catalogue = service.catalogue
    return JSONResponse(
        {
            "models": [
                {
                    "name": model.name,
                    "languages": list(model.languages),
                    "default": model is catalogue.default,
                }
                for model in catalogue.models
            ]
        }
    )


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException), "registered for HTTPException alone"
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    message = f"{request.method} {request.url.path}: {error.detail}"
    return _error(error.status_code, code, message)


def _refusal(refused: Refused) -> JSONResponse:
    response = _error(refused.status, refused.code, refused.message)
    if refused.retry_after_s is not None:
        response.headers["Retry-After"] = str(refused.retry_after_s)
    if refused.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _error(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status)
