"""What the demo asks of the cloud, over the same HTTP API that everyone has."""

import http.client
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mirage.errors import DemoError
from mirage.output import write_whole

_TIMEOUT_S = 30.0
_PAGE = 500


class ClipView(msgspec.Struct, frozen=True):
    """A rendered clip."""

    frames: int
    width: int
    height: int
    render_ms: int


class SegmentView(msgspec.Struct, frozen=True):
    """A segment as the API shows it; `layers` split `bytes`."""

    id: int
    sequence: int
    start_ms: int
    duration_ms: int
    still: bool
    caption: str | None
    fault: str | None
    bytes: int
    layers: Mapping[str, int]
    render: str
    error: str | None = None
    clip: ClipView | None = None


class _Health(msgspec.Struct, frozen=True):
    troubles: Mapping[str, str]


class CloudClient:
    """Talks to a cloud on this machine about one camera."""

    def __init__(self, port: int, camera: str) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._port = port
        self._camera = camera

    def is_ready(self) -> bool:
        """Tell whether the cloud answers and finds itself healthy."""
        return self.troubles() == {}

    def troubles(self) -> Mapping[str, str]:
        """Say what is wrong with the cloud, by part; nothing if all is well."""
        try:
            return msgspec.json.decode(self._get("/healthz")[1], type=_Health).troubles
        except (OSError, msgspec.DecodeError) as error:
            return {"cloud": str(error)}

    def segments(self) -> list[SegmentView]:
        """List what has arrived so far, in order. Raises DemoError."""
        newest_first: list[SegmentView] = []
        while page := self._page(newest_first[-1].start_ms if newest_first else None):
            newest_first += page
            if len(page) < _PAGE:
                break
        return sorted(newest_first, key=lambda segment: segment.sequence)

    def fetch(self, segment: SegmentView, folder: Path) -> Path:
        """Download a clip into a folder and give its path. Raises DemoError and OutputError."""
        status, body = self._get(f"/api/v1/clips/{segment.id}.mp4")
        if status != http.client.OK:
            raise DemoError(f"{self.address}: clip {segment.id} answers {status}")
        path = folder / f"{segment.sequence:06}.mp4"
        write_whole(path, body)
        return path

    def _page(self, before_ms: int | None) -> list[SegmentView]:
        bound = "" if before_ms is None else f"&before_ms={before_ms}"
        status, body = self._get(f"/api/v1/segments?camera={self._camera}&limit={_PAGE}{bound}")
        if status == http.client.NOT_FOUND:
            return []  # the camera has not been heard of yet
        try:
            return msgspec.json.decode(body, type=list[SegmentView])
        except msgspec.DecodeError as error:
            raise DemoError(f"{self.address}: segments answer {status}: {error}") from error

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
