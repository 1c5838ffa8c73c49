"""The cloud on PostgreSQL and S3: what comes from the broker is rendered, played and removed."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from cloud.api import Health, create_api
from cloud.bundles import Bundles
from cloud.clock import wall_ms
from cloud.config import Broker, BundlePaths, Config, Retention, StorePlace
from cloud.config_render import Render
from cloud.hls.films import Films
from cloud.hls.live import Live
from cloud.hls.recorded import Recorded
from cloud.hls.routes import routes
from cloud.looks import looks_of
from cloud.objects import Objects, ObjectsError
from cloud.retention.pruner import Pruner
from cloud.run import run
from cloud.store import Store
from cloud.thumb_routes import thumb_routes
from cloud.thumbs import Thumbs
from cloud.viewing import Viewing
from mirage.demo.broker import LoopbackBroker
from tests.bundles import CAPTIONS
from tests.cloud.peer import connected
from tests.cloud.sample import Device, MeanRenderer
from tests.cloud.waiting import until
from tests.cloud.web import serving
from tests.postgres import Cluster
from tests.s3 import S3
from wire.bundle import Bundle

GATE = "acme/north/jetson-1/gate"
DAY_MS = 86_400_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    running = LoopbackBroker(tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def config(
    broker: LoopbackBroker, bundle: Bundle, cluster: Cluster, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> Config:
    return Config(
        broker=Broker("127.0.0.1", broker.port, envelope="none", ack_interval_s=0.2),
        bundle=BundlePaths((str(bundle.root),)),
        store=StorePlace(cluster.fresh(), s3.place(monkeypatch)),
        render=Render(long_side_px=64, policy="all"),
    )


@pytest.fixture
def cloud(config: Config) -> Iterator[Viewing]:
    """Run ingest and render, and give what looks at the same store and objects from elsewhere."""
    stop = threading.Event()
    thread = threading.Thread(
        target=run, args=(config, stop), name="cloud",
        kwargs={"roles": frozenset({"ingest", "render"}), "load": lambda _bundle, _threads: MeanRenderer()},
    )  # fmt: skip
    store, objects = Store(config.store.url), Objects(config.store.objects)
    thread.start()
    yield Viewing(store, objects, looks=looks_of(config, store, objects))
    stop.set()
    thread.join(60)
    store.close()
    assert not thread.is_alive()


def test_a_clip_goes_from_the_broker_to_s3_and_from_there_to_players_until_it_is_too_old(
    cloud: Viewing, config: Config, broker: LoopbackBroker, device: Device, bundle: Bundle
) -> None:
    with connected(broker.port, "device") as peer:
        peer.publish(device.topics.birth, device.birth(), retain=True)
        until(lambda: bool(cloud.catalog.cameras()))
        for _ in range(2):
            peer.publish(device.topics.sem("gate"), device.frame(device.packet(CAPTIONS[0])))
        until(lambda: [s.render for s in cloud.catalog.segments(GATE)] == ["done"] * 2)
    store, objects = Store(config.store.url), Objects(config.store.objects)
    films, looks = Films(objects), looks_of(config, store, objects)
    app = create_api(cloud, lambda: Health(ok=True, troubles={}, messages={}))
    app.include_router(routes(Live(store, films, looks=looks), Recorded(store, films)))
    app.include_router(thumb_routes(Thumbs(store, objects, Bundles([bundle]), catalog=cloud.catalog)))
    with serving(app) as http:
        segment = cloud.catalog.segments(GATE)[-1]
        ranges_fit_together(http, f"/api/v1/clips/{segment.id}.mp4")
        assert http.get(f"/api/v1/clips/{segment.id}.jpg").content[:2] == b"\xff\xd8"
        assert http.get(f"/api/v1/segments/{segment.id}/thumb.jpg").content[:2] == b"\xff\xd8"
        parts_are_there(http, segment.start_ms)
        Pruner(store, objects, Retention(clips_days=1)).prune(wall_ms() + 2 * DAY_MS)
        assert [page for folder in ("clips", "posters", "tails") for page in objects.listed(folder)] == []
        assert http.get(f"/api/v1/clips/{segment.id}.mp4").status_code == 202, "it is made again"
    store.close()


def ranges_fit_together(http: httpx.Client, path: str) -> None:
    whole = http.get(path)
    assert (whole.status_code, whole.content[4:8]) == (200, b"ftyp")
    middle = len(whole.content) // 2
    parts = [http.get(path, headers={"Range": f"bytes={span}"}) for span in (f"0-{middle - 1}", f"{middle}-")]
    assert [part.status_code for part in parts] == [206, 206]
    assert b"".join(part.content for part in parts) == whole.content
    assert http.get(path, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416


def parts_are_there(http: httpx.Client, start_ms: int) -> None:
    """Play an interval: its playlist, the init segment, which is an object of its own, and fragments."""
    listed = f"/api/v1/cameras/{GATE}/clips.m3u8"
    playlist = http.get(listed, params={"from_ms": start_ms, "to_ms": start_ms + 1_500})
    names = re.findall(r'URI="([^"]+)"|^([^#\s].*)$', playlist.text, re.MULTILINE)
    answers = [http.get(httpx.URL(playlist.url).join(uri or name)) for uri, name in names]
    assert len(answers) >= 2, playlist.text
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("role", ["render", "serve"])
def test_a_cloud_that_cannot_use_its_bucket_does_not_start(config: Config, role: str) -> None:
    nowhere = replace(config, store=StorePlace(config.store.url, "s3://nowhere/site-1"))
    with pytest.raises(
        ObjectsError, match=r"^objects s3://nowhere/site-1/.*NoSuchBucket.*; make that bucket"
    ):
        run(nowhere, threading.Event(), roles=frozenset({role}))


def test_a_cloud_that_only_takes_packets_does_so_without_its_bucket(config: Config) -> None:
    stop = threading.Event()
    stop.set()
    nowhere = replace(config, store=StorePlace(config.store.url, "s3://nowhere/site-1"))
    run(nowhere, stop, roles=frozenset({"ingest"}))
