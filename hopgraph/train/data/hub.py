"""Image data sets of the Hugging Face hub, by name. They need the network at their first use; `datasets` keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hopgraph.errors import Diagnostic, HopgraphError, listing
from hopgraph.train.data.parquet import TEST, Table, class_names, from_tables
from hopgraph.train.data.records import ImageData

PREFIX = "hf:"
TIMEOUT = 10.0
"""So many seconds the hub may take to say that it has a data set."""


def read_hub(name: str) -> ImageData:
    """The images of `hf:NAME`, or of a configuration of it as `hf:NAME:CONFIGURATION`. Raises HopgraphError."""
    parts = _load(name)
    test = next((split for split in TEST if split in parts), None)
    if "train" not in parts:
        message = f"`{name}` has no split named train"
        raise HopgraphError(Diagnostic("data-invalid", message, notes=(f"it has {listing(parts)}",)))
    return from_tables(name, [_table(name, parts["train"])], [_table(name, parts[test])] if test else [])


def _load(name: str) -> Any:
    """The splits. Whatever stands in the way, in the network or at the hub, becomes a HopgraphError."""
    import datasets
    from huggingface_hub import HfApi, constants

    address, _, configuration = name.removeprefix(PREFIX).partition(":")
    library: Any = datasets
    try:
        if not constants.HF_HUB_OFFLINE:  # ask once: the library itself would try for half a minute
            HfApi().dataset_info(address, timeout=TIMEOUT)
        return library.load_dataset(address, configuration or None)
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        helps = ("check the name and the network, or give a local path of its files", "HF_HUB_OFFLINE=1 takes what was loaded before")
        raise HopgraphError(Diagnostic("data-unknown", f"`{name}` cannot be loaded from the hub: {reason}", helps=helps)) from None


def _table(name: str, split: Any) -> Table:
    """A split, which the library keeps in files of its own and maps into memory."""
    return Table(split.data, f"{name}, {split.split}", Path(), class_names(split.features))
