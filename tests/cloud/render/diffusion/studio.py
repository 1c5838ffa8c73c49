"""Bundles that render with tiny pipelines, and segments to render."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from export.tables import vector_tables
from tests.bundles import SHAPE, write_bundle
from tests.bundles import tokens as tokens_of
from tests.pipelines import Models
from wire.bundle import Bundle, ModelSource, Scalar, file_sha256
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

EMBED_DIM = 12
WIDTH, HEIGHT = 64, 32
CAMERA = CameraInfo("yard", WIDTH, HEIGHT, 8.0)
POLICY = Policy(long_side_px=WIDTH)
QUICK: dict[str, Scalar] = {"steps": 2, "guidance": 2.0}
DECODER = "receiver/decoder.onnx"
VECTORS = "vector/tables.npz"


def diffusion_bundle(
    folder: Path, pipeline: str, models: Models, *, decoder: bool = True, **options: Scalar
) -> Bundle:
    """Write a bundle whose renderer is this pipeline; its token decoder shows the first three planes."""
    write_bundle(folder)
    text = (
        (folder / "bundle.toml")
        .read_text()
        .replace('[renderer]\nbackend = "preview"\n', _renderer(pipeline, models, options, decoder=decoder))
    )
    save_decoder(folder / DECODER)
    made = [DECODER]
    if pipeline == "animatediff":
        save_vectors(folder / VECTORS)
        (folder / "vector/encoder.onnx").write_bytes(b"encoder")
        made += [VECTORS, "vector/encoder.onnx"]
    (folder / "bundle.toml").write_text(
        text + "".join(f'\n"{name}" = "{file_sha256(folder / name)}"' for name in made)
    )
    return Bundle.load(folder, "cloud")


def shipped_diffusion_bundle(tiny: Path, folder: Path, pipeline: str, models: Models) -> Bundle:
    """Give the shipped bundle, with its own encoder and token decoder, this pipeline as its renderer."""
    for part in ("sender", "receiver", "tables"):
        (folder / part).symlink_to(tiny / part)
    text = (tiny / "bundle.toml").read_text().replace('golden = "golden.npz"\n', "")
    before, _, rest = text.partition("[renderer]\n")
    files = "[files]\n" + "".join(
        f"{line}\n" for line in rest.partition("[files]\n")[2].splitlines() if '"golden.npz"' not in line
    )
    made = _renderer(pipeline, models, {}, decoder=True).replace(DECODER, "receiver/appearance_decoder.onnx")
    (folder / "bundle.toml").write_text(before + made + files)
    return Bundle.load(folder, "cloud")


def _renderer(pipeline: str, models: Models, options: dict[str, Scalar], *, decoder: bool) -> str:
    lines = ['[renderer]\nbackend = "diffusers"', f'decoder = "{DECODER}"' if decoder else ""]
    lines += [f"[renderer.models.{role}]\n{_source(source)}" for role, source in models.items()]
    lines += ["[renderer.options]", f'pipeline = "{pipeline}"']
    lines += [f"{key} = {_toml(value)}" for key, value in {**QUICK, **options}.items()]
    if pipeline == "animatediff":
        lines += [
            f'[vector]\nencoder = "vector/encoder.onnx"\ntables = "{VECTORS}"\ninput_px = 32',
            f"size = {EMBED_DIM}\nmean = [0.5, 0.5, 0.5]\nstd = [0.25, 0.25, 0.25]",
        ]
    return "\n".join(lines) + "\n"


def _source(source: ModelSource) -> str:
    named = {"model": source.model, "revision": source.revision, "weights": source.weights}
    return "\n".join(f"{key} = {_toml(value)}" for key, value in named.items() if value is not None)


def _toml(value: Scalar) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f'"{value}"'
        if isinstance(value, str)
        else str(value)
    )


def save_decoder(path: Path) -> None:
    """Save a graph that shows three planes of a code as colours, eight pixels a token."""
    planes, height, width = SHAPE
    scales = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1.0, 1.0, 8.0, 8.0])
    bounds = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in (("from", 0), ("to", 3), ("axis", 1))
    ]
    half = helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])
    nodes = [
        helper.make_node("Slice", ["code", "from", "to", "axis"], ["planes"]),
        helper.make_node("Resize", ["planes", "", "scales"], ["large"], mode="linear"),
        helper.make_node("Mul", ["large", "half"], ["scaled"]),
        helper.make_node("Add", ["scaled", "half"], ["image"]),
    ]
    code = helper.make_tensor_value_info("code", TensorProto.FLOAT, ["batch", planes, height, width])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8 * height, 8 * width])
    graph = helper.make_graph(nodes, "decoder", [code], [image], [scales, *bounds, half])
    path.parent.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)


def save_vectors(path: Path) -> None:
    """Save tables for embeddings of the tests' size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).standard_normal((50, EMBED_DIM)).astype(np.float32)
    np.savez(path, **vector_tables(values))  # type: ignore[arg-type]


def segment(seed: int = 1, *, start_ms: int = 0, duration_ms: int = 1000, keyframe_ms: int = 0) -> Segment:
    """Make a moving segment that has a caption, tokens and no vector."""
    return Segment(
        start_ms, duration_ms, "a red car drives to the left", None, tokens_of(seed), keyframe_ms,
        still=False, cut=False, sequence=start_ms // 1000,
    )  # fmt: skip


def bare(one: Segment) -> Segment:
    """Take its appearance from a segment."""
    return replace(one, tokens=None, vector=None)


def with_vector(one: Segment, seed: int) -> Segment:
    """Give a segment an embedding instead of tokens."""
    vector = np.random.default_rng(seed).integers(-40, 40, EMBED_DIM).astype(np.int8)
    return replace(one, tokens=None, vector=vector)


def picture(seed: int) -> NDArray[np.uint8]:
    """Make a picture (HEIGHT, WIDTH, 3) of smooth colours."""
    rng = np.random.default_rng(seed)
    low, high = rng.integers(0, 255, (2, 3))
    ramp = np.linspace(low, high, WIDTH)[None].repeat(HEIGHT, 0)
    return np.asarray(ramp, np.uint8)


def carried(seed: int, count: int) -> NDArray[np.uint8]:
    """Make the last frames of a clip before (count, HEIGHT, WIDTH, 3)."""
    return np.stack([picture(seed + 10 * number) for number in range(count)])
