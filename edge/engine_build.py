"""Builds TensorRT engines on the device; one replaces the old only after it gave the golden outputs.

ONNX file + plan -> Builder -> engine -> scratch folder -> golden outputs -> cache (`edge.engine`)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from edge.engine import EngineCache, EngineError, EngineKey, Entry, graph_sha256, written
from edge.gpu import Host
from edge.graph import Graph, ModelError
from edge.profile import Plan, including
from edge.runtime import Attempt, load
from wire.bundle import Precision
from wire.golden import PERFECT, Agreement, GoldenError, Sample


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an engine may be from PyTorch: lowest cosine of an output, least share of equal integers."""

    cosine: float
    equal: float


# TensorRT's fp32 multiplies in TF32 (10 bits of mantissa) on Ampere and later; tokens lie near a rounding
# boundary now and then, so that single ones may differ.
FP32 = Tolerance(cosine=0.9999, equal=0.995)
FP16 = Tolerance(cosine=0.999, equal=0.98)
INT8 = Tolerance(cosine=0.95, equal=0.90)
TOLERANCES: dict[Precision, Tolerance] = {"fp32": FP32, "fp16": FP16, "int8": INT8}


class Builder(Protocol):
    """Makes engines. `provider` is the execution provider of ONNX Runtime that runs what it wraps."""

    provider: str

    def build(self, model: Path, plan: Plan) -> bytes:
        """Build an engine, or raise EngineError with all that was wrong."""

    def wrap(self, model: Path, engine: str, host: Host) -> bytes:
        """Make an ONNX file with the inputs and outputs of `model` that runs the file `engine` beside it."""


@dataclass(frozen=True, slots=True)
class Order:
    """An engine that is wanted: of which graph, how, and what it must give.

    `exported` is the precision of the graph itself: no engine comes nearer to PyTorch than that.
    """

    graph: str
    model: Path
    plan: Plan
    samples: Sequence[Sample]
    exported: Precision = "fp32"

    @property
    def tolerance(self) -> Tolerance:
        """What the less exact of graph and engine is held to."""
        both = TOLERANCES[self.exported], TOLERANCES[self.plan.precision]
        return min(both, key=lambda each: each.cosine)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An engine in its place; not `fresh` where it was already there."""

    entry: Entry
    fresh: bool


def deliver(order: Order, cache: EngineCache, builder: Builder, host: Host) -> Delivery:
    """Build an engine, check it and put it in its place, or raise EngineError and leave the old one there."""
    shapes = [{name: array.shape for name, array in sample.feeds.items()} for sample in order.samples]
    plan = order.plan
    for each in shapes:
        plan = replace(plan, inputs=including(plan.inputs, each))
    key = EngineKey(graph_sha256(order.model), host, plan.precision, plan.text())
    with cache.building() as scratch:
        known = _known(cache, key)
        if known is not None:
            return Delivery(known, fresh=False)
        engine = written(scratch, order.graph, key, builder.build(order.model, plan), ".engine")
        content = builder.wrap(order.model, engine.name, host)
        wrapper = written(scratch, order.graph, key, content, ".onnx")
        found = _checked(order, scratch / wrapper.name, builder.provider)
        entry = Entry(order.graph, key, builder.provider, engine, wrapper, found)
        cache.replace(scratch, entry)
    return Delivery(entry, fresh=True)


def compared(graph: Graph, samples: Sequence[Sample]) -> Agreement:
    """Run every sample; raises RunError, or GoldenError for an output that is missing or of another shape."""
    worst = PERFECT
    for sample in samples:
        worst = worst.worse(sample.agreement(graph.run(sample.feeds)))
    return worst


def _known(cache: EngineCache, key: EngineKey) -> Entry | None:
    try:
        entry = cache.find(key.onnx_sha256, key.host)
    except EngineError:  # damaged, or of another host: that is why a new one is built
        return None
    return entry if entry is not None and entry.key == key else None


def _checked(order: Order, wrapper: Path, provider: str) -> Agreement:
    if not order.samples:
        raise EngineError(f"{order.graph}: the bundle has no golden outputs of it to check an engine against")
    try:
        graph = load(Attempt("TensorRT engine", wrapper, (provider,)))
        found = compared(graph, order.samples)
    except (ModelError, GoldenError) as error:
        raise EngineError(f"{order.graph}: the new engine cannot be used: {error}") from error
    tolerated = order.tolerance
    if found.cosine < tolerated.cosine or found.equal < tolerated.equal:
        raise EngineError(
            f"{order.graph}: the new engine does not give the golden outputs: cosine {found.cosine:.5f} and "
            f"{found.equal:.1%} equal integers, {order.plan.precision} of a graph in {order.exported} needs "
            f"{tolerated.cosine} and {tolerated.equal:.1%}"
        )
    return found
