"""`mirage export engine`: every graph is tried, what fails is said, and nothing is asked for in vain."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: it writes the graphs of these tests")

from edge.captioner import Captioner
from edge.config import load
from edge.engine import BESIDE, EngineCache, EngineError, UnsuitedError
from edge.profile import Plan, Sizes
from edge.runtime import Runtime
from mirage import engines
from mirage.engines import EnginesView, build_engines, engine_precision
from mirage.output import as_json
from tests.edge.bundles import DECODER, ENCODER, GRAPHS, TOKENS, change_weights, write_running_bundle
from tests.edge.graphs import KINDS, Kind
from tests.edge.settings import write_config
from tests.edge.workshop import HOST, StandIn
from wire.bundle import Bundle, BundleError, Precision


class NoDecoder(StandIn):
    """Cannot build decoders, as TensorRT may not."""

    def build(self, model: Path, plan: Plan) -> bytes:
        if "decoder" in model.name:
            raise EngineError(f"{model}: TensorRT cannot parse it: node 3: If")
        return super().build(model, plan)


class Unsuited(StandIn):
    """Knows no decoders, as TensorRT does not once they were quantised for processors."""

    version = HOST.tensorrt

    def build(self, model: Path, plan: Plan) -> bytes:
        if "decoder" in model.name:
            raise UnsuitedError("quantised dynamically: runs on CUDA or the processor")
        return super().build(model, plan)


def int8(folder: Path) -> Path:
    """Say of a bundle that it was quantised."""
    text = (folder / "bundle.toml").read_text()
    (folder / "bundle.toml").write_text(text.replace("licence =", 'precision = "int8"\nlicence ='))
    return folder


def build(folder: Path, builder: StandIn, cache: Path, precision: Precision | None = None) -> EnginesView:
    bundle = Bundle.load(folder, "edge")
    return build_engines(bundle, cache, precision, Sizes.of(bundle.manifest), (builder, HOST))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", "export", "engine", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", KINDS)
def test_engines_of_a_whole_bundle_say_the_same_words(tmp_path: Path, kind: Kind) -> None:
    folder = write_running_bundle(tmp_path / "bundle", kind)
    view = build(folder, StandIn(), tmp_path / "engines")
    assert [(each.graph, each.state, each.precision) for each in view.engines] == [
        (name, "built", "fp32") for name in GRAPHS
    ]
    assert view.ok
    bundle = Bundle.load(folder, "edge")
    captioner = Captioner(bundle, Runtime(engine_cache=tmp_path / "engines", host=HOST))
    assert {graph.runs_as for graph in captioner.graphs.values()} == {"TensorRT engine"}
    grids = (captioner.tokens(grid) for grid in bundle.golden().grids())
    assert list(grids) == [Captioner(bundle).tokens(grid) for grid in bundle.golden().grids()]


def test_a_graph_that_cannot_be_built_does_not_keep_others_back(tmp_path: Path) -> None:
    folder = write_running_bundle(tmp_path / "bundle")
    view = build(folder, NoDecoder(), tmp_path / "engines")
    assert [each.state for each in view.engines] == ["built", "failed", "built"]
    assert view.engines[1].detail.endswith("TensorRT cannot parse it: node 3: If")
    assert not view.ok
    assert len(EngineCache(tmp_path / "engines").index().engines) == 2


@pytest.mark.parametrize("precision", [None, "int8"])
def test_an_int8_bundle_is_built_as_far_as_tensorrt_goes(tmp_path: Path, precision: Precision | None) -> None:
    folder = int8(write_running_bundle(tmp_path / "bundle"))
    view = build(folder, Unsuited(), tmp_path / "engines", precision)
    assert [(each.graph, each.state, each.precision) for each in view.engines] == [
        (ENCODER, "built", "int8"), (DECODER, "skipped", "int8"), (TOKENS, "built", "fp32"),
    ]  # fmt: skip
    assert view.engines[1].detail == "quantised dynamically: runs on CUDA or the processor"
    assert view.ok


def test_what_is_exact_in_an_int8_bundle_may_be_built_in_fp16(tmp_path: Path) -> None:
    manifest = Bundle.load(int8(write_running_bundle(tmp_path / "int8")), "edge").manifest
    assert [engine_precision(manifest, name, "fp16") for name in GRAPHS] == ["int8", "int8", "fp16"]


def test_what_is_exact_beside_one_quantised_graph_stays_exact(tmp_path: Path) -> None:
    folder = write_running_bundle(tmp_path)
    text = (folder / "bundle.toml").read_text()
    (folder / "bundle.toml").write_text(
        text.replace("[files]", f'[precisions]\n"{DECODER}" = "int8"\n[files]')
    )
    manifest = Bundle.load(folder, "edge").manifest
    assert [engine_precision(manifest, name, "int8") for name in GRAPHS] == ["fp32", "int8", "fp32"]
    assert [engine_precision(manifest, name, "fp16") for name in GRAPHS] == ["fp16", "int8", "fp16"]


def test_a_bundle_without_quantised_graphs_is_built_as_asked(tmp_path: Path) -> None:
    manifest = Bundle.load(write_running_bundle(tmp_path), "edge").manifest
    assert {engine_precision(manifest, name, "int8") for name in GRAPHS} == {"int8"}
    assert {engine_precision(manifest, name, None) for name in GRAPHS} == {"fp32"}


def test_engines_are_kept_in_the_bundle_where_the_agent_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = int8(write_running_bundle(tmp_path / "bundle"))
    monkeypatch.setattr(engines, "TensorRtBuilder", Unsuited)
    monkeypatch.setattr(engines, "find_host", lambda: HOST)
    assert engines.main(folder, None, None, (), json=True)
    assert [each["state"] for each in json.loads(capsys.readouterr().out)["engines"]] == [
        "built", "skipped", "built",
    ]  # fmt: skip
    assert EngineCache(folder / BESIDE).problems(HOST) == []
    path = write_config(tmp_path, 1883, folder, {"door": "door.mp4"})
    assert load(path).settings().engine_cache == folder / BESIDE


def test_building_again_keeps_what_is_there(tmp_path: Path) -> None:
    folder, builder = write_running_bundle(tmp_path / "bundle"), StandIn()
    first = build(folder, builder, tmp_path / "engines")
    again = build(folder, builder, tmp_path / "engines")
    assert {each.state for each in again.engines} == {"kept"}
    assert [each.detail for each in again.engines] == [each.detail for each in first.engines]
    assert len(builder.asked) == len(GRAPHS)


def test_an_engine_that_disagrees_is_a_failure_with_its_numbers(tmp_path: Path) -> None:
    folder = write_running_bundle(tmp_path / "bundle")
    view = build(folder, StandIn(lambda path: change_weights(path, 1.0)), tmp_path / "engines")
    assert {each.state for each in view.engines} == {"failed"}
    assert "does not give the golden outputs: cosine" in view.engines[0].detail
    assert EngineCache(tmp_path / "engines").index().engines == {}


def test_the_report_is_one_json_object(tmp_path: Path) -> None:
    folder = write_running_bundle(tmp_path / "bundle")
    document = json.loads(as_json(build(folder, StandIn(), tmp_path / "engines")))
    assert document["host"] == {
        "tensorrt": "10.3.0", "gpu": "Orin", "compute_capability": "8.7", "l4t": "36.4.0",
    }  # fmt: skip
    assert [each["graph"] for each in document["engines"]] == list(GRAPHS)
    assert document["engines"][0]["cosine"] == pytest.approx(1)


def test_profiles_follow_from_the_manifest(tmp_path: Path) -> None:
    folder, builder = write_running_bundle(tmp_path / "bundle", "image prefix"), StandIn()
    build(folder, builder, tmp_path / "engines")
    plans = {path.parent.name + "/" + path.name: plan for path, plan in builder.asked}
    assert "pixel_values=1:1:1x3:3:3x20:20:20x20:20:20" in plans[ENCODER].text()
    assert "past_key_values.0.key=1:1:1x2:2:2x5:16:28x4:4:4" in plans[DECODER].text()
    assert plans[ENCODER].timing_cache == tmp_path / "engines" / "timing.cache"


def test_a_bundle_without_golden_outputs_is_refused(tmp_path: Path) -> None:
    folder = write_running_bundle(tmp_path / "bundle", golden=False)
    with pytest.raises(BundleError, match=r"bundle\.toml names no golden file"):
        build(folder, StandIn(), tmp_path / "engines")


def test_without_tensorrt_the_command_says_what_to_install(tiny: Path) -> None:
    try:
        import tensorrt  # noqa: F401 (whether it is there)
    except ImportError:
        done = run(tiny)
        assert done.returncode == 1
        assert done.stdout == ""
        assert "sudo apt-get install nvidia-jetpack" in done.stderr
        assert "--system-site-packages" in done.stderr
        assert not (tiny / BESIDE).exists()
    else:
        pytest.skip("TensorRT is installed")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--precision", "fp8"], "--precision 'fp8' is not fp32, fp16 or int8"),
        (["--profile", "words=1:2:3"], "profile 'words=1:2:3' is not batch, grid or tokens"),
    ],
)
def test_what_cannot_be_asked_for_is_the_users_mistake(
    tmp_path: Path, tiny: Path, more: list[str], message: str
) -> None:
    done = run(tiny, "--cache", tmp_path, *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
