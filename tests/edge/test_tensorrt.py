"""TensorRT's builder: every version that a JetPack has, every error that it reports."""

import sys
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

pytest.importorskip("onnx", reason="onnx is not installed: it writes the graphs of these tests")

import onnx

from edge.engine import EngineError, UnsuitedError
from edge.graph import ModelError
from edge.profile import InputShapes, Plan, Range
from edge.runtime import CPU, Attempt, load
from edge.tensorrt import TensorRtBuilder
from tests.edge.fake_tensorrt import ENGINE, LayerType, Recorder, Tensor, module
from tests.edge.graphs import write_encoder
from tests.edge.workshop import HOST
from wire.bundle import Precision

MODEL = Path("encoder.onnx")  # in the folder where a test runs
PIXELS = InputShapes("pixel_values", (Range(1, 1, 4), Range(3, 3, 3), Range(20, 20, 20), Range(20, 20, 20)))
VERSIONS = ("8.6.2.3", "10.3.0", "11.4.0")


@pytest.fixture(autouse=True)
def _graph(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("graph")
    write_encoder(folder / MODEL)
    monkeypatch.chdir(folder)


def write_quantised(*operators: str) -> None:
    """Write a graph that multiplies in 8 bits, in both branches of an `If`, with nodes of these names."""
    nodes = [onnx.helper.make_node(name, ["pixel_values"], [name]) for name in operators]
    nodes.append(onnx.helper.make_node("Identity", ["pixel_values"], ["given"]))
    given = onnx.helper.make_tensor_value_info("given", onnx.TensorProto.FLOAT, None)
    branch = onnx.helper.make_graph(nodes, "branch", [], [given])
    choose = onnx.helper.make_node("If", ["first"], ["hidden"], then_branch=branch, else_branch=branch)
    ports = [
        onnx.helper.make_tensor_value_info("pixel_values", onnx.TensorProto.FLOAT, [1, 3, 20, 20]),
        onnx.helper.make_tensor_value_info("hidden", onnx.TensorProto.FLOAT, None),
    ]
    first = onnx.numpy_helper.from_array(np.array([True]), "first")
    graph = onnx.helper.make_graph([choose], "quantised", ports[:1], ports[1:], [first])
    MODEL.write_bytes(onnx.helper.make_model(graph).SerializeToString())


def build(version: str, recorder: Recorder, plan: Plan) -> bytes:
    return TensorRtBuilder(module(version, recorder)).build(MODEL, plan)


def plan(precision: Precision = "fp32", timing_cache: Path | None = None) -> Plan:
    return Plan(precision, (PIXELS,), workspace_bytes=1 << 28, timing_cache=timing_cache)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_builds_with_profile_and_memory_limit(version: str) -> None:
    recorder = Recorder()
    assert build(version, recorder, plan()) == ENGINE
    assert recorder.profile == {"pixel_values": ((1, 3, 20, 20), (1, 3, 20, 20), (4, 3, 20, 20))}
    assert recorder.workspace_bytes == 1 << 28
    assert recorder.flags == []


def test_only_old_versions_are_told_that_the_batch_is_explicit() -> None:
    flags = []
    for version in VERSIONS:
        recorder = Recorder()
        build(version, recorder, plan())
        flags.append(recorder.network_flags)
    assert flags == [1, 0, 0]


@pytest.mark.parametrize("version", VERSIONS[:2])
def test_precision_is_a_flag(version: str) -> None:
    recorder = Recorder()
    build(version, recorder, plan("fp16"))
    assert recorder.flags == ["FP16"]
    quantised = Recorder()
    quantised.layers = (LayerType.QUANTIZE, LayerType.DEQUANTIZE, LayerType.CONVOLUTION)
    build(version, quantised, plan("int8"))
    assert quantised.flags == ["FP16", "INT8"]


def test_weights_that_are_stored_in_8_bits_need_the_flag_too() -> None:
    recorder = Recorder()
    recorder.layers = (LayerType.DEQUANTIZE, LayerType.CONVOLUTION)
    build("10.3.0", recorder, plan())
    assert recorder.flags == ["INT8"]
    recorder.flags.clear()
    build("10.3.0", recorder, plan("int8"))
    assert recorder.flags == ["FP16", "INT8"]


def test_a_version_that_goes_by_the_graph_is_not_asked_for_half_precision() -> None:
    with pytest.raises(
        EngineError, match=r"TensorRT 11\.4\.0 computes as the graph says: .*--precision fp16"
    ):
        build("11.4.0", Recorder(), plan("fp16"))


def test_int8_needs_a_graph_that_was_quantised() -> None:
    recorder = Recorder()
    with pytest.raises(
        EngineError, match=r"encoder\.onnx: int8 needs .*mirage export build --precision int8"
    ):
        build("10.3.0", recorder, plan("int8"))


def test_every_error_of_the_parser_is_reported() -> None:
    recorder = Recorder()
    recorder.parser_errors = ((3, "no plugin for DynamicQuantizeLinear"), (7, "If has branches of two ranks"))
    with pytest.raises(EngineError) as caught:
        build("10.3.0", recorder, plan())
    assert str(caught.value) == (
        "encoder.onnx: TensorRT cannot parse it: node 3: no plugin for DynamicQuantizeLinear; "
        "node 7: If has branches of two ranks"
    )


def test_a_build_that_fails_says_what_tensorrt_said() -> None:
    recorder = Recorder()
    recorder.build_error = "Could not find any\nimplementation for node Conv_3"
    with pytest.raises(
        EngineError, match=r"cannot build an engine: Could not find any implementation for node"
    ):
        build("10.3.0", recorder, plan())


def test_what_is_read_on_the_host_has_values_instead_of_shapes() -> None:
    recorder = Recorder()
    recorder.inputs = (*recorder.inputs, Tensor(name="use_cache_branch", is_shape_tensor=True))
    build("10.3.0", recorder, plan())
    assert recorder.profile["use_cache_branch"] == ("values", (0,), (1,), (1,))


def test_an_input_that_nobody_planned_is_named() -> None:
    recorder = Recorder()
    recorder.inputs = (Tensor(name="mask", is_shape_tensor=False),)
    with pytest.raises(EngineError, match="input mask: no shapes were planned"):
        build("10.3.0", recorder, plan())


def test_timings_are_kept_for_the_next_build(tmp_path: Path) -> None:
    path = tmp_path / "timing.cache"
    for _ in range(2):
        recorder = Recorder()
        build("10.3.0", recorder, plan(timing_cache=path))
    assert recorder.timing == [b"timings of "]
    assert path.read_bytes() == b"timings of timings of "
    assert list(tmp_path.iterdir()) == [path]


def test_timings_of_another_gpu_are_begun_afresh(tmp_path: Path) -> None:
    path = tmp_path / "timing.cache"
    path.write_bytes(b"of another GPU")
    recorder = Recorder()
    recorder.knows_timing = False
    build("10.3.0", recorder, plan(timing_cache=path))
    assert recorder.timing == [b"of another GPU", b""]
    assert path.read_bytes() == b"timings of "


def test_timings_that_cannot_be_read_or_written_cost_no_engine(tmp_path: Path) -> None:
    path = tmp_path / "timing.cache"
    path.mkdir()
    with capture_logs() as logs:
        assert build("10.3.0", Recorder(), plan(timing_cache=path)) == ENGINE
    assert [(each["event"], each["file"], each["reason"]) for each in logs] == [
        ("timings were not read", str(path), "Is a directory"),
        ("timings were not kept", str(path), "Is a directory"),
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_a_graph_that_was_quantised_dynamically_is_left_to_other_hardware() -> None:
    write_quantised("QuantizeLinear", "DynamicQuantizeLinear", "MatMulInteger")
    recorder = Recorder()
    with pytest.raises(UnsuitedError) as caught:
        build("10.3.0", recorder, plan("int8"))
    assert str(caught.value) == (
        "quantised dynamically (DynamicQuantizeLinear, MatMulInteger): runs on CUDA or the processor"
    )
    assert recorder.network_flags is None  # TensorRT was not asked


def test_a_graph_that_was_quantised_statically_is_built() -> None:
    write_quantised("QuantizeLinear", "DequantizeLinear")
    recorder = Recorder()
    recorder.layers = (LayerType.QUANTIZE,)
    assert build("10.3.0", recorder, plan("int8")) == ENGINE


def test_without_onnx_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EngineError, match=r"onnx cannot be loaded .*pip install 'mirage-video\[edge,trt\]'"):
        TensorRtBuilder(module("10.3.0", Recorder()))


def test_without_tensorrt_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineError, match=r"TensorRT cannot be loaded .*apt-get install nvidia-jetpack"):
        TensorRtBuilder()


def test_a_wrapper_has_the_interface_of_the_graph_and_names_the_engine(tiny: Path, tmp_path: Path) -> None:
    model = tiny / "sender" / "decoder_model_merged.onnx"
    builder = TensorRtBuilder(module("10.3.0", Recorder()))
    (tmp_path / "wrapper.onnx").write_bytes(builder.wrap(model, "decoder-1-2.engine", HOST))
    wrapper, source = onnx.load(tmp_path / "wrapper.onnx"), onnx.load(model)
    assert list(wrapper.graph.input) == list(source.graph.input)
    assert list(wrapper.graph.output) == list(source.graph.output)
    (node,) = wrapper.graph.node
    assert (node.domain, node.op_type) == ("com.microsoft", "EPContext")
    assert list(node.input) == [value.name for value in source.graph.input]
    values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    assert values == {
        "main_context": 1, "embed_mode": 0, "ep_cache_context": b"decoder-1-2.engine",
        "ep_sdk_version": b"10.3.0", "hardware_architecture": b"87", "source": b"TensorrtExecutionProvider",
    }  # fmt: skip


def test_onnx_runtime_knows_the_node_and_only_lacks_what_runs_it(tiny: Path, tmp_path: Path) -> None:
    builder = TensorRtBuilder(module("10.3.0", Recorder()))
    path = tmp_path / "wrapper.onnx"
    path.write_bytes(builder.wrap(tiny / "sender" / "encoder_model.onnx", "encoder-1-2.engine", HOST))
    with pytest.raises(ModelError, match=r"NOT_IMPLEMENTED : .*EPContext"):
        load(Attempt(CPU, path, (CPU,)))
