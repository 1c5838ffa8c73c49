"""Someone who looks: asks as page and player do, and has seen something once its first picture is decoded."""

import http.client
import io
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import av
import msgspec

from mirage.errors import DemoError

if TYPE_CHECKING:
    from typing_extensions import Self

_TIMEOUT_S = 60.0
_PATIENCE_S = 120.0
_MAP = re.compile(r'^#EXT-X-MAP:URI="([^"]+)"$')
_NUMBER = "#EXT-X-MEDIA-SEQUENCE:"


@dataclass(frozen=True, slots=True)
class Entry:
    """A fragment of a playlist: its media sequence number, and where init segment and fragment are."""

    number: int
    init: str
    uri: str

    @property
    def segment(self) -> int:
        return int(self.uri.split("/")[1])

    @property
    def held(self) -> bool:
        """Whether it only repeats a picture, since nothing new has come."""
        return "/hold.m4s" in self.uri


class Listed(msgspec.Struct, frozen=True):
    """A segment of a live view: when it was stored, and when it was on the playlist."""

    segment: int
    stored_ms: int
    listed_ms: int


class LiveReport(msgspec.Struct, frozen=True):
    """What `live.json` says; counts since ever."""

    fragments: int
    held: int
    late: int
    failed: int
    recent: list[Listed]


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Viewer:
    """Looks at one camera of a cloud on this machine until it is left.

    One connection, kept as a browser keeps it; for one thread.
    """

    def __init__(self, port: int, camera: str) -> None:
        self._port = port
        self._camera = f"/api/v1/cameras/{camera}/"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
        self._inits: dict[str, bytes] = {}

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def another(self) -> "Viewer":
        """Give one that has seen nothing yet."""
        return Viewer(self._port, self._camera.removeprefix("/api/v1/cameras/").strip("/"))

    def see_clip(self, segment: int) -> bool:
        """Fetch a segment's clip and decode its first picture; False if it had to be rendered first.

        Asks again when the answer says to. Raises DemoError.
        """
        end_s, ready = time.monotonic() + _PATIENCE_S, True
        while True:
            status, headers, body = self._get(f"/api/v1/clips/{segment}.mp4")
            if status == http.client.OK:
                decode_first(body)
                return ready
            if status != http.client.ACCEPTED or time.monotonic() > end_s:
                raise DemoError(f"clip {segment} answers {status}: {body[:200]!r}")
            ready = False
            time.sleep(float(headers["retry-after"]))

    def see_interval(self, from_ms: int, to_ms: int) -> None:
        """Fetch what was seen in an interval, and decode the first picture of its first fragment."""
        end_s, path = time.monotonic() + _PATIENCE_S, f"clips.m3u8?from_ms={from_ms}&to_ms={to_ms}"
        while not (entries := self._playlist(path)):
            if time.monotonic() > end_s:
                raise DemoError(f"{path}: has no fragment after {_PATIENCE_S:g} s")
        self.see(entries[0])

    def live(self, number: int | None = None) -> list[Entry]:
        """List the live view's fragments, once it has that `number`; none where there is no picture yet."""
        return self._playlist("live.m3u8" if number is None else f"live.m3u8?_HLS_msn={number}")

    def live_report(self) -> LiveReport:
        """Ask how the live view does."""
        _, _, body = self._get(self._camera + "live.json")
        return msgspec.json.decode(body, type=LiveReport)

    def see(self, entry: Entry) -> None:
        """Fetch a fragment, with an init segment that is not here yet, and decode its first picture."""
        if entry.init not in self._inits:
            self._inits[entry.init] = self._file(entry.init)
        decode_first(self._inits[entry.init] + self._file(entry.uri))

    def _playlist(self, path: str) -> list[Entry]:
        status, _, body = self._get(self._camera + path)
        if status == http.client.SERVICE_UNAVAILABLE:
            return []
        if status != http.client.OK:
            raise DemoError(f"{path} answers {status}: {body[:200]!r}")
        return entries_of(body.decode())

    def _file(self, name: str) -> bytes:
        status, _, body = self._get(self._camera + name)
        if status != http.client.OK:
            raise DemoError(f"{name} answers {status}: {body[:200]!r}")
        return body

    def _get(self, path: str) -> _Answer:
        try:
            try:
                return self._ask(path)
            except http.client.RemoteDisconnected:  # a server ends connections that were idle for seconds
                return self._ask(path)
        except (OSError, http.client.HTTPException) as error:
            raise DemoError(f"127.0.0.1:{self._port}{urlsplit(path).path}: {error}") from error

    def _ask(self, path: str) -> _Answer:
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return _Answer(response.status, headers, response.read())


def entries_of(playlist: str) -> list[Entry]:
    """Read a playlist as the cloud writes it."""
    number, init, found = 0, "", list[Entry]()
    for line in playlist.splitlines():
        if line.startswith(_NUMBER):
            number = int(line.removeprefix(_NUMBER))
        elif matched := _MAP.match(line):
            init = matched[1]
        elif line and not line.startswith("#"):
            found.append(Entry(number + len(found), init, line))
    return found


def decode_first(film: bytes) -> None:
    """Decode the first picture of an MP4, fragmented or not. Raises DemoError where there is none."""
    try:
        with av.open(io.BytesIO(film), "r") as source:
            next(source.decode(video=0))
    except (av.error.FFmpegError, StopIteration, IndexError) as error:
        raise DemoError(f"a film of {len(film)} bytes does not play: {error!r}") from error
