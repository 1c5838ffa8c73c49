"""How sure a clip is, is told of what its renderer was to draw: before a filter, and not of stand-ins."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from cloud import jobs
from cloud.bundles import Bundles
from cloud.catalog import Catalog
from cloud.confidence.assessor import Assessment, Assessor
from cloud.objects import Objects
from cloud.schema import ClipRow
from cloud.store import Store
from cloud.terms import Terms
from cloud.worker import Worker
from tests.bundles import CAPTIONS
from tests.cloud.demanding import bound_by
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import Device, MeanRenderer
from wire.bundle import Bundle
from wire.policy import Demands, Policy
from wire.segment import Segment

Frames = NDArray[np.uint8]


class Noting(Assessor):
    """Finds every clip as sure as any, and keeps what it was shown of it."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[Segment, Frames]] = []

    def assess(self, _bundle: Bundle, segment: Segment, frames: Frames, _rate: Fraction) -> Assessment:
        self.shown.append((segment, frames))
        return Assessment(1.0, measure="tokens-1", likeness=1.0, at_ms=0)


Make = Callable[..., Noting]


@pytest.fixture
def make(store: Store, bundle: Bundle, desk: Desk, device: Device, tmp_path: Path) -> Make:
    """Film and render one segment as it is asked for."""

    def film(policy: Policy, demands: Demands | None = None) -> Noting:
        assessor = Noting()
        bundles = Bundles([bundle], lambda _bundle, _threads: MeanRenderer())
        objects, terms = Objects(str(tmp_path / "objects")), Terms.of(policy)
        worker = Worker(store, objects, bundles, terms, lambda: NOW_MS, assessor=assessor)
        sent = device.packet(CAPTIONS[0])
        desk.sem(device, sent if demands is None else bound_by(sent, demands))
        with store.write() as session:
            jobs.enqueue(session, 1, NOW_MS)
        assert worker.work()
        return assessor

    desk.birth(device)
    return film


def said(store: Store) -> Mapping[str, object]:
    clip = Catalog(store).segment(1).clip
    assert clip is not None
    return clip.confidence


def test_of_a_styled_clip_what_the_filter_was_given_is_compared(
    make: Make, store: Store, tmp_path: Path
) -> None:
    ((_, frames),) = make(Policy(long_side_px=64, style_prompt="pencil")).shown
    assert (frames[..., 0] != frames[..., 2]).any()
    assert said(store) == {"score": 1.0, "low": False}
    with store.read() as session:
        key = session.scalars(select(ClipRow.poster_key)).one()
    poster = cv2.imdecode(np.frombuffer(Objects(str(tmp_path / "objects")).read(key, 0, 2**20), np.uint8), 1)
    assert poster is not None
    assert np.ptp(poster[: len(poster) // 2].astype(int), axis=2).max() < 8  # a pencil has no colours


def test_only_the_planes_that_are_asked_for_are_compared(make: Make) -> None:
    ((segment, _),) = make(Policy(long_side_px=64, planes=1)).shown
    assert segment.tokens is not None
    assert len(segment.tokens) == 1


def test_of_a_clip_without_planes_nothing_is_known(make: Make, store: Store) -> None:
    assert make(Policy(long_side_px=64, planes=0)).shown == []
    assert said(store)["score"] is None
    assert "receiver.planes = 0" in str(said(store)["why"])


def test_of_a_clip_with_stand_ins_nothing_is_known(make: Make, store: Store) -> None:
    assert make(Policy(long_side_px=64), Demands(stand_in=True)).shown == []
    assert said(store)["score"] is None
    assert "stand-ins" in str(said(store)["why"])
