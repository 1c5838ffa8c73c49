"""JPEGs of reconstructions say in their metadata what they are, and are read as before."""

from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest

from cloud.render.clip import NOTICE
from cloud.render.jpeg import COMPOSITE, GENERATED, to_jpeg
from cloud.render.renderer import RenderError

PICTURE = np.random.default_rng(0).integers(0, 255, (36, 64, 3), np.uint8)
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"


def packet(jpeg: bytes) -> ET.Element:
    begin, end = jpeg.index(b"<x:xmpmeta"), jpeg.index(b"</x:xmpmeta>")
    return ET.fromstring(jpeg[begin : end + len(b"</x:xmpmeta>")])  # noqa: S314 -- ours


@pytest.mark.parametrize("source", [GENERATED, COMPOSITE])
def test_the_source_type_and_a_notice_are_in_it(source: str) -> None:
    found = packet(to_jpeg(PICTURE, 80, source))
    assert [each.get(IPTC) for each in found.iter() if each.get(IPTC)] == [source]
    assert NOTICE in [each.text for each in found.iter()]


def test_the_metadata_stands_behind_the_jfif_header() -> None:
    jpeg = to_jpeg(PICTURE, 80)
    assert jpeg[2:4] == b"\xff\xe0"
    place = 4 + int.from_bytes(jpeg[4:6], "big")
    size = int.from_bytes(jpeg[place + 2 : place + 4], "big")
    assert jpeg[place : place + 2] == b"\xff\xe1"
    assert jpeg[place + 2 + size : place + 4 + size] == b"\xff\xdb", "the tables follow"


def test_the_picture_is_the_same() -> None:
    plain = cv2.imencode(".jpg", PICTURE[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    ours = to_jpeg(PICTURE, 80)
    read = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in (plain, ours)]
    np.testing.assert_array_equal(*read)  # type: ignore[arg-type]


def test_what_is_no_picture_is_an_error() -> None:
    with pytest.raises(RenderError, match="cannot be written"):
        to_jpeg(np.zeros((0, 0, 3), np.uint8), 80)
