"""`mirage bench export`: the shipped graphs against PyTorch eager, and in 8 bits, all in one run.

shipped graph --constants folded--> fp32 file --8 bits--> int8 file
      '------------ ONNX Runtime, and PyTorch with random weights of the same class: milliseconds
golden outputs ---- parity of each file with what PyTorch gave when the bundle was built
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

from edge.captioner import Captioner
from edge.runtime import Runtime
from export.eager import Eager
from export.manifest import write_manifest
from export.precision import quantise_dynamic, quantise_static
from export.simplify import simplify
from export.verify import agreement_of
from mirage.bench.report import Gate, Report
from mirage.bundles import bundle_folder
from mirage.progress import steps_shown
from wire.bundle import Bundle
from wire.golden import Array, Golden, normalised

_ROUNDS = 9
_CAPTION_ROUNDS = 3
_DECODER = "decoder_model_merged.onnx"
_FEEDS = 20  # frames that 8-bit ranges are measured on


def run(threads: int) -> Report:
    """Measure; takes about a minute."""
    bundle = Bundle.load(bundle_folder(None))
    golden = bundle.golden()
    eager = Eager(_vocabulary(golden), threads)
    with tempfile.TemporaryDirectory(prefix="mirage-bench-") as scratch:
        fp32 = _simplified(bundle, golden, Path(scratch) / "fp32")
        bundles = {"shipped": bundle, "fp32": fp32, "int8": _quantised(fp32, golden, Path(scratch) / "int8")}
        graphs = _graphs(bundles, golden, eager, threads)
        captions = _captions(bundles, golden, eager, threads)
    speedup = captions["pytorch_eager_ms"] / captions["shipped_ms"]
    senders = [
        graphs[name] for name in (bundle.manifest.captioner.encoder, bundle.manifest.captioner.decoder)
    ]
    smaller = sum(_bytes(each, "fp32") for each in senders) / sum(_bytes(each, "int8") for each in senders)
    gates = (
        Gate.at_least("caption_speedup", speedup, "x PyTorch eager, encoder and decode loop", 1.5),
        Gate.at_least("int8_smaller", smaller, "x, both graphs of the captioner", 2),
    )
    return Report("export", gates, {"threads": threads, "captions": captions, "graphs": graphs})


def _bytes(row: Mapping[str, object], kind: str) -> float:
    value = row[f"{kind}_bytes"]
    return float(value) if isinstance(value, int) else 0.0


def _vocabulary(golden: Golden) -> int:
    return int(golden.samples(f"sender/{_DECODER}")[0].results["logits"].shape[-1])


def _simplified(bundle: Bundle, golden: Golden, folder: Path) -> Bundle:
    """Copy a bundle with its constants folded and its weights in float32."""
    _copy(bundle, folder)
    for graph in golden.graphs():
        simplify(folder / graph)
    return _described(bundle, folder, "fp32")


def _quantised(bundle: Bundle, golden: Golden, folder: Path) -> Bundle:
    """Copy a bundle with its weights in 8 bits."""
    _copy(bundle, folder)
    for graph in golden.graphs():
        if graph.endswith(_DECODER):
            quantise_dynamic(folder / graph)
        else:
            quantise_static(folder / graph, _ranges(bundle, golden, graph))
    return _described(bundle, folder, "int8")


def _copy(bundle: Bundle, folder: Path) -> None:
    shutil.copytree(bundle.root, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__", "bundle.toml"))


def _described(bundle: Bundle, folder: Path, precision: str) -> Bundle:
    fields = msgspec.to_builtins(bundle.manifest)
    del fields["files"], fields["schema"]
    write_manifest(folder, {**fields, "precision": precision})
    return Bundle.load(folder)


def _ranges(bundle: Bundle, golden: Golden, graph: str) -> list[Mapping[str, Array]]:
    info = bundle.manifest.captioner
    if graph == info.encoder:
        mean, std = np.array(info.mean), np.array(info.std)
        return [{"pixel_values": normalised(g[None], mean, std)} for g in golden.grids()[:_FEEDS]]
    return [sample.feeds for sample in golden.samples(graph)]


def _graphs(
    bundles: Mapping[str, Bundle], golden: Golden, eager: Eager, threads: int
) -> dict[str, dict[str, object]]:
    """Size, milliseconds and parity of every graph in every precision."""
    calls = eager.graphs()
    rows: dict[str, dict[str, object]] = {}
    with steps_shown("graphs", len(golden.graphs())) as step:
        for graph in golden.graphs():
            feeds = golden.samples(graph)[0].feeds
            row: dict[str, object] = {}
            runs: dict[str, Callable[[], object]] = {"pytorch_eager": _bound(calls[graph], feeds)}
            for name, bundle in bundles.items():
                loaded = Runtime(threads).open(bundle.path(graph))
                found, _ = agreement_of(golden, graph, loaded.run)
                row[f"{name}_bytes"] = bundle.path(graph).stat().st_size
                row[f"{name}_cosine"] = found.cosine
                row[f"{name}_max_abs_error"] = found.max_abs_error
                row[f"{name}_equal"] = found.equal
                runs[name] = _bound(loaded.run, feeds)
            times = _interleaved(list(runs.values()), _ROUNDS)
            rows[graph] = {**{f"{name}_ms": ms for name, ms in zip(runs, times, strict=True)}, **row}
            step()
    return rows


def _captions(bundles: Mapping[str, Bundle], golden: Golden, eager: Eager, threads: int) -> dict[str, float]:
    """Milliseconds a caption over the golden grids; PyTorch decodes as many tokens as the shipped bundle."""
    grids, info = golden.grids(), bundles["shipped"].manifest.captioner
    mean, std = np.array(info.mean), np.array(info.std)
    pixels = [normalised(grid[None], mean, std) for grid in grids]
    devices = {name: Captioner(bundle, Runtime(threads)) for name, bundle in bundles.items()}
    counts = [len(devices["shipped"].tokens(grid)) + 1 for grid in grids]  # and the end

    def through(say: Callable[[Array, int], object]) -> Callable[[], object]:
        return lambda: [say(one, count) for one, count in zip(pixels, counts, strict=True)]

    def on(device: Captioner) -> Callable[[], object]:
        return lambda: [device.tokens(grid) for grid in grids]

    runs = {name: on(device) for name, device in devices.items()}
    runs |= {"pytorch_eager": through(eager.caption), "pytorch_generate": through(eager.generate)}
    times = _interleaved(list(runs.values()), _CAPTION_ROUNDS)
    result = {f"{name}_ms": ms / len(grids) for name, ms in zip(runs, times, strict=True)}
    same = {
        f"{name}_identical": float(
            np.mean([device.tokens(g) == t for g, t in zip(grids, golden.tokens(), strict=True)])
        )
        for name, device in devices.items()
    }
    return {**result, **same, "tokens": float(np.mean(counts)), "grids": float(len(grids))}


def _bound(call: Callable[[Mapping[str, Array]], object], feeds: Mapping[str, Array]) -> Callable[[], object]:
    return lambda: call(feeds)


def _interleaved(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Median milliseconds of each call, taken in turns, so that a busy moment meets all of them."""
    for call in calls:
        call()
    times = np.zeros((rounds, len(calls)))
    for row in times:
        for place, call in enumerate(calls):
            begun = time.perf_counter()
            call()
            row[place] = (time.perf_counter() - begun) * 1e3
    return [median(column) for column in times.T.tolist()]
