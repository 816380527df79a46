"""The folder of a run while it is trained: it holds the last checkpoint, and at the end the run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.files import require_free
from hopgraph.train.checkpoint import Checkpoint, Origin, has_checkpoint, read_checkpoint, require_same, sync, write_checkpoint, written
from hopgraph.train.run import CHECKPOINT, RECORD, WEIGHTS, Record, fill, read_record


def earlier(out: Path, origin: Origin, force: bool, resume: bool) -> Record | Checkpoint | None:
    """What a run folder holds of the training that is asked for: all of it, or a checkpoint to go on from.

    Raises HopgraphError where it holds something else that may not be replaced.
    """
    if resume and (out / RECORD).is_file() and (out / WEIGHTS).is_file():
        record = read_record(out)
        require_same(Origin(record.spec, record.recipe, record.data, record.seed, origin.processes, origin.strategy), origin, out)
        return record
    found = read_checkpoint(out) if resume else None
    if found:
        require_same(found.state.origin, origin, out)
        return found
    if not resume and not force and (out / CHECKPOINT).is_dir():
        helps = ("give `--resume` to go on with it, or `--force` to begin again",)
        raise HopgraphError(Diagnostic("file-exists", f"`{out}` is a run whose training has not ended", helps=helps))
    begun = resume and (out / CHECKPOINT).is_dir()  # killed before its first checkpoint
    require_free(out, force or begun or (resume and out.is_dir() and not any(out.iterdir())))
    return None


class Folder:
    """The folder of one training. Only the process that `writes` touches it."""

    def __init__(self, out: Path, writes: bool, keep: bool) -> None:
        """`keep` says whether what is there is gone on with."""
        self.out, self.writes, self.keep = out, writes, keep

    def __enter__(self) -> Folder:
        if self.writes:
            with written(self.out):
                if not self.keep:
                    _remove(self.out)
                (self.out / CHECKPOINT).mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave nothing where training ended before its first checkpoint."""
        if kind and self.writes and not has_checkpoint(self.out):
            shutil.rmtree(self.out, ignore_errors=True)

    def write(self, number: int, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, in place of the one before. Raises HopgraphError."""
        if self.writes:
            write_checkpoint(self.out, number, checkpoint)

    def finish(self, record: Record, weights: dict[str, Tensor], files: Mapping[str, str]) -> None:
        """Write the run, its record last, and remove the checkpoint. Raises HopgraphError."""
        if not self.writes:
            return
        aside = self.out / CHECKPOINT / ".run"
        with written(self.out):
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            try:
                fill(aside, record, weights, files)
                for name in (WEIGHTS, *files, RECORD):
                    sync(aside / name)
                    (aside / name).replace(self.out / name)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
            sync(self.out)
        tidy(self.out)


def tidy(out: Path) -> None:
    """Remove the checkpoint of a run that is finished."""
    shutil.rmtree(out / CHECKPOINT, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
