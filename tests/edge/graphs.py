"""Tiny caption decoders as ONNX graphs, in the shapes in which exporters deliver them."""

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Kind = Literal["no cache", "cache", "merged", "merged, cross-attention cached"]
KINDS: tuple[Kind, ...] = ("no cache", "cache", "merged", "merged, cross-attention cached")
WORDS, SIZE = 11, 8  # a token is embedded in 2 heads of 4

_random = np.random.default_rng(3)
EMBEDDING = _random.normal(0, 1, (WORDS, SIZE)).astype(np.float32)
READOUT = _random.normal(0, 1, (SIZE, WORDS)).astype(np.float32)
LOOK = _random.normal(0, 1, (SIZE, WORDS)).astype(np.float32)


def reference(hidden: NDArray[np.float32], start: int, end: int, limit: int) -> list[int]:
    """Decode greedily without any cache, in NumPy."""
    ids = [start]
    while len(ids) <= limit:
        logits = EMBEDDING[ids].sum(axis=0) @ READOUT + hidden[0].sum(axis=0) @ LOOK
        if int(logits.argmax()) == end:
            break
        ids.append(int(logits.argmax()))
    return ids[1:]


def write_decoder(path: Path, kind: Kind) -> Path:
    """Write a graph whose words depend on every earlier word and on what is seen."""
    cached, merged, cross = kind != "no cache", kind.startswith("merged"), kind.endswith("cached")
    inputs = [_value("input_ids", TensorProto.INT64, [1, "n"])]
    inputs.append(_value("encoder_hidden_states", TensorProto.FLOAT, [1, "s", SIZE]))
    outputs = [_value("logits", TensorProto.FLOAT, [1, 1, WORDS])]
    nodes = [
        helper.make_node("Gather", ["embedding", "input_ids"], ["words"]),
        helper.make_node("Reshape", ["words", "to_heads"], ["heads"]),
        helper.make_node("Transpose", ["heads"], ["fresh"], perm=[0, 2, 1, 3]),
    ]
    if cached:
        inputs.append(_value("past_key_values.0.decoder.key", TensorProto.FLOAT, [1, 2, "p", 4]))
        outputs.append(_value("present.0.decoder.key", TensorProto.FLOAT, [1, 2, "t", 4]))
    if merged:
        inputs.append(_value("use_cache_branch", TensorProto.BOOL, [1]))
    joined = ["past_key_values.0.decoder.key", "fresh"]
    if merged:
        with_past = helper.make_node("Concat", joined, ["longer"], axis=2)
        nodes.append(_choose("present.0.decoder.key", with_past, _same("fresh", "only")))
    elif cached:
        nodes.append(helper.make_node("Concat", joined, ["present.0.decoder.key"], axis=2))
    nodes += _look(inputs, outputs) if cross else [_same("encoder_hidden_states", "look")]
    nodes += _readout("present.0.decoder.key" if cached else "fresh")
    graph = helper.make_graph(nodes, "decoder", inputs, outputs, _constants())
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def _look(inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> list[onnx.NodeProto]:
    """Cache what is seen; like optimum's merged graphs, give back nothing of it after the first step."""
    inputs.append(_value("past_key_values.0.encoder.key", TensorProto.FLOAT, [1, 2, "e", 4]))
    outputs.append(_value("present.0.encoder.key", TensorProto.FLOAT, [1, 2, "f", 4]))
    return [
        helper.make_node("Reshape", ["encoder_hidden_states", "to_heads"], ["seen"]),
        helper.make_node("Transpose", ["seen"], ["seen_heads"], perm=[0, 2, 1, 3]),
        _choose("present.0.encoder.key", _same("nothing", "empty"), _same("seen_heads", "filled")),
        _choose("look_heads", _same("past_key_values.0.encoder.key", "old"), _same("seen_heads", "new")),
        helper.make_node("Transpose", ["look_heads"], ["look_rows"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["look_rows", "to_rows"], ["look"]),
    ]


def _readout(source: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Transpose", [source], ["rows"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["rows", "to_rows"], ["flat"]),
        helper.make_node("ReduceSum", ["flat", "axis"], ["said"], keepdims=1),
        helper.make_node("ReduceSum", ["look", "axis"], ["looked"], keepdims=1),
        helper.make_node("MatMul", ["said", "readout"], ["by_words"]),
        helper.make_node("MatMul", ["looked", "look_readout"], ["by_sight"]),
        helper.make_node("Add", ["by_words", "by_sight"], ["logits"]),
    ]


def _choose(output: str, if_cached: onnx.NodeProto, if_first: onnx.NodeProto) -> onnx.NodeProto:
    branches = [
        helper.make_graph([node], node.output[0], [], [_value(node.output[0], TensorProto.FLOAT, None)])
        for node in (if_cached, if_first)
    ]
    return helper.make_node(
        "If", ["use_cache_branch"], [output], then_branch=branches[0], else_branch=branches[1]
    )


def _same(source: str, name: str) -> onnx.NodeProto:
    return helper.make_node("Identity", [source], [name])


def _value(name: str, kind: int, shape: list[int | str] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _constants() -> list[onnx.TensorProto]:
    arrays = {
        "embedding": EMBEDDING,
        "readout": READOUT,
        "look_readout": LOOK,
        "to_heads": np.array([1, -1, 2, 4], np.int64),
        "to_rows": np.array([1, -1, SIZE], np.int64),
        "axis": np.array([1], np.int64),
        "nothing": np.zeros((1, 2, 0, 4), np.float32),
    }
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]
