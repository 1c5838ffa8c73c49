"""Tiny captioners as ONNX graphs, in the shapes in which exporters deliver them."""

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Kind = Literal[
    "no cache", "cache", "merged", "merged, cross-attention cached", "image prefix", "image cross-attention"
]
KINDS: tuple[Kind, ...] = (
    "no cache", "cache", "merged", "merged, cross-attention cached", "image prefix", "image cross-attention",
)  # fmt: skip
BY_ENCODER: tuple[Kind, ...] = ("image prefix", "image cross-attention")  # it gives the decoder's first cache
WORDS, SIZE = 11, 8  # a token is embedded in 2 heads of 4
SPOTS = 5  # what an encoder sees of a picture: the mean colours of so many bands
PICTURE_PX = 20

_random = np.random.default_rng(3)
EMBEDDING = _random.normal(0, 1, (WORDS, SIZE)).astype(np.float32)
READOUT = _random.normal(0, 0.3, (SIZE, WORDS)).astype(np.float32)
LOOK = _random.normal(0, 0.2, (SIZE, WORDS)).astype(np.float32)
PLACE = _random.normal(0, 1, (32, SIZE)).astype(np.float32)
COLOURS = _random.normal(0, 0.7, (3, SIZE)).astype(np.float32)


def logits_of(ids: list[int], hidden: NDArray[np.float32], kind: Kind = "cache") -> NDArray[np.float32]:
    """Compute what every graph of a kind gives for tokens and what is seen (1, S, SIZE), in NumPy."""
    said, seen = EMBEDDING[ids].sum(axis=0), hidden[0].sum(axis=0)
    placed = PLACE[len(ids) - 1] @ READOUT if kind in BY_ENCODER else 0
    if kind == "image prefix":
        return np.asarray((said + seen) @ READOUT + placed)
    return np.asarray(said @ READOUT + seen @ LOOK + placed)


def reference(
    hidden: NDArray[np.float32], start: int, end: int, limit: int, kind: Kind = "cache"
) -> list[int]:
    """Decode greedily without any cache."""
    ids = [start]
    while len(ids) <= limit:
        choice = int(logits_of(ids, hidden, kind).argmax())
        if choice == end:
            break
        ids.append(choice)
    return ids[1:]


def write_encoder(path: Path, kind: Kind = "cache", side: int | str = PICTURE_PX) -> Path:
    """Write a graph that sees the mean colours of SPOTS bands, and gives them as that decoder wants."""
    band = [PICTURE_PX // SPOTS, PICTURE_PX]
    nodes = [
        helper.make_node("AveragePool", ["pixel_values"], ["bands"], kernel_shape=band, strides=band),
        helper.make_node("Reshape", ["bands", "to_spots"], ["spots"]),
        helper.make_node("Transpose", ["spots"], ["colours"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["colours", "by_colour"], ["last_hidden_state"]),
    ]  # fmt: skip
    outputs = [_value("last_hidden_state", TensorProto.FLOAT, [1, SPOTS, SIZE])]
    if kind in BY_ENCODER:
        name = "present.0.key" if kind == "image prefix" else "present.0.encoder.key"
        nodes += _heads("last_hidden_state", name)
        outputs = [_value(name, TensorProto.FLOAT, [1, 2, SPOTS, 4])]
    constants: dict[str, NDArray[np.generic]] = {
        "to_spots": np.array([1, 3, SPOTS], np.int64),
        "to_heads": np.array([1, -1, 2, 4], np.int64),
        "by_colour": COLOURS,
    }
    inputs = [_value("pixel_values", TensorProto.FLOAT, [1, 3, side, side])]
    return _write(path, nodes, inputs, outputs, constants)


def seen_by_encoder(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute what `write_encoder` sees of pictures (1, 3, PICTURE_PX, PICTURE_PX): (1, SPOTS, SIZE)."""
    bands = pixels.reshape(1, 3, SPOTS, -1).mean(axis=3)
    return np.asarray(bands.transpose(0, 2, 1) @ COLOURS, np.float32)


def write_decoder(path: Path, kind: Kind, batch: int | str = 1) -> Path:
    """Write a graph whose words depend on every earlier word and on what is seen."""
    cached, merged, cross = kind != "no cache", kind.startswith("merged"), kind.endswith("cached")
    by_encoder = kind in BY_ENCODER
    name = "0.key" if by_encoder else "0.decoder.key"
    inputs = [_value("input_ids", TensorProto.INT64, [batch, "n"])]
    outputs = [_value("logits", TensorProto.FLOAT, [batch, 1, WORDS])]
    nodes = [helper.make_node("Gather", ["embedding", "input_ids"], ["words"]), *_heads("words", "fresh")]
    if not by_encoder:
        inputs.append(_value("encoder_hidden_states", TensorProto.FLOAT, [batch, "s", SIZE]))
    if cached:
        inputs.append(_value(f"past_key_values.{name}", TensorProto.FLOAT, [batch, 2, "p", 4]))
        outputs.append(_value(f"present.{name}", TensorProto.FLOAT, [batch, 2, "t", 4]))
    if merged:
        inputs.append(_value("use_cache_branch", TensorProto.BOOL, [1]))
    joined = [f"past_key_values.{name}", "fresh"]
    if merged:
        with_past = helper.make_node("Concat", joined, ["longer"], axis=2)
        nodes.append(_choose(f"present.{name}", with_past, _same("fresh", "only")))
    elif cached:
        nodes.append(helper.make_node("Concat", joined, [f"present.{name}"], axis=2))
    if by_encoder:
        inputs.append(_value("position_ids", TensorProto.INT64, [1, 1]))
        nodes += _seen_before(kind, inputs, batch)
    else:
        nodes += _look(inputs, outputs) if cross else [_same("encoder_hidden_states", "look")]
    nodes += _readout(
        f"present.{name}" if cached else "fresh", sees=kind != "image prefix", placed=by_encoder
    )
    return _write(path, nodes, inputs, outputs, _constants())


def _seen_before(kind: Kind, inputs: list[onnx.ValueInfoProto], batch: int | str) -> list[onnx.NodeProto]:
    """Look at what lies in the cache that the encoder began, as prefix or as cross-attention."""
    if kind == "image prefix":
        return []
    inputs.append(_value("past_key_values.0.encoder.key", TensorProto.FLOAT, [batch, 2, "e", 4]))
    return [
        helper.make_node("Transpose", ["past_key_values.0.encoder.key"], ["look_rows"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["look_rows", "to_rows"], ["look"]),
    ]


def _look(inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> list[onnx.NodeProto]:
    """Cache what is seen; like optimum's merged graphs, give back nothing of it after the first step."""
    inputs.append(_value("past_key_values.0.encoder.key", TensorProto.FLOAT, ["b", 2, "e", 4]))
    outputs.append(_value("present.0.encoder.key", TensorProto.FLOAT, ["c", 2, "f", 4]))
    return [
        *_heads("encoder_hidden_states", "seen_heads"),
        _choose("present.0.encoder.key", _same("nothing", "empty"), _same("seen_heads", "filled")),
        _choose("look_heads", _same("past_key_values.0.encoder.key", "old"), _same("seen_heads", "new")),
        helper.make_node("Transpose", ["look_heads"], ["look_rows"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["look_rows", "to_rows"], ["look"]),
    ]


def _heads(source: str, target: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Reshape", [source, "to_heads"], [f"{target}_rows"]),
        helper.make_node("Transpose", [f"{target}_rows"], [target], perm=[0, 2, 1, 3]),
    ]


def _readout(source: str, *, sees: bool, placed: bool) -> list[onnx.NodeProto]:
    nodes = [
        helper.make_node("Transpose", [source], ["rows"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["rows", "to_rows"], ["flat"]),
        helper.make_node("ReduceSum", ["flat", "axis"], ["said"], keepdims=1),
        helper.make_node("MatMul", ["said", "readout"], ["by_words"]),
    ]
    parts = ["by_words"]
    if sees:
        nodes.append(helper.make_node("ReduceSum", ["look", "axis"], ["looked"], keepdims=1))
        nodes.append(helper.make_node("MatMul", ["looked", "look_readout"], ["by_sight"]))
        parts.append("by_sight")
    if placed:
        nodes.append(helper.make_node("Gather", ["place", "position_ids"], ["placed"]))
        nodes.append(helper.make_node("MatMul", ["placed", "readout"], ["by_place"]))
        parts.append("by_place")
    return [*nodes, helper.make_node("Sum", parts, ["logits"])]


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


def _constants() -> dict[str, NDArray[np.generic]]:
    return {
        "embedding": EMBEDDING,
        "readout": READOUT,
        "look_readout": LOOK,
        "place": PLACE,
        "to_heads": np.array([0, -1, 2, 4], np.int64),
        "to_rows": np.array([0, -1, SIZE], np.int64),
        "axis": np.array([1], np.int64),
        "nothing": np.zeros((1, 2, 0, 4), np.float32),
    }


def _write(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, NDArray[np.generic]],
) -> Path:
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "captioner", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path
