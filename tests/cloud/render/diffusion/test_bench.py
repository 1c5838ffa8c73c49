"""The benchmark of the pipelines: the same code at tiny sizes on a CPU, and the sizes of the real ones."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from cloud.render.diffusion import bench
from cloud.render.diffusion.bench import Measured, measure, variants
from cloud.render.diffusion.bench_card import Calls, data_sheet_peak, measured_peak, require_gpu
from cloud.render.diffusion.bench_sizes import SIZES, Part, Size
from cloud.render.diffusion.bench_weights import _constructed, draw
from cloud.render.renderer import RenderError
from tests.cloud.render.diffusion.sizes import TINY

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")

# What the published weights hold, in millions of parameters.
PUBLISHED = {
    "ltx-2b": {"transformer": 1923, "vae": 1247, "text_encoder": 4762},
    "wan-1.3b": {"transformer": 1564, "vae": 127, "text_encoder": 5681, "image_encoder": 631},
    "sd-animate": {"unet": 860 + 453, "vae": 84, "text_encoder": 123},
}


def measured(name: str, *, every_option: bool = False) -> Measured:
    return measure(name, "cpu", every_option=every_option, sizes=TINY, matmul_side=64)


@pytest.mark.parametrize("name", TINY)
def test_a_clip_is_made_and_every_part_of_its_cost_is_told(name: str) -> None:
    found = measured(name)
    cost = found.baseline
    assert (found.steps, found.device) == (3, "cpu")
    assert cost.blocks_run == 1
    assert found.parameters.keys() == TINY[name].parts.keys()
    assert found.share_of_peak == pytest.approx(found.tflop_per_step * cost.steps_per_s / found.peak.tflops)
    assert found.peak == found.matmul, "no data sheet tells of this processor"


def test_the_seconds_of_a_clip_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun, the ends of three steps, done: of the clip that warms up, and of the one that counts."""
    stamps = iter([0, 1, 2, 3, 4, 10, 15, 17, 19, 26])
    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: next(stamps)))
    cost = measured("ltx-2b").baseline
    assert (cost.first_clip_s, cost.clip_s) == (4, 16)
    assert (cost.before_s, cost.steps_per_s, cost.after_s) == (3, 0.5, 7)


def test_steps_are_as_many_as_were_asked_for() -> None:
    assert measure("ltx-2b", "cpu", 2, sizes=TINY, matmul_side=64).steps == 2


def test_every_option_is_measured_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but compiling, which on a CPU takes a compiler and minutes."""
    quick = {name: chosen for name, chosen in bench._EVERYWHERE.items() if name != "compile"}  # noqa: SLF001
    monkeypatch.setattr(bench, "_EVERYWHERE", quick)
    told: list[int] = []
    found = measure(
        "ltx-2b", "cpu", 2, every_option=True, sizes=TINY, matmul_side=64, done=lambda: told.append(1)
    )
    assert found.options.keys() | found.failed.keys() == variants(TINY["ltx-2b"]).keys()
    assert "attention_flash" in found.failed, "a CPU has none, and what comes after does without"
    assert len(told) == 1 + len(variants(TINY["ltx-2b"]))
    assert {"vae_tiling", "cache_first_block", "offload_model"} <= found.options.keys()


def test_an_option_that_cannot_be_had_says_why_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        bench, "_TRANSFORMERS", {"attention_none": {"attention": "no-such"}, "tiles": {"vae_tiling": True}}
    )
    monkeypatch.setattr(bench, "_EVERYWHERE", {})
    found = measured("ltx-2b", every_option=True)
    assert "no-such" in found.failed["attention_none"]
    assert found.options.keys() == {"tiles"}


def test_the_cache_tells_how_much_it_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold of 1 lets it skip whatever it may: all blocks but the first, in all steps but the first."""
    cached = {"cache": "first-block", "cache_threshold": 1.0}
    monkeypatch.setattr(bench, "_TRANSFORMERS", {"cache": cached})
    monkeypatch.setattr(bench, "_EVERYWHERE", {})
    assert measured("ltx-2b", every_option=True).options["cache"].blocks_run == pytest.approx((3 + 2) / 9)


def test_a_baseline_that_cannot_run_is_one_clear_line() -> None:
    broken = {"ltx-2b": Size("ltx", 64, 33, 8, 9, TINY["ltx-2b"].parts, {"steps": 1})}
    with pytest.raises(RenderError, match="ltx-2b: the baseline does not run here: ") as caught:
        measure("ltx-2b", "cpu", sizes=broken, matmul_side=64)
    assert "\n" not in str(caught.value)


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RenderError, match="needs a CUDA GPU"):
        require_gpu()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert require_gpu() == "cuda"


@pytest.mark.parametrize("name", SIZES)
def test_the_sizes_are_those_of_the_published_weights(name: str) -> None:
    assert SIZES[name].parts.keys() == PUBLISHED[name].keys()
    with torch.device("meta"):
        for part, millions in PUBLISHED[name].items():
            made = _constructed(SIZES[name].parts[part])
            assert round(sum(tensor.numel() for tensor in made.parameters()) / 1e6) == millions, part


def tflop(name: str, **smaller: int) -> float:
    """Count one step of the benchmark's clip, with guidance, on shapes alone: nothing is computed."""
    part, new = next(iter(SIZES[name].parts.values())), torch.empty
    with torch.device("meta"), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        module = _constructed(Part(part.kind, {**part.config, **smaller}))
        with FlopCounterMode(display=False) as counter:
            if name == "ltx-2b":  # 7 latent frames of 22 x 15, and one more for the last keyframe
                size = 8 * 22 * 15
                states, text, times, places = (
                    new(2, size, 128),
                    new(2, 256, 4096),
                    new(2, size),
                    new(2, 3, size),
                )
                module(states, text, times, new(2, 256), video_coords=places)
            elif name == "wan-1.3b":
                for _ in range(2):
                    module(new(1, 36, 9, 60, 104), new(1), new(1, 512, 4096), new(1, 257, 1280))
            else:
                module(new(2, 4, 16, 64, 64), new(1), new(2 * 16, 77, 768))
    return float(counter.get_total_flops()) / 1e12


@pytest.mark.parametrize(("name", "layers", "expected"), [("ltx-2b", 28, 21.4), ("wan-1.3b", 30, 147.3)])
def test_a_step_of_a_transformer_is_as_large_as_documented(name: str, layers: int, expected: float) -> None:
    """Every layer asks for the same, so two sizes tell of all."""
    one = tflop(name, num_layers=1)
    assert one + (layers - 1) * (tflop(name, num_layers=2) - one) == pytest.approx(expected, rel=0.01)


def test_a_step_of_a_unet_is_as_large_as_documented() -> None:
    assert tflop("sd-animate") == pytest.approx(35.5, rel=0.01)


def test_weights_are_drawn_so_that_nothing_explodes() -> None:
    part = TINY["ltx-2b"].parts["text_encoder"]
    made = draw(part, torch.bfloat16, "cpu")
    assert {tensor.dtype for tensor in made.parameters()} == {torch.bfloat16}
    assert {tensor.device.type for tensor in made.parameters()} == {"cpu"}
    shared = made.get_parameter("shared.weight")
    assert made.get_parameter("encoder.embed_tokens.weight") is shared, "shared weights stay shared"
    states = made(torch.zeros(1, 8, dtype=torch.long)).last_hidden_state
    assert bool(torch.isfinite(states).all())
    assert 0.1 < float(states.float().std()) < 10


@pytest.mark.parametrize(
    ("name", "part", "dtype", "kept"),
    [
        (
            "wan-1.3b",
            "transformer",
            torch.bfloat16,
            {"time_embedder", "scale_shift_table", "norm1", "norm2", "norm3"},
        ),
        ("wan-1.3b", "text_encoder", torch.bfloat16, set()),
        ("wan-1.3b", "text_encoder", torch.float16, {"wo"}),
    ],
)
def test_what_checkpoints_are_loaded_with_in_fp32_is_drawn_so(
    name: str, part: str, dtype: torch.dtype, kept: set[str]
) -> None:
    made = draw(TINY[name].parts[part], dtype, "cpu")
    exact = {path for path, tensor in made.named_parameters() if tensor.dtype == torch.float32}
    assert exact == {path for path, _ in made.named_parameters() if kept & set(path.split("."))}
    assert bool(exact) == bool(kept)


def test_operations_of_remembered_calls_are_counted() -> None:
    layer = torch.nn.Linear(8, 4, bias=False)
    with Calls([layer]) as calls:
        layer(torch.zeros(3, 8))
        layer(torch.zeros(2, 8))
        calls.stop()
        layer(torch.zeros(9, 8))
    assert calls.flops() == 2 * (3 + 2) * 8 * 4


def test_attention_is_counted_on_a_cpu_too() -> None:
    class Attention(torch.nn.Module):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.scaled_dot_product_attention(states, states, states)

    attention = Attention()
    with Calls([attention]) as calls:
        attention(torch.zeros(1, 2, 5, 4))
    assert calls.flops() == 2 * (2 * 5 * 5 * 4) * 2


@pytest.mark.parametrize(
    ("card", "tflops"),
    [
        ("NVIDIA H200", 989.4),
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.4),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA L40S", 362.1),
        ("NVIDIA L4", 121.0),
        ("NVIDIA A10", 125.0),
    ],
)
def test_the_peak_of_a_named_card_is_its_data_sheets(card: str, tflops: float) -> None:
    found = data_sheet_peak(card)
    assert found is not None
    assert (found.tflops, found.source) == (tflops, f"data sheet of {card}")


@pytest.mark.parametrize("card", ["NVIDIA A10G", "Tesla T4", "NVIDIA A1000"])
def test_the_peak_of_another_card_is_measured(card: str) -> None:
    assert data_sheet_peak(card) is None
    peak = measured_peak("cpu", side=32)
    assert peak.tflops > 0
    assert "32x32" in peak.source


@pytest.mark.parametrize("name", TINY)
def test_a_step_of_several_clips_is_measured_beside_one_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_EVERYWHERE", {})
    monkeypatch.setattr(bench, "_TRANSFORMERS", {})
    found = measured(name, every_option=True)
    assert found.failed == {}
    assert found.batches.keys() == {1, 2, 4}
    assert found.batches[1].identical, "the same call is the same picture"
    for batch in found.batches.values():
        assert batch.largest_difference < 0.1, "it is the same clip, but for rounding in 16 bits"
        assert (batch.largest_difference == 0) == batch.identical
