"""Removes from a graph what need not be computed on the device: constants, identities, dead branches."""

from pathlib import Path

import onnx
import onnxslim

from export.branches import rename_branch_outputs
from export.graph_file import is_large, read_graph, rewritten, write_graph

# What it raises for graphs that it does not understand: it has no error of its own.
_SLIM_FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def simplify(path: Path) -> str | None:
    """Fold constants and merge nodes of the graph in place; inputs, outputs and opset stay.

    Gives the reason where a graph is left as it is. Raises GraphError; the file is then untouched.
    """
    model = read_graph(path)
    if is_large(model):
        return f"{path.name} has weights of more than 2 GiB, which onnxslim does not read"
    before = _signature(model)
    try:
        slim = onnxslim.slim(model)
    except _SLIM_FAILURES as error:
        return f"onnxslim cannot simplify {path.name}: {type(error).__name__}: {error}"
    if _signature(slim) != before:
        return f"onnxslim would have changed inputs or outputs of {path.name}"
    rename_branch_outputs(slim)  # TensorRT wants another name for what each branch gives
    with rewritten(path) as made:
        write_graph(slim, made)
    return None


def _signature(model: onnx.ModelProto) -> list[tuple[str, int, int]]:
    """Name, element type and rank of what the graph takes and gives."""
    values = [*model.graph.input, "", *model.graph.output]
    return [
        (v.name, v.type.tensor_type.elem_type, len(v.type.tensor_type.shape.dim)) if v else ("", 0, 0)
        for v in values
    ]
