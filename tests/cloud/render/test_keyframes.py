"""Token grids become pictures."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cloud.render.keyframes import KeyframeDecoder
from cloud.render.renderer import RenderError
from wire.bundle import Bundle, BundleError
from wire.neighbours import UNKNOWN


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny, "cloud")


@pytest.fixture(scope="module")
def decoder(bundle: Bundle) -> KeyframeDecoder:
    return KeyframeDecoder(bundle, threads=1)


def with_decoder(bundle: Bundle, name: str | None) -> Bundle:
    renderer = msgspec.structs.replace(bundle.manifest.renderer, decoder=name)
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, renderer=renderer))


def test_a_grid_becomes_a_picture(bundle: Bundle, decoder: KeyframeDecoder) -> None:
    info = bundle.manifest.appearance
    assert info is not None
    tokens = np.zeros((info.planes, *info.grid), np.uint8)
    picture = decoder.decode(tokens)
    assert picture.dtype == np.uint8
    assert picture.shape == (256, 256, 3)
    assert not np.array_equal(picture, decoder.decode(tokens + np.uint8(info.levels - 1)))


def test_what_is_not_known_is_as_if_nothing_was_sent(bundle: Bundle, decoder: KeyframeDecoder) -> None:
    info = bundle.manifest.appearance
    assert info is not None
    unknown = np.full((info.planes, *info.grid), UNKNOWN, np.uint8)
    assert np.array_equal(decoder.decode(unknown), decoder.decode(None))


def test_a_grid_of_another_size_is_refused(decoder: KeyframeDecoder) -> None:
    with pytest.raises(RenderError, match="tokens have shape"):
        decoder.decode(np.zeros((4, 3, 3), np.uint8))


def test_a_bundle_without_a_decoder_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="a decoder under"):
        KeyframeDecoder(with_decoder(bundle, None), threads=1)


def test_a_graph_that_is_no_decoder_is_refused(bundle: Bundle) -> None:
    other = bundle.manifest.renderer.denoiser
    with pytest.raises(BundleError, match="a decoder turns 'code' into 'image'"):
        KeyframeDecoder(with_decoder(bundle, other), threads=1)
