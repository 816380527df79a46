"""What a server says of itself and of its model."""

from __future__ import annotations

from hopgraph.runtime.manifest import Port
from hopgraph.runtime.session import Session
from hopgraph.serve.decode import DATATYPES
from hopgraph.serve.encode import VERSION
from hopgraph.serve.settings import Settings
from hopgraph.version import __version__

EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics")


def server_metadata() -> dict[str, object]:
    """The name of the server, its version, and the extensions of the protocol that it has."""
    return {"name": "hopgraph", "version": __version__, "extensions": EXTENSIONS}


def model_metadata(session: Session) -> dict[str, object]:
    """The model's name, its versions, what runs it, and its input and output; -1 is the batch, and a length that may vary."""
    manifest = session.manifest
    ports = {"inputs": [_port(manifest.input)], "outputs": [_port(manifest.output)]}
    return {"name": manifest.name, "versions": [VERSION], "platform": session.runtime.name, **ports}


def _port(port: Port) -> dict[str, object]:
    return {"name": port.name, "datatype": DATATYPES[port.dtype], "shape": [-1, *port.symbolic]}


def model_config(session: Session, settings: Settings) -> dict[str, object]:
    """The model as Triton's model configuration writes it."""
    manifest = session.manifest
    delay = int(settings.max_delay_s * 1e6)
    ports = {"input": [_config_port(manifest.input)], "output": [_config_port(manifest.output)]}
    batching = {"dynamic_batching": {"max_queue_delay_microseconds": delay}} if settings.batching else {}
    return {"name": manifest.name, "platform": session.runtime.name, "max_batch_size": settings.max_batch, **ports, **batching}


def _config_port(port: Port) -> dict[str, object]:
    return {"name": port.name, "data_type": f"TYPE_{DATATYPES[port.dtype]}", "dims": port.symbolic}


def model_index(session: Session, ready: bool) -> list[dict[str, str]]:
    """The models of the server, which is one."""
    return [{"name": session.manifest.name, "version": VERSION, "state": "READY" if ready else "UNAVAILABLE"}]
