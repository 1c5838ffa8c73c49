"""The plot: what settings say against what they give away; how large a dot is, what they cost."""

import io
from collections.abc import Sequence

from mirage.bench.tradeoff.run import Point

_PRESETS = ("private", "balanced", "faithful")
_MARKED, _PLAIN = "#c2410c", "#1d4ed8"


def draw(points: Sequence[Point]) -> bytes:
    """Draw settings as a PNG: faces on the left, people on the right. Needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.4), dpi=110, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(panels, ("faces", "people"), strict=True):
        chances = list[float]()
        for number, point in enumerate(points):
            named = point.faces if kind == "faces" else point.people
            picture = point.fidelity.picture
            if named is None or picture is None:
                continue
            chances.append(named.chance)
            name = point.fidelity.setting
            colour = _MARKED if name in _PRESETS else _PLAIN
            size = 2 * point.fidelity.bytes_per_s
            axes.scatter(named.rate, picture.mean, s=size, c=colour, alpha=0.6)
            axes.annotate(
                f"{name}, {point.fidelity.bytes_per_s:.0f} B/s", (named.rate, picture.mean), fontsize=7,
                xytext=(-9, 2 if number % 2 else -7), textcoords="offset points", ha="right",
            )  # fmt: skip
        if chances:
            axes.axvline(max(chances), linestyle=":", c="grey")
        axes.set(xlabel=f"{kind} named rightly (dotted: guessing)", xlim=(0, 1.05))
        axes.grid(alpha=0.3)
    panels[0].set(ylabel="picture: spatial feature cosine")
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()
