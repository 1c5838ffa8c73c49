"""docs/quality.md: the table as it is, the plot, and the best, the median and the worst picture."""

from collections.abc import Sequence
from pathlib import Path

from mirage.bench.quality import pictures, plot
from mirage.bench.quality.measured import CODEC_NAMES, Measured
from mirage.bench.quality.run import Pictures
from mirage.bench.quality.statistics import Estimate
from mirage.bench.quality.stills import OURS
from mirage.bench.quality.system import Outcome, Strip
from mirage.bench.quality.words import Words
from mirage.bench.report import Gate, Machine, Report, revision
from mirage.output import write_whole

WORST = 5
CREDITS = "CREDITS.md"
_COLUMNS = (
    ("spatial", "spatial cosine", 3), ("pooled", "global cosine", 3), ("psnr_db", "PSNR dB", 1),
    ("flow_agreement", "flow agreement", 3), ("flow_direction", "direction", 3), ("flow_speed", "speed", 2),
    ("unrest", "unrest", 2), ("bytes", "bytes", 0),
)  # fmt: skip
_TITLES = {
    "plot.png": "Feature cosine against bytes",
    "best.jpg": "The best clip",
    "median.jpg": "The median clip",
    "worst.jpg": "The worst clip",
    "worst-five.jpg": "The worst five",
    "keyframes.jpg": "Keyframes at about 100 B: source, ours, AV1, x265",
}
_INTRODUCTION = """\
# Quality

Written by `mirage bench quality --clips DIR --docs docs/quality.md`.
Nothing shown was trained on: {sources}.
{machine}, revision `{revision}`, load average {load:.1f}.

* The judges are two networks that took no part in training: EfficientNet-Lite2 (ImageNet) and the VGG16
  trunk of a network for edges (HED). *Spatial cosine* compares their maps at stride 16 position by
  position, *global cosine* their embeddings. Everything is compared at 256 pixels on the long side and 8
  pictures a second.
* AV1 (SVT-AV1 preset 4, CRF up to 70) and x265 (slower) may cost as many bytes as our unsealed packets. Of
  all sizes from 32 pixels and all rates from 1/s that fit, the one with the highest cosines counts, scaled
  up again. Only their frames count: no container, no sequence header, no parameter set.
* *Held*, *cross-fade* and *warp* (the motion layer applied by hand) get the very keyframes that our
  renderer decodes.
* *Flow agreement* is the share of pixels moving in the source that move within 22.5 degrees of it at half
  to twice its speed, over a quarter of a second; *direction* asks for the angle alone; *speed* is the
  length of all that motion against the source's. *Unrest* is the mean second difference in time, in grey
  levels.
* Brackets hold 95 % bootstrap intervals over clips, keyframes or commands.
"""


def write_docs(target: Path, report: Report, measured: Measured, shown: Pictures) -> None:
    """Write the page and, in a folder of its name, its pictures. Raises OutputError.

    A CREDITS.md in that folder, which says whose the pictures are, is linked.
    """
    folder = target.with_suffix("")
    files = picture_files(measured, shown)
    for name, data in files.items():
        write_whole(folder / name, data)
    text = page(report, measured, folder.name, list(files))
    if (folder / CREDITS).exists():
        text += f"\n[Whose pictures these are]({folder.name}/{CREDITS})\n"
    write_whole(target, text.encode())


def picture_files(measured: Measured, shown: Pictures) -> dict[str, bytes]:
    """Draw everything that there is to look at: name -> file."""
    files: dict[str, bytes] = {}
    if measured.clips or measured.stills:
        files["plot.png"] = plot.draw(measured)
    if measured.clips:
        ranked = pictures.ranked(measured.clips)
        chosen = {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
        for label, name in chosen.items():
            files[f"{label}.jpg"] = pictures.jpeg(pictures.sheet(_strips(shown, [name])))
        files["worst-five.jpg"] = pictures.jpeg(pictures.sheet(_strips(shown, ranked[-WORST:][::-1])))
    if shown.keyframes:
        step = max(len(shown.keyframes) // 8, 1)
        files["keyframes.jpg"] = pictures.jpeg(pictures.grid(shown.keyframes[::step][:8]))
    return files


def page(report: Report, measured: Measured, folder: str, files: Sequence[str]) -> str:
    """Write the page in Markdown."""
    settings = report.results["settings"]
    load = settings["load_average"] if isinstance(settings, dict) else 0.0
    machine = Machine.here()
    parts = [
        _INTRODUCTION.format(
            sources=_sources(report, measured), revision=revision(), load=load,
            machine=f"{machine.processor}, {machine.cores} cores, {machine.memory_gib:.0f} GiB",
        ),
        "## Gates\n\n" + gate_table(report.gates),
    ]  # fmt: skip
    if measured.clip_summary is not None:
        parts.append(_clip_part(measured))
    if measured.stills:
        parts.append(_still_part(measured))
    if measured.commands:
        parts.append(_command_part(measured))
    if measured.words is not None:
        parts.append(_word_part(measured.words))
    parts += [f"## {_TITLES[name]}\n\n![{_TITLES[name]}]({folder}/{name})\n" for name in files]
    return "\n".join(parts)


def gate_table(gates: Sequence[Gate]) -> str:
    """Draw the gates; a missed one says by how much."""
    rows = [
        (
            gate.name,
            _number(gate.value),
            _number(gate.target),
            gate.unit,
            "met" if gate.ok else missed_by(gate),
        )
        for gate in gates
    ]
    return _table(("gate", "value", "target", "unit", ""), rows)


def missed_by(gate: Gate) -> str:
    """Say by how much a gate was missed."""
    return f"**missed** by {_number(abs(gate.value - gate.target))}"


def _clip_part(measured: Measured) -> str:
    summary = measured.clip_summary
    if summary is None:
        return ""
    rows = [
        (name, *(_estimate(means.get(metric), digits) for metric, _, digits in _COLUMNS))
        for name, means in summary.means.items()
    ]
    names = (OURS, *CODEC_NAMES)
    heads = ("clip", "size", "s", "B", "bit/s", *names, *(f"{name} at" for name in CODEC_NAMES))
    floors = ", ".join(f"{name} {count}" for name, count in summary.floors.items())
    return (
        f"## {len(measured.clips)} clips at equal bytes\n\n"
        f"{_table(('', *(head for _, head, _ in _COLUMNS)), rows)}\n"
        f"Clips for which a codec cannot go so low, so that its floor stands here: {floors}.\n\n"
        "Each clip: spatial cosine / flow agreement, and the setting at which each codec did best.\n\n"
        f"{_table(heads, [_clip_row(clip) for clip in measured.clips])}"
    )


def _clip_row(clip: Outcome) -> list[str]:
    scores = [clip.scores[name] for name in (OURS, *CODEC_NAMES)]
    return [
        clip.clip, f"{clip.width}x{clip.height}", f"{clip.duration_s:.1f}", str(clip.packet_bytes),
        f"{clip.bits_per_s:.0f}", *(f"{s.spatial:.3f} / {_or_dash(s.flow_agreement)}" for s in scores),
        *(clip.scores[name].setting for name in CODEC_NAMES),
    ]  # fmt: skip


def _still_part(measured: Measured) -> str:
    heads = ("", "bytes", "spatial cosine", "global cosine", "PSNR dB", "retrieval")
    rows = []
    for stills in measured.stills:
        for name, means in stills.means.items():
            found = _estimate(stills.retrieval, 2) if name == OURS else ""
            sizes = [("payload_bytes", 0), ("spatial", 3), ("pooled", 3), ("psnr_db", 1)]
            rows.append((name, *(_estimate(means.get(metric), digits) for metric, digits in sizes), found))
    count = measured.stills[0].keyframes
    return f"## {count} unseen keyframes at equal bytes\n\n{_table(heads, rows)}"


def _command_part(measured: Measured) -> str:
    heads = ("command", "clips", "right", "speed within 30 %", "median speed / asked")
    rows = [
        (
            kind, str(each.count), _estimate(each.right, 2), _estimate(each.speed_within, 2),
            "" if each.speed_median is None else f"{each.speed_median:.2f}",
        )
        for kind, each in measured.commands.items()
    ]  # fmt: skip
    return f"## Motion commanded by words alone\n\n{_table(heads, rows)}"


def _word_part(words: Words) -> str:
    heads = ("captions", "pairs", "with those of other clips")
    rows = [
        (name, _estimate(each.pairs, 2), _estimate(each.shuffled, 2))
        for name, each in (
            ("ours and written ones", words.written),
            ("of reconstruction and of source", words.survives),
        )
        if each is not None
    ]
    camera = (
        f"Of {words.captions} segments with a written caption, the camera's class is right for "
        f"{_estimate(words.camera, 2)}, whether it moves for {_estimate(words.moving, 2)}."
    )
    return f"## Captions, as MiniLM cosines\n\n{_table(heads, rows)}\n{camera}\n"


def _sources(report: Report, measured: Measured) -> str:
    left_out = report.results["left_out"]
    counts = {reason: len(names) for reason, names in left_out.items()} if isinstance(left_out, dict) else {}
    said = "".join(f"; {count} clips left out, {reason}" for reason, count in counts.items())
    return f"{len(measured.clips)} clips{said}"


def _strips(shown: Pictures, names: Sequence[str]) -> list[Strip]:
    by_name = {strip.clip: strip for strip in shown.strips}
    return [by_name[name] for name in names]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _estimate(found: Estimate | None, digits: int) -> str:
    if found is None:
        return "-"
    return f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
