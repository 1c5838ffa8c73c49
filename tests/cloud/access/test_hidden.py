"""What a sender lets only operators, or only admins, see: to all others it is as if it were not there.

The routes are those of the interface's own description, so that a new one is asked here without being named.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud import jobs
from cloud.access.asks import Asking, Asks
from cloud.access.door import Asker, Pass
from cloud.access.guard import Guard
from cloud.access.origin import origin_of
from cloud.access.roles import Caller, Role
from cloud.alert_routes import alert_routes
from cloud.alerts.book import Book
from cloud.api import Health, create_api
from cloud.bundles import Bundles
from cloud.catalog import UnknownSegmentError
from cloud.config_events import Alerts, Events
from cloud.hls.films import Films
from cloud.hls.live import Live
from cloud.hls.recorded import Recorded
from cloud.hls.routes import routes
from cloud.job_routes import job_routes
from cloud.keep_routes import keep_routes
from cloud.page.sight import Sight
from cloud.queue import Queue
from cloud.retention.keeps import Keeps
from cloud.schema import ClipRow, LiveRow
from cloud.search import Search, Wanted
from cloud.search_routes import search_routes
from cloud.store import Store
from cloud.thumb_routes import thumb_routes
from cloud.thumbs import Thumbs
from cloud.viewing import Viewing
from tests.cloud.alerts.lookout import Lookout
from tests.cloud.demanding import bound_by
from tests.cloud.desk import NOW_MS
from tests.cloud.hls.cinema import Cinema, clip
from tests.cloud.web import serving_bare
from wire.bundle import Bundle
from wire.policy import Demands

CAMERA_ID = "acme/north/jetson-1/gate"
SAID = "a red car at the back door"
HIDDEN, MISSING = 1, 999
ROLES = ("viewer", "operator", "admin")


class RoleDoor:
    """Believes callers the role that they say they have."""

    async def admit(self, asker: Asker) -> Pass:
        role = Role[asker.headers.get("x-role", "viewer").upper()]
        return Pass(Caller(role.label, role), origin_of(asker.peer, asker.scheme, asker.headers, ()))

    async def still(self, passed: Pass) -> bool:
        return passed.caller is not None


@pytest.fixture(params=["operator", "admin"])
def viewers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lookout(store: Store, bundle: Bundle, viewers: str) -> Lookout:
    """Have two segments, of which the first is hidden, with clips and hits of an alert."""
    made = Lookout(store, bundle, Events())
    made.add("car")
    made.send(bound_by(made.device.packet(SAID), Demands(viewers=viewers)))  # type: ignore[arg-type]
    made.send(made.device.packet("a boat", refresh=True))
    with store.write() as session:
        jobs.enqueue(session, HIDDEN, NOW_MS)
    return made


@pytest.fixture
def cinema(tmp_path: Path, lookout: Lookout) -> Cinema:
    made = Cinema(lookout.store, tmp_path / "objects")
    for packet_id in (HIDDEN, 2):
        made.render(packet_id, clip(50, 10))
    return made


@pytest.fixture
def live(store: Store, cinema: Cinema) -> Live:
    return Live(store, Films(cinema.objects), lambda: NOW_MS)


def grey(_tokens: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    return np.full((64, 64, 3), 128, np.uint8)


@pytest.fixture
def http(store: Store, cinema: Cinema, live: Live, bundle: Bundle) -> Iterator[httpx.Client]:
    viewing = Viewing(store, cinema.objects)
    app = create_api(viewing, lambda: Health(ok=True, troubles={}, messages={}))
    for each in (
        routes(live, Recorded(store, Films(cinema.objects)), hold_s=0.0),
        thumb_routes(Thumbs(store, cinema.objects, Bundles([bundle]), lambda _bundle: grey)),
        search_routes(Search(store)),
        alert_routes(Book(store, Alerts(), lambda: NOW_MS)),
        keep_routes(Keeps(store)),
        job_routes(Queue(store)),
    ):
        app.include_router(each)
    with serving_bare(Guard(app, RoleDoor(), Asks(None), ())) as client:
        yield client


@pytest.fixture
def fingerprint(store: Store, cinema: Cinema) -> str:  # noqa: ARG001 -- which made the clip
    with store.read() as session:
        return session.get_one(ClipRow, (HIDDEN, "")).fingerprint


def operations(http: httpx.Client) -> list[tuple[str, str, Mapping[str, Any]]]:
    document = http.get("/api/v1/openapi.json").json()
    return [
        (method.upper(), path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]


def ask(
    http: httpx.Client, method: str, path: str, described: Mapping[str, Any], role: str, names: dict[str, str]
) -> httpx.Response:
    tenant, site, device, camera = CAMERA_ID.split("/")
    known = {
        "tenant": tenant, "site": site, "device": device, "camera": camera, "init_id": "0" * 16,
        "alert_id": "1", "keep_id": "1", "name": "not-found", "piece": "0",
    } | names  # fmt: skip
    query = {
        "camera": CAMERA_ID, "q": "car", "from_ms": "0", "to_ms": str(2**52), "past_ms": str(2**31)
    }  # fmt: skip
    wanted = {each["name"] for each in described.get("parameters", ()) if each["in"] == "query"}
    body = {"name": "mine", "query": "car"} if path.endswith("/trial") else None
    return http.request(
        method, re.sub(r"{(\w+)}", lambda match: known[match[1]], path),
        params={name: query[name] for name in wanted & query.keys()}, json=body, headers={"X-Role": role},
    )  # fmt: skip


def may(role: str, viewers: str) -> bool:
    return ROLES.index(role) >= ROLES.index(viewers)


def told(problem: httpx.Response) -> list[str]:
    """Give what an error says, but for the number that was asked for."""
    said = problem.json()
    return [said["type"], said["title"], re.sub(f"({HIDDEN}|{MISSING})(-1)?$", "it", said["detail"])]


def of_segment(fingerprint: str, segment_id: int) -> dict[str, str]:
    return {"segment_id": str(segment_id), "job_id": f"{segment_id}-1", "tag": fingerprint[:16]}


@pytest.mark.parametrize("role", ROLES)
def test_a_route_that_names_it_answers_as_if_it_were_not_there(
    http: httpx.Client, viewers: str, role: str, fingerprint: str
) -> None:
    asked = 0
    for method, path, described in operations(http):
        if not re.search("{segment_id}|{job_id}", path):
            continue
        asked += 1
        hidden = ask(http, method, path, described, role, of_segment(fingerprint, HIDDEN))
        missing = ask(http, method, path, described, role, of_segment(fingerprint, MISSING))
        if may(role, viewers):
            assert hidden.status_code < 400 or "cancel" in path or "retry" in path, path
        else:
            assert (hidden.status_code, *told(hidden)) == (missing.status_code, *told(missing)), path
            assert missing.status_code in (403, 404), path
    assert asked >= 10


@pytest.mark.parametrize("role", ROLES)
def test_no_answer_has_a_word_of_it(
    http: httpx.Client, live: Live, viewers: str, role: str, fingerprint: str
) -> None:
    live.watch(CAMERA_ID)
    live.round()
    texts = list[str]()
    for method, path, described in operations(http):
        if method == "GET" or path.endswith("/trial"):
            answer = ask(http, method, path, described, role, of_segment(fingerprint, 2))
            texts.append(answer.text)
    found = [text for text in texts if SAID in text or f"fragments/{HIDDEN}/" in text]
    assert bool(found) == may(role, viewers)
    if may(role, viewers):
        assert len(found) >= 6  # segments, search, jobs, hits, trial, playlist of an interval


@pytest.mark.parametrize("role", ROLES)
def test_alerts_count_what_the_role_may_see(http: httpx.Client, viewers: str, role: str) -> None:
    (listed,) = http.get("/api/v1/alerts", headers={"X-Role": role}).json()
    assert listed["hits"] == int(may(role, viewers))


@pytest.mark.parametrize("role", ROLES)
def test_the_live_view_begins_after_the_last_that_is_hidden(
    store: Store, live: Live, viewers: str, role: str
) -> None:
    stream = live.watch(CAMERA_ID)
    live.round()
    with store.write() as session:  # as for who has been looking all the time
        row = session.get_one(LiveRow, stream)
        row.boot_id = row.sequence = -1
    live.round()
    shown = {each.packet_id for each in live.shown(stream, Role[role.upper()])}
    assert shown == ({HIDDEN, 2} if may(role, viewers) else {2})


@pytest.mark.parametrize("role", ROLES)
def test_the_page_does_not_show_it(store: Store, cinema: Cinema, viewers: str, role: str) -> None:
    caller = Caller(role, Role[role.upper()])
    sight = Sight(Viewing(store, cinema.objects), Search(store), Asking(Asks(None), caller))
    if may(role, viewers):
        assert sight.segment(HIDDEN).caption == SAID
        return
    assert [each.id for each in sight.segments(CAMERA_ID, 10)] == [2]
    assert [each.id for each in sight.these([HIDDEN, 2])] == [2]
    assert sight.find(Wanted("car", {})).results == []
    forbidden = (
        sight.segment, sight.cancel, sight.keep, sight.kept, lambda number: sight.ask(number, patient=False)
    )  # fmt: skip
    for each in forbidden:
        with pytest.raises(UnknownSegmentError, match=f"no segment {HIDDEN}"):
            each(HIDDEN)


def test_the_note_of_what_is_kept_does_not_say_what_it_says(
    store: Store, cinema: Cinema, viewers: str
) -> None:
    caller = Caller(viewers, Role[viewers.upper()])
    sight = Sight(Viewing(store, cinema.objects), Search(store), Asking(Asks(None), caller))
    sight.keep(HIDDEN)
    assert [each.note for each in sight.kept(HIDDEN)] == [""]
