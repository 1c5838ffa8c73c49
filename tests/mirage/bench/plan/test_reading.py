"""Figures from files: what other commands print is read, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mirage.bench.plan import prices
from mirage.bench.plan.figures import Source
from mirage.bench.plan.prices import costs
from mirage.bench.plan.reading import read, together
from mirage.bench.report import Machine, Report, to_json
from mirage.errors import InputError
from tests.conftest import ROOT
from tests.mirage.bench.plan.test_demand import FIGURES, FLEET, asked


def written(folder: Path, bench: str, results: Mapping[str, object]) -> Path:
    path = folder / "figures.json"
    path.write_bytes(to_json(Report(bench, (), results)))
    return path


def values(path: Path) -> dict[str, float]:
    return {name: figure.value for name, figure in read(path).figures.items()}


def test_the_best_turn_of_ingest_counts(tmp_path: Path) -> None:
    turns = [{"stored_per_s": rate, "derived_per_s": rate / 8} for rate in (8000, 12_000, 9000)]
    path = written(tmp_path, "ingest", {"processes_1": turns, "commit_ms": 0.5, "packets": 6})
    assert values(path) == {
        "ingest_packets_per_s_sqlite": 12_000, "derive_packets_per_s_sqlite": 1500, "commit_ms_sqlite": 0.5,
    }  # fmt: skip
    how = read(path).figures["commit_ms_sqlite"].how
    assert how == "bench ingest, figures.json"
    assert read(path).about.startswith("figures.json: bench ingest, revision ")


def test_the_queue_is_read_of_the_databases_that_were_there(tmp_path: Path) -> None:
    queue = {"commit_ms_median": 2.0, "workers_1": {}, "workers_4": {"jobs_per_s": 300.0}}
    path = written(tmp_path, "cloud", {"queue": {"sqlite": queue, "postgresql": "is not installed"}})
    assert values(path) == {"queue_jobs_per_s_sqlite": 300, "commit_ms_sqlite": 2}
    assert values(written(tmp_path, "cloud", {"click": {}})) == {}


def test_the_shipped_renderer_is_read_by_its_processor_time(tmp_path: Path) -> None:
    path = written(tmp_path, "render preview", {"baseline": {"cpu_s_per_2_s_segment": 0.3}})
    assert values(path) == {"render_core_s_per_clip_s": 0.15}


def test_a_heavy_renderer_counts_only_on_an_accelerator(tmp_path: Path) -> None:
    results = {"clip": {"frames": 49, "fps": 24.5}, "baseline": {"clip_s": 10.0}}
    path = written(tmp_path, "render diffusers ltx-2b", results)
    printed = msgspec.json.decode(path.read_bytes())
    printed["machine"]["accelerator"] = None
    path.write_bytes(msgspec.json.encode(printed))
    with pytest.raises(InputError, match="no accelerator was there"):
        read(path)
    printed["machine"]["accelerator"] = "NVIDIA H200"
    path.write_bytes(msgspec.json.encode(printed))
    assert values(path) == {"gpu_s_per_clip_s": 5.0}
    assert "NVIDIA H200" in read(path).about


def test_what_tls_adds_is_read_where_the_wire_was_captured(tmp_path: Path) -> None:
    case = {"case": "QoS 1, TLS", "packets": 200, "proxy_mqtt_bytes": 30_000, "wire_ip_bytes": 62_000}
    others = [case | {"case": "QoS 0, TLS", "wire_ip_bytes": 1}]
    assert values(written(tmp_path, "ledger", {"cases": [*others, case]})) == {"link_bytes_per_packet": 160}
    case["wire_ip_bytes"] = "not captured: needs root or CAP_NET_RAW"
    assert values(written(tmp_path, "ledger", {"cases": [*others, case]})) == {}


def test_a_plan_is_read_again_with_what_each_figure_said(tmp_path: Path) -> None:
    figures = {"commit_ms_sqlite": FIGURES["commit_ms_sqlite"]}
    found = read(written(tmp_path, "plan", {"figures": figures})).figures["commit_ms_sqlite"]
    assert found.value == 2.0
    assert found.how == "a test (figures.json)"


def test_runs_on_one_machine_are_turns_of_which_the_best_counts(tmp_path: Path) -> None:
    reports = []
    for number, (rate, commit_ms) in enumerate([(5000, 1.0), (9000, 4.0), (7000, 2.0)]):
        turns = [{"stored_per_s": rate, "derived_per_s": 100}]
        (tmp_path / str(number)).mkdir()
        results = {"processes_1": turns, "commit_ms": commit_ms}
        reports.append(read(written(tmp_path / str(number), "ingest", results)))
    found = together(reports)
    assert found["ingest_packets_per_s_sqlite"].value == 9000
    assert found["commit_ms_sqlite"].value == 1.0
    other = replace(reports[2], machine=msgspec.structs.replace(Machine.here(), cores=999))
    assert together([*reports, other])["ingest_packets_per_s_sqlite"].value == 7000


def test_footage_of_ones_own_is_read_as_mirage_encode_prints_it(tmp_path: Path) -> None:
    path = tmp_path / "yard.json"
    ledger = {"source": {"width": 640, "height": 360, "fps": 25.0, "duration_s": 36.0, "raw_bytes": 1}}
    path.write_bytes(msgspec.json.encode(ledger | {"segments": 18, "packet_bytes": 1800, "layers": {}}))
    assert values(path) == {"moving_packets_per_h": 1800, "moving_bytes_per_h": (1800 + 18 * 32) * 100}
    assert read(path).figures["moving_bytes_per_h"].source is Source.DERIVED


@pytest.mark.parametrize(
    ("bench", "results", "message"),
    [
        ("chaos", {}, "is of `bench chaos`; plans take figures of ingest"),
        ("ingest", {"packets": 1}, "is not what `mirage bench` or `mirage encode` print"),
        ("plan", {"figures": {"luck": FIGURES["commit_ms_sqlite"]}}, "figures luck are not known"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, bench: str, results: Mapping[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(written(tmp_path, bench, results))


@pytest.mark.parametrize("content", [b"", b"{}", b'{"bench": 1}', b"no json", b'{"bench": "ingest"}'])
def test_what_is_no_report_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "figures.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"figures\.json: is not what"):
        read(path)


def test_the_example_of_prices_is_complete_and_adds_up() -> None:
    listed = prices.load(ROOT / "deploy" / "prices.example.toml")
    assert {getattr(listed, name) for name in msgspec.structs.asdict(listed)} == {"EUR", 1.0}
    found = costs(listed, FLEET.figures(), asked())
    assert found["uplink_gb"].value == pytest.approx(478.224 + 241.056)
    assert found["million_objects"].value == pytest.approx(233.28)
    assert found["total"].value == pytest.approx(sum(v.value for k, v in found.items() if k != "total"))
    assert found["total"].unit == "EUR a month"
    assert "gpu_month" not in found, "no figure of a GPU is known"


def test_what_has_no_price_is_not_added_up(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('currency = "CHF"\nobject_gb_month = 0.5\n')
    found = costs(prices.load(path), FLEET.figures(), asked())
    assert set(found) == {"object_gb_month", "total"}
    assert found["total"].value == pytest.approx(38.88)
    path.write_text('currency = "CHF"\nluck = 1\n')
    with pytest.raises(InputError, match="luck"):
        prices.load(path)
