"""Options of the test suite."""

import pytest
from hypothesis import settings

settings.register_profile("hopgraph", deadline=None)  # a loaded machine is no failure
settings.load_profile("hopgraph")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write the golden files anew from what the code gives now")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-goldens"))
