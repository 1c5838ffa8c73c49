"""At what time of day an alert listens: 22:00-06:00 in some time zone. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_MAX_S = 253_402_300_799  # the last second of year 9999


class HoursError(ValueError):
    """These are no hours, or this is no time zone; the message names it."""


@dataclass(frozen=True, slots=True)
class Hours:
    """From one minute of the day on, and before another; over midnight where the other is earlier."""

    first: int
    end: int
    zone: tzinfo

    @classmethod
    def parse(cls, text: str, zone: str) -> "Hours":
        """Read HH:MM-HH:MM, or raise HoursError."""
        found = _HOURS.fullmatch(text)
        if found is None or found[1] + found[2] == found[3] + found[4]:
            raise HoursError(f"hours {text!r} are not HH:MM-HH:MM, as 22:00-06:00")
        first, end = (int(found[part]) * 60 + int(found[part + 1]) for part in (1, 3))
        return cls(first, end, zone_of(zone))

    def hold(self, at_ms: int) -> bool:
        """Say whether a time of the Unix epoch is within."""
        at = datetime.fromtimestamp(min(max(at_ms // 1000, 0), _MAX_S - 86_400), UTC).astimezone(self.zone)
        minute = at.hour * 60 + at.minute
        if self.first < self.end:
            return self.first <= minute < self.end
        return minute >= self.first or minute < self.end


def zone_of(name: str) -> tzinfo:
    """Give a time zone as Europe/Berlin, or raise HoursError."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:  # ValueError: a path; OSError: a folder of zones
        raise HoursError(f"time zone {name!r} is not known: name one as Europe/Berlin, or UTC") from error
