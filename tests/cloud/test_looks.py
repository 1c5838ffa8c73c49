"""Roles see a camera as their own tables ask for it: clips are kept apart exactly where that differs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud import jobs
from cloud.access.roles import Role
from cloud.anchor_book import AnchorBook
from cloud.bundles import Bundles
from cloud.catalog import ClipView
from cloud.config import Config, ConfigError, parse
from cloud.hls.films import Films
from cloud.hls.ledger import Stream
from cloud.hls.live import Live
from cloud.hls.recorded import Recorded
from cloud.jobs import State
from cloud.looks import AskedLooks
from cloud.objects import Objects
from cloud.queue import Queue
from cloud.reasons import NOT_MADE
from cloud.render.anchors import decode
from cloud.render.renderer import Context, never
from cloud.schema import ClipRow, JobRow
from cloud.store import Store
from cloud.thumbs import NoThumbError, Thumbs
from cloud.viewing import NoClipError, Viewing
from cloud.worker import Worker
from tests.cloud.demanding import bound_by
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import Device
from tests.cloud.test_obeyed import Noting
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Demands, Policy
from wire.segment import Segment

DEAD: tuple[State, ...] = ("dead",)
GATE = "acme/north/jetson-1/gate"
SHORT = '[broker]\nhost = "broker"\n[bundle]\npaths = ["/models/tiny"]\n[render]\nlong_side_px = 64\n'
APART = SHORT + "[receiver.viewer]\nlong_side_px = 32\nseed = 7\n"


def read(text: str) -> Config:
    return parse(text.encode(), Path("/etc/mirage/cloud.toml"))


class House:
    """A cloud whose settings may change."""

    def __init__(self, store: Store, bundle: Bundle, folder: Path, text: str) -> None:
        self.store, self.noting = store, Noting()
        self.objects = Objects(str(folder / "objects"))
        self.bundles = Bundles([bundle], lambda _bundle, _threads: self.noting)
        self.book = AnchorBook(store, self.objects)
        self.now_ms = NOW_MS
        self.settle(text)

    def settle(self, text: str) -> None:
        config = read(text)
        self.looks = AskedLooks(config.wishes, config.render.receiver(None), self.book)
        self.viewing = Viewing(self.store, self.objects, lambda: self.now_ms, self.looks)
        self.worker = Worker(self.store, self.objects, self.bundles, self.looks, lambda: self.now_ms)
        self.live = Live(self.store, Films(self.objects), lambda: self.now_ms, looks=self.looks)

    def clip(self, role: Role, segment_id: int = 1) -> ClipView | None:
        self.viewing.ask(segment_id, role=role)
        while self.worker.work():
            pass
        return self.viewing.catalog.segment(segment_id, role).clip

    def count(self, kind: type[JobRow] | type[ClipRow]) -> int:
        with self.store.read() as session:
            return session.query(kind).count()


@pytest.fixture
def film(desk: Desk, device: Device) -> Callable[[], None]:
    desk.birth(device)

    def send() -> None:
        desk.sem(device, device.packet())

    return send


def house(store: Store, bundle: Bundle, folder: Path, text: str = APART) -> House:
    return House(store, bundle, folder, text)


def test_each_table_goes_before_the_ones_to_its_left() -> None:
    config = read(
        SHORT
        + "steps = 1\nfps = 1\nguidance = 1\nframes = 1\n"
        + "[receiver]\nfps = 2\nguidance = 2\nframes = 2\nseed = 2\n"
        + "[receiver.viewer]\nframes = 4\nseed = 4\n"
        + '[[receiver.camera]]\nname = "acme/*/*/gate"\nguidance = 3\nframes = 3\nseed = 3\n'
        + '[[receiver.camera]]\nname = "acme/*/*/gate"\nrole = "viewer"\nseed = 5\n'
    )
    asked = config.receiver_for("viewer", GATE)
    assert (asked.steps, asked.fps, asked.guidance, asked.frames, asked.seed) == (1, 2, 3, 4, 5)
    other = config.receiver_for("operator", GATE)
    assert (other.guidance, other.frames, other.seed) == (3, 3, 3)
    assert config.receiver_for("viewer", "acme/north/jetson-1/yard").seed == 4
    assert config.receiver_for("operator").seed == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[receiver]\nlong_side = 64\n", "long_side"),
        ("[receiver.guest]\nsteps = 4\n", "guest"),
        ("[receiver.viewer]\npublish = false\n", "publish"),
        ('[receiver]\npeople = "blurred"\n', "receiver.people"),
        ('[[receiver.camera]]\nname = "acme/north"\n', "is not tenant/site/device/camera"),
        ("[receiver.viewer]\nlong_side_px = 4\n", "receiver.viewer.long_side_px"),
    ],
)
def test_what_no_table_has_is_an_error_that_names_it(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read(SHORT + text)


def test_a_clip_of_each_role_is_as_its_table_says_and_kept_apart(
    any_store: Store, device: Device, bundle: Bundle, tmp_path: Path
) -> None:
    desk = Desk(any_store, [bundle])
    desk.birth(device)
    desk.sem(device, device.packet())
    here = house(any_store, bundle, tmp_path)
    mine, theirs = here.clip(Role.VIEWER), here.clip(Role.OPERATOR)
    assert mine is not None
    assert theirs is not None
    assert (mine.width, theirs.width) == (32, 64)
    assert (json.loads(mine.provenance)["seed"], json.loads(theirs.provenance)["seed"]) == (7, 0)
    sizes = [here.viewing.find(1, "video", role=role).size for role in (Role.VIEWER, Role.OPERATOR)]
    assert sizes == [mine.bytes, theirs.bytes]
    tags = {here.viewing.find(1, "video", role=role).tag for role in Role}
    assert len(tags) == 2, "operator and admin ask for the same, and share it"
    assert here.count(JobRow) == here.count(ClipRow) == 2


def test_all_that_a_table_says_reaches_the_renderer(
    store: Store, film: Callable[[], None], bundle: Bundle, tmp_path: Path
) -> None:
    film()
    table = (
        "[receiver.viewer]\nsteps = 3\nfps = 5\nframes = 9\nguidance = 2\nseed = 11\nplanes = 1\n"
        'style_prompt = "at dusk"\nnegative_prompt = "text"\nstand_in = "figure"\npeople = "stand-in"\n'
    )
    here = house(store, bundle, tmp_path, SHORT + table)
    clip = here.clip(Role.VIEWER)
    assert here.noting.policies == [Policy(64, 3, 5, 9, 2, "at dusk", "text", planes=1, stand_in="figure")]
    assert here.noting.seeds == [11]
    assert clip is not None
    assert {json.loads(clip.provenance)[name] for name in ("seed",)} == {11}
    said = {name: clip.constraints[name] for name in ("steps", "seed", "planes", "people_drawn")}
    assert all(isinstance(each, dict) and each["by"] == "receiver" for each in said.values())


def test_nothing_is_made_for_a_role_that_nobody_has_asked_as(
    store: Store, film: Callable[[], None], bundle: Bundle, tmp_path: Path
) -> None:
    film()
    here = house(store, bundle, tmp_path)
    assert here.clip(Role.OPERATOR) is not None
    assert here.viewing.catalog.segment(1, Role.VIEWER).clip is None
    assert [policy.long_side_px for policy in here.noting.policies] == [64]
    with pytest.raises(NoClipError):
        here.viewing.find(1, "poster", role=Role.VIEWER)


def test_roles_whose_tables_say_the_same_share_one_clip(
    store: Store, film: Callable[[], None], bundle: Bundle, tmp_path: Path
) -> None:
    film()
    here = house(store, bundle, tmp_path, SHORT + "[receiver.admin]\nlong_side_px = 64\n")
    for role in Role:
        assert here.clip(role) is not None
    assert len(here.noting.policies) == here.count(ClipRow) == 1


def test_live_view_and_interval_are_those_of_the_role(
    store: Store, film: Callable[[], None], bundle: Bundle, tmp_path: Path
) -> None:
    film()
    here = house(store, bundle, tmp_path)
    for role in (Role.VIEWER, Role.ADMIN):
        assert here.clip(role) is not None
    shown = dict[Role, tuple[Stream, str]]()
    for role in (Role.VIEWER, Role.ADMIN):
        stream = here.live.watch(GATE, role)
        here.live.round()
        (fragment, *_) = here.live.shown(stream, role)
        shown[role] = (stream, fragment.tag)
    (one, mine), (other, theirs) = shown.values()
    assert mine != theirs
    assert here.live.ledger.clip(one, 1, mine) is not None
    assert here.live.ledger.clip(one, 1, theirs) is None, "who names another role's clip gets none"
    recorded = Recorded(store, Films(here.objects), lambda: here.now_ms)
    segment = here.viewing.catalog.segment(1)
    found = [recorded.recording(stream, segment.start_ms, segment.start_ms + 10) for stream in (one, other)]
    assert [each.fragments[0].tag for each in found] == [mine, theirs]


def test_another_stream_of_a_camera_goes_on_counting(
    store: Store, film: Callable[[], None], bundle: Bundle, tmp_path: Path
) -> None:
    film()
    here = house(store, bundle, tmp_path)
    here.clip(Role.VIEWER)
    here.clip(Role.ADMIN)
    numbers = list[int]()
    for role in (Role.VIEWER, Role.ADMIN):
        stream = here.live.watch(GATE, role)
        here.live.round()
        numbers += [each.number for each in here.live.shown(stream, role)]
    assert numbers == sorted(set(numbers))


def test_what_was_made_under_other_settings_is_not_shown_and_goes(
    store: Store, film: Callable[[], None], bundle: Bundle, tmp_path: Path
) -> None:
    film()
    here = house(store, bundle, tmp_path, SHORT)
    before = here.clip(Role.VIEWER)
    assert before is not None
    here.settle(APART)
    assert here.viewing.catalog.segment(1, Role.VIEWER).clip is None
    kept = here.viewing.catalog.segment(1, Role.ADMIN).clip
    assert kept is not None, "what they ask for has not changed"
    here.settle(SHORT + "[receiver]\nlong_side_px = 48\n")
    after = here.clip(Role.VIEWER)
    assert after is not None
    assert after.width == 48
    assert here.count(ClipRow) == 1


def test_a_job_of_settings_that_are_gone_says_so(
    store: Store, film: Callable[[], None], bundle: Bundle, tmp_path: Path
) -> None:
    film()
    here = house(store, bundle, tmp_path)
    with store.write() as session:
        jobs.enqueue(session, 1, NOW_MS, look="0123456789abcdef")
    here.worker.work()
    (entry,) = Queue(store).listed(DEAD, role=Role.VIEWER)
    assert "settings have changed" in str(entry.job.error)
    assert entry.job.id == "1-1-0123456789abcdef"
    assert Queue(store).find(entry.job.id).job.state == "dead"
    assert here.noting.policies == []


def test_a_thumbnail_is_no_larger_than_the_role_sees_the_camera(
    store: Store, film: Callable[[], None], bundle: Bundle, tmp_path: Path
) -> None:
    film()
    here = house(store, bundle, tmp_path, APART + '[receiver.admin]\npeople = "stand-in"\n')
    grey = np.full((64, 64, 3), 128, np.uint8)
    thumbs = Thumbs(
        store, here.objects, here.bundles, lambda _bundle: lambda _tokens: grey,
        catalog=here.viewing.catalog, conditions=here.looks,
    )  # fmt: skip
    sides = [decode(thumbs.thumb(1, role).jpeg).shape[1] for role in (Role.VIEWER, Role.OPERATOR)]
    assert sides == [32, 64]
    with pytest.raises(NoThumbError, match="stand-in"):
        thumbs.thumb(1, Role.ADMIN)


class Broken(Noting):
    """A renderer that names a path of its machine."""

    def render(
        self, segment: Segment, context: Context, camera: CameraInfo, policy: Policy, seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:  # fmt: skip
        frames = super().render(segment, context, camera, policy, seed, cancelled)
        raise OSError(f"/srv/secret/models: no space left for {frames.shape}")


def test_why_a_clip_failed_is_for_operators_but_what_the_constraints_say_for_all(
    store: Store, desk: Desk, device: Device, bundle: Bundle, tmp_path: Path
) -> None:
    desk.birth(device)
    desk.sem(device, device.packet())
    desk.sem(device, bound_by(device.packet(refresh=True), Demands(stand_in=True)))
    here = house(store, bundle, tmp_path, SHORT)
    here.bundles = Bundles([bundle], lambda _bundle, _threads: Broken())
    here.settle(SHORT)
    for _ in range(10):
        here.clip(Role.VIEWER)
        here.now_ms += 10**7
    told = [here.viewing.catalog.segment(1, role) for role in (Role.VIEWER, Role.OPERATOR)]
    assert told[0].render == "failed"
    assert told[0].error == NOT_MADE
    assert "/srv/secret/models" in str(told[1].error)
    queue = Queue(store)
    shown = [queue.listed(DEAD, role=role)[0].job.error for role in (Role.VIEWER, Role.OPERATOR)]
    assert shown[0] == NOT_MADE
    assert "/srv/secret" in str(shown[1])
    with pytest.raises(NoClipError) as caught:
        here.viewing.find(1, "video", role=Role.VIEWER)
    assert "/srv" not in str(caught.value)
