"""Events as the cloud tells them, made up for subscribers."""

from wire import events, notices
from wire.events import (
    AlertFacts,
    AlertRaised,
    BudgetReached,
    ClipFacts,
    ClipRendered,
    Described,
    Notice,
    Raised,
    Rendered,
    SegmentDescribed,
    SegmentFacts,
    UsageUnusual,
)
from wire.notices import BudgetFacts, UnusualFacts

CAMERA = "acme/north/edge-1/door"
BOOT = "0a1b2c3d4e5f6071"
START_MS = 1_790_000_000_000
_TIME = events.time_text(START_MS + 2500)


def segment(
    number: int,
    caption: str | None = "a person walks to the door",
    *,
    camera: str = CAMERA,
    historical: bool = False,
    server: str = "",
) -> SegmentFacts:
    """Give the facts of a segment: two seconds each, numbered from the first."""
    return SegmentFacts(
        id=number,
        camera=camera,
        boot_id=BOOT,
        sequence=number,
        start_ms=START_MS + 2000 * number,
        duration_ms=2000,
        still=False,
        historical=historical,
        caption=caption,
        url=f"{server}/api/v1/segments/{number}",
        thumbnail=f"{server}/api/v1/segments/{number}/thumb.jpg",
    )


def described(facts: SegmentFacts, *, revised: bool = False) -> SegmentDescribed:
    """Tell of a caption."""
    return SegmentDescribed(
        id=f"{facts.boot_id}-{facts.sequence}-described{'-again' if revised else ''}",
        source=f"/mirage/v1/{facts.camera}",
        time=_TIME,
        data=Described(facts, revised),
    )


def rendered(facts: SegmentFacts) -> ClipRendered:
    """Tell of a video."""
    clip = ClipFacts(
        fingerprint="ab" * 32,
        url=f"/api/v1/clips/{facts.id}.mp4",
        poster=f"/api/v1/clips/{facts.id}.jpg",
        provenance=f"/api/v1/clips/{facts.id}.json",
        width=256,
        height=144,
        frames=50,
        size=48_213,
    )
    name = f"{facts.boot_id}-{facts.sequence}-rendered"
    return ClipRendered(id=name, source=f"/mirage/v1/{facts.camera}", time=_TIME, data=Rendered(facts, clip))


def alert(facts: SegmentFacts, name: str = "Parcels") -> AlertRaised:
    """Tell of an alert."""
    raised = Raised(facts, AlertFacts(3, name, "parcel", f"/?segment={facts.id}"))
    event_id = f"{facts.boot_id}-{facts.sequence}-alert-3"
    return AlertRaised(id=event_id, source=f"/mirage/v1/{facts.camera}", time=_TIME, data=raised)


def budget_reached(place: str, percent: int = 90) -> BudgetReached:
    """Tell of a budget of 30 MB from the first of September to the first of October 2026."""
    facts = BudgetFacts(place, percent, 27_300_000, 30_000_000, 1_788_220_800_000, 1_790_812_800_000)
    return BudgetReached(id=f"budget-{percent}", source=f"/mirage/v1/{place}", time=_TIME, data=facts)


def usage_unusual(place: str) -> UsageUnusual:
    """Tell of a device that sent nine times what it usually does."""
    facts = UnusualFacts(place, 1_789_995_600_000, 900_000, 100_000, 300_000)
    return UsageUnusual(id="unusual", source=f"/mirage/v1/{place}", time=_TIME, data=facts)


def topic_of(event: events.Event) -> str:
    """Name the topic that the cloud publishes it under."""
    if isinstance(event, Notice):
        topic = notices.topic_of(event.data.place)
        assert topic is not None
        return topic
    return events.topic_of(event.data.segment.camera)


def topic_and_payload(event: events.Event) -> tuple[str, bytes]:
    """Give what the cloud publishes."""
    return topic_of(event), events.encode(event)
