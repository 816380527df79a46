"""A server that most tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.serve.faults import Target
from tests.serve.running import Running, stub

LIMIT = 2**20


class Starter(Protocol):
    """What starts a server over a stub model."""

    def __call__(self, kind: str = "image", **settings: Any) -> Running: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server over the stub model of images, whose bodies may have a mebibyte."""
    with stub(tmp_path_factory.mktemp("server"), max_body_bytes=LIMIT) as found:
        yield found


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Starter]:
    """Starts servers of the test's own, and ends them."""
    with ExitStack() as stack:

        def start(kind: str = "image", **settings: Any) -> Running:
            return stack.enter_context(stub(tmp_path, kind, **settings))

        yield start


@pytest.fixture
def target() -> Target:
    """The stub model of images."""
    return Target("stub", "image", (1, 2, 3), "numbers", LIMIT)
