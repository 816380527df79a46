"""Names that a spec may give to its parts. Weights are named after them, so they must be attributes of a module."""

from __future__ import annotations

import keyword
import re

from hopgraph.errors import At, Findings, article

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TITLE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_OWN_NORM = re.compile(r"norm_[0-9]")
MAX_LENGTH = 64

RESERVED = frozenset(
    [
        "T_destination",
        "add_module",
        "apply",
        "bfloat16",
        "bias",
        "blocks",
        "buffers",
        "call_super_init",
        "children",
        "compile",
        "cpu",
        "cuda",
        "double",
        "dump_patches",
        "encoder",
        "eval",
        "extra_repr",
        "float",
        "forward",
        "gain",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "half",
        "ipu",
        "load_state_dict",
        "log_gain",
        "modules",
        "mtia",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "parameters",
        "readout",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_module",
        "register_parameter",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "requires_grad_",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "weight",
        "xpu",
        "zero_grad",
    ]
)
"""Attributes of torch.nn.Module, and the names that the compiler itself gives to parts and weights."""


def check_name(name: str, kind: str, at: At, findings: Findings) -> None:
    """Report a name that cannot be used for a part of that kind."""
    reason = None
    if len(name) > MAX_LENGTH:
        reason = f"it has {len(name):,} characters, and {MAX_LENGTH} are the most"
    elif kind == "spec" and not _TITLE.fullmatch(name):
        reason = "a name is a letter, then letters, digits, `_`, `-` or `.`"
    elif kind != "spec" and not _NAME.fullmatch(name):
        reason = "a name is a letter, then letters, digits or `_`"
    elif kind != "spec" and keyword.iskeyword(name):
        reason = "it is a word of Python, in which the model is written"
    elif kind not in ("spec", "dim", "axis") and (name in RESERVED or _OWN_NORM.match(name)):
        reason = "weights are named after it, and modules use this name themselves"
    if reason:
        findings.add("name-invalid", f"`{name[:40]}` cannot name {article(kind)}: {reason}", at, helps=["choose another name"])
