"""Settings of what the cloud counts, and of who may read the counts; `cloud.config` has the rest."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from cloud.config_webhooks import check_url

_YEARS_DAYS = 100 * 366

Days = Annotated[int, Meta(ge=1, le=_YEARS_DAYS)]


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """Where Prometheus reads this process, by HTTP and without a login: bind to what may know it.

    Without `port`, nowhere. A process of one role takes a port of its own, so that all read one file: ingest
    `port`, derive 1 more, render 2 more, serve 3 more, broker-sync 4 more. Devices are named with
    `per_device` only, and only the first `most_devices` of them: each is dozens of series.
    """

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65531)] | None = None
    per_device: bool = False
    most_devices: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class UsageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How long what devices sent is kept, when their months begin, and what a megabyte costs.

    A megabyte has 10**6 bytes, as on the bills of networks. `timezone` is that of billing days. What is to
    be known of budgets, and of devices that send more than usual, is posted to `webhook`.
    """

    keep_minutes_h: Annotated[int, Meta(ge=2, le=24 * 366)] = 48
    keep_hours_days: Annotated[int, Meta(ge=32, le=_YEARS_DAYS)] = 90
    keep_days: Annotated[int, Meta(ge=62, le=_YEARS_DAYS)] = 1096
    timezone: str = "UTC"
    billing_day: Annotated[int, Meta(ge=1, le=28)] = 1
    price_per_mb: Annotated[float, Meta(ge=0)] | None = None
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")] = "EUR"
    compare: Literal["h264", "h265"] = "h265"
    webhook: Annotated[str, Meta(max_length=1024)] = ""

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"usage.timezone {self.timezone!r} is no IANA time zone, like Europe/Berlin"
            ) from error
        if self.webhook:
            check_url("usage.webhook", self.webhook)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)
