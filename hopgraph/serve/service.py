"""The endpoints of the protocol over one model."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hopgraph.runtime.parts import in_parts
from hopgraph.runtime.record import Array
from hopgraph.runtime.session import Session
from hopgraph.serve.batching import Batcher
from hopgraph.serve.body import read_body
from hopgraph.serve.decode import Asked, decode
from hopgraph.serve.describe import model_config, model_index, model_metadata, server_metadata
from hopgraph.serve.encode import VERSION, answer_bytes, encode
from hopgraph.serve.gate import CLOSE, Entry, Gate
from hopgraph.serve.metrics import Metrics
from hopgraph.serve.settings import Settings

Endpoint = Callable[[Request], Awaitable[Response]]


class Service:
    """One model behind the protocol: what each endpoint answers."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self.session, self.settings = session, settings
        self.metrics, self.gate = Metrics(), Gate(settings)
        joined, delay = (settings.max_batch, settings.max_delay_s) if settings.batching else (0, 0.0)
        self._batcher = Batcher(partial(in_parts, session, session.form), joined, delay, self.metrics.batch)

    def app(self) -> Starlette:
        """The application, for an ASGI server."""
        routes = [Route("/v2", self.server), Route("/v2/health/live", self.live), Route("/v2/health/ready", self.ready)]
        routes += [Route("/v2/models/stats", self.statistics), Route("/v2/repository/index", self.index, methods=["POST"])]
        routes += [Route("/metrics", self.prometheus), *_of_model("/infer", self.infer, "POST"), *_of_model("", self.model)]
        routes += [*_of_model("/ready", self.model_ready), *_of_model("/config", self.config), *_of_model("/stats", self.statistics)]
        return Starlette(routes=routes, exception_handlers={HTTPException: _refused})

    async def server(self, _request: Request) -> Response:
        """GET /v2."""
        return JSONResponse(server_metadata())

    async def live(self, _request: Request) -> Response:
        """GET /v2/health/live."""
        return Response()

    async def ready(self, _request: Request) -> Response:
        """GET /v2/health/ready: 503 once the server is asked to stop."""
        return Response(status_code=503 if self.gate.closed else 200)

    async def model(self, request: Request) -> Response:
        """GET /v2/models/NAME."""
        self._require_model(request)
        return JSONResponse(model_metadata(self.session))

    async def model_ready(self, request: Request) -> Response:
        """GET /v2/models/NAME/ready."""
        self._require_model(request)
        return await self.ready(request)

    async def config(self, request: Request) -> Response:
        """GET /v2/models/NAME/config."""
        self._require_model(request)
        return JSONResponse(model_config(self.session, self.settings))

    async def index(self, _request: Request) -> Response:
        """POST /v2/repository/index."""
        return JSONResponse(model_index(self.session, not self.gate.closed))

    async def statistics(self, request: Request) -> Response:
        """GET /v2/models/stats and /v2/models/NAME/stats."""
        self._require_model(request)
        return JSONResponse({"model_stats": [{"name": self.session.manifest.name, "version": VERSION, **self.metrics.statistics()}]})

    async def prometheus(self, _request: Request) -> Response:
        """GET /metrics."""
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def infer(self, request: Request) -> Response:
        """POST /v2/models/NAME/infer."""
        begun = perf_counter()
        try:
            response = await self._infer(request)
        except HTTPException as error:
            response = await _refused(request, error)
        except ClientDisconnect:
            response = Response(status_code=499)
        except Exception as error:  # whatever a runtime raises: the server goes on
            print(f"error: the model failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            response = JSONResponse({"error": "the model failed; the server's log says why"}, 500)
        seconds = perf_counter() - begun
        self.metrics.request(response.status_code, seconds)
        if self.settings.log_requests:
            _log(request, response, seconds)
        return response

    async def _infer(self, request: Request) -> Response:
        self._require_model(request)
        with self.gate.admit() as entry, self.metrics.in_flight.track_inprogress():
            limit, seconds = self.settings.max_body_bytes, self.settings.timeout_s
            slow = HTTPException(408, f"the body did not arrive within {seconds:g} seconds", CLOSE)
            body = await entry.within(seconds, read_body(request, limit, entry.claim), slow)
            asked = decode(body, request.headers.get("inference-header-content-length"), self.session.manifest)
            entry.claim(answer_bytes(asked, self.session.manifest.output))
            outputs = await self._run(request, asked, entry)
            return encode(outputs, asked, self.session.manifest, request.headers.get("accept-encoding", ""))

    async def _run(self, request: Request, asked: Asked, entry: Entry) -> Array:
        """What the model gives, unless it is too late or the client hangs up."""
        seconds = min(self.settings.timeout_s, asked.timeout_s or self.settings.timeout_s)
        late = HTTPException(504, f"the model did not answer within {seconds:g} seconds")
        watch = asyncio.ensure_future(_watch(request, entry))
        try:
            return await entry.within(seconds, self._outputs(asked.rows), late)
        finally:
            watch.cancel()

    async def _outputs(self, rows: NDArray[Any]) -> Array:
        """What the model gives, `max_batch` rows at a time. A further piece is queued after the one before it, behind other requests."""
        size = self.settings.max_batch
        pieces = [await asyncio.wrap_future(self._batcher.submit(rows[at : at + size])) for at in range(0, len(rows), size)]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _require_model(self, request: Request) -> None:
        name, known = request.path_params.get("name"), self.session.manifest.name
        if name not in (None, known):
            raise HTTPException(404, f"no model is named `{name[:40]}`; this server has `{known}`")
        version = request.path_params.get("version", VERSION)
        if version != VERSION:
            raise HTTPException(404, f"`{known}` has no version `{version[:40]}`; it has {VERSION}")


def _of_model(path: str, endpoint: Endpoint, method: str = "GET") -> list[Route]:
    return [Route(f"/v2/models/{{name}}{version}{path}", endpoint, methods=[method]) for version in ("", "/versions/{version}")]


async def _watch(request: Request, entry: Entry) -> None:
    """End a request where its client hangs up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    entry.end(HTTPException(499, "the client is gone"))


async def _refused(request: Request, error: Exception) -> Response:
    """An error as the protocol writes it."""
    assert isinstance(error, HTTPException)
    told = {404: f"there is nothing at {request.url.path[:80]}", 405: f"{request.url.path[:80]} does not take {request.method}"}
    routed = error.detail in ("Not Found", "Method Not Allowed")  # the router's own
    return JSONResponse({"error": told[error.status_code] if routed else error.detail}, error.status_code, dict(error.headers or {}))


def _log(request: Request, response: Response, seconds: float) -> None:
    client = request.client.host if request.client else ""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "client": client, "path": request.url.path}
    print(json.dumps({**line, "status": response.status_code, "seconds": round(seconds, 6)}), file=sys.stderr, flush=True)
