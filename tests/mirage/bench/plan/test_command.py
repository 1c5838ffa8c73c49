"""`mirage bench plan` as users call it."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mirage.bench.plan import broker, database, traffic
from mirage.bench.plan.figures import UNITS, better
from mirage.bench.plan.figures import measured as measured_figure
from mirage.bench.plan.measuring import ELSEWHERE
from mirage.bench.report import Report, to_json
from mirage.cli import app
from mirage.errors import InputError
from tests.conftest import ROOT
from tests.mirage.bench.plan.test_demand import FIGURES
from tests.mirage.bench.printed import bench


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """All figures that the command would else measure; PostgreSQL's are made up from SQLite's."""
    figures = dict(FIGURES)
    for name in UNITS:
        if name.endswith("_postgresql"):
            figures[name] = FIGURES[name.replace("postgresql", "sqlite")]
    path = tmp_path / "measured.json"
    path.write_bytes(to_json(Report("plan", (), {"figures": figures})))
    return path


def test_of_several_turns_the_best_counts() -> None:
    slow, quick = (measured_figure("queue_jobs_per_s_sqlite", value, "a turn") for value in (50.0, 300.0))
    assert (
        better("queue_jobs_per_s_sqlite", slow, quick)
        is better("queue_jobs_per_s_sqlite", quick, slow)
        is quick
    )
    short, long = (measured_figure("commit_ms_sqlite", value, "a turn") for value in (0.7, 4.0))
    assert better("commit_ms_sqlite", short, long) is better("commit_ms_sqlite", long, short) is short


@pytest.mark.slow
@pytest.mark.timeout(900)  # a busy machine with one core
def test_what_no_file_tells_is_measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WORKERS", 1)
    monkeypatch.setattr(broker, "_MESSAGES", 10_000)
    monkeypatch.setattr(broker, "_CONNECTIONS", 1000)
    monkeypatch.setattr(traffic, "_STILL_S", 20)
    printed = bench("plan", "--cameras", 50, "--packets", 100)
    figures, unknown = printed.part("figures"), printed.results["unknown"]
    assert isinstance(unknown, list)
    assert set(figures) | set(unknown) == set(UNITS)
    assert set(unknown) >= ELSEWHERE, "no figure of a GPU is made up"
    for name, figure in figures.items():
        assert isinstance(figure, dict)
        assert figure["value"] > 0, name
        assert figure["source"] == "measured"
        assert "here at a load of" in figure["how"]
    on_sqlite = {name for name in UNITS if not name.endswith("_postgresql")} - ELSEWHERE
    assert on_sqlite - set(figures) <= {
        "broker_cpu_s_per_message", "broker_bytes_per_connection", "link_bytes_per_packet",
    }  # fmt: skip


def test_each_number_of_cameras_has_its_plan(measured: Path) -> None:
    printed = bench("plan", "--cameras", 100, "--cameras", 1_000_000, "--measured", measured)
    plans = printed.results["plans"]
    assert isinstance(plans, list)
    assert [plan["cameras"] for plan in plans] == [100, 1_000_000]
    assert printed.gates == ()
    few, many = plans
    assert few["breaks"]["SQLite"] == []
    assert {"broker", "space, SQLite"} <= set(many["breaks"]["SQLite"])
    assert "space, SQLite" not in many["breaks"]["PostgreSQL"]
    for figure in many["demands"].values():
        assert figure["source"] == "derived"
    files = printed.results["files"]
    assert isinstance(files, list)
    assert files[0].startswith("measured.json: bench plan, revision ")


def test_a_gpu_that_is_given_is_planned_for(measured: Path) -> None:
    options = ("--cameras", 1000, "--measured", measured, "--gpu-seconds-per-clip-second", 4)
    printed = bench("plan", *options)
    assert printed.part("figures")["gpu_s_per_clip_s"] == {
        "value": 4.0, "unit": "GPU-s/s of video", "source": "given",
        "how": "option --gpu-seconds-per-clip-second",
    }  # fmt: skip
    plans = printed.results["plans"]
    assert isinstance(plans, list)
    assert plans[0]["demands"]["render_gpus"]["value"] == pytest.approx(1000 * 0.01025 * 4 / 0.7)


def test_tables_say_where_each_number_comes_from_and_what_breaks(measured: Path) -> None:
    prices = ROOT / "deploy" / "prices.example.toml"
    options = ["--cameras", "9000", "--measured", str(measured), "--prices", str(prices)]
    result = CliRunner().invoke(app, ["bench", "plan", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    for part in ("default --moving", "measured", "given", "EUR a month", "which part breaks first"):
        assert part in told
    assert "9,000 cameras on SQLite: one unit is too little of captions, SQLite" in told


def test_the_picture_is_the_same_each_time(measured: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install '.[bench]'")
    pictures = list[bytes]()
    for name in ("one.svg", "other.svg"):
        bench("plan", "--cameras", 100, "--measured", measured, "--plot", tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    texts = {each.text for each in ET.fromstring(pictures[0]).iter() if each.tag.endswith("text")}  # noqa: S314 -- ours
    assert "cameras" in texts
    assert any(text and text.startswith("broker: ") for text in texts)


def test_a_picture_of_another_kind_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(InputError, match=r"plan\.png: the picture is an SVG"):
        bench("plan", "--cameras", 100, "--plot", "plan.png")
