"""Serve bundles over HTTP by the open inference protocol, version 2."""

from __future__ import annotations

from importlib.util import find_spec

NEEDED = ("httptools", "prometheus_client", "starlette", "uvicorn")
"""What a server is made with: the extra `serve`."""


def missing() -> str | None:
    """Why no server can be started here, None where one can."""
    absent = [name for name in NEEDED if find_spec(name) is None]
    return f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed (pip install 'hopgraph[serve]')" if absent else None
