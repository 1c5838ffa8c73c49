"""A bundle that runs, with golden outputs: tiny graphs around the coding tables of `tests.bundles`."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge.runtime import Runtime
from tests.bundles import LEVELS, SHAPE, write_bundle
from tests.edge.graphs import PICTURE_PX, WORDS, Kind, write_decoder, write_encoder
from wire.golden import normalised

ENCODER, DECODER, TOKENS = "captioner/encoder.onnx", "captioner/decoder.onnx", "appearance/encoder.onnx"
GRAPHS = (ENCODER, DECODER, TOKENS)
GOLDEN = "golden.npz"
INPUT_PX = 32
_HALF = np.full(3, 0.5)  # mean and standard deviation, as `write_bundle` says


def write_running_bundle(folder: Path, kind: Kind = "cache", *, golden: bool = True) -> Path:
    """Write a bundle whose captioner is of this kind, and what its graphs gave when it was made."""
    write_bundle(folder)
    write_encoder(folder / ENCODER, kind)
    write_decoder(folder / DECODER, kind, batch="b")
    write_tokenizer_graph(folder / TOKENS)
    words = {f"w{number}": number for number in range(WORDS)}
    (folder / "captioner/tokenizer.json").write_text(json.dumps({"model": {"vocab": words}}))
    text = (folder / "bundle.toml").read_text().replace("tile_px = 160", f"tile_px = {PICTURE_PX // 2}")
    text = text.replace("input_px = 128", f"input_px = {INPUT_PX}")
    if golden:
        np.savez(folder / GOLDEN, **_golden(folder))  # type: ignore[arg-type] # names of arrays, not options
        text = text.replace('licence = "Apache-2.0"', f'licence = "Apache-2.0"\ngolden = "{GOLDEN}"')
        text += f'"{GOLDEN}" = "{"0" * 64}"\n'
    (folder / "bundle.toml").write_text(text)
    rehash(folder)
    return folder


def rehash(folder: Path) -> None:
    """Write the hashes of all files into the manifest, after they were changed."""
    path = folder / "bundle.toml"

    def hashed(found: re.Match[str]) -> str:
        return f'"{found[1]}" = "{hashlib.sha256((folder / found[1]).read_bytes()).hexdigest()}"'

    path.write_text(re.sub(r'^"([^"]+)" = "[0-9a-f]{64}"$', hashed, path.read_text(), flags=re.MULTILINE))


def write_tokenizer_graph(path: Path, planes: int = SHAPE[0], levels: int = LEVELS) -> Path:
    """Write a graph that tokenises the mean colours of a 4x4 grid."""
    mixing = np.random.default_rng(4).uniform(0, 1, (planes, 3, 1, 1)).astype(np.float32)
    mixing /= mixing.sum(axis=1, keepdims=True) / np.float32(levels - 1)
    side = INPUT_PX // SHAPE[1]
    nodes = [
        helper.make_node("AveragePool", ["image"], ["cells"], kernel_shape=[side] * 2, strides=[side] * 2),
        helper.make_node("Conv", ["cells", "mixing"], ["mixed"]),
        helper.make_node("Round", ["mixed"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["tokens"], to=TensorProto.INT32),
    ]
    ports = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, INPUT_PX, INPUT_PX]),
        helper.make_tensor_value_info("tokens", TensorProto.INT32, [1, planes, *SHAPE[1:]]),
    ]
    graph = helper.make_graph(
        nodes, "tokenizer", ports[:1], ports[1:], [numpy_helper.from_array(mixing, "mixing")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def change_weights(path: Path, factor: float) -> bytes:
    """Give the graph with all its weights scaled: another network with the same inputs and outputs."""
    model = onnx.load_model_from_string(path.read_bytes())
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor)
            noise = np.random.default_rng(5).normal(0, factor, array.shape).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(array + noise, tensor.name))
    return bytes(model.SerializeToString())


def _golden(folder: Path) -> dict[str, NDArray[np.generic]]:
    """Run each graph on the processor, twice."""
    random = np.random.default_rng(6)
    grids = random.integers(0, 255, (2, PICTURE_PX, PICTURE_PX, 3)).astype(np.uint8)
    pixels = normalised(grids, _HALF, _HALF)
    arrays: dict[str, NDArray[np.generic]] = {
        f"{ENCODER}|in|pixel_values": grids, f"{ENCODER}|mean|pixel_values": _HALF,
        f"{ENCODER}|std|pixel_values": _HALF,
        f"{TOKENS}|in|image": random.uniform(0, 1, (2, 3, INPUT_PX, INPUT_PX)).astype(np.float32),
    }  # fmt: skip
    encoder, decoder, tokens = (Runtime().open(folder / name) for name in GRAPHS)
    seen = [encoder.run({"pixel_values": pixels[at : at + 1]}) for at in range(2)]
    for name in seen[0]:
        arrays[f"{ENCODER}|out|{name}"] = np.concatenate([each[name] for each in seen])
    fed = {"input_ids": np.array([[1]])}
    for name, port in decoder.inputs.items():
        shape = tuple(size or 1 for size in port.shape or ())
        given = seen[0].get(name.replace("past_key_values", "present"), random.normal(0, 1, shape))
        fed.setdefault(name, np.zeros(shape, np.int64) if port.kind == "tensor(int64)" else given)
    for name, array in fed.items():
        arrays[f"{DECODER}|in|{name}"] = np.asarray(array, decoder.inputs[name].dtype)
    for name, array in decoder.run(fed).items():
        arrays[f"{DECODER}|out|{name}"] = array
    images = arrays[f"{TOKENS}|in|image"]
    found = [tokens.run({"image": images[at : at + 1]})["tokens"] for at in range(2)]
    return {**arrays, f"{TOKENS}|out|tokens": np.concatenate(found)}
