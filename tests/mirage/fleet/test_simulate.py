"""Twenty devices for some seconds: nothing is lost, and what is done wrong on purpose is found."""

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cloud.schema import DeviceRow, QuarantineRow, SegmentRow
from mirage.fleet.report import Report, print_report
from mirage.fleet.scenario import Name
from mirage.fleet.settings import Mistake
from mirage.fleet.simulate import Request, folder_for, simulated

DEVICES = 20


def run(folder: Path, request: Request) -> tuple[Report, dict[str, int]]:
    """Simulate; gives the report, and how many rows of a kind the store has."""
    with folder_for(folder / "run") as place, simulated(request, place) as (report, stage):
        counts = {}
        with stage.store.read() as session:
            for kind in (DeviceRow, QuarantineRow, SegmentRow):
                counts[kind.__tablename__] = session.scalar(select(func.count()).select_from(kind)) or 0
        return report, counts


@pytest.mark.slow
@pytest.mark.parametrize("broker", ["auto", "iotcore"])
@pytest.mark.usefixtures("tiny", "bunny")
def test_a_fleet_whose_links_fail_loses_nothing(
    tmp_path: Path, broker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    request = Request(DEVICES, 8.0, Name.STORM, seed=8, broker=broker, page=False)
    report, counts = run(tmp_path, request)
    packets = report.packets
    assert packets.faults == ()
    assert packets.captured == packets.stored > DEVICES
    assert (packets.lost, packets.waiting, packets.altered, packets.made_up) == (0, 0, 0, 0)
    assert (report.overruns, report.ok) == (0, True)
    assert counts[DeviceRow.__tablename__] == DEVICES
    assert counts[QuarantineRow.__tablename__] == 0, "the cloud understands all of it"
    assert report.connections >= DEVICES
    assert report.cuts > 0, "links fail in this scenario"
    assert report.ack.count >= packets.captured
    assert set(report.load) == {"ingest", "serve", "broker"}
    assert {"caption", "motion", "appearance-tokens"} <= report.layers.keys()
    assert {"connection", "live", "record"} <= report.mqtt_bytes.keys()
    print_report(report, as_object=True)
    assert json.loads(capsys.readouterr().out)["packets"]["captured"] == packets.captured


@pytest.mark.slow
@pytest.mark.usefixtures("tiny", "bunny")
def test_a_lost_packet_and_an_overrun_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mistakes = (Mistake.LOSES, Mistake.OVERSPENDS)
    request = Request(DEVICES, 6.0, Name.STORM, page=False, mistakes=mistakes, drain_s=30.0)
    report, _ = run(tmp_path, request)
    assert not report.ok
    assert 0 < report.packets.lost < report.packets.captured
    assert "not stored: 0" in report.packets.faults[0]
    assert 0 < report.overruns < DEVICES, "a fifth of all devices has no budget"
    assert report.overrun_bytes > 0
    print_report(report, as_object=False)
    assert report.packets.faults[0] in capsys.readouterr().out
