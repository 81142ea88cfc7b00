"""The web application: one WebSocket path, and what machines ask about the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from streamscribe.version import __version__
from streamscribe_protocol.messages import STREAM_PATH
from streamscribe_server.catalogue import Catalogue
from streamscribe_server.limits import Limits
from streamscribe_server.loop_lag import watch_loop_lag
from streamscribe_server.metrics import Metrics
from streamscribe_server.schedulers import Schedulers
from streamscribe_server.scheduling import Scheduling
from streamscribe_server.service import Service


def make_app(
    catalogue: Catalogue,
    limits: Limits | None = None,
    scheduling: Scheduling | None = None,
    metrics: Metrics | None = None,
) -> Starlette:
    """The application; ``app.state.service`` is its :class:`Service`.

    Must run under a server that stops reading from a socket while ``receive`` is not called and
    supports denial responses: uvicorn with ``ws="websockets-sansio"``.
    scheduling: how the work is shared out; None: as suits this machine.
    """
    limits = limits or Limits()
    metrics = metrics or Metrics()
    metrics.serving(__version__, (model.name for model in catalogue.models))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        schedulers = Schedulers(catalogue, limits, metrics, scheduling)
        service = Service(catalogue, limits, schedulers, metrics)
        await service.start()
        app.state.service = service
        lag = asyncio.create_task(watch_loop_lag(metrics.loop_lag), name="loop lag")
        yield
        lag.cancel()
        await service.drain()
        await service.stop()

    return Starlette(
        routes=[
            WebSocketRoute(STREAM_PATH, _stream),
            WebSocketRoute("/{path:path}", _no_such_stream),
            Route("/health", _health),
            Route("/ready", _ready),
            Route("/metrics", _metrics),
            Route("/v1/models", _models),
        ],
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
    )


async def _stream(websocket: WebSocket) -> None:
    service: Service = websocket.app.state.service
    refusal = service.shut_because()
    if refusal is None:
        await service.serve(websocket)
        return
    service.metrics.refused(refusal.reason)
    response = _error(503, "overloaded", refusal.message)
    response.headers["Retry-After"] = str(service.limits.retry_after_s)
    await websocket.send_denial_response(response)


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
    body, content_type = service.metrics.exposition(request.headers.get("Accept", ""))
    return Response(body, headers={"Content-Type": content_type})


async def _models(request: Request) -> JSONResponse:
    service: Service = request.app.state.service
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


def _error(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status)
