"""What events of traffic tell: of a device, a site, a tenant or the whole fleet, and of no camera.

    type of the event         told when                                                  data
    mirage.budget.reached     a place has used 70, 90 or 100 % of its budget             BudgetFacts
    mirage.usage.unusual      a device sent more in an hour than its history explains    UnusualFacts

They come under the topic of a camera called "-", as no name stands for all: `mirage/v1/acme/-/-/-/event` is
of the whole tenant. What is of the whole fleet goes to the webhook only: there is no topic of all tenants.
"""

from typing import Annotated

from msgspec import Meta, Struct

from wire.documents import Milliseconds
from wire.topics import DeviceTopics

ALL = "-"

Place = Annotated[str, Meta(pattern=r"\A([a-z0-9-]{1,32}(/[a-z0-9-]{1,32}){0,2})?\Z")]
Bytes = Annotated[int, Meta(ge=0, lt=2**53)]


class BudgetFacts(Struct, frozen=True):
    """A place used `percent` or more of the bytes that it may send from `from_ms` on and before `to_ms`."""

    place: Place
    percent: Annotated[int, Meta(ge=1, le=100)]
    used: Bytes
    budget: Bytes
    from_ms: Milliseconds
    to_ms: Milliseconds


class UnusualFacts(Struct, frozen=True):
    """A device sent `bytes` in the hour from `hour_ms`; `expected` were usual, and `most` not unusual."""

    place: Place
    hour_ms: Milliseconds
    bytes: Bytes
    expected: Bytes
    most: Bytes


def topic_of(place: str) -> str | None:
    """Name the topic of a place, or None for the whole fleet. Raises TopicError."""
    if not place:
        return None
    tenant, site, device = [*place.split("/"), ALL, ALL][:3]
    return DeviceTopics(tenant, site, device).event(ALL)
