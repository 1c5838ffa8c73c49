"""Fetches thumbnails, in a thread of its own: what is slow there shall not hold up what comes here.

    want(topic, url) --> the latest wish of each camera --> HTTP, when it is due --> take()

The token goes to the server of the settings and nowhere else: events come through a broker, which is not
trusted.
"""

import http.client
import threading
import time
from dataclasses import dataclass
from typing import NamedTuple
from urllib.error import URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

import structlog

from mirage.bridge.settings import PicturesFrom

MAX_BYTES = 1_048_576
TIMEOUT_S = 10.0
_JPEG = b"\xff\xd8\xff"

log = structlog.get_logger()


class PictureError(RuntimeError):
    """There is no picture; the message says why."""


class Picture(NamedTuple):
    """A JPEG, and where it is to be published."""

    topic: str
    data: bytes


class _NoRedirect(HTTPRedirectHandler):
    """Takes a redirection for an error: the token would go along."""

    def redirect_request(self, *_: object) -> None:
        return None


class Source:
    """The server that has the pictures."""

    def __init__(self, settings: PicturesFrom) -> None:
        """Raise SettingsError for a token that cannot be read."""
        self._url = settings.url
        token = settings.token()
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._opener: OpenerDirector = build_opener(ProxyHandler({}), _NoRedirect())

    def fetch(self, url: str) -> bytes:
        """Get a JPEG by its address, or by its path; raises PictureError."""
        whole = urljoin(self._url, url)
        if _origin(whole) != _origin(self._url):
            raise PictureError(f"{url[:200]!r} is not at {self._url}")
        request = Request(whole, headers=self._headers)  # noqa: S310 (http or https, as the settings' own)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                data: bytes = answer.read(MAX_BYTES + 1)
        except URLError as error:
            raise PictureError(f"{whole}: {error.reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PictureError(f"{whole}: {error}") from error
        if not data.startswith(_JPEG) or len(data) > MAX_BYTES:
            raise PictureError(f"{whole}: is no JPEG of at most {MAX_BYTES} bytes")
        return data


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


@dataclass(slots=True)
class _Wish:
    url: str
    due_s: float


class Pictures:
    """Keeps one wish for each topic, the latest; at most one in `every_s` is fetched, urgent ones at once."""

    def __init__(self, source: Source, every_s: float) -> None:
        self._source = source
        self._every_s = every_s
        self._wishes: dict[str, _Wish] = {}
        self._fetched_s: dict[str, float] = {}
        self._ready: dict[str, bytes] = {}  # the latest of each topic, until they are taken
        self._changed = threading.Condition()
        self._closing = self._failing = False
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
        self._thread.start()

    def want(self, topic: str, url: str, *, urgent: bool = False) -> None:
        """Ask for a picture; it replaces what was wanted for this topic before."""
        with self._changed:
            now_s = time.monotonic()
            free_s = self._fetched_s.get(topic, -self._every_s) + self._every_s
            known = self._wishes.get(topic)
            due_s = now_s if urgent else max(now_s, free_s)
            self._wishes[topic] = _Wish(url, due_s if known is None else min(due_s, known.due_s))
            self._changed.notify_all()

    def take(self) -> list[Picture]:
        """Give what has been fetched since the last time."""
        with self._changed:
            ready, self._ready = self._ready, {}
        return [Picture(topic, data) for topic, data in ready.items()]

    def close(self) -> None:
        """End the thread; it may still be waiting for an answer."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(TIMEOUT_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                topic = self._next()
                if topic is None:
                    return
                wish = self._wishes.pop(topic)
                self._fetched_s[topic] = time.monotonic()
            data = self._fetch(wish.url)
            if data is not None:
                with self._changed:
                    self._ready[topic] = data

    def _next(self) -> str | None:
        """Wait for a wish that is due; None at the end. Holds the lock."""
        while not self._closing:
            if not self._wishes:
                self._changed.wait()
                continue
            topic, wish = min(self._wishes.items(), key=lambda each: each[1].due_s)
            left_s = wish.due_s - time.monotonic()
            if left_s <= 0:
                return topic
            self._changed.wait(left_s)
        return None

    def _fetch(self, url: str) -> bytes | None:
        try:
            data = self._source.fetch(url)
        except PictureError as error:
            if not self._failing:  # else each picture of a server that is away would say so
                log.warning("no picture", error=str(error))
            self._failing = True
            return None
        self._failing = False
        return data
