"""At which hours of the day pictures are looked at, in the device's timezone or another."""

from collections.abc import Sequence
from datetime import datetime, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wire.policy import PolicyError
from wire.policy.hours import are_open


class Schedule:
    """`name` is a timezone as in Europe/Berlin; without one, the device's. Raises PolicyError for another."""

    def __init__(self, hours: Sequence[str], name: str = "") -> None:
        self._hours = tuple(hours)
        try:
            self._zone = ZoneInfo(name) if name else None
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise PolicyError(
                f"[sender] timezone {name!r} is not known here: give one as Europe/Berlin, "
                "or pip install tzdata"
            ) from error

    def is_open(self, unix_s: float) -> bool:
        """Tell whether pictures may be looked at."""
        if not self._hours:
            return True
        local = datetime.fromtimestamp(unix_s, timezone.utc).astimezone(self._zone)
        return are_open(self._hours, 60 * local.hour + local.minute)
