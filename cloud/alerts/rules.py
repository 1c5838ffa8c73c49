"""Alerts as people and programs write and read them: saved searches, checked. Pure.

name       what it is called             "Red cars at night"
query      what captions say             "red car" -rain      (cloud/query.py)
place      where, as far as named        acme/north           ('' is everywhere)
hours      when, in `zone`               22:00-06:00
cooldown   how long a camera that raised it is quiet
webhook    where each hit is posted to, if the settings allow it
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from cloud.alerts.hours import Hours, HoursError, zone_of
from cloud.query import Query
from cloud.schema import AlertRow
from cloud.search import MAX_TEXT, SCOPES, Scope
from wire.topics import TopicError, check_camera, check_id

MAX_NAME = 128
MAX_WEBHOOK = 1024
MAX_COOLDOWN_S = 604_800


class AlertError(ValueError):
    """The alert cannot be as it is asked for; the message says why."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What an alert looks for; raises AlertError for what cannot be."""

    name: str
    query: str
    place: str = ""
    active: bool = True
    hours: str | None = None
    zone: str = "UTC"
    cooldown_s: int = 60
    webhook: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.strip()) <= len(self.name) <= MAX_NAME or not self.name.isprintable():
            raise AlertError(f"name {self.name[:MAX_NAME]!r} is not 1 to {MAX_NAME} characters of a line")
        if len(self.query) > MAX_TEXT or not self.query.isprintable():
            raise AlertError(f"query {self.query[:MAX_TEXT]!r} is not {MAX_TEXT} characters of a line")
        if not Query.parse(self.query).wanted:
            raise AlertError(f"query {self.query!r} names no word that a caption must have")
        if not 0 <= self.cooldown_s <= MAX_COOLDOWN_S:
            raise AlertError(f"cooldown_s {self.cooldown_s} is not 0 to {MAX_COOLDOWN_S}")
        if self.webhook is not None and len(self.webhook) > MAX_WEBHOOK:
            raise AlertError(f"webhook is longer than {MAX_WEBHOOK} characters")
        scoped(self.place)
        try:
            zone_of(self.zone)
            parse_hours(self.hours, self.zone)
        except HoursError as error:
            raise AlertError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that is stored. `webhook_error` is why its last call failed, if it did; times are in ms."""

    id: int
    name: str
    query: str
    place: str
    active: bool
    hours: str | None
    zone: str
    cooldown_s: int
    webhook: str | None
    webhook_error: str | None
    created_ms: int
    changed_ms: int

    @classmethod
    def of(cls, row: AlertRow) -> "Alert":
        return cls(**{field.name: getattr(row, field.name) for field in fields(cls)})

    @property
    def draft(self) -> Draft:
        """Give what may be changed of it."""
        return Draft(**{field.name: getattr(self, field.name) for field in fields(Draft)})


def scoped(place: str) -> Mapping[Scope, str]:
    """Give a place as searches name it, or raise AlertError."""
    if not place:
        return {}
    names = place.split("/")
    if len(names) > len(SCOPES):
        raise AlertError(f"place {place!r} is not tenant/site/device/camera, or the beginning of that")
    try:
        for scope, name in zip(SCOPES, names, strict=False):
            check_camera(name) if scope == "camera" else check_id(scope, name)
    except TopicError as error:
        raise AlertError(f"place {place!r}: {error}") from error
    return {SCOPES[len(names) - 1]: place}


def covers(place: str, camera: str) -> bool:
    """Say whether a camera, tenant/site/device/camera, is at a place."""
    return not place or camera == place or camera.startswith(f"{place}/")


def parse_hours(hours: str | None, zone: str) -> Hours | None:
    """Give the hours, None for any time. Raises HoursError."""
    return None if hours is None else Hours.parse(hours, zone)
