"""Names that a spec may give to its parts. Weights are named after them, so they must be attributes of a module."""

from __future__ import annotations

import keyword
import re

from hopgraph.errors import At, Findings, article

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TITLE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_GIVEN = re.compile(r"(norm|step)_[0-9]")
"""Owners of weights that the compiler names: a group's own norms and its learned step."""
_PULLS = re.compile(r"(own|penalized|return)_")
"""What a factor's name may not start with: it would look like the weights of a pull."""
MAX_LENGTH = 64

RESERVED = frozenset(
    [
        "T_destination",
        "add_module",
        "apply",
        "beta",
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
        "log_beta",
        "log_gain",
        "log_scale",
        "log_step",
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
        "scale",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "step",
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


def check_name(name: str, kind: str, at: At, findings: Findings) -> bool:
    """Report a name that cannot be used for a part of that kind; whether it can."""
    reason = None
    if len(name) > MAX_LENGTH:
        reason = f"it has {len(name):,} characters, and {MAX_LENGTH} are the most"
    elif kind == "spec" and not _TITLE.fullmatch(name):
        reason = "a name is a letter, then letters, digits, `_`, `-` or `.`"
    elif kind != "spec" and not _NAME.fullmatch(name):
        reason = "a name is a letter, then letters, digits or `_`"
    elif kind != "spec" and keyword.iskeyword(name):
        reason = "it is a word of Python, in which the model is written"
    elif kind not in ("spec", "dim", "axis") and name in RESERVED:
        reason = "weights are named after it, and modules use this name themselves"
    elif kind not in ("spec", "dim", "axis") and _GIVEN.match(name):
        reason = "the compiler gives such names to the norms and steps of groups"
    elif kind == "factor" and _PULLS.match(name):
        reason = "the compiler gives such names to the weights of pulls"
    if reason:
        findings.add("name-invalid", f"`{name[:40]}` cannot name {article(kind)}: {reason}", at, helps=["choose another name"])
    return reason is None
