"""Graphs in fewer bytes: they say the same, devices load them, and a failure leaves the old one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from edge.runtime import Runtime
from export import graph_file
from export.encoders.trace import write_traced
from export.graph_file import MAX_IR, OPSET, GraphError, graphs, opset, read_graph
from export.operators import tensorrt_problems
from export.precision import quantise_dynamic, quantise_static, to_fp16
from export.simplify import simplify
from wire.golden import agreement

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of TorchScript, which exports
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of histograms of few values
]
WIDE = 256
Array = NDArray[np.generic]
Change = Callable[[Path], object]


class Vision(nn.Module):
    """A convolution, attention over its patches, and layers: what vision encoders are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDE, 8, 8)
        self.norm = nn.LayerNorm(WIDE)
        self.keys = nn.Linear(WIDE, 2 * WIDE)
        self.out = nn.Sequential(nn.Linear(WIDE, WIDE), nn.GELU(), nn.Linear(WIDE, 32))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        seen = self.norm(self.patches(image).flatten(2).transpose(1, 2))
        keys, values = self.keys(seen).chunk(2, -1)
        mixed = (seen @ keys.transpose(1, 2) / 16).softmax(-1) @ values
        return self.out(seen + mixed).mean(1)


@pytest.fixture
def vision(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    write_traced(Vision(), {"image": torch.zeros(1, 3, 32, 32)}, "embedding", tmp_path / "vision.onnx")
    return tmp_path / "vision.onnx"


@pytest.fixture
def decoder(tmp_path: Path) -> Path:
    """Two branches over the same weights, as in a merged decoder; tied words are looked up and multiplied."""
    random = np.random.default_rng(0)
    shapes = {"words": (400, WIDE), "mix": (WIDE, WIDE), "out": (WIDE, WIDE)}
    weights = [
        numpy_helper.from_array((random.normal(size=shape) / 16).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    weights.append(numpy_helper.from_array(random.normal(size=WIDE).astype(np.float32), "bias"))
    branches = {f"{name}_branch": _branch(name, gain) for name, gain in (("then", 1.0), ("else", 3.0))}
    graph = helper.make_graph(
        [helper.make_node("If", ["use_cache_branch"], ["logits", "present"], **branches)],
        "merged",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "length"]),
            helper.make_tensor_value_info("past", TensorProto.FLOAT, [1, "length", WIDE]),
            helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1]),
        ],
        _results(),
        weights,
    )
    path = tmp_path / "decoder.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _results() -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "length", 400]),
        helper.make_tensor_value_info("present", TensorProto.FLOAT, [1, "length", WIDE]),
    ]


def _branch(name: str, gain: float) -> onnx.GraphProto:
    """Results have the names of the whole graph's, as optimum writes them."""
    loud = numpy_helper.from_array(np.array([gain], np.float32), f"{name}_gain")
    nodes = [
        helper.make_node("Constant", [], [f"{name}_gain"], value=loud),
        helper.make_node("Gather", ["words", "ids"], [f"{name}_seen"]),
        helper.make_node("Add", [f"{name}_seen", "past"], [f"{name}_state"]),
        helper.make_node("MatMul", [f"{name}_state", "mix"], [f"{name}_mixed"]),
        helper.make_node("Reshape", [f"{name}_mixed", f"{name}_rows"], [f"{name}_flat"]),
        helper.make_node("Gemm", [f"{name}_flat", "out", "bias"], [f"{name}_dense"]),
        helper.make_node("Unsqueeze", [f"{name}_dense", f"{name}_first"], [f"{name}_back"]),
        helper.make_node("Mul", [f"{name}_back", f"{name}_gain"], ["present"]),
        helper.make_node("Transpose", ["words"], [f"{name}_turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["present", f"{name}_turned"], ["logits"]),
    ]
    own = [
        numpy_helper.from_array(np.array([-1, WIDE]), f"{name}_rows"),
        numpy_helper.from_array(np.array([0]), f"{name}_first"),
    ]
    return helper.make_graph(nodes, name, [], _results(), own)


def _pictures(count: int, seed: int = 1) -> Iterator[dict[str, Array]]:
    random = np.random.default_rng(seed)
    for _ in range(count):
        yield {"image": random.normal(size=(1, 3, 32, 32)).astype(np.float32)}


def _words(*, cached: bool) -> dict[str, Array]:
    random = np.random.default_rng(2)
    past = random.normal(size=(1, 7, WIDE)).astype(np.float32) / 16
    return {"ids": random.integers(0, 400, (1, 7)), "past": past, "use_cache_branch": np.array([cached])}


def _run(path: Path, feeds: dict[str, Array]) -> dict[str, Array]:
    return Runtime().open(path).run(feeds)


def _signature(path: Path) -> list[tuple[str, str, list[object]]]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [(v.name, v.type, list(v.shape)) for v in (*session.get_inputs(), *session.get_outputs())]


def _operators(path: Path) -> set[str]:
    return {node.op_type for graph in graphs(read_graph(path).graph) for node in graph.node}


def _float_weights(path: Path) -> list[str]:
    return [
        tensor.name
        for graph in graphs(read_graph(path).graph)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) > 1024
    ]


def _static(path: Path) -> None:
    quantise_static(path, _pictures(20))


@pytest.mark.parametrize(
    ("change", "cosine", "smaller"),
    [
        (simplify, 0.9999999, 0.99),
        (to_fp16, 0.99999, 1.9),
        (quantise_dynamic, 0.999, 1.5),
        (_static, 0.995, 3.0),
    ],
)
def test_a_vision_encoder_says_the_same_in_fewer_bytes(
    vision: Path, change: Change, cosine: float, smaller: float
) -> None:
    before, size, signature = vision.read_bytes(), vision.stat().st_size, _signature(vision)
    feeds = list(_pictures(20, seed=3))
    expected = [_run(vision, one) for one in feeds]
    change(vision)
    assert min(agreement(e, _run(vision, f)).cosine for e, f in zip(expected, feeds, strict=True)) > cosine
    assert vision.stat().st_size * smaller <= size
    assert vision.read_bytes() != before
    assert _signature(vision) == signature
    assert opset(read_graph(vision)) <= OPSET
    assert read_graph(vision).ir_version <= MAX_IR
    assert list(vision.parent.iterdir()) == [vision]


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    ("change", "cosine", "smaller"),
    [(simplify, 0.9999999, 0.99), (to_fp16, 0.99999, 1.9), (quantise_dynamic, 0.999, 2.5)],
)
def test_both_branches_of_a_decoder_say_the_same_in_fewer_bytes(
    decoder: Path, change: Change, cosine: float, smaller: float, *, cached: bool
) -> None:
    size, signature, expected = (
        decoder.stat().st_size,
        _signature(decoder),
        _run(decoder, _words(cached=cached)),
    )
    change(decoder)
    found = _run(decoder, _words(cached=cached))
    assert agreement(expected, found).cosine > cosine
    assert decoder.stat().st_size * smaller <= size
    assert _signature(decoder) == signature
    assert opset(read_graph(decoder)) <= OPSET


def test_what_branches_give_gets_names_of_its_own(decoder: Path) -> None:
    """Optimum gives them the same, which TensorRT refuses."""
    simplify(decoder)
    whole, *branches = graphs(read_graph(decoder).graph)
    names = [value.name for graph in (whole, *branches) for value in graph.output]
    assert len(branches) == 2
    assert len(set(names)) == len(names) == 6


def test_half_precision_is_what_is_computed_with(vision: Path) -> None:
    to_fp16(vision)
    assert not _float_weights(vision)
    assert tensorrt_problems(vision) == []
    kinds = {i.type.tensor_type.elem_type for i in read_graph(vision).graph.output}
    assert kinds == {TensorProto.FLOAT}


def test_no_large_weight_of_a_decoder_stays_a_float(decoder: Path) -> None:
    assert len(_float_weights(decoder)) == 3
    quantise_dynamic(decoder)
    assert _float_weights(decoder) == []
    assert any("MatMulInteger" in problem for problem in tensorrt_problems(decoder))


def test_static_quantisation_is_what_tensorrt_takes(vision: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quantise_static(vision, _pictures(20))
    model = read_graph(vision)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    marks = [n for n in model.graph.node if n.op_type in {"QuantizeLinear", "DequantizeLinear"}]
    assert tensorrt_problems(vision) == []
    assert _operators(vision) >= {"QuantizeLinear", "DequantizeLinear", "MatMul", "Conv"}
    assert all(values[mark.input[2]].dtype == np.int8 for mark in marks)
    assert not any(values[mark.input[2]].any() for mark in marks)
    by_channel = sorted(values[mark.input[1]].size for mark in marks if values[mark.input[1]].size > 1)
    assert capsys.readouterr().out == ""
    assert by_channel == [32, WIDE, WIDE, 2 * WIDE]


def test_attention_between_activations_is_left_alone(vision: Path) -> None:
    quantise_static(vision, _pictures(20))
    model = read_graph(vision)
    made_by = {name: node for node in model.graph.node for name in node.output}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    plain = [n for n in products if made_by[n.input[1]].op_type != "DequantizeLinear"]
    assert (len(products), len(plain)) == (5, 2)


@pytest.mark.parametrize("change", [simplify, to_fp16, quantise_dynamic, _static])
def test_what_is_no_graph_is_left_as_it_is(tmp_path: Path, change: Change) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(GraphError, match=r"broken\.onnx"):
        change(path)
    assert path.read_bytes() == b"not a graph"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "feeds",
    [
        [],
        [{"picture": np.zeros((1, 3, 32, 32), np.float32)}],
        [{"image": np.zeros((1, 3, 16, 32), np.float32)}],
    ],
)
def test_failing_calibration_leaves_the_old_graph(vision: Path, feeds: list[dict[str, Array]]) -> None:
    before = vision.read_bytes()
    with pytest.raises(GraphError):
        quantise_static(vision, feeds)
    assert vision.read_bytes() == before
    assert list(vision.parent.iterdir()) == [vision]


@pytest.mark.parametrize("change", [simplify, to_fp16, quantise_dynamic])
def test_a_graph_that_devices_could_not_load_does_not_replace_the_old_one(
    tmp_path: Path, change: Change
) -> None:
    path = tmp_path / "new.onnx"
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET + 1)]), str(path))
    before = path.read_bytes()
    with pytest.raises(GraphError, match=f"opset {OPSET + 1}"):
        change(path)
    assert path.read_bytes() == before


def test_static_quantisation_refuses_branches(decoder: Path) -> None:
    before = decoder.read_bytes()
    with pytest.raises(GraphError, match="branches"):
        quantise_static(decoder, [_words(cached=True)])
    assert decoder.read_bytes() == before


def test_a_graph_without_weights_has_nothing_to_quantise(tmp_path: Path) -> None:
    path = tmp_path / "plain.onnx"
    write_traced(nn.ReLU(), {"image": torch.zeros(1, 3, 32, 32)}, "y", path)
    with pytest.raises(GraphError, match="nothing to quantise"):
        quantise_static(path, _pictures(2))


@pytest.mark.parametrize("change", [to_fp16, quantise_dynamic, _static])
def test_weights_too_many_for_one_file_get_a_second_one(
    vision: Path, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = next(_pictures(1))
    expected = _run(vision, feeds)
    monkeypatch.setattr(graph_file, "INLINE_LIMIT", 100_000)
    torch.manual_seed(0)
    write_traced(Vision(), {"image": torch.zeros(1, 3, 32, 32)}, "embedding", vision)
    data = vision.with_name("vision.onnx.data")
    assert data.stat().st_size > 100_000 > vision.stat().st_size
    assert agreement(expected, _run(vision, feeds)).max_abs_error == 0
    reason = simplify(vision)
    assert reason is not None
    assert "2 GiB" in reason
    change(vision)
    assert agreement(expected, _run(vision, feeds)).cosine > 0.99
    monkeypatch.undo()
    write_traced(Vision(), {"image": torch.zeros(1, 3, 32, 32)}, "embedding", vision)
    assert list(vision.parent.iterdir()) == [vision]
