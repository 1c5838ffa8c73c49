"""The picture of a plan: how much of each part's capacity is left, against the number of cameras."""

import io
from collections.abc import Sequence

from mirage.bench.plan.numbers import rounded
from mirage.bench.plan.parts import Part

_RANGE = (10, 10_000_000)  # cameras that the picture shows
_PER_CAMERA_UNITS = "one unit breaks below this line"


def draw(parts: Sequence[Part], marked: Sequence[int]) -> bytes:
    """Draw an SVG: each part is a line, `marked` numbers of cameras are upright ones. Needs matplotlib."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 5.2), layout="constrained")
    axes = figure.subplots()
    colours = mpl.colormaps["tab20"]
    for number, part in enumerate(parts):
        heights = [part.cameras_of_one / cameras for cameras in _RANGE]
        dashed = "--" if "SQLite" in part.name else "-"
        label = f"{part.name}: {rounded(part.cameras_of_one)}"
        axes.plot(_RANGE, heights, dashed, color=colours(number % 20), label=label)
    axes.axhline(1, color="black", linewidth=1.2)
    axes.text(_RANGE[0] * 1.2, 0.8, _PER_CAMERA_UNITS, fontsize=8, va="top")
    for cameras in marked:
        axes.axvline(cameras, color="grey", linewidth=0.6, linestyle=":")
    axes.set(
        xscale="log", yscale="log", xlim=_RANGE, ylim=(1e-4, 1e4), xlabel="cameras",
        ylabel="capacity of one unit / what is asked of it",
        title="Headroom, and cameras that one unit carries",
    )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper right")
    written = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "mirage", "svg.fonttype": "none"}):  # the same plan, the same file
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()
