"""Prepares graphs with branches (`If`, as in merged decoders) for tools that see the outermost one only."""

from collections.abc import MutableSequence

import numpy as np
import onnx
from onnx import numpy_helper

from export.graph_file import graphs


def rename_branch_outputs(model: onnx.ModelProto) -> None:
    """Give what branches give names of their own: renaming an output must not reach into them."""
    taken = {value.name for value in model.graph.output}
    for number, branch in enumerate(graphs(model.graph)):
        if branch is model.graph:
            continue
        names = {
            value.name: f"{value.name}_branch_{number}" for value in branch.output if value.name in taken
        }
        for value in branch.output:
            value.name = names.get(value.name, value.name)
        for node in branch.node:
            _rename(node.input, names)
            _rename(node.output, names)


def fold_transposes(model: onnx.ModelProto) -> None:
    """Turn transposed weights into weights, also those that a branch transposes.

    Tied embeddings are looked up as they are and multiplied transposed; quantisers see only the former.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for graph in graphs(model.graph):
        folded: dict[str, str] = {}
        for node in [n for n in graph.node if n.op_type == "Transpose" and n.input[0] in weights]:
            order = [axis for attribute in node.attribute for axis in attribute.ints]
            name = f"{node.input[0]}_transposed_{'_'.join(map(str, order))}"
            if name not in weights:
                turned = numpy_helper.to_array(weights[node.input[0]]).transpose(order or None)
                weights[name] = numpy_helper.from_array(np.ascontiguousarray(turned), name)
                model.graph.initializer.append(weights[name])
            folded[node.output[0]] = name
            graph.node.remove(node)
        for inner in graphs(graph):
            for node in inner.node:
                _rename(node.input, folded)
    _drop_unused(model)


def sort_nodes(model: onnx.ModelProto) -> None:
    """Put nodes behind what they read, which converters that append nodes do not."""
    for graph in graphs(model.graph):
        made_here = {name for node in graph.node for name in node.output if name}
        left, ready, ordered = list(graph.node), set[str](), []
        while left:
            waiting = []
            for node in left:
                if _reads(node) & made_here <= ready:
                    ready |= set(node.output)
                    ordered.append(node)
                else:
                    waiting.append(node)
            if len(waiting) == len(left):
                raise ValueError(f"graph {graph.name} runs in a circle at node {waiting[0].name}")
            left = waiting
        del graph.node[:]
        graph.node.extend(ordered)


def _reads(node: onnx.NodeProto) -> set[str]:
    """Name all that a node reads, through its branches too."""
    read = set(node.input)
    for attribute in node.attribute:
        for branch in (attribute.g, *attribute.graphs):
            for inner in branch.node:
                read |= _reads(inner)
            read |= {value.name for value in branch.output}
    return read


def _drop_unused(model: onnx.ModelProto) -> None:
    used = {name for graph in graphs(model.graph) for node in graph.node for name in node.input}
    used |= {value.name for graph in graphs(model.graph) for value in graph.output}
    for graph in graphs(model.graph):
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)


def _rename(names: MutableSequence[str], by: dict[str, str]) -> None:
    for place, name in enumerate(names):
        names[place] = by.get(name, name)
