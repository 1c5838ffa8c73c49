"""Will TensorRT take a graph? Its parser knows a part of ONNX; tensorrt_operators.txt says which part."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import onnx

from export.graph_file import graphs, opset, read_graph

_LIST = Path(__file__).parent / "tensorrt_operators.txt"
_HEAD = re.compile(r"TensorRT (\S+), opset (\d+).*:")
_ONNX = ("", "ai.onnx")


@dataclass(frozen=True, slots=True)
class Parser:
    """What a version of TensorRT's ONNX parser takes."""

    version: str
    opset: int
    operators: frozenset[str]


@cache
def parser() -> Parser:
    """Read the first edition of the list: what every TensorRT since takes."""
    lines = [line for line in _LIST.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    heads = [number for number, line in enumerate(lines) if _HEAD.fullmatch(line)]
    head = _HEAD.fullmatch(lines[0])
    if head is None or len(heads) < 2:
        raise ValueError(f"{_LIST}: does not begin with a version, or has only one")
    names = frozenset(" ".join(lines[1 : heads[1]]).split())
    return Parser(head[1], int(head[2]), names)


def tensorrt_problems(path: Path) -> list[str]:
    """Say what TensorRT's parser would refuse, one line for each kind; none where it would take the graph.

    Looks into branches and loops. Raises GraphError for what is no graph.
    """
    model, known = read_graph(path), parser()
    problems = []
    if opset(model) > known.opset:
        problems.append(f"opset {opset(model)} is newer than {known.opset}")
    found: dict[str, list[str]] = {}
    for node in _nodes(model.graph):
        reason = _refusal(node, known)
        if reason is not None:
            found.setdefault(reason, []).append(node.name or f"the one that gives {node.output[0]}")
    return problems + [f"{reason}: {len(names)} nodes, first {names[0]}" for reason, names in found.items()]


def _refusal(node: onnx.NodeProto, known: Parser) -> str | None:
    if node.domain not in _ONNX:
        return f"operator {node.domain}.{node.op_type} is not ONNX's own"
    if node.op_type not in known.operators:
        return f"operator {node.op_type} is not known"
    if node.op_type == "Resize" and any(a.name == "mode" and a.s == b"cubic" for a in node.attribute):
        return "operator Resize is known, but not its mode cubic"
    return None


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for part in graphs(graph):
        yield from part.node
