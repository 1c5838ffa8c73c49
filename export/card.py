"""`mirage export card`: the measured part of a bundle's CARD.md.

What stands between the two marks is written anew; the rest of the file belongs to whoever wrote it.
"""

from collections.abc import Mapping
from pathlib import Path

from export.verify import Verification
from wire.bundle import Bundle, Manifest, ModelSource

CARD = "CARD.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


class CardError(ValueError):
    """CARD.md cannot be added to; the message says why."""


def write_card(bundle: Bundle, checked: Verification, latency_ms: Mapping[str, float], machine: str) -> Path:
    """Write sizes, parity, latency and licence into the bundle's CARD.md; raises CardError.

    `latency_ms` is by graph, as measured on `machine`.
    """
    path = bundle.root / CARD
    text = path.read_text("utf-8") if path.exists() else f"# {bundle.manifest.name}\n\n{BEGIN}\n{END}\n"
    if text.count(BEGIN) > 1 or text.count(BEGIN) != text.count(END) or text.find(END) < text.find(BEGIN):
        raise CardError(f"{path}: needs one line '{BEGIN}' and one line '{END}' behind it, or neither")
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    body = measured(bundle, checked, latency_ms, machine)
    partial = path.with_name(f".{CARD}.partial")
    partial.write_text(f"{head}{BEGIN}\n{body}{END}{tail}", "utf-8")
    partial.replace(path)
    return path


def measured(bundle: Bundle, checked: Verification, latency_ms: Mapping[str, float], machine: str) -> str:
    """Give the measured part, in Markdown."""
    manifest = bundle.manifest
    rows = [
        f"| `{each.graph}` | {each.precision} | {each.size / 1e6:.1f} | {each.max_abs_error:.2g} | "
        f"{each.cosine:.6f} | {each.equal:.2%} | {latency_ms[each.graph]:.1f} |"
        for each in checked.graphs
    ]
    compared = (
        f"Compared with PyTorch on real frames by `mirage export verify`; {checked.identical_captions} of "
        f"{checked.captions} captions are identical. Milliseconds: median on {machine}."
    )
    lines = [
        f"Bundle `{manifest.name}`, {bundle.short_sha256}, licence {manifest.licence}, {_megabytes(bundle)}.",
        "",
        *_sources(manifest),
        "| graph | precision | MB | largest error | lowest cosine | equal integers | ms |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        compared,
    ]
    return "\n".join(lines) + "\n"


def _megabytes(bundle: Bundle) -> str:
    def total(names: frozenset[str]) -> float:
        return sum((bundle.root / name).stat().st_size for name in names) / 1e6

    edge, cloud = total(bundle.manifest.edge_files()), total(bundle.manifest.cloud_files())
    return f"{edge:.1f} MB on a device, {cloud:.1f} MB in the cloud beside what it loads by name"


def _sources(manifest: Manifest) -> list[str]:
    rows = [f"| {name} | `{value}` |" for name, value in manifest.training.items()]
    rows += [f"| {name} | `{_pinned(source)}` |" for name, source in manifest.renderer.models.items()]
    return ["| made of | |", "|---|---|", *rows, ""] if rows else []


def _pinned(source: ModelSource) -> str:
    return source.model if source.revision is None else f"{source.model}@{source.revision}"
