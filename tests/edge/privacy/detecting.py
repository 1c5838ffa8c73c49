"""A bundle whose slot for people finds everything that is magenta: small, exact, and a real graph."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.edge.films import texture, write_film

SIDE = 64
MAGENTA = (255, 0, 255)


def magenta_bundle(tiny: Path, folder: Path) -> Path:
    """Copy the shipped bundle and give it a detector of people."""
    shutil.copytree(tiny, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    model = folder / "sender" / "people.onnx"
    model.write_bytes(magenta_model())
    manifest = folder / "bundle.toml"
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    text = manifest.read_text("utf-8").replace("[files]\n", f'[files]\n"sender/people.onnx" = "{digest}"\n')
    slot = f'\n[detectors.people]\nmodel = "sender/people.onnx"\ninput_px = {SIDE}\nthreshold = 0.5\n'
    manifest.write_text(text + slot, "utf-8")
    return folder


def magenta_model() -> bytes:
    """Box of all pixels whose red exceeds their green by far, and its score: 1 if there are any."""
    import onnx  # where it is missing, tests of what needs no detector still run
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "red": np.array(0), "green": np.array(1), "far": np.array(0.35, np.float32), "one": np.array(1),
        "side": np.array(float(SIDE), np.float32), "shape": np.array([1, 4]),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Gather", ["image", "red"], ["r"], axis=1),
        node("Gather", ["image", "green"], ["g"], axis=1),
        node("Sub", ["r", "g"], ["d"]),
        node("Greater", ["d", "far"], ["m"]),
        node("Cast", ["m"], ["marked"], to=TensorProto.FLOAT),
        node("ReduceMax", ["marked"], ["columns"], axes=[0, 1], keepdims=0),
        node("ReduceMax", ["marked"], ["rows"], axes=[0, 2], keepdims=0),
        node("ReduceMax", ["columns"], ["scores"], axes=[0], keepdims=1),
    ]
    for name, line, last in (("l", "columns", 0), ("t", "rows", 0), ("r1", "columns", 1), ("b1", "rows", 1)):
        nodes.append(node("ArgMax", [line], [name], axis=0, keepdims=1, select_last_index=last))
    nodes += [
        node("Add", ["r1", "one"], ["r2"]),
        node("Add", ["b1", "one"], ["b2"]),
        node("Concat", ["l", "t", "r2", "b2"], ["corners"], axis=0),
        node("Cast", ["corners"], ["pixels"], to=TensorProto.FLOAT),
        node("Div", ["pixels", "side"], ["shares"]),
        node("Reshape", ["shares", "shape"], ["boxes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "magenta",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def secret_film(path: Path, frames: int = 100) -> Path:
    """Film a magenta square that walks over a grey texture; it is the only thing with colour."""
    grey = texture(5, 180, 320).mean(axis=2, keepdims=True)
    pictures = np.repeat(np.repeat(grey[None], frames, axis=0), 3, axis=3).astype(np.uint8)
    for index, picture in enumerate(pictures):
        left = 20 + 2 * index
        picture[60:120, left : left + 50] = MAGENTA
    return write_film(path, pictures)


def secrets_in(rgb: NDArray[np.uint8]) -> int:
    """Count the pixels of pictures (..., 3) that show anything of the square."""
    red, green, blue = (rgb[..., at].astype(int) for at in range(3))
    return int(((red - green > 40) & (blue - green > 40)).sum())
