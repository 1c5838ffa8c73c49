"""What fleets ask for, held against sums that were done by hand."""

import pytest

from mirage.bench.plan.assumptions import Assumptions
from mirage.bench.plan.demand import demands
from mirage.bench.plan.figures import UNITS, Figure, Source, measured
from mirage.bench.plan.parts import KINDS, breaking, parts
from mirage.errors import InputError

FLEET = Assumptions(
    cameras_per_device=2, moving=0.5, peak=2, watched=0.01, events=0.02, subscribers=1, retention_days=10,
    clip_days=1, disk_gb=100, busy=0.5,
)  # fmt: skip
KNOWN = {
    "moving_packets_per_h": 1800.0,  # one in 2 s
    "moving_bytes_per_h": 360_000.0,
    "still_packets_per_h": 60.0,
    "still_bytes_per_h": 9_000.0,
    "link_bytes_per_packet": 100.0,
    "broker_cpu_s_per_message": 1e-5,
    "broker_bytes_per_connection": 1_000.0,
    "ingest_packets_per_s_sqlite": 1_000.0,
    "derive_packets_per_s_sqlite": 100.0,
    "commit_ms_sqlite": 2.0,
    "database_bytes_per_packet_sqlite": 500.0,
    "queue_jobs_per_s_sqlite": 200.0,
    "render_core_s_per_clip_s": 0.2,
    "objects_per_clip": 2.0,
    "clip_bytes_per_s": 10_000.0,
}
FIGURES = {name: measured(name, value, "a test") for name, value in KNOWN.items()}


def asked(cameras: int = 3600) -> dict[str, Figure]:
    return demands(cameras, FLEET.figures(), FIGURES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("packets_per_s", 930.0),  # 3600 cameras x (900 + 30) in 3600 s
        ("peak_packets_per_s", 1860.0),
        ("uplink_bytes_per_s", 184_500.0),  # 180,000 + 4,500 in an hour, of each
        ("uplink_gb_per_month", 478.224),
        ("link_gb_per_month", 478.224 + 241.056),  # 93,000 B/s more
        ("connections", 1800.0),
        ("broker_messages_per_s", 1860 * 2 + 30 + 360),  # telemetry a minute, acks one in 5 s
        ("broker_memory_gb", 0.0018),
        ("database_rows", 1_607_040_000.0),
        ("database_gb_sqlite", 401.76),
        ("rendered_s_per_s", 90.0),  # 72 for events, 18 that move and are watched
        ("jobs_per_s", 45.0),
        ("commits_per_s", 1860 / 512 + 1860 / 16 + 90),
        ("render_cores", 36.0),
        ("objects_written_per_s", 90.0),
        ("object_gb", 77.76),
    ],
)
def test_demands_are_what_the_formulas_say(name: str, value: float) -> None:
    figure = asked()[name]
    assert figure.value == pytest.approx(value)
    assert figure.source is Source.DERIVED
    assert figure.how


def test_what_takes_a_figure_that_is_not_known_is_left_out() -> None:
    assert not {"database_gb_postgresql", "server_cores", "render_gpus"} & set(asked())
    with_gpu = FIGURES | {"gpu_s_per_clip_s": measured("gpu_s_per_clip_s", 2.0, "a test")}
    assert demands(3600, FLEET.figures(), with_gpu)["render_gpus"].value == pytest.approx(360)


def test_acks_are_no_more_than_packets() -> None:
    quiet = Assumptions(moving=0)
    wanted = demands(4, quiet.figures(), FIGURES)
    packets = wanted["peak_packets_per_s"].value
    assert wanted["broker_messages_per_s"].value == pytest.approx(packets + 1 / 60 + packets)


def test_demands_grow_with_the_cameras() -> None:
    one, many = asked(100), asked(1000)
    assert {name: figure.value * 10 for name, figure in one.items()} == pytest.approx(
        {name: figure.value for name, figure in many.items()}
    )


def test_the_part_with_the_least_headroom_breaks_first() -> None:
    found = parts(3600, asked(), FLEET.figures(), FIGURES)
    carried = {part.name: part.cameras_of_one for part in found}
    assert [part.headroom for part in found] == sorted(part.headroom for part in found)
    assert carried["captions, SQLite"] == pytest.approx(3600 * 50 / 1860)
    assert carried["broker"] == pytest.approx(3600 * 50_000 / 4110)
    assert carried["space, SQLite"] == pytest.approx(3600 * 100 / 401.76)
    assert found[0].name == "captions, SQLite"
    assert found[0].units == 38  # 1860 / 50, and a part of one
    assert {part.store for part in found} == {None, "SQLite"}


def test_what_breaks_depends_on_the_database() -> None:
    found = parts(3600, asked(), FLEET.figures(), FIGURES)
    on_sqlite, on_postgresql = breaking(found, "SQLite"), breaking(found, "PostgreSQL")
    assert on_sqlite[0] == "captions, SQLite"
    assert on_postgresql == ["rendering, shipped renderer"]
    assert breaking(parts(10, asked(10), FLEET.figures(), FIGURES), "SQLite") == []


def test_nothing_breaks_that_nobody_uses() -> None:
    unwatched = Assumptions(watched=0, events=0)
    wanted = demands(100, unwatched.figures(), FIGURES)
    names = {part.name for part in parts(100, wanted, unwatched.figures(), FIGURES)}
    assert not {"rendering, shipped renderer", "jobs, SQLite"} & names
    assert "broker" in names


def test_every_part_says_what_replaces_it_and_asks_for_what_there_is() -> None:
    every = {name: measured(name, 1.0, "a test") for name in UNITS}
    wanted = demands(1, FLEET.figures(), every)
    assert {part.name for part in parts(1, wanted, FLEET.figures(), every)} == {kind.name for kind in KINDS}
    assert all(kind.replacement for kind in KINDS)


@pytest.mark.parametrize(("name", "value"), [("moving", 1.5), ("watched", -0.1), ("events", 2), ("busy", 0)])
def test_shares_are_shares(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"--{name}"):
        Assumptions(**{name: value})


def test_each_assumption_says_whether_anyone_chose_it() -> None:
    figures = Assumptions(moving=0.1).figures()
    assert figures["moving"].how == "option --moving"
    assert figures["clip_days"].how == "default --clip-days"
    assert {figure.source for figure in figures.values()} == {Source.GIVEN}
