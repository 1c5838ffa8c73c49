"""`mirage bench render`: what rendering costs; of the shipped renderer here, of the heavy ones on a GPU."""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cloud.render.clip import goes_on, render_recording, render_segment
from cloud.render.load import load_renderer
from cloud.render.renderer import Renderer
from cloud.render.seam import Seams
from mirage.bench.report import Gate, Report
from mirage.bundles import bundle_folder
from mirage.demo.source import bunny
from mirage.errors import InputError
from mirage.progress import steps_shown
from mirage.recordings import Opened, open_recording
from wire.policy import Policy

SEGMENT_MS = 2000  # times are stated for a segment of this length
TARGET_S = 4.0  # of `mirage bench demo`, where H.264 is counted too
OPTIONS: Mapping[str, Policy] = {
    "steps_1": Policy(steps=1),
    "steps_2": Policy(steps=2),
    "steps_8": Policy(steps=8),
    "fps_10": Policy(fps=10.0),
    "long_side_640": Policy(long_side_px=640),
    "long_side_1280": Policy(long_side_px=1280),
}
_SEED = 0
_MEGABYTE = 1e6


def diffusers(config: str, steps: int | None, *, every_option: bool) -> Report:
    """Measure a heavy renderer at the size of a real model. Raises InputError, RenderError without a GPU."""
    from cloud.render.diffusion.bench_sizes import SIZES

    if config not in SIZES:
        raise InputError(f"--config {config}: is none of {', '.join(SIZES)}")
    from cloud.render.diffusion.bench_card import require_gpu

    device, size = require_gpu(), SIZES[config]
    from cloud.render.diffusion.bench import measure, variants

    runs = 1 + (len(variants(size)) if every_option else 0)
    with steps_shown(f"{config}, random weights", runs) as done:
        found = measure(config, device, steps, every_option=every_option, done=done)
    costs = {
        option: asdict(cost)
        | {
            "times_as_fast": found.baseline.clip_s / cost.clip_s,
            "times_the_memory": cost.peak_gib / found.baseline.peak_gib,
        }
        for option, cost in found.options.items()
    }
    clip = {"width": size.width, "height": size.height, "frames": size.frames, "fps": size.rate}
    results = {"weights": "random", "clip": clip, **asdict(found), "options": costs}
    return Report(f"render diffusers {config}", (), results)


def preview(bundle: Path | None, threads: int, repeats: int, *, every_option: bool) -> Report:
    """Measure a small renderer on the moving segments of Big Buck Bunny, each `repeats` times.

    Raises InputError where the clip is not installed, BundleError, RenderError.
    """
    opened = encoded(bundle_folder(bundle))
    started_s = time.perf_counter()
    renderer = load_renderer(opened.bundle, threads)
    load_s = time.perf_counter() - started_s
    trial = _Trial(opened, repeats)
    with steps_shown("rendering", 3 + len(OPTIONS) if every_option else 1) as done:
        baseline = trial.cost(renderer, Policy())
        done()
        options = {}
        for option, policy in OPTIONS.items() if every_option else ():
            options[option] = _beside(baseline, trial.cost(renderer, policy))
            done()
        for count in {1, 2} - {threads} if every_option else ():
            options[f"threads_{count}"] = _beside(
                baseline, trial.cost(load_renderer(opened.bundle, count), Policy())
            )
            done()
    seams = trial.seams(renderer)
    results = {
        "renderer": renderer.name,
        "threads": threads,
        "load_s": load_s,
        "moving_segments": len(trial.moving),
        "baseline": baseline,
        "seam_mean": seams.mean,
        "seam_worst": seams.worst,
        "options": options,
    }
    gate = Gate.at_most("render_s_per_2_s_segment", baseline["s_per_2_s_segment"], "s", TARGET_S)
    return Report("render preview", (gate,), results)


class _Trial:
    """The segments of a recording in which something moves, to be rendered in several ways."""

    def __init__(self, opened: Opened, repeats: int) -> None:
        self._camera = opened.recording.camera
        self._segments = opened.segments()
        self._repeats = repeats
        self.moving = [index for index, segment in enumerate(self._segments) if not segment.still]
        if not self.moving:
            raise InputError(f"{opened.path}: nothing moves in it")

    def cost(self, renderer: Renderer, policy: Policy) -> dict[str, float]:
        """Give median seconds for two seconds of video, and how much memory this process had at most.

        Those of the processor too, which other processes on the machine change less.
        """
        self._took(renderer, policy, self.moving[0])  # the first one allocates what all others use
        _forget_peak()
        took = [self._took(renderer, policy, index) for _ in range(self._repeats) for index in self.moving]
        return {
            "s_per_2_s_segment": statistics.median(each.wall_s for each in took),
            "cpu_s_per_2_s_segment": statistics.median(each.cpu_s for each in took),
            "s_slowest": max(each.wall_s for each in took),
            "peak_rss_mb": _peak_rss_bytes() / _MEGABYTE,
        }

    def seams(self, renderer: Renderer) -> Seams:
        """Measure how visible the borders between segments are."""
        seams = Seams()
        clips = render_recording(self._segments, self._camera, renderer, Policy(), _SEED)
        for index, frames in enumerate(clips):
            seams.add(frames, goes_on=goes_on(self._segments, index))
        return seams

    def _took(self, renderer: Renderer, policy: Policy, index: int) -> "_Took":
        started_s, busy_s = time.perf_counter(), time.process_time()
        render_segment(self._segments, index, self._camera, renderer, policy, _SEED)
        share = SEGMENT_MS / self._segments[index].duration_ms
        return _Took((time.perf_counter() - started_s) * share, (time.process_time() - busy_s) * share)


@dataclass(frozen=True, slots=True)
class _Took:
    """Seconds for a segment of 2 s, on the clock and of all cores together."""

    wall_s: float
    cpu_s: float


def encoded(folder: Path) -> Opened:
    """Encode the clip in another process, so that what that needs is not counted here."""
    return encoding(folder, bunny()).opened


@dataclass(frozen=True, slots=True)
class Encoding:
    """A recording, and the seconds that describing it took, without loading the models."""

    opened: Opened
    encode_s: float


def encoding(folder: Path, video: Path) -> Encoding:
    """Encode a video in another process, with the bundle in `folder`. Raises InputError, BundleError."""
    with tempfile.TemporaryDirectory(prefix="mirage-bench-") as name:
        path = Path(name) / "video.mrg"
        encode = ["encode", str(video), "-o", str(path), "--bundle", str(folder), "--json"]
        command = [sys.executable, "-m", "mirage", *encode]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- ours
        if result.returncode:
            raise InputError(result.stderr.strip().removeprefix("mirage: ") or f"{command}: failed")
        return Encoding(open_recording(path, folder, "cloud"), json.loads(result.stdout)["encode_s"])


def _beside(baseline: Mapping[str, float], cost: dict[str, float]) -> dict[str, float]:
    return cost | {"times_as_fast": baseline["s_per_2_s_segment"] / cost["s_per_2_s_segment"]}


def _forget_peak() -> None:
    """Let the peak of this process's memory begin anew; where that is not allowed, it is since the start."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def _peak_rss_bytes() -> int:
    # Not getrusage: its maximum begins with the parent's size at the fork.
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
