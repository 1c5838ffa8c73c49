"""`mirage export engine`: TensorRT engines of a bundle's graphs, built and checked on the device.

JSON: {"host": {...}, "engines": [{graph, state, precision, bytes, cosine, equal, seconds, detail}, ...]}
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from rich import box
from rich.markup import escape
from rich.table import Table

from edge.captioner import Captioner
from edge.engine import BESIDE, EngineCache, EngineError, UnsuitedError
from edge.engine_build import Builder, Order, deliver
from edge.gpu import GpuError, Host, find_host
from edge.profile import Measures, Plan, ProfileError, Sizes
from edge.runtime import CPU, Runtime
from edge.tensorrt import INSTALL, TensorRtBuilder
from mirage.errors import InputError
from mirage.output import as_json, print_line, print_tables
from mirage.progress import steps_shown
from wire.bundle import Bundle, BundleError, Manifest, Precision
from wire.golden import GoldenError

TIMING_CACHE = "timing.cache"


class EngineView(msgspec.Struct, frozen=True):
    """What became of one graph.

    `built`, `kept` (it was there already), `skipped` (TensorRT cannot run it), `failed` (the old one stays).
    """

    graph: str
    state: str
    precision: Precision
    seconds: float
    bytes: int = 0
    cosine: float | None = None
    equal: float | None = None
    detail: str = ""


class EnginesView(msgspec.Struct, frozen=True):
    """All graphs of a bundle."""

    host: Host
    engines: tuple[EngineView, ...]

    @property
    def ok(self) -> bool:
        return all(each.state != "failed" for each in self.engines)


def main(
    bundle: Path, cache: Path | None, precision: Precision | None, profile: Sequence[str], *, json: bool
) -> bool:
    """Build and report; whether all are there now that TensorRT can run.

    Without a `cache` they are kept in the bundle. Raises BundleError, EngineError and ProfileError.
    """
    cache = cache or bundle / BESIDE
    loaded = Bundle.load(bundle, "edge")
    sizes = Sizes.of(loaded.manifest, profile)
    builder = TensorRtBuilder()
    host = _host(builder.version)
    graphs = loaded.manifest.edge_graphs()
    with steps_shown("building engines", len(graphs)) as done:
        view = build_engines(loaded, cache, precision, sizes, (builder, host), done)
    if json:
        print_line(as_json(view))
    else:
        print_tables(f"{cache}: engines for {host.gpu}, TensorRT {host.tensorrt}", _table(view.engines))
    return view.ok


def checked_precision(text: str | None) -> Precision | None:
    """Refuse what is none, with InputError."""
    try:
        return None if text is None else msgspec.convert(text, Precision)
    except msgspec.ValidationError as error:
        raise InputError(f"--precision {text!r} is not fp32, fp16 or int8") from error


def build_engines(
    bundle: Bundle,
    cache: Path,
    precision: Precision | None,
    sizes: Sizes,
    workshop: tuple[Builder, Host],
    done: Callable[[], None] = lambda: None,
) -> EnginesView:
    """Build what is missing, graph by graph; one that fails does not keep the others back.

    Without a `precision`, each graph is built in the one that the bundle has it in (`engine_precision`).
    """
    builder, host = workshop
    engines = EngineCache(cache)
    golden = bundle.golden()
    measures, runtime = _measures(bundle, sizes)
    found = []
    for name in bundle.manifest.edge_graphs():
        chosen = engine_precision(bundle.manifest, name, precision)
        begun = time.perf_counter()
        try:
            inputs = measures.inputs(name, runtime.open(bundle.path(name)))
            plan = Plan(chosen, inputs, timing_cache=cache / TIMING_CACHE)
            exported = bundle.manifest.precision_of(name)
            order = Order(name, bundle.path(name), plan, golden.samples(name), exported)
            delivery = deliver(order, engines, builder, host)
        except UnsuitedError as error:
            view = EngineView(name, "skipped", chosen, time.perf_counter() - begun, detail=str(error))
        except (EngineError, BundleError, GoldenError, ProfileError) as error:
            view = EngineView(name, "failed", chosen, time.perf_counter() - begun, detail=str(error))
        else:
            entry = delivery.entry
            state = "built" if delivery.fresh else "kept"
            view = EngineView(
                name, state, chosen, time.perf_counter() - begun, entry.engine.bytes,
                entry.agreement.cosine, entry.agreement.equal, f"{engines.folder / entry.engine.name}",
            )  # fmt: skip
        found.append(view)
        done()
    return EnginesView(host, tuple(found))


def engine_precision(manifest: Manifest, graph: str, wanted: Precision | None) -> Precision:
    """Choose how to build a graph of which `wanted` was asked.

    What was quantised stays so, and what was left exact beside quantised graphs cannot become so.
    """
    own = manifest.precision_of(graph)
    mixed = "int8" in {manifest.precision_of(each) for each in manifest.edge_graphs()}
    if wanted is None or own == "int8" or (wanted == "int8" and mixed):
        return own
    return wanted


def _measures(bundle: Bundle, sizes: Sizes) -> tuple[Measures, Runtime]:
    """Run the vision encoder once on the processor: what it gives decides what the decoder is given."""
    runtime = Runtime(available=(CPU,))
    seen = Captioner(bundle, runtime).seen
    return Measures(sizes, bundle.manifest, seen), runtime


def _host(version: str) -> Host:
    try:
        host = find_host()
    except GpuError as error:
        raise EngineError(f"there is nothing to build engines for: {error}; {INSTALL}") from error
    if host.tensorrt != version:
        raise EngineError(
            f"the Python package tensorrt is {version}, but the library that ONNX Runtime loads is "
            f"{host.tensorrt}: engines of one do not run in the other; {INSTALL}"
        )
    return host


def _table(engines: Sequence[EngineView]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("graph", "engine", "precision"):
        table.add_column(name)
    for name in ("seconds", "bytes", "cosine", "equal"):
        table.add_column(name, justify="right")
    table.add_column("detail", ratio=1)
    for each in engines:
        table.add_row(
            each.graph, each.state, each.precision, f"{each.seconds:.1f}", str(each.bytes or ""),
            "" if each.cosine is None else f"{each.cosine:.5f}",
            "" if each.equal is None else f"{each.equal:.1%}", escape(each.detail),
        )  # fmt: skip
    return table
