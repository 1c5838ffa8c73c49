"""Gates and the page: a missed gate reads as missed, and says by how much."""

import msgspec
import pytest

from mirage.bench.quality.docs import gate_table
from mirage.bench.quality.gates import excludes_zero, gates
from mirage.bench.quality.measured import (
    Measured,
    is_won,
    summarise,
    summarise_commands,
    summarise_stills,
)
from mirage.bench.quality.metrics import Scores
from mirage.bench.quality.statistics import Estimate
from mirage.bench.quality.stills import Still
from mirage.bench.quality.system import Outcome
from mirage.bench.report import Gate
from tests.mirage.bench.quality.verdicts import verdict


def scores(spatial: float, flow: float | None = 0.5) -> Scores:
    return Scores("", 500, True, spatial, spatial, 20.0, flow, flow, flow, 1.0)  # noqa: FBT003 -- it fits


def outcome(ours: float, flow: float | None = 0.5, rate: float = 800, name: str = "a") -> Outcome:
    made = {"ours": scores(ours, flow), "AV1": scores(0.6, 0.1), "x265": scores(0.5, 0.1)}
    made |= {other: scores(0.5, 0.2) for other in ("held", "cross-fade", "warp")}
    return Outcome(name, 640, 360, 25, 10, 5, 0, 1000, 1100, rate, 1.0, 1.0, made, ())


def named(found: tuple[Gate, ...], name: str) -> Gate:
    return next(gate for gate in found if gate.name == name)


@pytest.mark.parametrize(
    ("clip", "won"),
    [
        (outcome(0.7), True),
        (outcome(0.55), False),
        (outcome(0.7, flow=0.05), False),
        (outcome(0.7, flow=None), True),
        (outcome(0.7, rate=1001), False),
    ],
    ids=["both better", "worse picture", "worse motion", "nothing moves", "too many bytes"],
)
def test_a_clip_is_won_only_against_every_codec_in_everything(clip: Outcome, *, won: bool) -> None:
    assert is_won(clip) == won


def test_clips_that_are_lost_miss_the_gate() -> None:
    clips = tuple(outcome(0.7 if number < 6 else 0.4, name=str(number)) for number in range(10))
    found = gates(Measured(clips=clips, clip_summary=summarise(clips)))
    system = named(found, "system_beats_codecs")
    assert (system.value, system.ok) == (0.6, False)
    assert "**missed** by 0.1" in gate_table([system])
    assert named(found, "renderer_flow_agreement_over_held").ok
    assert named(found, "renderer_spatial_over_warp").ok
    assert not named(found, "renderer_spatial_over_held").ok  # better on average, but the interval has zero


def test_a_difference_must_exclude_zero() -> None:
    assert excludes_zero("a", Estimate(0.1, 0.01, 0.2, 9)).ok
    assert not excludes_zero("a", Estimate(0.1, -0.01, 0.2, 9)).ok
    assert not excludes_zero("a", Estimate(0.0, 0.0, 0.0, 9)).ok


def still(spatial: float, pooled: float, size: int) -> Still:
    return Still("", size, fits=True, spatial=spatial, pooled=pooled, psnr_db=20)


def test_stills_are_held_against_the_better_codec_of_each_metric() -> None:
    rows = [{"ours": still(0.6, 0.6, 100), "AV1": still(0.5, 0.7, 95), "x265": still(0.55, 0.5, 99)}] * 3
    small = summarise_stills(100, 4, rows, [1.0, 0.0, 1.0])
    found = gates(Measured(stills=(small,)))
    assert [(gate.name, gate.ok) for gate in found] == [
        ("still_100B_spatial", True), ("still_100B_pooled", False),
    ]  # fmt: skip
    assert named(found, "still_100B_spatial").target == pytest.approx(0.55)
    large = msgspec.structs.replace(small, target_bytes=280)
    assert named(gates(Measured(stills=(large,))), "retrieval").value == pytest.approx(2 / 3)


def test_commands_are_judged_by_kind_and_speed() -> None:
    verdicts = [verdict("pan", right=True, speed=1.2)] * 19 + [verdict("pan", right=False, speed=3.0)]
    found = gates(Measured(commands=summarise_commands([*verdicts, verdict("static", right=False)], 0.3)))
    assert named(found, "command_pan_direction").ok
    assert named(found, "command_pan_speed").value == pytest.approx(0.95)
    assert not named(found, "command_static").ok


def test_parts_that_were_not_run_have_no_gates() -> None:
    assert gates(Measured()) == ()
