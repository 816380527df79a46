"""What the runtime tells of a bundle or an input that is wrong. It stands alone: the compiler's diagnostics are not imported."""

from __future__ import annotations


class BundleError(ValueError):
    """A bundle, an input or a runtime that cannot be used: a code as in `hopgraph explain`, what is wrong, and what to do."""

    def __init__(self, code: str, message: str, *, notes: tuple[str, ...] = (), helps: tuple[str, ...] = ()) -> None:
        super().__init__(". ".join((message, *notes, *helps)))
        self.code = code
        self.message = message
        self.notes = notes
        self.helps = helps
