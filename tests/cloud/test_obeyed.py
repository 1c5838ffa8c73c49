"""Clips and thumbnails are made as their senders demand, or not at all, and say so."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud import jobs
from cloud.bundles import Bundles
from cloud.catalog import SegmentView
from cloud.render.anchors import Anchors
from cloud.render.renderer import Context, never
from cloud.schema import JobRow, SegmentRow
from cloud.store import Store
from cloud.terms import Terms
from cloud.thumbs import NoThumbError, Thumbs
from tests.bundles import CAPTIONS
from tests.cloud.demanding import UNKNOWN, bound_by
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import CarryingRenderer, Device, MeanRenderer
from tests.cloud.studio import Studio
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.packet import Packet
from wire.policy import Demands, Policy
from wire.segment import Segment

PLACE = Anchors(("a" * 64,), (np.zeros((4, 4, 3), np.uint8),))
WISHES = Policy(long_side_px=64, style_prompt="at dusk", negative_prompt="blur", anchors=PLACE.sha256s)


class Noting(MeanRenderer):
    """Notes what it was asked for."""

    def __init__(self) -> None:
        self.policies: list[Policy] = []
        self.contexts: list[Context] = []
        self.captions: list[str | None] = []
        self.segments: list[Segment] = []
        self.seeds: list[int] = []

    def render(
        self, segment: Segment, context: Context, camera: CameraInfo, policy: Policy, seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:  # fmt: skip
        self.policies.append(policy)
        self.contexts.append(context)
        self.captions.append(segment.caption)
        self.segments.append(segment)
        self.seeds.append(seed)
        return super().render(segment, context, camera, policy, seed, cancelled)


@pytest.fixture
def noting() -> Noting:
    return Noting()


@pytest.fixture
def studio(store: Store, bundle: Bundle, tmp_path: Path, noting: Noting) -> Studio:
    return Studio(store, tmp_path / "objects", bundle, noting, WISHES, PLACE)


@pytest.fixture
def filmed(desk: Desk, device: Device) -> Callable[..., None]:
    desk.birth(device)

    def film(*packets: Packet) -> None:
        for packet in packets:
            desk.sem(device, packet)

    return film


def job(store: Store, segment: SegmentView) -> JobRow:
    with store.read() as session:
        return session.get_one(JobRow, (segment.id, ""))


def test_the_renderer_is_asked_for_what_is_allowed(
    studio: Studio, noting: Noting, filmed: Callable[..., None], device: Device
) -> None:
    filmed(bound_by(device.packet(), Demands(largest_px=32, anchors="none", style=False)))
    (segment,) = studio.segments()
    clip = studio.ask(segment).clip
    assert clip is not None
    assert (clip.width, clip.height) == (32, 18)
    assert noting.policies == [Policy(long_side_px=32)]
    assert noting.contexts[0].anchors == ()


def test_where_nothing_binds_it_is_asked_for_what_the_settings_say(
    studio: Studio, noting: Noting, filmed: Callable[..., None], device: Device
) -> None:
    filmed(device.packet())
    (segment,) = studio.segments()
    studio.ask(segment)
    assert noting.policies == [WISHES]
    assert len(noting.contexts[0].anchors) == 1


def test_anchors_of_people_are_taken_where_the_sender_allows_any(
    store: Store, bundle: Bundle, tmp_path: Path, filmed: Callable[..., None], device: Device
) -> None:
    from cloud.objects import Objects
    from cloud.worker import Worker

    noting, people = Noting(), Anchors(("b" * 64,), PLACE.pictures)
    bundles = Bundles([bundle], lambda _bundle, _threads: noting)
    objects = Objects(str(tmp_path / "objects"))
    worker = Worker(store, objects, bundles, Terms.of(WISHES, PLACE, people), lambda: NOW_MS)
    filmed(
        device.packet(), bound_by(device.packet(refresh=True), Demands(anchors="places")),
        bound_by(device.packet(refresh=True), Demands(anchors="none")),
    )  # fmt: skip
    for number in (1, 2, 3):
        with store.write() as session:
            jobs.enqueue(session, number, NOW_MS)
        worker.work()
    assert [policy.anchors for policy in noting.policies] == [("a" * 64, "b" * 64), ("a" * 64,), ()]
    assert [len(context.anchors) for context in noting.contexts] == [2, 1, 0]


def test_provenance_and_clip_say_field_by_field_who_decided(
    studio: Studio, filmed: Callable[..., None], device: Device
) -> None:
    filmed(bound_by(device.packet(), Demands(largest_px=32, style=False, viewers="viewer", publish=False)))
    (segment,) = studio.segments()
    clip = studio.ask(segment).clip
    assert clip is not None
    said = json.loads(clip.provenance)["constraints"]
    assert said == clip.constraints
    assert said["long_side_px"] == {
        "value": 32, "by": "sender", "outcome": "limited",
        "why": "the sender allows 32, the receiver asked for 64: the sender goes before it",
    }  # fmt: skip
    assert (said["style_prompt"]["value"], said["style_prompt"]["outcome"]) == ("", "refused")
    assert said["publish"]["value"] is False
    assert said["steps"]["by"] == "default"


def test_another_demand_is_another_clip(
    studio: Studio, filmed: Callable[..., None], device: Device, store: Store
) -> None:
    filmed(device.packet())
    (segment,) = studio.segments()
    free = studio.ask(segment).clip
    with store.write() as session:
        session.get_one(SegmentRow, segment.id).binds = b"\x08"
    bound = studio.ask(segment).clip
    assert free is not None
    assert bound is not None
    assert free.provenance != bound.provenance


def test_where_a_stand_in_is_demanded_a_renderer_gets_nothing_of_what_was_seen(
    studio: Studio, noting: Noting, filmed: Callable[..., None], device: Device
) -> None:
    demands = Demands(stand_in=True)
    filmed(*(bound_by(device.packet("an old man in a red coat walks"), demands) for _ in range(3)))
    clip = studio.ask(studio.segments()[1]).clip
    assert clip is not None
    (context,) = noting.contexts
    neighbours = [each for each in (context.previous, context.next) if each is not None]
    assert len(neighbours) == 2
    for segment in (*noting.segments, *neighbours):
        assert (segment.tokens, segment.vector, segment.memory) == (None, None, None)
        assert segment.caption == "a grey figure walks"
    assert noting.policies[0].stand_in == "figure"
    said = clip.constraints["people_drawn"]
    assert isinstance(said, dict)
    assert (said["value"], said["by"]) == ("stand-in", "sender")


def test_planes_that_are_not_to_be_looked_at_do_not_reach_a_renderer(
    store: Store, bundle: Bundle, tmp_path: Path, noting: Noting, filmed: Callable[..., None], device: Device
) -> None:
    studio = Studio(store, tmp_path / "objects", bundle, noting, replace(WISHES, planes=1), PLACE)
    filmed(device.packet())
    studio.ask(studio.segments()[0])
    (segment,) = noting.segments
    assert segment.tokens is not None
    assert len(segment.tokens) == 1


def test_what_cannot_be_met_is_refused_at_once_and_says_why(
    studio: Studio, noting: Noting, filmed: Callable[..., None], device: Device
) -> None:
    filmed(bound_by(device.packet(), UNKNOWN))
    with studio.store.write() as session:
        jobs.enqueue(session, 1, NOW_MS)
    studio.worker.work()
    with studio.store.read() as session:
        found = session.get_one(JobRow, (1, ""))
    assert (found.state, found.attempts) == ("dead", 1)
    assert "this version does not know" in str(found.error)
    assert noting.policies == []


def test_what_it_hangs_on_binds_a_clip_as_well(
    studio: Studio, noting: Noting, filmed: Callable[..., None], device: Device
) -> None:
    filmed(bound_by(device.packet(), Demands(largest_px=32)), device.packet())
    studio.ask(studio.segments()[1])
    assert noting.policies[0].long_side_px == 32


def test_nothing_is_blended_in_that_demands_more(
    studio: Studio, noting: Noting, filmed: Callable[..., None], device: Device
) -> None:
    strict = Demands(viewers="admin")
    filmed(
        bound_by(device.packet(CAPTIONS[0]), strict), device.packet(CAPTIONS[1], refresh=True),
        bound_by(device.packet(CAPTIONS[2], refresh=True), strict),
    )  # fmt: skip
    studio.ask(studio.catalog.segment(2))
    (context,) = noting.contexts
    assert (context.previous, context.next) == (None, None)
    assert studio.statements()[0]["packets"] == [1]


def test_of_two_that_demand_the_same_one_is_blended_into_the_other(
    studio: Studio, noting: Noting, filmed: Callable[..., None], device: Device
) -> None:
    demands = Demands(largest_px=32)
    filmed(*(bound_by(device.packet(refresh=True), demands) for _ in range(3)))
    studio.ask(studio.segments()[1])
    assert noting.contexts[0].previous is not None
    assert noting.contexts[0].next is not None


def test_a_clip_goes_on_from_none_that_demands_more(
    store: Store, bundle: Bundle, tmp_path: Path, filmed: Callable[..., None], device: Device
) -> None:
    renderer = CarryingRenderer()
    studio = Studio(store, tmp_path / "objects", bundle, renderer)
    strict = Demands(publish=False)
    filmed(bound_by(device.packet(), strict), bound_by(device.packet(), strict), device.packet(refresh=True))
    for segment in studio.segments():
        studio.ask(segment)
    first, second, third = renderer.carried
    assert first is None
    assert second is not None
    assert third is None


def thumbs_of(store: Store, studio: Studio, bundle: Bundle) -> Thumbs:
    def decode(_grid: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        return np.full((64, 64, 3), (200, 30, 30), np.uint8)

    return Thumbs(store, studio.objects, Bundles([bundle]), lambda _bundle: decode)


def test_a_thumbnail_is_no_larger_than_its_sender_allows(
    store: Store, studio: Studio, bundle: Bundle, filmed: Callable[..., None], device: Device
) -> None:
    filmed(bound_by(device.packet(), Demands(largest_px=48)))
    jpeg = thumbs_of(store, studio, bundle).thumb(1).jpeg
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (28, 48, 3)


@pytest.mark.parametrize(
    ("demands", "reason"), [(Demands(stand_in=True), "stand-in"), (UNKNOWN, "does not know")]
)
def test_there_is_no_thumbnail_where_it_may_not_be_drawn_so(
    store: Store,
    studio: Studio,
    bundle: Bundle,
    filmed: Callable[..., None],
    device: Device,
    demands: Demands | bytes,
    reason: str,
) -> None:
    filmed(bound_by(device.packet(), demands))
    with pytest.raises(NoThumbError, match=reason):
        thumbs_of(store, studio, bundle).thumb(1)


def test_a_thumbnail_is_made_anew_where_more_is_demanded(
    store: Store, studio: Studio, bundle: Bundle, filmed: Callable[..., None], device: Device
) -> None:
    filmed(device.packet())
    thumbs = thumbs_of(store, studio, bundle)
    before = thumbs.thumb(1)
    with store.write() as session:
        session.get_one(SegmentRow, 1).binds = b"\x04"  # a stand-in
    with pytest.raises(NoThumbError):
        thumbs.thumb(1)
    assert before.tag
