"""From a film to packets, with the shipped models."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.appearance import AppearanceEncoder
from edge.camera import open_camera
from edge.captioner import Captioner
from edge.composer import Composer
from edge.pipeline import Described, Pipeline, Settings, segments, short_side_px
from tests.edge.films import noisy, panned, texture, write_film
from wire.bundle import Bundle, BundleError
from wire.envelope import PlainEnvelope
from wire.packet import Layer, Packet

APPEARANCE = (Layer.APPEARANCE_TOKENS, Layer.APPEARANCE_DETAIL)


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny, "edge")


@pytest.fixture(scope="module")
def described(bunny: Path, bundle: Bundle) -> list[Described]:
    return list(segments(open_camera(str(bunny)), bundle))


def test_a_real_clip_becomes_a_few_hundred_bytes(described: list[Described]) -> None:
    assert [each.segment.duration_ms for each in described] == [2000, 2000, 1280]
    assert all(len(bytes(each.packet)) < 600 for each in described)
    assert all(each.segment.caption for each in described)


def test_every_packet_of_it_is_understood_by_the_receiver(described: list[Described], bundle: Bundle) -> None:
    assert bundle.manifest.appearance is not None
    codec, held = bundle.codec(), None
    for each in described:
        held = codec.resolve(Packet.parse(bytes(each.packet)), held)
        assert held.caption == each.segment.caption
        assert held.memory is not None
        assert (held.memory.depth == bundle.manifest.appearance.default_planes).all()


def test_a_still_minute_of_a_camera_takes_120_bytes(tmp_path: Path, bunny: Path, bundle: Bundle) -> None:
    """A minute of one real picture under the noise of a sensor, at five pictures a second."""
    picture = next(iter(open_camera(str(bunny), short_side_px=180))).rgb[:180, :320]
    pictures = np.concatenate([noisy(picture[None], sigma=3, seed=index) for index in range(300)])
    film = write_film(tmp_path / "rest.mp4", pictures, range(0, 60_000, 200))
    packets = [each.packet for each in segments(open_camera(str(film)), bundle)]
    assert [packet.duration_ms for packet in packets] == [pytest.approx(60_000, abs=200)]
    assert packets[0].still
    frames = [PlainEnvelope().wrap(bytes(packet), "") for packet in packets]
    assert sum(map(len, frames)) <= 120
    seen = bundle.codec().resolve(packets[0], None)
    assert seen.memory is not None
    assert seen.memory.depth.min() >= 4


def test_the_same_clip_always_becomes_the_same_packets(
    described: list[Described], bunny: Path, bundle: Bundle
) -> None:
    again = segments(open_camera(str(bunny)), bundle, Settings(threads=2))
    assert [bytes(each.packet) for each in again] == [bytes(each.packet) for each in described]


def test_the_time_of_every_stage_is_told(described: list[Described]) -> None:
    for each in described:
        stages = each.timings.by_stage()
        assert list(stages) == ["motion", "caption", "appearance", "compose"]
        assert each.timings.total_ms == pytest.approx(sum(stages.values()))


def test_planes_decide_how_much_of_the_appearance_is_sent(described: list[Described], bundle: Bundle) -> None:
    sizes = {}
    for planes in (4, 8, 12):
        segment = replace(described[0].segment, still=False)
        packet = Composer(bundle.codec(), planes).compose(segment)
        sizes[planes] = sum(len(packet.layers.get(layer, b"")) for layer in APPEARANCE)
    assert sizes[4] < sizes[8] < sizes[12]


def test_without_planes_no_appearance_is_computed_or_sent(tmp_path: Path, bundle: Bundle) -> None:
    film = write_film(
        tmp_path / "film.mp4", panned(texture(1), (320, 180), [(3 * at, 0) for at in range(50)])
    )
    (only,) = segments(open_camera(str(film)), bundle, Settings(planes=0))
    assert only.segment.tokens is None
    assert set(only.packet.layers) == {Layer.CAPTION, Layer.MOTION}


@pytest.mark.parametrize("planes", [1, 25])
def test_planes_that_the_bundle_does_not_have_are_refused(bundle: Bundle, planes: int) -> None:
    with pytest.raises(BundleError, match=f"planes is {planes}, not 0 or 4 to 24"):
        Pipeline(bundle, Settings(planes=planes))


def test_a_bundle_that_cannot_be_loaded_leaves_no_thread_behind(bunny: Path, bundle: Bundle) -> None:
    with pytest.raises(BundleError):
        next(segments(open_camera(str(bunny)), bundle, Settings(planes=99)))


def test_a_still_scene_says_nothing_about_motion(tmp_path: Path, bundle: Bundle) -> None:
    resting = np.repeat(panned(texture(0), (320, 180), [(0, 0)]), 100, axis=0)
    film = write_film(tmp_path / "rest.mp4", resting)
    (only,) = segments(open_camera(str(film)), bundle)
    assert (only.segment.still, only.segment.motion, only.packet.duration_ms) == (True, None, 4000)


@pytest.mark.parametrize("size", [(64, 48), (180, 320), (321, 181), (400, 40)])
def test_every_size_of_film_is_described(tmp_path: Path, bundle: Bundle, size: tuple[int, int]) -> None:
    film = write_film(
        tmp_path / "film.mp4",
        panned(texture(1), size, [(3 * at, at // 4) for at in range(50)]),
        pixels="yuv444p",
    )
    (only,) = segments(open_camera(str(film), short_side_px=short_side_px(bundle)), bundle)
    assert only.segment.duration_ms == 2000
    assert only.packet.layers[Layer.CAPTION]


def test_one_frame_is_described(tmp_path: Path, bundle: Bundle) -> None:
    film = write_film(tmp_path / "one.mp4", panned(texture(1), (320, 180), [(0, 0)]))
    (only,) = segments(open_camera(str(film)), bundle)
    assert (only.packet.duration_ms, only.packet.still, only.packet.refresh) == (40, True, True)


def test_sampling_fits_what_the_encoders_see(bundle: Bundle) -> None:
    assert short_side_px(bundle) == bundle.manifest.captioner.tile_px == 160


def test_captions_and_tokens_depend_on_the_picture_alone(bundle: Bundle) -> None:
    captioner, encoder = Captioner(bundle), AppearanceEncoder(bundle)
    frames = panned(texture(4), (284, 160), [(at, 0) for at in range(8)])
    assert captioner.describe(frames) == captioner.describe(frames.copy())
    tokens = encoder.encode(frames[0])
    assert tokens.shape == (24, 8, 8)
    assert np.array_equal(tokens, encoder.encode(frames[0].copy()))
    assert not np.array_equal(tokens, encoder.encode(255 - frames[0]))
