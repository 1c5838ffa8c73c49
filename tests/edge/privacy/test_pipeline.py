"""What sender and network allow decides what is looked at, said and sent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.allowance import Limits
from edge.appearance import AppearanceEncoder
from edge.budget import Budget
from edge.camera import open_camera
from edge.pipeline import Pipeline, Settings, raw_segments, sends, short_side_px
from edge.privacy.words import Forbidden
from edge.segmenter import RawSegment
from tests.edge.films import panned, texture, write_film
from wire.bundle import Bundle, BundleError
from wire.packet import Layer
from wire.policy import Demands, Network, Sender, binding
from wire.policy.tables import LayerName

COARSE: tuple[LayerName, ...] = ("caption", "appearance-tokens")


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny, "edge")


@pytest.fixture(scope="module")
def raw(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> RawSegment:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    write_film(path, panned(texture(0), (320, 180), [(2 * at, at) for at in range(50)]))
    return next(iter(raw_segments(open_camera(str(path), short_side_px=short_side_px(bundle)))))


def layers_of(bundle: Bundle, raw: RawSegment, sender: Sender, network: Network | None = None) -> set[int]:
    pipeline = Pipeline(bundle, Settings(sender=sender, network=network or Network()))
    return set(pipeline.describe(raw, pipeline.composer()).packet.layers)


def test_only_layers_that_both_allow_are_made_and_sent(bundle: Bundle, raw: RawSegment) -> None:
    assert layers_of(bundle, raw, Sender(layers=COARSE)) == {Layer.CAPTION, Layer.APPEARANCE_TOKENS}
    assert layers_of(bundle, raw, Sender(), Network(layers=("motion",))) == {Layer.MOTION}
    assert layers_of(bundle, raw, Sender(layers=COARSE), Network(layers=("caption",))) == {Layer.CAPTION}
    assert layers_of(bundle, raw, Sender(planes=0)) == {Layer.CAPTION, Layer.MOTION}


def test_a_caption_says_nothing_of_motion_that_may_not_be_sent(bundle: Bundle, raw: RawSegment) -> None:
    pipeline = Pipeline(bundle, Settings(sender=Sender(layers=("caption",))))
    segment, _ = pipeline.understand(raw)
    assert segment.caption is not None
    assert "camera" not in segment.caption
    free, _ = Pipeline(bundle, Settings()).understand(raw)
    assert free.caption is not None
    assert "camera" in free.caption


def test_fewer_planes_than_a_code_has_are_an_error_that_says_what_to_do(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"sender\.planes is 2.* 4 at least: say 0 for none, or 4 to 24"):
        Pipeline(bundle, Settings(sender=Sender(planes=2)))
    with pytest.raises(BundleError, match=r"network\.planes is 3"):
        Pipeline(bundle, Settings(network=Network(planes=3)))


@pytest.mark.parametrize("beams", [1, 3])
def test_captions_of_real_models_say_no_forbidden_word(bundle: Bundle, raw: RawSegment, beams: int) -> None:
    free, _ = Pipeline(bundle, Settings(beams=beams)).understand(raw)
    assert free.caption is not None
    words = tuple(word for word in free.caption.split() if len(word) > 3)
    pipeline = Pipeline(bundle, Settings(beams=beams, sender=Sender(words=words)))
    segment, _ = pipeline.understand(raw)
    assert segment.caption != free.caption
    assert not Forbidden.of(words).found_in(segment.caption or "")


def test_every_packet_binds_also_where_a_budget_chooses(bundle: Bundle, raw: RawSegment) -> None:
    demands = Demands(publish=False, keep_days=7)
    pipeline = Pipeline(bundle, Settings(sender=Sender(receiver=demands)))
    budget = Budget(Limits(bytes_per_s=20.0))
    composer = pipeline.composer()
    composer.govern(lambda menu: budget.plan("door", menu, 0.0, 0))
    for _ in range(3):
        packet = pipeline.describe(raw, composer).packet
        assert binding.decode(packet.layers[Layer.POLICY]) == demands


def test_what_rests_is_not_sent_on_motion_only(raw: RawSegment) -> None:
    still = replace(raw, still=True)
    assert [sends(Sender(on_motion=True), each) for each in (raw, still)] == [True, False]
    assert [sends(Sender(off=True), each) for each in (raw, still)] == [False, False]
    assert sends(Sender(), still)


def test_a_keyframe_is_coarsened_before_its_encoder(
    bundle: Bundle, raw: RawSegment, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, encode = list[float](), AppearanceEncoder.encode

    def spied(this: AppearanceEncoder, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        seen.append(float(rgb.std()))
        return encode(this, rgb)

    monkeypatch.setattr(AppearanceEncoder, "encode", spied)
    for sender in (Sender(), Sender(picture_px=4)):
        Pipeline(bundle, Settings(sender=sender)).understand(raw)
    assert seen[1] < 0.6 * seen[0]
