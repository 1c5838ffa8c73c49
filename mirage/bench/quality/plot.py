"""The plot: feature cosine against bytes."""

import io

from mirage.bench.quality.measured import CODEC_NAMES, Measured
from mirage.bench.quality.stills import OURS

_COLOURS = {OURS: "#c2410c", "AV1": "#1d4ed8", "x265": "#15803d"}


def draw(measured: Measured) -> bytes:
    """Draw clips (bits per second) and still pictures (bytes) as a PNG. Needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    clips, stills = figure.subplots(1, 2)
    for name in (OURS, *CODEC_NAMES):
        colour = _COLOURS[name]
        rates = [8 * clip.scores[name].bytes / clip.duration_s for clip in measured.clips]
        clips.scatter(
            rates, [clip.scores[name].spatial for clip in measured.clips], s=22, c=colour, label=name
        )
        points = [each.means[name] for each in measured.stills]
        sizes = [each["payload_bytes"].mean for each in points]
        heights = [each["spatial"].mean for each in points]
        bars = [[each["spatial"].mean - each["spatial"].low for each in points],
                [each["spatial"].high - each["spatial"].mean for each in points]]  # fmt: skip
        stills.errorbar(
            sizes, heights, yerr=bars if points else None, c=colour, marker="o", capsize=3, label=name
        )
    clips.set(xlabel="bits per second, unsealed", ylabel="spatial feature cosine", title="clips, each a dot")
    stills.set(xlabel="bytes", title="still pictures, mean and 95 % interval")
    for axes in (clips, stills):
        axes.grid(alpha=0.3)
        axes.legend()
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()
