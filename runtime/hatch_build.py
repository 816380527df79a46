"""Takes the package `hopgraph_runtime` from `hopgraph/runtime`: the same files are part of both distributions."""

from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "hopgraph_runtime"


class Hook(BuildHookInterface[BuilderConfig]):
    """Adds the files of the repository. A source distribution has them beside this one already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Say under which names the files are to be packed."""
        here = Path(self.root)
        if (here / PACKAGE).is_dir():
            return
        repository = here.parent
        shared = {
            repository / "hopgraph" / "runtime": PACKAGE,
            repository / "hopgraph" / "py.typed": f"{PACKAGE}/py.typed",
            repository / "LICENSE": f"{PACKAGE}/LICENSE",
        }
        build_data["force_include"] |= {str(source): target for source, target in shared.items()}
