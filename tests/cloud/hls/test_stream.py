"""Streams over HTTP, played by FFmpeg's own HLS client."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import httpx
import pytest

from tests.cloud.desk import Desk
from tests.cloud.hls.cinema import clip
from tests.cloud.hls.theatre import FRAMES, LEVEL_STEP, Theatre, filming, level_of, theatre
from tests.cloud.sample import BOOT_WALL_MS, Device

BELOW = "/api/v1/cameras/acme/north/jetson-1/gate"


@pytest.fixture
def house(desk: Desk, tmp_path: Path) -> Iterator[Theatre]:
    with theatre(desk, tmp_path / "objects") as opened:
        yield opened


def played(url: str, most: int) -> list[tuple[float, int]]:
    """Play frames of a stream: their time (s), and how bright they are below the mark."""
    frames = []
    with av.open(url, "r", timeout=60) as source:
        for frame in source.decode(video=0):
            assert frame.time is not None
            frames.append((frame.time, round(float(frame.to_ndarray(format="gray")[20:].mean()))))
            if len(frames) == most:
                break
    return frames


def segments(frames: list[tuple[float, int]]) -> list[int]:
    """Tell which segments were shown, by their brightness, as `level_of` numbers them."""
    steps = [round((level - 40) / LEVEL_STEP) for _, level in frames]
    return [step for number, step in enumerate(steps) if number == 0 or steps[number - 1] != step]


def test_ffmpeg_plays_a_live_view_while_it_is_rendered(house: Theatre, device: Device) -> None:
    with filming(house, device, renders=lambda _packet_id: True):
        frames = played(f"{house.address}{BELOW}/live.m3u8", 8 * FRAMES)
    times = [time for time, _ in frames]
    assert all(0.05 < after - before < 0.25 for before, after in pairwise(times)), "no jump, no overlap"
    shown = segments(frames)
    assert len(shown) >= 7
    assert all(after == (before + 1) % 18 for before, after in pairwise(shown)), "none is missing"
    report = house.http.get(f"{BELOW}/live.json").json()
    assert report["fragments"] >= 8
    assert report["late"] == 0


def test_ffmpeg_plays_on_where_something_was_not_rendered_in_time(house: Theatre, device: Device) -> None:
    with filming(house, device, renders=lambda packet_id: packet_id % 4 != 2):
        frames = played(f"{house.address}{BELOW}/live.m3u8", 8 * FRAMES)
    times = [time for time, _ in frames]
    assert all(0.05 < after - before < 0.25 for before, after in pairwise(times)), "nobody waits for it"
    assert not {(level_of(packet_id) - 40) // LEVEL_STEP for packet_id in (2, 6, 10, 14)} & set(
        segments(frames)
    )
    assert house.http.get(f"{BELOW}/live.json").json()["late"] >= 1


def film(house: Theatre, device: Device, count: int, *, but: int | None = None) -> None:
    """Record segments and render them, `but` one."""
    house.desk.birth(device)
    for number in range(1, count + 1):
        house.desk.sem(device, device.packet(duration_ms=2000))
        if number != but:
            house.cinema.render(number, clip(level_of(number), 20))


INTERVAL = {"from_ms": BOOT_WALL_MS + 1_000, "to_ms": BOOT_WALL_MS + 9_000}


def test_an_interval_plays_and_ends(house: Theatre, device: Device) -> None:
    film(house, device, 6)
    text = house.http.get(f"{BELOW}/clips.m3u8", params=INTERVAL).text
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert text.count("#EXTINF") == 5, "also what is only touched"
    query = "&".join(f"{key}={value}" for key, value in INTERVAL.items())
    frames = played(f"{house.address}{BELOW}/clips.m3u8?{query}", 1000)
    assert len(frames) == 100
    assert all(0.05 < after - before < 0.15 for (before, _), (after, _) in pairwise(frames))


def test_an_interval_grows_while_it_is_rendered(house: Theatre, device: Device) -> None:
    film(house, device, 5, but=3)
    text = house.http.get(f"{BELOW}/clips.m3u8", params=INTERVAL).text
    assert (text.count("#EXTINF"), "#EXT-X-ENDLIST" in text) == (2, False)
    assert house.cinema.jobs() == {3: "queued"}
    house.cinema.render(3, clip(90, 20))
    whole = house.http.get(f"{BELOW}/clips.m3u8", params=INTERVAL).text
    assert (whole.count("#EXTINF"), "#EXT-X-ENDLIST" in whole) == (5, True)
    assert whole.replace("VOD", "EVENT").startswith(text), "what was listed stays"


def test_ffmpeg_plays_on_where_the_size_changes(house: Theatre, device: Device) -> None:
    film(house, device, 4)
    for number in (3, 4):
        house.cinema.render(number, clip(level_of(number), 20, width=96))
    query = f"from_ms={BOOT_WALL_MS}&to_ms={BOOT_WALL_MS + 8_000}"
    with av.open(f"{house.address}{BELOW}/clips.m3u8?{query}", "r", timeout=60) as source:
        shown = [(frame.width, frame.height, frame.time or 0.0) for frame in source.decode(video=0)]
    assert [(width, height) for width, height, _ in shown] == [(64, 36)] * 40 + [(96, 36)] * 40
    times = [time for _, _, time in shown]
    assert all(0.05 < after - before < 0.25 for before, after in pairwise(times))


def test_what_failed_is_left_out_of_an_interval(house: Theatre, device: Device) -> None:
    film(house, device, 5, but=3)
    house.http.get(f"{BELOW}/clips.m3u8", params=INTERVAL)
    house.cinema.set_state(3, "dead")
    text = house.http.get(f"{BELOW}/clips.m3u8", params=INTERVAL).text
    assert (text.count("#EXTINF"), text.count("#EXT-X-DISCONTINUITY\n")) == (4, 1)
    assert text.endswith("#EXT-X-ENDLIST\n")


def test_who_knows_the_next_number_may_wait_for_it(house: Theatre, device: Device) -> None:
    with filming(house, device, renders=lambda _packet_id: True):
        first = house.http.get(f"{BELOW}/live.m3u8").text
        number = first.count("#EXTINF")
        later = house.http.get(f"{BELOW}/live.m3u8", params={"_HLS_msn": number}).text
    assert later.count("#EXTINF") > number


def test_parts_never_change(house: Theatre, device: Device) -> None:
    film(house, device, 2)
    text = house.http.get(f"{BELOW}/clips.m3u8", params=INTERVAL).text
    (init,) = [line.split('"')[1] for line in text.splitlines() if line.startswith("#EXT-X-MAP")]
    parts = [init, *(line for line in text.splitlines() if not line.startswith("#"))]
    for part in parts:
        answer = house.http.get(f"{BELOW}/{part}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
        assert "immutable" in answer.headers["cache-control"]
    house.cinema.render(1, clip(99, 20))
    assert house.http.get(f"{BELOW}/{parts[1]}").status_code == 404, "rather than another one"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{BELOW}/live.m3u8", 503),
        (f"{BELOW}/clips.m3u8?from_ms=0&to_ms=10", 404),
        (f"{BELOW}/clips.m3u8?from_ms=10&to_ms=10", 422),
        (f"{BELOW}/clips.m3u8?from_ms=-1&to_ms=10", 422),
        (f"{BELOW}/clips.m3u8?from_ms=0&to_ms={10**30}", 422),
        ("/api/v1/cameras/acme/north/jetson-1/roof/live.m3u8", 404),
        ("/api/v1/cameras/acme/north/jetson-1/roof/live.json", 404),
        ("/api/v1/cameras/acme/north/jetson-1/%2e%2e/live.m3u8", 422),
        ("/api/v1/cameras/A/north/jetson-1/gate/live.m3u8", 422),
        (f"{BELOW}/init/0123456789abcdef.mp4", 404),
        (f"{BELOW}/init/..%2fstore.mp4", 404),
        (f"{BELOW}/fragments/1/0123456789abcdef/0.m4s?t=0", 404),
        (f"{BELOW}/fragments/1/0123456789abcdef/0.m4s?t={2**70}", 404),
    ],
)
def test_a_wrong_address_is_an_error_not_a_crash(
    house: Theatre, device: Device, path: str, status: int
) -> None:
    house.desk.birth(device)
    answer: httpx.Response = house.http.get(path)
    assert answer.status_code == status
    assert answer.json()


def test_a_piece_that_is_not_there_is_an_error(house: Theatre, device: Device) -> None:
    film(house, device, 1)
    text = house.http.get(f"{BELOW}/clips.m3u8", params=INTERVAL).text
    (part,) = [line for line in text.splitlines() if not line.startswith("#")]
    assert house.http.get(f"{BELOW}/{part.replace('/0.m4s', '/7.m4s')}").status_code == 404
