"""What the worker makes is signed and assessed; API and page say so, and anyone may check it."""

import json
from collections.abc import Callable, Iterator
from datetime import timezone
from fractions import Fraction
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud import jobs
from cloud.api import Health, create_api
from cloud.bundles import Bundles
from cloud.catalog import Catalog, SegmentView
from cloud.confidence.assessor import Assessment, Assessor
from cloud.objects import Objects
from cloud.page import markup, wording
from cloud.page.provenance import provenance_list
from cloud.provenance.checking import ForgedError, check
from cloud.provenance.notary import UNSIGNED, Notary
from cloud.provenance.register import known, note
from cloud.provenance.signing import from_pem, key_id
from cloud.provenance_routes import provenance_routes
from cloud.schema import ClipRow
from cloud.store import Store
from cloud.terms import Terms
from cloud.viewing import Viewing
from cloud.worker import Worker
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.provenance.films import OURS, THEIRS
from tests.cloud.sample import Device, MeanRenderer
from tests.cloud.web import serving
from wire.bundle import Bundle
from wire.policy import Policy
from wire.segment import Segment

CAMERA_ID = "acme/north/jetson-1/gate"
SURE = Assessment(0.93, measure="tokens-1", likeness=0.95, planes=(1.0, 0.9), at_ms=300)
DOUBTED = Assessment(0.21, measure="tokens-1", likeness=0.6, planes=(0.4, 0.3), at_ms=300)
UNKNOWN = Assessment(None, "no code of what the keyframe looks like was received")


class Scripted(Assessor):
    """Finds what it was told to, clip by clip."""

    def __init__(self, *found: Assessment) -> None:
        super().__init__()
        self._found = list(found)

    def assess(
        self, bundle: Bundle, segment: Segment, frames: NDArray[np.uint8], rate: Fraction
    ) -> Assessment:
        assert (bundle.manifest.name, len(frames)) == ("sample", round(segment.duration_ms * rate / 1000))
        return self._found.pop(0)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(str(tmp_path / "objects"))


@pytest.fixture
def make(store: Store, objects: Objects, bundle: Bundle, desk: Desk, device: Device) -> Callable[..., None]:
    """Film and render as many segments as there are assessments."""
    desk.birth(device)

    def film(*found: Assessment, notary: Notary = Notary(OURS)) -> None:  # noqa: B008 -- frozen
        bundles = Bundles([bundle], lambda _bundle, _threads: MeanRenderer())
        terms, clock = Terms.of(Policy(long_side_px=64)), lambda: NOW_MS
        assessor = Scripted(*found) if found else None
        worker = Worker(store, objects, bundles, terms, clock, notary=notary, assessor=assessor)
        for number in range(max(len(found), 1)):
            desk.sem(device, device.packet(CAPTIONS[number]))
            with store.write() as session:
                jobs.enqueue(session, number + 1, NOW_MS)
            assert worker.work()

    return film


@pytest.fixture
def http(store: Store, objects: Objects) -> Iterator[httpx.Client]:
    app = create_api(Viewing(store, objects), lambda: Health(ok=True, troubles={}, messages={}))
    app.include_router(provenance_routes(store))
    with serving(app) as client:
        yield client


def segment(store: Store, packet_id: int) -> SegmentView:
    return Catalog(store).segment(packet_id)


def test_film_and_document_are_checked_with_the_key_that_anyone_may_fetch(
    http: httpx.Client, make: Callable[..., None], store: Store
) -> None:
    make(SURE)
    with store.write() as session:
        note(session, OURS.public, NOW_MS)
    keys = from_pem(http.get("/api/v1/provenance-keys.pem").content)
    film, document = http.get("/api/v1/clips/1.mp4").content, http.get("/api/v1/clips/1.json").content
    for found in (check(film, keys), check(film, keys, document), check(document, keys)):
        assert found.key == key_id(OURS.public)
        assert found.document == json.loads(document)
    with pytest.raises(ForgedError, match="none of those"):
        check(film, [THEIRS.public])
    with pytest.raises(ForgedError, match="changed since it was signed"):
        check(film, keys, document.replace(b'"seed":0', b'"seed":1'))


def test_the_document_is_the_statement_and_what_vouches_for_it(
    make: Callable[..., None], store: Store, http: httpx.Client
) -> None:
    make(SURE)
    clip = segment(store, 1).clip
    assert clip is not None
    document = http.get("/api/v1/clips/1.json").json()
    assert {name: document.pop(name) for name in ("confidence", "signature")}["confidence"] == {
        "score": 0.93, "measure": "tokens-1", "likeness": 0.95, "at_ms": 300, "planes": [1.0, 0.9],
    }  # fmt: skip
    assert document.pop("clip")["bytes"] < clip.bytes
    assert document == json.loads(clip.provenance)


def test_the_interface_says_how_sure_a_clip_is_and_who_signed_it(
    make: Callable[..., None], http: httpx.Client
) -> None:
    make(SURE, DOUBTED, UNKNOWN)
    clips = [http.get(f"/api/v1/segments/{number}").json()["clip"] for number in (1, 2, 3)]
    assert [clip["confidence"] for clip in clips] == [
        {"score": 0.93, "low": False}, {"score": 0.21, "low": True}, {"score": None, "why": UNKNOWN.why},
    ]  # fmt: skip
    assert {clip["signed_by"] for clip in clips} == {key_id(OURS.public)}
    assert all("document" not in clip for clip in clips)


def test_clips_of_low_confidence_are_found(make: Callable[..., None], http: httpx.Client) -> None:
    make(SURE, DOUBTED, UNKNOWN)

    def found(below: float) -> list[int]:
        asked: dict[str, str | float] = {"camera": CAMERA_ID, "confidence_below": below}
        return [each["id"] for each in http.get("/api/v1/segments", params=asked).json()]

    assert (found(0.5), found(1), found(0.1)) == ([2], [2, 1], [])
    assert (
        http.get("/api/v1/segments", params={"camera": CAMERA_ID, "confidence_below": 2}).status_code == 422
    )


def test_without_a_key_nothing_is_signed_and_without_an_assessor_nothing_is_sure(
    make: Callable[..., None], http: httpx.Client
) -> None:
    make(notary=UNSIGNED)
    clip = http.get("/api/v1/segments/1").json()["clip"]
    assert (clip["signed_by"], clip["confidence"]["score"]) == (None, None)
    with pytest.raises(ForgedError, match="not signed"):
        check(http.get("/api/v1/clips/1.mp4").content, [OURS.public])


def test_a_clip_that_was_made_before_says_that_it_was_not_measured(
    make: Callable[..., None], store: Store, http: httpx.Client
) -> None:
    make(SURE)
    with store.write() as session:
        for row in session.query(ClipRow):
            row.document = None
    found = segment(store, 1)
    assert found.clip is not None
    assert found.clip.confidence == {"score": None, "why": "the clip was made before it was measured"}
    assert http.get("/api/v1/clips/1.json").json() == json.loads(found.clip.provenance)


def test_a_clip_that_is_signed_anew_is_another_to_caches(
    make: Callable[..., None], store: Store, http: httpx.Client
) -> None:
    make(SURE)
    before = {"If-None-Match": http.get("/api/v1/clips/1.mp4").headers["ETag"]}
    assert http.get("/api/v1/clips/1.mp4", headers=before).status_code == 304
    with store.write() as session:
        session.query(ClipRow).update({"document": "{}"})
    assert http.get("/api/v1/clips/1.mp4", headers=before).status_code == 200


def test_old_keys_stay_known(store: Store, http: httpx.Client) -> None:
    with store.write() as session:
        note(session, OURS.public, 1000)
        note(session, THEIRS.public, 2000)
        note(session, OURS.public, 1500)
    with store.read() as session:
        listed = [(each.key, each.since_ms, each.used_ms, each.current) for each in known(session)]
    assert listed == [
        (key_id(THEIRS.public), 2000, 2000, True), (key_id(OURS.public), 1000, 1500, False),
    ]  # fmt: skip
    answer = http.get("/api/v1/provenance-keys").json()
    assert [each["key"] for each in answer] == [each[0] for each in listed]
    assert [from_pem(each["pem"].encode()) for each in answer] == [[THEIRS.public], [OURS.public]]


@pytest.mark.parametrize(
    ("found", "text", "flagged"),
    [
        (SURE, "Confidence 93 %: how near the picture is to what was received", False),
        (DOUBTED, "Low confidence, 21 %: the picture may not show what was received", True),
        (UNKNOWN, f"Confidence unknown: {UNKNOWN.why}", False),
    ],
)
def test_the_page_says_it_in_words(
    make: Callable[..., None], store: Store, found: Assessment, text: str, *, flagged: bool
) -> None:
    make(found)
    shown = segment(store, 1)
    assert shown.clip is not None
    assert wording.confidence_text(shown.clip) == text
    assert (text in markup.confidence(shown), "doubt" in markup.confidence(shown)) == (True, flagged)
    assert ("low confidence" in markup.segment_card(shown, timezone.utc)) == flagged
    listed = provenance_list(shown.clip)
    assert f"<dt>Signed</dt><dd>Ed25519, key {key_id(OURS.public)}</dd>" in listed
    assert "<dt>Film</dt><dd>" in listed
    assert "<dt>Confidence</dt><dd>" in listed
