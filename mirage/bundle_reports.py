"""What `mirage export build`, `verify` and `card` print."""

import time
from pathlib import Path
from statistics import median

from rich.table import Table

from export.card import write_card
from export.verify import Verification, graph_count, verify
from mirage.device import EdgeRuntime
from mirage.errors import InputError
from mirage.output import as_json, print_line, print_tables
from mirage.progress import steps_shown
from wire.bundle import Bundle

_RUNS = 9


def checked(bundle: Bundle, threads: int) -> Verification:
    """Verify a bundle, with a progress bar."""
    with steps_shown("verifying", graph_count(bundle)) as step:
        return verify(bundle, EdgeRuntime(threads), step)


def report(found: Verification, *, json: bool) -> None:
    """Print a verification."""
    if json:
        print_line(as_json({"ok": found.ok, "misses": found.misses(), "checked": found}))
        return
    table = Table("graph", "precision", "MB", "opset", "error", "cosine", "equal", "TensorRT", "")
    for each in found.graphs:
        table.add_row(
            each.graph, each.precision, f"{each.size / 1e6:.1f}", str(each.opset),
            f"{each.max_abs_error:.2g}", f"{each.cosine:.6f}", f"{each.equal:.2%}", _tensorrt(each.tensorrt),
            "MISSED" if each.problems else "ok",
        )  # fmt: skip
    print_tables(table)
    print_line(f"{found.identical_captions} of {found.captions} captions are identical to PyTorch's")
    for miss in found.misses():
        print_line(f"MISSED {miss}")


def _tensorrt(problems: list[str] | None) -> str:
    if problems is None:
        return "-"
    return "; ".join(problems) or "takes it"


def write_measured_card(folder: Path, threads: int, machine: str) -> Path:
    """Verify a bundle, measure its graphs' latency here, and write its card."""
    bundle = Bundle.load(folder)
    found = checked(bundle, threads)
    if not found.ok:
        raise InputError(f"{folder}: no card for a bundle that is not verified: {'; '.join(found.misses())}")
    with steps_shown("measuring", len(found.graphs)) as step:
        latency_ms = {}
        for each in found.graphs:
            latency_ms[each.graph] = graph_latency_ms(bundle, each.graph, threads)
            step()
    return write_card(bundle, found, latency_ms, machine)


def graph_latency_ms(bundle: Bundle, graph: str, threads: int) -> float:
    """Median milliseconds of one call of a graph with its first golden sample."""
    run = EdgeRuntime(threads).graph(bundle.path(graph))
    feeds = bundle.golden().samples(graph)[0].feeds
    run(feeds)
    times = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        run(feeds)
        times.append((time.perf_counter() - begun) * 1e3)
    return median(times)
