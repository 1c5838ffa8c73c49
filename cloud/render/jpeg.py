"""JPEGs of reconstructions: beside the visible mark, metadata says what they are.

SOI, APP0 (JFIF) | APP1: XMP with IPTC's digital source type and a description | rest
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.clip import NOTICE
from cloud.render.renderer import RenderError

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = SOURCE + "trainedAlgorithmicMedia"
COMPOSITE = SOURCE + "compositeWithTrainedAlgorithmicMedia"

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" Iptc4xmpExt:DigitalSourceType="{source}">'
    '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{notice}</rdf:li></rdf:Alt></dc:description>'
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)


def to_jpeg(picture: NDArray[np.uint8], quality: int, source: str = GENERATED) -> bytes:
    """Write a picture (H, W, 3) RGB that carries the visible mark. Raises RenderError."""
    try:
        _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as error:  # of no size, or of more pixels than it writes
        raise RenderError(f"a picture of {picture.shape} cannot be written as JPEG") from error
    return _labelled(data.tobytes(), source)


def _labelled(jpeg: bytes, source: str) -> bytes:
    """Put the metadata behind the JFIF header, which comes first."""
    place = 2
    if jpeg[2:4] == b"\xff\xe0":
        place = 4 + int.from_bytes(jpeg[4:6], "big")
    packet = _XMP + _PACKET.format(source=source, notice=NOTICE).encode()
    return jpeg[:place] + b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet + jpeg[place:]
