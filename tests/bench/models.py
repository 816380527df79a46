"""ONNX files of others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

Given = tuple[str, str, Sequence[int | str]]
"""Name, dtype and shape of an input; a string is an open dimension."""


def write_onnx(path: Path, inputs: Sequence[Given]) -> Path:
    """A model that gives the shape of its first input."""
    given = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape) for name, kind, shape in inputs]
    used = [helper.make_node("Shape", [name], [f"shape_of_{name}"]) for name, _, _ in inputs]
    wanted = helper.make_tensor_value_info(f"shape_of_{inputs[0][0]}", TensorProto.INT64, [None])
    graph = helper.make_graph(used, "shapes", given, [wanted])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
