"""What the pipelines cost at the sizes of the real models: seconds, memory, share of what the card can do.

    size, options --random weights--> film --one clip to warm up, one measured--> Cost

Each option is measured against the baseline of the same run: bf16, PyTorch's attention, nothing else.
Weights are drawn, so nothing is said about quality; the cache skips as many steps as random blocks let it.
"""

import gc
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import diffusers
import numpy as np
import torch

from cloud.render.diffusion import animatediff, ltx, wan
from cloud.render.diffusion.bench_batch import Batch, measure_batches
from cloud.render.diffusion.bench_card import Call, Calls, Peak, data_sheet_peak, measured_peak, synchronise
from cloud.render.diffusion.bench_sizes import SIZES, Size
from cloud.render.diffusion.bench_weights import RandomModels, bundle_of, vector_info
from cloud.render.diffusion.models import be_quiet
from cloud.render.diffusion.options import Options, read_options
from cloud.render.diffusion.plan import Pictures, Span
from cloud.render.diffusion.request import Film, Placed, Request
from cloud.render.renderer import RenderError, never
from wire.bundle import Scalar

BASELINE: Mapping[str, Scalar] = {"dtype": "bf16"}
_EVERYWHERE: Mapping[str, Mapping[str, Scalar]] = {
    "fp32": {"dtype": "fp32"},
    "fp16": {"dtype": "fp16"},
    "compile": {"compile": True},
    "vae_tiling": {"vae_tiling": True},
    "vae_slicing": {"vae_slicing": True},
    "offload_model": {"offload": "model"},
    "offload_sequential": {"offload": "sequential"},
}
_TRANSFORMERS: Mapping[str, Mapping[str, Scalar]] = {
    "attention_flash": {"attention": "_native_flash"},
    "attention_cudnn": {"attention": "_native_cudnn"},
    "cache_first_block": {"cache": "first-block"},
}
_ATTENTION = "native"  # which an option would else change for all later ones: it is one for the process
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Cost:
    """What one clip cost. `before_s` is text and pictures until the first step, `after_s` decoding.

    `first_clip_s` is the one before, which compiles what is to be compiled. `peak_gib` is what PyTorch held
    on the card at most, on a CPU what the process did; `weights_gib` what it held before the clip.
    `blocks_run` is the share of the denoiser's blocks that were not skipped.
    """

    clip_s: float
    first_clip_s: float
    before_s: float
    steps_per_s: float
    after_s: float
    weights_gib: float
    peak_gib: float
    blocks_run: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one size; `failed` says of an option why it has no cost.

    Operations a step, times steps a second, over `peak`, is `share_of_peak`. `batches` are steps of several
    clips in one pass, by how many.
    """

    device: str
    versions: Mapping[str, str]
    steps: int
    guidance: float
    parameters: Mapping[str, int]
    baseline: Cost
    tflop_per_step: float
    peak: Peak
    matmul: Peak
    share_of_peak: float
    options: Mapping[str, Cost]
    failed: Mapping[str, str]
    batches: Mapping[int, Batch]


def variants(size: Size) -> dict[str, Mapping[str, Scalar]]:
    """Name the options that are measured against the baseline."""
    return {**_EVERYWHERE, **({} if size.pipeline == "animatediff" else _TRANSFORMERS)}


def measure(
    name: str,
    device: str,
    steps: int | None = None,
    *,
    every_option: bool = False,
    done: Callable[[], None] = lambda: None,
    sizes: Mapping[str, Size] = SIZES,
    matmul_side: int | None = None,
) -> Measured:
    """Measure the size `name`; `done` is called after the baseline and after each option.

    Raises RenderError where the baseline itself cannot run.
    """
    size = sizes[name]
    be_quiet(torch.get_num_threads())
    base = read_options(bundle_of(name, size, BASELINE))
    count = steps or base.steps
    try:
        with diffusers.attention_backend(_ATTENTION):
            trial = _Trial(name, size, BASELINE, device)
            baseline, flops = trial.run(count, count_flops=True)
            batches, too_many = measure_batches(trial.call if every_option else None, device)
    except (RuntimeError, ValueError) as error:  # what PyTorch, diffusers and Models raise
        raise RenderError(f"{name}: the baseline does not run here: {_first_line(error)}") from error
    done()
    parameters = trial.parameters
    del trial
    matmul = measured_peak(device, **({} if matmul_side is None else {"side": matmul_side}))
    peak = (data_sheet_peak(torch.cuda.get_device_name()) if device == "cuda" else None) or matmul
    costs, failed = _options(name, size, device, count, done) if every_option else ({}, {})
    return Measured(
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        versions={"torch": torch.__version__, "diffusers": diffusers.__version__},
        steps=count,
        guidance=base.guidance,
        parameters=parameters,
        baseline=baseline,
        tflop_per_step=flops / 1e12,
        peak=peak,
        matmul=matmul,
        share_of_peak=flops / 1e12 * baseline.steps_per_s / peak.tflops,
        options=costs,
        failed=failed | too_many,
        batches=batches,
    )


def _options(
    name: str, size: Size, device: str, steps: int, done: Callable[[], None]
) -> tuple[dict[str, Cost], dict[str, str]]:
    costs, failed = dict[str, Cost](), dict[str, str]()
    for option, chosen in variants(size).items():
        try:
            with diffusers.attention_backend(_ATTENTION):
                costs[option], _ = _Trial(name, size, {**BASELINE, **chosen}, device).run(steps)
        except (RuntimeError, ValueError) as error:
            failed[option] = _first_line(error)
        done()
    return costs, failed


class _Trial:
    """A film of drawn weights under some options."""

    def __init__(self, name: str, size: Size, chosen: Mapping[str, Scalar], device: str) -> None:
        gc.collect()
        if device == "cuda":
            torch.cuda.empty_cache()
        bundle = bundle_of(name, size, {**chosen, "device": device})
        self._options = read_options(bundle)
        self._size = size
        self._device = device
        models = RandomModels(bundle, self._options, size)
        self._film = _film(models, self._options, size)
        self.parameters = models.parameters
        pipe = self._film.loaded.pipe
        self.call: Call | None = None  # of the first step
        self._denoiser = pipe.unet if size.pipeline == "animatediff" else pipe.transformer

    def run(self, steps: int, *, count_flops: bool = False) -> tuple[Cost, int]:
        """Make a clip to warm up, and measure the next; count the operations of a step, else 0."""
        with Calls([self._denoiser] if count_flops else []) as calls:
            first = _Clock(calls.stop)
            self._film.diffuse(self._request(steps, first.tick))
            first.stop(self._device)
        weights = _memory(self._device, peak=False)
        blocks = _Blocks(self._denoiser, watched=self._options.cache != "none")
        if self._device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        clock = _Clock()
        self._film.diffuse(self._request(steps, clock.tick))
        clock.stop(self._device)
        cost = Cost(
            clip_s=clock.total_s,
            first_clip_s=first.total_s,
            before_s=clock.before_s,
            steps_per_s=clock.steps_per_s,
            after_s=clock.after_s,
            weights_gib=weights / _GIB,
            peak_gib=_memory(self._device, peak=True) / _GIB,
            blocks_run=blocks.share(),
        )
        self.call = next(iter(calls.seen), None)
        return cost, calls.flops() if count_flops else 0

    def _request(self, steps: int, cancelled: Callable[[], bool]) -> Request:
        """Ask for a clip between two keyframes, or of a scene that an embedding tells."""
        size, options = self._size, self._options
        span = Span(size.frames, Fraction(size.rate), Fraction(0), 0)
        known = Pictures(Fraction(0), span.end_ms, 0, options.keyframe_strength, options.anchor_strength)
        rng = np.random.default_rng(0)
        shape = (size.height, size.width, 3)
        return Request(
            prompt="a red car drives along a street to the left",
            negative_prompt="text",
            steps=steps,
            guidance=options.guidance,
            seed=0,
            span=span,
            width=size.width,
            height=size.height,
            placed=tuple(
                Placed(rng.integers(0, 256, shape, np.uint8), slot.index, slot.strength)
                for slot in self._film.slots(span, known)
            ),
            carried=None,
            vector=rng.standard_normal(size.embedding, np.float32) if size.embedding else None,
            anchors=(),
            cancelled=cancelled,
        )


class _Clock:
    """Takes the time at the end of each step; a GPU has been waited for by then."""

    def __init__(self, after_first: Callable[[], None] = lambda: None) -> None:
        self._after_first = after_first
        self._started_s = time.perf_counter()
        self._ends_s: list[float] = []
        self.total_s = 0.0

    def tick(self) -> bool:
        self._ends_s.append(time.perf_counter())
        if len(self._ends_s) == 1:
            self._after_first()
        return never()

    def stop(self, device: str) -> None:
        synchronise(device)
        self.total_s = time.perf_counter() - self._started_s

    @property
    def steps_per_s(self) -> float:
        """Without the first step, before which other things happen; of a single one it is all there is."""
        between = len(self._ends_s) - 1
        if between == 0:
            return 1 / (self._ends_s[0] - self._started_s)
        return between / (self._ends_s[-1] - self._ends_s[0])

    @property
    def before_s(self) -> float:
        return max(self._ends_s[0] - self._started_s - 1 / self.steps_per_s, 0.0)

    @property
    def after_s(self) -> float:
        return self._started_s + self.total_s - self._ends_s[-1]


class _Blocks:
    """Counts how many of a transformer's blocks compute, by their attention; the first one always does."""

    def __init__(self, denoiser: torch.nn.Module, *, watched: bool) -> None:
        self._runs: list[int] = []
        blocks = getattr(denoiser, "transformer_blocks", getattr(denoiser, "blocks", ())) if watched else ()
        for number, block in enumerate(blocks):
            self._runs.append(0)
            block.attn1.register_forward_pre_hook(partial(self._count, number))

    def share(self) -> float:
        """Give the share that was computed; 1 where nothing was watched, since nothing is skipped then."""
        return sum(self._runs) / (len(self._runs) * self._runs[0]) if self._runs else 1.0

    def _count(self, number: int, _module: torch.nn.Module, _args: tuple[object, ...]) -> None:
        self._runs[number] += 1


def _film(models: RandomModels, options: Options, size: Size) -> Film:
    if size.pipeline == "animatediff":
        return animatediff.AnimateDiff(models, options, vector_info(size))
    return ltx.Ltx(models, options) if size.pipeline == "ltx" else wan.Wan(models, options)


def _memory(device: str, *, peak: bool) -> int:
    """Give bytes that PyTorch holds on the card, at most or now; on a CPU those of the process at most."""
    if device != "cuda":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n", maxsplit=1)[0]
