"""What the attacks must and must not achieve.

control_*       on the sources themselves an attack must succeed: else its failing elsewhere proves nothing
private_faces   no more named with their own face than with another's: clothes and build name either way,
                so guessing is not what a hidden face compares with; both rates are in the report
zones_*         nothing: neither better nor worse than with another frame
trained_*       the attacker's own decoder must be the better one, else it says nothing that ours does not
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mirage.bench.privacy.inversion import SHIPPED, TRAINED, Leak
from mirage.bench.report import Gate

if TYPE_CHECKING:
    from mirage.bench.privacy.run import Measured

CONTROL, CONTROL_SMALL = 0.9, 0.8
SHOWN = 0.95  # of the codes of faces that are exchanged and not hidden
EXCHANGED = 0.1  # by how much exchanging faces that are not hidden must lower the rate
HIDDEN = 0.95  # of faces; one that the detector does not find is not hidden


def gates(measured: "Measured") -> tuple[Gate, ...]:
    """Judge what was measured."""
    return (*_controls(measured), *_leaks(measured), *_zones(measured), *_captions(measured))


def _controls(measured: "Measured") -> Iterator[Gate]:
    for name, target in (("source", CONTROL), ("source at 128 px", CONTROL_SMALL)):
        for kind, found in (measured.controls or {}).get(name, {}).items():
            unit = f"share named rightly, of {found.best.groups}, chance {found.best.chance:.2f}"
            yield Gate.at_least(f"control_{kind}_{_plain(name)}", found.best.rate, unit, target)


def _leaks(measured: "Measured") -> Iterator[Gate]:
    for found in measured.exchanged:
        what = f"lower end of 95 % interval: named with their own face less another's, of {found.own.groups}"
        if found.setting == "private":
            yield Gate.at_most("private_faces", found.difference.low, what, 0.0)
        elif found.setting == "private, faces kept":
            yield Gate.at_least("control_exchanged_faces", found.difference.low, what, EXCHANGED)
    if measured.redacted is not None:
        share = measured.redacted.hidden / max(measured.redacted.faces, 1)
        yield Gate.at_least("redacted_faces", share, f"share of {measured.redacted.faces} hidden", HIDDEN)
    if (swaps := measured.swaps) is not None:
        unit = f"codes of {swaps.count} that differ with what is under boxes of {swaps.faces} faces"
        yield Gate.at_most("faces_codes_that_differ", swaps.differing, unit, 0)
        yield Gate.at_least(
            "faces_codes_shown", swaps.shown / max(swaps.count, 1), "share, not hidden", SHOWN
        )
    kept = next((leak for leak in measured.leaks if leak.setting == "private, faces kept"), None)
    if kept is not None and TRAINED in kept.likeness:
        gain = _gain(kept)
        yield Gate.at_least("trained_over_shipped_private", gain, "cosine of faces' embeddings", 0.0)


def _gain(leak: Leak) -> float:
    return leak.likeness[TRAINED].mean - leak.likeness[SHIPPED].mean


def _zones(measured: "Measured") -> Iterator[Gate]:
    for name, found in (measured.zones or {}).items():
        off = max(found.hidden.low - 0.5, 0.5 - found.hidden.high, 0.0)
        unit = "by which 0.5 is outside of the 95 % interval"
        yield Gate.at_most(f"zones_recovered_{name}", off, unit, 0.0)
        yield Gate.at_least(f"zones_shown_{name}", found.shown.low, "lower end: nearer to the truth", 0.9)
    if measured.zones:
        differing = sum(found.differing for found in measured.zones.values())
        yield Gate.at_most("zones_codes_that_differ", differing, "codes", 0)


def _captions(measured: "Measured") -> Iterator[Gate]:
    said = measured.captions
    if said is None:
        return
    unit = f"captions of {said.captions}"
    yield Gate.at_most("captions_with_forbidden_words", said.with_forbidden_words, unit, 0)
    unit = f"captions of {said.without_ban_captions} without a ban: the count can fail"
    yield Gate.at_least("captions_without_ban", said.without_ban_with_forbidden_words, unit, 1)


def _plain(name: str) -> str:
    return name.replace(" ", "_")
