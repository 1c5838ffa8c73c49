"""`mirage export verify`: holds a bundle against what PyTorch made, and against what TensorRT takes.

    golden outputs --every graph, every sample--> worst error, lowest cosine, equal integers  --.
    20 frame grids --the device's captioner-----> share of identical greedy tokens             --+--> ok?
    ONNX files ------opset, operators-----------> what TensorRT's parser does not know         --'

What runs the graphs is given: the device's own runtime, so that this checks what devices do.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import onnx
from msgspec import Struct
from numpy.typing import NDArray

from export.golden import CAPTIONS
from export.graph_file import opset, weights_beside
from export.operators import tensorrt_problems
from wire.bundle import Bundle, Precision
from wire.golden import PERFECT, Agreement, Array, Golden, GoldenError

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]


class VerifyError(RuntimeError):
    """A graph differs from PyTorch by more than its precision explains; the message says which."""


class Runtime(Protocol):
    """What runs graphs on a device."""

    def graph(self, path: Path) -> Run:
        """Load one graph: feeds by name to results by name."""

    def captioner(self, bundle: Bundle) -> Callable[[NDArray[np.uint8]], list[int]]:
        """Load the captioner: a frame grid (S, S, 3) to greedy tokens, without start and end."""


class Tolerance(Struct, frozen=True):
    """What is near enough: error by the largest number expected, cosine, equal integers, equal captions."""

    error: float
    cosine: float
    equal: float
    captions: float


TOLERANCES: Final[Mapping[Precision, Tolerance]] = {
    "fp32": Tolerance(error=5e-3, cosine=0.99999, equal=0.999, captions=1.0),
    "fp16": Tolerance(error=2e-2, cosine=0.999, equal=0.98, captions=0.9),
    "int8": Tolerance(error=0.5, cosine=0.95, equal=0.98, captions=0.5),
}


class GraphCheck(Struct, frozen=True):
    """One graph. `tensorrt` lists what TensorRT does not know; None where it is never asked to."""

    graph: str
    precision: Precision
    size: int
    opset: int
    tensorrt: list[str] | None
    max_abs_error: float
    cosine: float
    equal: float
    problems: list[str]


class Verification(Struct, frozen=True):
    """The whole bundle."""

    bundle: str
    sha256: str
    graphs: list[GraphCheck]
    captions: int
    identical_captions: int
    problems: list[str]

    @property
    def ok(self) -> bool:
        return not self.misses()

    def misses(self) -> list[str]:
        """Say in one line each what is wrong."""
        return self.problems + [f"{each.graph}: {text}" for each in self.graphs for text in each.problems]


def verify(bundle: Bundle, runtime: Runtime, step: Callable[[], None] = lambda: None) -> Verification:
    """Check every graph of a bundle whose hashes were checked; `step` is called after each.

    Raises BundleError for a bundle without golden outputs, and for a graph that cannot be loaded.
    """
    golden = bundle.golden()
    checks = []
    for graph in _graphs(bundle):
        checks.append(_check(bundle, graph, golden, runtime))
        step()
    count, same = _captions(bundle, golden, runtime)
    step()
    wanted = min(TOLERANCES[bundle.manifest.precision_of(graph)].captions for graph in _speakers(bundle))
    problems = []
    if count < CAPTIONS:
        problems.append(f"captions: golden data hold {count}, wanted {CAPTIONS} at least")
    if same < wanted * count:
        problems.append(f"captions: {same} of {count} identical to PyTorch's, wanted {wanted:.0%}")
    return Verification(bundle.manifest.name, bundle.sha256, checks, count, same, problems)


def graph_count(bundle: Bundle) -> int:
    """How often `verify` calls its `step`."""
    return len(_graphs(bundle)) + 1


def _graphs(bundle: Bundle) -> list[str]:
    return [name for name in sorted(bundle.manifest.files) if name.endswith(".onnx")]


def _speakers(bundle: Bundle) -> tuple[str, str]:
    return bundle.manifest.captioner.encoder, bundle.manifest.captioner.decoder


def _check(bundle: Bundle, graph: str, golden: Golden, runtime: Runtime) -> GraphCheck:
    path = bundle.path(graph)
    precision = bundle.manifest.precision_of(graph)
    run = runtime.graph(path)
    found, problems = agreement_of(golden, graph, run)
    on_edge = graph in bundle.manifest.edge_graphs()
    unknown = tensorrt_problems(path) if on_edge else None
    problems += _too_far(found, TOLERANCES[precision])
    # A decoder is quantised dynamically, which is for processors; nothing else of a sender may be unknown.
    if unknown and not (precision == "int8" and graph == bundle.manifest.captioner.decoder):
        problems += [f"TensorRT: {text}" for text in unknown]
    return GraphCheck(
        graph=graph,
        precision=precision,
        size=sum(each.stat().st_size for each in (path, weights_beside(path)) if each.exists()),
        opset=opset(onnx.load(str(path), load_external_data=False)),
        tensorrt=unknown,
        max_abs_error=found.max_abs_error,
        cosine=found.cosine,
        equal=found.equal,
        problems=problems,
    )


def agreement_of(golden: Golden, graph: str, run: Run) -> tuple[Agreement, list[str]]:
    """Run all samples of a graph; give the worst agreement, and what could not be compared."""
    found = PERFECT
    try:
        for sample in golden.samples(graph):
            found = found.worse(sample.agreement(run(sample.feeds)))
    except GoldenError as error:
        return found, [str(error)]
    return found, []


def _too_far(found: Agreement, wanted: Tolerance) -> list[str]:
    problems = []
    limit = wanted.error * max(found.scale, 1.0)
    if found.max_abs_error > limit:
        problems.append(f"error {found.max_abs_error:.3g}, wanted at most {limit:.3g}")
    if found.cosine < wanted.cosine:
        problems.append(f"cosine {found.cosine:.6f}, wanted at least {wanted.cosine}")
    if found.equal < wanted.equal:
        problems.append(f"{found.equal:.2%} of the integers are equal, wanted {wanted.equal:.2%}")
    return problems


def _captions(bundle: Bundle, golden: Golden, runtime: Runtime) -> tuple[int, int]:
    grids, tokens = golden.grids(), golden.tokens()
    if not tokens or len(grids) != len(tokens):
        return 0, 0
    said = runtime.captioner(bundle)
    return len(grids), sum(said(grid) == wanted for grid, wanted in zip(grids, tokens, strict=True))
