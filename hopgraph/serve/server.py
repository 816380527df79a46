"""Listen, serve, and end in order."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np
import uvicorn

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.runtime.parts import in_parts, limits
from hopgraph.runtime.session import Session
from hopgraph.serve.connection import Connection
from hopgraph.serve.service import Service
from hopgraph.serve.settings import Settings

BACKLOG = 1024
"""Connections that wait to be accepted."""

OPTIONS: dict[str, Any] = {
    "http": Connection,
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "log_level": "warning",
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": 2,  # seconds for answers that are still being sent
}
"""How uvicorn is run."""


def say(text: str) -> None:
    """Print a line at once, for a reader that waits for it."""
    print(text, flush=True)


def serve(session: Session, settings: Settings, tell: Callable[[str], object] = say) -> bool:
    """Serve a model until SIGTERM or SIGINT; `tell` is given the address once it is listened at.

    A form that takes fewer rows at once than `max_batch`, as an engine may, is given no more.

    Then the server is not ready any more and takes no requests; those in flight may end within the time of grace. Returns whether they
    did: where it is False, some were cut off, and the model may still run in its thread. A second signal cuts them off at once.
    Raises HopgraphError where it cannot listen there.
    """
    listener = listen(settings.host, settings.port)
    settings = replace(settings, max_batch=min(settings.max_batch, limits(session.form)[1]))
    warm_up(session, settings.max_batch)
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    told = f"serving `{session.manifest.name}` ({session.runtime.name}, {session.form.dtype}) at {address}"
    return asyncio.run(_run(session, settings, listener, lambda: tell(told)))


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises HopgraphError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((address[0], port, *address[2:]), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise HopgraphError(_unavailable(host, port, error)) from None
    # Connections inherit it. Without it an answer, whose head and body are written apart, waits 40 ms to be acknowledged in between.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _unavailable(host: str, port: int, error: Exception) -> Diagnostic:
    code, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, str(error))
    helps: tuple[str, ...] = ()
    if code == errno.EADDRINUSE:
        reason, helps = "another program does", ("choose another port; 0 takes any that is free",)
    elif isinstance(error, (socket.gaierror, UnicodeError)) or code == errno.EADDRNOTAVAIL:
        reason, helps = "that is no address of this machine", ("127.0.0.1 is for this machine alone, 0.0.0.0 for all that reach it",)
    message = f"the server cannot listen at port {port} of `{host}`: {reason}"
    return Diagnostic("address-unavailable", message, helps=helps)


def warm_up(session: Session, rows: int) -> None:
    """Run the model on the least and the largest batch, which takes longer the first time."""
    port = session.manifest.input
    for batch in (1, rows):
        in_parts(session, session.form, np.zeros((batch, *port.shape), port.dtype))


async def _run(session: Session, settings: Settings, listener: socket.socket, started: Callable[[], object]) -> bool:
    service = Service(session, settings)
    server = _Server(uvicorn.Config(service.app(), **OPTIONS), service, started)
    await server.serve([listener])
    return server.whole


class _Server(uvicorn.Server):
    """Uvicorn's server, which ends when the requests in flight have."""

    def __init__(self, config: uvicorn.Config, service: Service, started: Callable[[], object]) -> None:
        super().__init__(config)
        self.whole = True
        self._gate, self._started = service.gate, started
        self._ending: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell that the server has started, once it has: from here on a signal ends it in order."""
        await super().startup(sockets)
        self._started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: begin to end, or, where that has begun, end at once."""
        asyncio.get_running_loop().call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._ending:
            self._gate.cut()
        else:
            self._ending = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        self.whole = await self._gate.close()
        self.should_exit = True
