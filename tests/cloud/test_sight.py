"""What a visitor of the page can name: nothing outside of the scope, whatever a browser sends."""

from pathlib import Path

import pytest

from cloud.access.asks import Asking, Asks
from cloud.access.roles import Caller, Role, Scope
from cloud.catalog import UnknownCameraError, UnknownSegmentError
from cloud.objects import Objects
from cloud.page.sight import Sight
from cloud.problems import ProblemError
from cloud.schema import JobRow
from cloud.search import Search, Wanted
from cloud.store import Store
from cloud.viewing import Viewing
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import Device
from wire.bundle import Bundle
from wire.topics import DeviceTopics

THEIRS = "umbra/south/jetson-9/gate"


@pytest.fixture
def filmed(desk: Desk, bundle: Bundle) -> None:
    acme, umbra = Device(bundle), Device(bundle, name="jetson-9", boot=9)
    umbra.topics = DeviceTopics("umbra", "south", "jetson-9")
    for device in (acme, umbra):
        desk.birth(device)
        for caption in CAPTIONS[:2]:
            desk.sem(device, device.packet(caption))


def sight(store: Store, folder: Path, caller: Caller, asks: Asks | None = None) -> Sight:
    viewing = Viewing(store, Objects(str(folder / "objects")), lambda: NOW_MS)
    return Sight(viewing, Search(store), Asking(asks or Asks(None), caller))


def state_of(store: Store, segment_id: int) -> str | None:
    with store.read() as session:
        job = session.get(JobRow, (segment_id, ""))
        return None if job is None else job.state


@pytest.mark.usefixtures("filmed")
def test_a_visitor_sees_the_scope_and_nothing_else(store: Store, tmp_path: Path) -> None:
    seen = sight(store, tmp_path, Caller("wall", Role.VIEWER, Scope.parse("acme")))
    assert [camera.tenant for camera in seen.cameras()] == ["acme"]
    with pytest.raises(UnknownCameraError, match=f"no camera '{THEIRS}'"):
        seen.segments(THEIRS, 10)
    hits = seen.find(Wanted("a", {})).results
    assert {hit.segment.camera.split("/")[0] for hit in hits} == {"acme"}
    everything = sight(store, tmp_path, Caller("desk", Role.VIEWER))
    (theirs, *_) = [segment.id for segment in everything.segments(THEIRS, 10)]
    assert seen.these([theirs]) == []
    for forbidden in (seen.segment, seen.cancel, lambda number: seen.ask(number, patient=False)):
        with pytest.raises(UnknownSegmentError, match=f"no segment {theirs}"):
            forbidden(theirs)
    assert state_of(store, theirs) is None


@pytest.mark.usefixtures("filmed")
def test_only_an_operator_cancels(store: Store, tmp_path: Path) -> None:
    viewer = sight(store, tmp_path, Caller("wall", Role.VIEWER))
    viewer.ask(1, patient=False)
    viewer.cancel(1)
    assert (viewer.may_cancel, state_of(store, 1)) == (False, "queued")
    sight(store, tmp_path, Caller("desk", Role.OPERATOR)).cancel(1)
    assert state_of(store, 1) == "cancelled"


@pytest.mark.usefixtures("filmed")
def test_clips_are_asked_for_within_the_limit_and_what_is_asked_for_already_is_free(
    store: Store, tmp_path: Path
) -> None:
    seen = sight(store, tmp_path, Caller("wall", Role.VIEWER), Asks(1, lambda: 0))
    seen.ask(1, patient=False)
    seen.ask(1, patient=False)
    with pytest.raises(ProblemError, match="asks for more clips than 1 a minute; again in 60 s"):
        seen.ask(2, patient=False)
    assert state_of(store, 2) is None


def test_what_is_inside_is_the_business_of_operators_of_the_whole_fleet(store: Store, tmp_path: Path) -> None:
    def knows(role: Role, scope: str | None) -> bool:
        return sight(store, tmp_path, Caller("x", role, Scope.parse(scope))).knows_inside

    assert [knows(role, None) for role in Role] == [False, True, True]
    assert not knows(Role.ADMIN, "acme")
