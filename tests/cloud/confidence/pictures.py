"""Real pictures, what senders say of them, and bundles with and without the sender's half."""

import shutil
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from cloud.confidence.encoder import TokenEncoder
from export.tables import vector_tables
from tests.bundles import write_bundle
from wire.bundle import Bundle, file_sha256
from wire.documents import CameraInfo
from wire.segment import Segment

CAMERA = CameraInfo("gate", 320, 320, 10.0)
Picture = NDArray[np.uint8]


def pictures(tiny: Path) -> list[Picture]:
    """Give four scenes (64, 64, 3): a frame that the bundle brings, and what is least like it."""
    with np.load(tiny / "golden.npz") as golden:
        frame = np.asarray(golden["sender/appearance_encoder.onnx|in|image"][0], np.uint8)
    turned = np.ascontiguousarray(frame[::-1])
    return [frame, np.asarray(255 - frame, np.uint8), turned, np.asarray(255 - turned, np.uint8)]


def shown(bundle: Bundle, picture: Picture, sequence: int = 1, caption: str | None = None) -> Segment:
    """Give a segment of two seconds whose keyframe, in its middle, is this picture."""
    tokens = TokenEncoder(bundle).encode(picture)
    return Segment(
        2000 * sequence, 2000, caption, None, tokens, 1000, still=False, cut=True, sequence=sequence
    )


def receiver_half(tiny: Path, folder: Path) -> Bundle:
    """Copy a bundle as a cloud without the sender's files has it."""
    shutil.copytree(tiny, folder, ignore=shutil.ignore_patterns("sender", "golden.npz", "*.md", "*.py"))
    return Bundle.load(folder, "cloud")


def embedding_bundle(folder: Path) -> Bundle:
    """Write a bundle without tokens: its embedding of a picture is the mean of each colour, three times."""
    write_bundle(folder)
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1, 3, 16, 16])
    embedding = helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, [1, 9])
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1, 3])
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixel_values"], ["mean"]),
        helper.make_node("Reshape", ["mean", "shape"], ["flat"]),
        helper.make_node("Concat", ["flat", "flat", "flat"], ["image_embeds"], axis=1),
    ]
    graph = helper.make_graph(nodes, "embedding", [pixels], [embedding], [shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (folder / "vector").mkdir()
    onnx.save(model, folder / "vector/encoder.onnx")
    values = np.random.default_rng(0).normal(size=(200, 9)).astype(np.float32)
    tables: dict[str, NDArray[np.generic]] = vector_tables(values)
    np.savez(folder / "vector/tables.npz", allow_pickle=False, **tables)
    text = (folder / "bundle.toml").read_text()
    before, _, rest = text.partition("[appearance]")
    kept = [line for line in rest.partition("[text]")[2].splitlines() if not line.startswith('"appearance/')]
    made = "".join(
        f'\n"{name}" = "{file_sha256(folder / name)}"'
        for name in ("vector/encoder.onnx", "vector/tables.npz")
    )
    told = (
        '[vector]\nencoder = "vector/encoder.onnx"\ntables = "vector/tables.npz"\ninput_px = 16\nsize = 9\n'
        "mean = [0.5, 0.5, 0.5]\nstd = [0.25, 0.25, 0.25]\n[text]"
    )
    (folder / "bundle.toml").write_text(before + told + "\n".join(kept) + made + "\n")
    return Bundle.load(folder, "cloud")
