"""`hopgraph compile -o`: a model as one Python file that imports torch and nothing else."""

from __future__ import annotations

import inspect
import re
import textwrap

from hopgraph.lower import parameters
from hopgraph.lower.source import function_source
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.version import __version__

_TEMPLATE = '''"""{title}

Written by hopgraph {version} from {source}{overlays}. Its only import is torch.
{inputs} -> {outputs}; {count:,} parameters.
Certificate of energy descent: {certificate}.
"""

import torch
import torch.nn.functional as F
from torch import nn

PARAMETERS = {{
{table}
}}
"""Every parameter: its shape, how it starts, and whether it is trained (else it is a buffer). The names are those of a checkpoint; a
log_ one is stored as its logarithm."""


{functions}


class {name}(nn.Module):
    """{title}"""

    def __init__(self):
        super().__init__()
        for name, (shape, how, size, trainable) in PARAMETERS.items():
            tensor = torch.empty(shape)
            initialise(tensor, how, size)
            register(self, name, tensor, trainable)

{forward}'''


def module_source(spec: CheckedSpec) -> str:
    """The file's text. Its `forward` is the source that the compiled model runs."""
    program = spec.program
    table = "\n".join(
        f'    "{item.stored_name}": ({item.shape}, "{item.init[0]}", {item.init[1]!r}, {item.trainable}),' for item in program.parameters
    )
    variants = f", variant {','.join(spec.loaded.variants)}" if spec.loaded.variants else ""
    settings = "".join(f", {setting}" for setting in spec.loaded.settings)
    cite = f" ({spec.loaded.spec.cite})" if spec.loaded.spec.cite else ""
    return _TEMPLATE.format(
        title=_plain(f"{spec.name}{cite}"),
        version=__version__,
        source=_plain(spec.loaded.source.name),
        overlays=_plain(variants + settings),
        inputs=_shape(spec.ham.input.axes),
        outputs=_shape(spec.ham.output),
        count=program.parameter_count,
        certificate=spec.certificate,
        table=table,
        functions="\n\n".join(inspect.getsource(function) for function in (parameters.register, parameters.initialise)).rstrip(),
        name=class_name(spec.name),
        forward=textwrap.indent(function_source(program, "forward"), "    "),
    )


def class_name(name: str) -> str:
    """`paramixer` as `Paramixer`, `mlp-mixer` as `MlpMixer`."""
    parts = re.findall(r"[A-Za-z0-9]+", name)
    joined = "".join(part[0].upper() + part[1:] for part in parts)
    return joined if joined[:1].isalpha() else f"Model{joined}"


def _plain(text: str) -> str:
    """Text that cannot leave a docstring."""
    return re.sub(r"[^\x20-\x7e]", "?", text.replace("\\", "/").replace('"', "'"))


def _shape(sizes: dict[str, int]) -> str:
    return "[" + ", ".join(["batch", *(f"{axis}={size}" for axis, size in sizes.items())]) + "]"
