"""Building engines: nothing takes the old one's place that does not give the golden outputs."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: it writes the graphs of these tests")

import onnx

from edge.engine import INDEX, EngineCache, EngineError, graph_sha256
from edge.engine_build import Order, deliver
from edge.profile import InputShapes, Plan, Range
from edge.runtime import CPU, Attempt, Runtime, load
from export.golden import GoldenWriter
from tests.edge.bundles import ENCODER, change_weights, write_running_bundle
from tests.edge.graphs import PICTURE_PX
from tests.edge.workshop import HOST, StandIn
from wire.bundle import Bundle, Precision
from wire.golden import Golden, Sample

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def order(tmp_path: Path) -> Callable[..., Order]:
    """Give an order for the captioner's encoder, at least for one picture."""
    bundle = Bundle.load(write_running_bundle(tmp_path / "bundle"), "edge")

    def make(precision: Precision = "fp32", most: int = 1, samples: list[Sample] | None = None) -> Order:
        axes = (Range(1, 1, most), *(Range(size, size, size) for size in (3, PICTURE_PX, PICTURE_PX)))
        plan = Plan(precision, (InputShapes("pixel_values", axes),))
        golden = bundle.golden().samples(ENCODER) if samples is None else samples
        return Order(ENCODER, bundle.path(ENCODER), plan, golden)

    return make


MakeOrder = Callable[..., Order]


@pytest.fixture
def large(tmp_path: Path) -> Order:
    """Give an order for a graph with an output of 4800 elements, of which golden data keep 4096."""
    shape = [1, 3, 40, 40]
    ports = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("x", "y")]
    scale = onnx.numpy_helper.from_array(np.linspace(-1, 1, 40).astype(np.float32), "scale")
    node = onnx.helper.make_node("Mul", ["x", "scale"], ["y"])
    graph = onnx.helper.make_graph([node], "large", ports[:1], ports[1:], [scale])
    opsets = [onnx.helper.make_opsetid("", 17)]
    model = tmp_path / "large.onnx"
    model.write_bytes(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    feeds = [{"x": np.random.default_rng(at).normal(0, 1, shape).astype(np.float32)} for at in range(2)]
    runs = load(Attempt(CPU, model, (CPU,)))
    writer = GoldenWriter()
    writer.add("large.onnx", [Sample(each, runs.run(each)) for each in feeds])
    return Order("large.onnx", model, Plan("fp32", ()), Golden(writer.arrays).samples("large.onnx"))


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def test_an_engine_that_agrees_is_installed_and_runs(tmp_path: Path, order: MakeOrder) -> None:
    cache = EngineCache(tmp_path / "engines")
    wanted = order("fp16")
    delivery = deliver(wanted, cache, StandIn(), HOST)
    assert delivery.fresh
    assert delivery.entry.agreement.cosine > 0.99999
    assert cache.find(graph_sha256(wanted.model), HOST) == delivery.entry
    graph = Runtime(engine_cache=cache.folder, host=HOST).open(wanted.model)
    assert graph.runs_as == "TensorRT engine"
    assert graph.path == cache.wrapper(delivery.entry)
    assert graph.notes == ()


def test_large_outputs_are_compared_where_they_are_known(tmp_path: Path, large: Order) -> None:
    cache = EngineCache(tmp_path / "engines")
    assert large.samples[0].results["y"].shape == (1, 4096)
    assert deliver(large, cache, StandIn(), HOST).entry.agreement.cosine > 0.99999
    (tmp_path / "large.onnx.data").write_bytes(b"another graph now, so that it is built again")
    with pytest.raises(EngineError, match=r"does not give the golden outputs"):
        deliver(large, cache, StandIn(lambda path: change_weights(path, 0.3)), HOST)


def test_other_weights_beside_a_graph_are_another_engine(tmp_path: Path, large: Order) -> None:
    cache, builder = EngineCache(tmp_path / "engines"), StandIn()
    weights = tmp_path / "large.onnx.data"
    weights.write_bytes(b"weights")
    deliver(large, cache, builder, HOST)
    runtime = Runtime(engine_cache=cache.folder, host=HOST)
    assert runtime.open(large.model).runs_as == "TensorRT engine"
    weights.write_bytes(b"others.")
    assert runtime.open(large.model).runs_as == CPU
    assert deliver(large, cache, builder, HOST).fresh
    assert runtime.open(large.model).runs_as == "TensorRT engine"


def test_an_engine_is_held_to_what_its_graph_can_give(tmp_path: Path, order: MakeOrder) -> None:
    cache = EngineCache(tmp_path / "engines")
    near = StandIn(lambda path: change_weights(path, 0.02))
    with pytest.raises(EngineError, match=r"fp32 of a graph in fp32 needs 0\.9999 and 99\.5%"):
        deliver(order("fp32"), cache, near, HOST)
    assert deliver(replace(order("fp32"), exported="fp16"), cache, near, HOST).fresh


def test_an_engine_that_is_there_is_not_built_again(tmp_path: Path, order: MakeOrder) -> None:
    cache, builder = EngineCache(tmp_path / "engines"), StandIn()
    first = deliver(order(), cache, builder, HOST)
    again = deliver(order(), cache, builder, HOST)
    assert (again.entry, again.fresh) == (first.entry, False)
    assert len(builder.asked) == 1
    wider = deliver(order(most=4), cache, builder, HOST)
    assert wider.fresh
    assert wider.entry.key.profile != first.entry.key.profile
    assert len(builder.asked) == 2


def test_a_damaged_engine_is_built_again(tmp_path: Path, order: MakeOrder) -> None:
    cache = EngineCache(tmp_path / "engines")
    first = deliver(order(), cache, StandIn(), HOST)
    (cache.folder / first.entry.engine.name).write_bytes(b"")
    assert deliver(order(), cache, StandIn(), HOST).fresh
    assert cache.problems(HOST) == []


@pytest.mark.parametrize(("precision", "noise"), [("fp32", 0.05), ("fp16", 0.3), ("int8", 1.0)])
def test_an_engine_with_other_outputs_never_replaces_the_old(
    tmp_path: Path, order: MakeOrder, precision: Precision, noise: float
) -> None:
    cache = EngineCache(tmp_path / "engines")
    deliver(order(), cache, StandIn(), HOST)
    before = state(cache.folder)
    wrong = StandIn(lambda path: change_weights(path, noise))
    with pytest.raises(EngineError, match=r"encoder\.onnx: .* not give the golden outputs: cosine 0\.\d+"):
        deliver(order(precision, most=2), cache, wrong, HOST)
    assert state(cache.folder) == before
    assert len(wrong.asked) == 1


def test_small_differences_are_tolerated_by_precision(tmp_path: Path, order: MakeOrder) -> None:
    cache = EngineCache(tmp_path / "engines")
    near = StandIn(lambda path: change_weights(path, 0.02))
    with pytest.raises(EngineError, match=r"fp32 of a graph in fp32 needs 0\.9999"):
        deliver(order("fp32"), cache, near, HOST)
    assert deliver(order("int8"), cache, near, HOST).fresh


@pytest.mark.parametrize(
    ("engine", "message"),
    [(b"no graph", "cannot be loaded"), (b"", "cannot be loaded")],
)
def test_an_engine_that_does_not_load_never_replaces_the_old(
    tmp_path: Path, order: MakeOrder, engine: bytes, message: str
) -> None:
    cache = EngineCache(tmp_path / "engines")
    deliver(order(), cache, StandIn(), HOST)
    before = state(cache.folder)
    with pytest.raises(EngineError, match=f"the new engine cannot be used: .*{message}"):
        deliver(order(most=2), cache, StandIn(lambda _: engine), HOST)
    assert state(cache.folder) == before


def test_an_engine_of_another_graph_is_refused(tmp_path: Path, order: MakeOrder) -> None:
    other = tmp_path / "bundle" / "appearance" / "encoder.onnx"
    with pytest.raises(EngineError, match=r"the new engine cannot be used: .*has no input pixel_values"):
        deliver(order(), EngineCache(tmp_path / "engines"), StandIn(lambda _: other.read_bytes()), HOST)


def test_nothing_is_installed_that_cannot_be_checked(tmp_path: Path, order: MakeOrder) -> None:
    with pytest.raises(EngineError, match="no golden outputs"):
        deliver(order(samples=[]), EngineCache(tmp_path / "engines"), StandIn(), HOST)
    assert state(tmp_path / "engines") == {}


def test_golden_inputs_are_within_the_profile(tmp_path: Path, order: MakeOrder) -> None:
    several = Sample({"pixel_values": np.zeros((3, 3, PICTURE_PX, PICTURE_PX), np.float32)}, {})
    builder = StandIn()
    with pytest.raises(EngineError):  # the graph is for one picture
        deliver(order(samples=[several]), EngineCache(tmp_path / "engines"), builder, HOST)
    assert builder.asked[0][1].inputs[0].axes[0] == Range(1, 1, 3)


@pytest.mark.parametrize("stop", [SystemExit(143), KeyboardInterrupt(), MemoryError()])
def test_a_build_that_breaks_off_leaves_the_old_engine_alone(
    tmp_path: Path, order: MakeOrder, stop: BaseException
) -> None:
    cache = EngineCache(tmp_path / "engines")
    deliver(order(), cache, StandIn(), HOST)
    before = state(cache.folder)

    def breaks(_: Path) -> bytes:
        raise stop

    with pytest.raises(type(stop)):
        deliver(order(most=2), cache, StandIn(breaks), HOST)
    assert state(cache.folder) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_builder_leaves_the_old_engine_in_use(
    tmp_path: Path, order: MakeOrder, number: signal.Signals
) -> None:
    """The builder is stopped after its engine was written, while that is being wrapped."""
    cache = EngineCache(tmp_path / "engines")
    old = deliver(order(), cache, StandIn(), HOST).entry
    script = f"""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, {str(ROOT)!r})
        from edge.engine import EngineCache
        from edge.engine_build import Order, deliver
        from edge.profile import Plan
        from tests.edge.workshop import HOST, StandIn

        class Dies(StandIn):
            def wrap(self, model, engine, host):
                assert (next(Path({str(cache.folder)!r}).glob(".building-*")) / engine).is_file()
                os.kill(os.getpid(), {int(number)})
                signal.pause()

        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        order = Order({ENCODER!r}, Path({str(order().model)!r}), Plan("fp16", ()), ())
        deliver(order, EngineCache(Path({str(cache.folder)!r})), Dies(), HOST)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert result.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    leftovers = list(cache.folder.glob(".building-*"))
    assert bool(leftovers) == (number == signal.SIGKILL)
    assert cache.find(old.key.onnx_sha256, HOST) == old
    assert deliver(order(most=2), cache, StandIn(), HOST).fresh
    new = cache.index().engines[old.key.onnx_sha256]
    assert sorted(state(cache.folder)) == sorted([INDEX, new.engine.name, new.wrapper.name])
