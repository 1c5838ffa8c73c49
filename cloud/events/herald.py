"""Says what was seen, made and found as events (`wire.events`), in the transaction that makes it true.

    derivation --described, raised--> outbox
    worker     --rendered-----------> outbox

An event's id follows from what it tells, so the same said twice is the same event.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.alerts.rules import Alert
from cloud.bound import Bound
from cloud.config_events import Events
from cloud.events import outbox
from cloud.events.names import Names, Source
from cloud.events.outbox import Entry
from cloud.look import LookOf
from cloud.schema import ClipRow, PacketRow, SegmentRow
from wire import events
from wire.events import (
    AlertFacts,
    AlertRaised,
    ClipFacts,
    ClipRendered,
    Described,
    Event,
    EventError,
    Raised,
    Rendered,
    SegmentDescribed,
    SegmentFacts,
)

_MAX_CAPTION = 1024
_MAX_MS = 2**53 - 1

log = structlog.get_logger()


class News(NamedTuple):
    """A segment as it is known now; `revised` if something else was said of it before.

    Unless it may be `published`, third parties are told nothing of it.
    """

    packet_id: int
    camera_id: int
    boot_id: int
    sequence: int
    received_ms: int
    historical: bool
    start_ms: int
    duration_ms: int
    still: bool
    caption: str | None
    revised: bool = False
    published: bool = True


class Herald:
    """Composes events as the settings say. For one thread."""

    def __init__(self, settings: Events, look: LookOf | None = None) -> None:
        self._settings = settings
        self._look = look
        self._names = Names()

    def is_late(self, news: News, now_ms: int) -> bool:
        """Say whether something was seen so long ago that it is no news any more."""
        fresh_ms = self._settings.fresh_s * 1000
        return now_ms - (news.start_ms if news.historical else news.received_ms) > fresh_ms

    def described(self, session: Session, news: Sequence[News], now_ms: int) -> None:
        """Tell what segments show."""
        if not self._settings.tells("segment.described"):
            return
        entries = list[Entry]()
        for each in news:
            if each.caption is not None and each.published:
                source, facts = self._facts(session, each, now_ms)
                told = hashlib.sha256(f"{each.start_ms} {each.caption}".encode()).hexdigest()[:16]
                event = SegmentDescribed(
                    id=f"{_of(source, facts)}-described-{told}", source=_root(source),
                    subject=f"segments/{facts.id}", time=events.time_text(now_ms),
                    data=Described(facts, each.revised),
                )  # fmt: skip
                entries.append(Entry(source.camera, event, facts.historical))
        self._put(session, entries, now_ms)

    def raised(
        self, session: Session, alerts: Iterable[Alert], news: News, now_ms: int
    ) -> list[tuple[Alert, bytes]]:
        """Tell which alerts found a segment, and give what is told for whoever else hears of it.

        Nobody is told where it may not be published: then the alert is known inside only.
        """
        if not news.published:
            return []
        source, facts = self._facts(session, news, now_ms)
        page, told = self._url(f"/?segment={facts.id}"), list[tuple[Alert, AlertRaised]]()
        for alert in alerts:
            event = AlertRaised(
                id=f"{_of(source, facts)}-alert-{alert.id}-{alert.created_ms}", source=_root(source),
                subject=f"segments/{facts.id}", time=events.time_text(now_ms),
                data=Raised(facts, AlertFacts(alert.id, alert.name, alert.query, page)),
            )  # fmt: skip
            told.append((alert, event))
        if self._settings.tells("alert.raised"):
            self._put(session, [Entry(source.camera, event, facts.historical) for _, event in told], now_ms)
        return [(alert, written) for alert, event in told if (written := _written(event)) is not None]

    def rendered(self, session: Session, clip: ClipRow) -> None:
        """Tell which video a segment has now, of those that viewers see."""
        if not self._settings.tells("clip.rendered"):
            return
        query = select(PacketRow, SegmentRow).join(SegmentRow, SegmentRow.packet_id == PacketRow.id)
        found = session.execute(query.where(PacketRow.id == clip.packet_id)).one_or_none()
        if found is None:  # it is being derived again: then there is nothing to tell yet
            return
        if not Bound.read(found[1].binds).published:
            return
        if self._look is not None and clip.look != self._look(session, found[0].camera_id):
            return
        now_ms = clip.made_ms
        source, facts = self._facts(session, _news(*found), now_ms)
        event = ClipRendered(
            id=f"{_of(source, facts)}-clip-{clip.fingerprint[:16]}", source=_root(source),
            subject=f"segments/{facts.id}", time=events.time_text(now_ms),
            data=Rendered(facts, self._clip(clip)),
        )  # fmt: skip
        self._put(session, [Entry(source.camera, event, facts.historical)], now_ms)

    def _put(self, session: Session, entries: Sequence[Entry], now_ms: int) -> None:
        """Queue events; one that cannot be written costs nothing else, not even the others."""
        try:
            outbox.put(session, entries, now_ms)
        except EventError as error:
            log.error("event cannot be written", error=str(error))  # noqa: TRY400 -- the line says all
            if len(entries) > 1:
                for entry in entries:
                    self._put(session, [entry], now_ms)

    def _facts(self, session: Session, news: News, now_ms: int) -> tuple[Source, SegmentFacts]:
        source = self._names.source(session, news.camera_id, news.boot_id)
        path = f"/api/v1/segments/{news.packet_id}"
        facts = SegmentFacts(
            id=news.packet_id, camera=source.camera, boot_id=source.boot, sequence=news.sequence,
            start_ms=_bounded(news.start_ms), duration_ms=_bounded(news.duration_ms), still=news.still,
            historical=news.historical or self.is_late(news, now_ms),
            caption=None if news.caption is None else news.caption[:_MAX_CAPTION],
            url=self._url(path), thumbnail=self._url(f"{path}/thumb.jpg"),
        )  # fmt: skip
        return source, facts

    def _clip(self, clip: ClipRow) -> ClipFacts:
        path = self._url(f"/api/v1/clips/{clip.packet_id}")
        return ClipFacts(
            fingerprint=clip.fingerprint, url=f"{path}.mp4", poster=f"{path}.jpg", provenance=f"{path}.json",
            width=clip.width, height=clip.height, frames=clip.frames, size=clip.size,
        )  # fmt: skip

    def _url(self, path: str) -> str:
        return self._settings.base_url + path


def _written(event: Event) -> bytes | None:
    """Write an event; None for one that nobody could read, of which `_put` has told."""
    try:
        return events.encode(event)
    except EventError:
        return None


def _of(source: Source, facts: SegmentFacts) -> str:
    return f"{source.boot}-{facts.sequence}"


def _root(source: Source) -> str:
    return f"/mirage/v1/{source.camera}"


def _bounded(ms: int) -> int:
    """Keep a time that a device made up within what JSON can say."""
    return min(max(ms, 0), _MAX_MS)


def _news(packet: PacketRow, segment: SegmentRow) -> News:
    return News(
        packet.id, packet.camera_id, packet.boot_id, packet.sequence, packet.received_ms, packet.historical,
        segment.start_ms, segment.duration_ms, segment.still, segment.caption,
    )  # fmt: skip
