"""The render benchmark: the shipped renderer is really measured, and without a GPU the heavy ones say so."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mirage.bench import render as bench
from wire.policy import Policy

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


def mirage(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def number(cost: object, key: str) -> float:
    assert isinstance(cost, Mapping)
    value = cost[key]
    assert isinstance(value, float)
    return value


def test_the_shipped_renderer_is_measured(tiny: Path, bunny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bunny.is_file()
    monkeypatch.setattr(bench, "OPTIONS", {"steps_1": Policy(steps=1)})
    report = bench.preview(tiny, 1, 1, every_option=True)
    (gate,) = report.gates
    results = report.results
    assert (gate.name, gate.unit, gate.target) == ("render_s_per_2_s_segment", "s", 4.0)
    assert gate.value == number(results["baseline"], "s_per_2_s_segment") > 0
    assert 50 < number(results["baseline"], "peak_rss_mb") < 20_000
    assert number(results, "seam_mean") > 0
    options = results["options"]
    assert isinstance(options, Mapping)
    assert options.keys() == {"steps_1", "threads_2"}
    quicker = number(options["steps_1"], "s_per_2_s_segment")
    assert number(options["steps_1"], "times_as_fast") == pytest.approx(gate.value / quicker)


def test_without_a_gpu_the_heavy_renderers_say_so_in_one_line() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    result = mirage(
        "bench", "render", "--backend", "diffusers", "--config", "ltx-2b", "--random-weights", "--json"
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("mirage: the benchmark of diffusers needs a CUDA GPU")
    assert result.stderr.count("\n") == 1, result.stderr


@pytest.mark.parametrize(
    ("arguments", "mention"),
    [
        (["--config", "ltx-2b"], "--random-weights"),
        (["--random-weights"], "--config"),
        (["--config", "sora", "--random-weights"], "sora: is none of ltx-2b, wan-1.3b, sd-animate"),
    ],
)
def test_what_is_missing_or_unknown_is_named(arguments: list[str], mention: str) -> None:
    result = mirage("bench", "render", "--backend", "diffusers", *arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.stderr
    assert mention in result.stderr


def test_a_heavy_renderer_is_reported_with_what_each_option_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real measuring code, at tiny sizes on the CPU."""
    from cloud.render.diffusion import bench as heavy
    from cloud.render.diffusion import bench_card, bench_sizes
    from tests.cloud.render.diffusion.sizes import TINY

    measure = heavy.measure
    monkeypatch.setattr(bench_card, "require_gpu", lambda: "cpu")
    monkeypatch.setattr(bench_sizes, "SIZES", TINY)
    monkeypatch.setattr(heavy, "_EVERYWHERE", {"vae_tiling": {"vae_tiling": True}})
    monkeypatch.setattr(heavy, "_TRANSFORMERS", {"attention_none": {"attention": "no-such"}})
    monkeypatch.setattr(
        heavy, "measure", lambda *given, **named: measure(*given, **named, sizes=TINY, matmul_side=64)
    )
    report = bench.diffusers("ltx-2b", 2, every_option=True)
    assert (report.bench, report.gates) == ("render diffusers ltx-2b", ())
    results = json.loads(json.dumps(report.results))
    assert results["clip"] == {"width": 64, "height": 32, "frames": 9, "fps": 8}
    assert (results["weights"], results["steps"]) == ("random", 2)
    tiled, plain = results["options"]["vae_tiling"], results["baseline"]
    assert tiled["times_as_fast"] == pytest.approx(plain["clip_s"] / tiled["clip_s"])
    assert tiled["times_the_memory"] == pytest.approx(tiled["peak_gib"] / plain["peak_gib"])
    assert "no-such" in results["failed"]["attention_none"]
