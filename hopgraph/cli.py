"""The command line. Each command is a few lines: the work is the package's, imported inside, so that `check` starts at once.

Exit status: 0 done, 1 a diagnostic, 2 wrong usage.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import sys
from typing import Annotated

import typer

from hopgraph.commands import newcomer, specs, training, deployment  # isort: skip (the order in which `--help` lists the commands)
from hopgraph.commands.options import app
from hopgraph.errors import Diagnostic, HopgraphError

__all__ = ["app", "deployment", "main", "newcomer", "specs", "training"]


def _version(wanted: bool) -> None:
    if wanted:
        from hopgraph.version import __version__

        print(f"hopgraph {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


@app.callback()
def options(version: Version = False) -> None:
    """A compiler for hierarchical associative memories: YAML to energy, to PyTorch, to ONNX and TensorRT."""


def main() -> None:
    """The program: diagnostics go to standard error, with exit status 1."""
    gc.set_threshold(100_000)  # imports make many objects and little garbage: collecting them is a tenth of the start
    atexit.register(gc.freeze)  # nor need the interpreter collect them at its end: a sixth of the time of `check`
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # none are ours, and looking for them is a tenth more
    try:
        app()
    except HopgraphError as error:
        _report(error)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    except ValueError as error:
        _report(_of_bundle(error))
        sys.exit(1)


def _of_bundle(error: ValueError) -> HopgraphError:
    """What the runtime told of a bundle or an input, as a diagnostic; any other error is raised again."""
    from hopgraph.runtime.problems import BundleError

    if not isinstance(error, BundleError):
        raise error
    return HopgraphError(Diagnostic(error.code, error.message, notes=error.notes, helps=error.helps))


def _report(error: HopgraphError) -> None:
    if "--json" in sys.argv:
        print(json.dumps({"errors": [diagnostic.as_json() for diagnostic in error.diagnostics]}, indent=1))
    print("\n\n".join(diagnostic.render() for diagnostic in error.diagnostics), file=sys.stderr)
