"""Competitors: they fit the bytes, they decode, and only what carries pictures is counted."""

import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from mirage.bench.quality.codecs import AV1, CODERS, X265, Coder, decode, encode, payload_bytes
from mirage.bench.quality.fitting import best_of_rates, fit, fits_of, shrink, sizes
from mirage.bench.quality.metrics import psnr_db
from tests.mirage.bench.quality.pictures import film

pytest.importorskip("av")


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: coder.name)
def test_what_is_encoded_decodes_to_the_same_pictures(coder: Coder) -> None:
    frames = film(5, right_px=2)
    coded = encode(coder, frames, Fraction(4), 20)
    shown = decode(coder, coded)
    assert shown.shape == frames.shape
    assert psnr_db(shown, frames) > 28
    assert 0 < coded.payload_bytes < sum(map(len, coded.packets))


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: coder.name)
def test_the_search_finds_the_best_quality_that_fits(coder: Coder) -> None:
    small = shrink(film(4, right_px=2), 64, 38)
    fitted = fit(coder, small, Fraction(1), 400)
    assert fitted.fits
    assert fitted.coded.payload_bytes <= 400
    assert fitted.frames().shape == small.shape
    assert encode(coder, small, Fraction(1), fitted.crf - 1).payload_bytes > 400


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: coder.name)
def test_where_nothing_fits_the_floor_is_given_with_its_bytes(coder: Coder) -> None:
    found = list(fits_of(coder, film(3), Fraction(1), 5))
    assert [each.fits for each in found] == [False]
    assert (found[0].width, found[0].crf) == (32, coder.worst_crf)
    assert found[0].coded.payload_bytes > 5


def test_lower_rates_are_tried_and_shown_for_as_long() -> None:
    frames = film(16, right_px=1)
    found = best_of_rates(AV1, frames, 8, 600)
    assert {int(fitted.fps) for fitted, _ in found} >= {1, 2}
    for fitted, shown in found:
        assert fitted.coded.payload_bytes <= 600
        assert shown.shape == frames.shape
        held = 8 // int(fitted.fps)
        assert (shown[:held] == shown[0]).all()


def test_sizes_keep_the_aspect_and_are_even() -> None:
    assert sizes(256, 144)[0] == (32, 18)
    assert sizes(256, 144)[-1] == (256, 144)
    assert sizes(144, 256)[1] == (28, 48)
    assert sizes(100, 50)[-1] == (100, 50)
    assert all(width % 2 == 0 == height % 2 for width, height in sizes(250, 143))


def test_only_av1_frames_and_tile_groups_count() -> None:
    delimiter = bytes([0x12, 0x00])
    sequence_header = bytes([0x0A, 0x03, 1, 2, 3])
    frame = bytes([0x32, 0x81, 0x01]) + bytes(129)  # size 129 takes two bytes
    without_size = bytes([0x30]) + bytes(7)
    assert payload_bytes(AV1, delimiter + sequence_header + frame) == len(frame)
    assert payload_bytes(AV1, delimiter + without_size) == len(without_size)


def test_only_h265_slices_count() -> None:
    parameters = b"\0\0\0\1" + bytes([0x40, 1]) + b"abc" + b"\0\0\1" + bytes([0x42, 1]) + b"defg"
    slices = b"\0\0\1" + bytes([0x28, 1]) + b"picture" + b"\0\0\1" + bytes([0x02, 1]) + b"more"
    assert payload_bytes(X265, parameters + slices) == 2 + 7 + 2 + 4


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no scheduling policies")
def test_no_encoder_leaves_a_thread_with_real_time_priority() -> None:
    for coder in CODERS:
        encode(coder, film(2), Fraction(1), 50)
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_the_shortest_films_and_smallest_sizes_are_coded() -> None:
    for width, height in ((32, 18), (40, 22), (48, 28), (18, 32), (36, 64)):
        small = shrink(film(6, right_px=1), width, height)
        for coder in CODERS:
            assert np.isfinite(psnr_db(decode(coder, encode(coder, small, Fraction(2), 40)), small))


_AT_THE_END_OF_MEMORY = """
import ctypes, mmap, sys
from fractions import Fraction
import numpy as np
from mirage.bench.quality.codecs import CODERS, Coded, decode, encode

coder = next(each for each in CODERS if each.name == sys.argv[1])
noise = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
coded = encode(coder, noise, Fraction(4), 30)
pages, end = mmap.mmap(-1, 64 * mmap.PAGESIZE), 63 * mmap.PAGESIZE
guard = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(pages)) + end)
assert ctypes.CDLL(None).mprotect(guard, mmap.PAGESIZE, 0) == 0
first, *others = coded.packets
pages[end - len(first) : end] = first
first = memoryview(pages)[end - len(first) : end]
print(decode(coder, Coded((first, *others), coded.payload_bytes)).shape[0], flush=True)
"""


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: coder.name)
@pytest.mark.skipif(sys.platform != "linux", reason="guards a page by mprotect")
def test_decoders_read_nothing_behind_a_packet(coder: Coder) -> None:
    command = [sys.executable, "-c", _AT_THE_END_OF_MEMORY, coder.name]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "2"), result.stderr
