"""What third parties are told, and how: the sections [events] and [alerts] of the cloud's settings.

[events] enabled = false, kinds = ["segment.described", "clip.rendered", "alert.raised"], base_url = "",
         fresh_s = 600, keep_hours = 24, keep_most = 100000
[alerts] webhooks = []
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from cloud.config_webhooks import begins_with, check_url

Kind = Literal["segment.described", "clip.rendered", "alert.raised"]
KINDS: tuple[Kind, ...] = ("segment.described", "clip.rendered", "alert.raised")
MAX_URL = 512


class Events(Struct, frozen=True, forbid_unknown_fields=True):
    """What is published on `.../{camera}/event`. The broker, and whoever may subscribe there, can read it.

    URLs in events begin with `base_url`, where the page is reached; without one they are paths. What is
    derived later than `fresh_s` after it was seen is marked as historical, and hastens no rendering. What the
    broker does not take is dropped, and counted, after `keep_hours`, or beyond `keep_most` events.
    """

    enabled: bool = False
    kinds: tuple[Kind, ...] = KINDS
    base_url: Annotated[str, Meta(max_length=MAX_URL)] = ""
    fresh_s: Annotated[int, Meta(ge=1, le=86_400)] = 600
    keep_hours: Annotated[float, Meta(gt=0, le=8760)] = 24.0
    keep_most: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000

    def __post_init__(self) -> None:
        if self.base_url:
            check_url("events.base_url", self.base_url)
            if self.base_url.endswith("/"):
                raise ValueError(f"events.base_url {self.base_url!r}: leave out the / at the end")

    def tells(self, kind: Kind) -> bool:
        """Say whether events of a kind are published."""
        return self.enabled and kind in self.kinds


class Alerts(Struct, frozen=True, forbid_unknown_fields=True):
    """Where alerts may be posted to: URLs, or what they begin with. Nowhere without any.

    A webhook is called by the cloud, from inside its network: who may write alerts shall not choose freely.
    """

    webhooks: Annotated[tuple[str, ...], Meta(max_length=64)] = ()

    def __post_init__(self) -> None:
        for url in self.webhooks:
            check_url("alerts.webhooks", url)

    def allows(self, webhook: str) -> bool:
        """Say whether alerts may be posted there."""
        try:
            wanted = check_url("webhook", webhook)
        except ValueError:
            return False
        return any(begins_with(wanted, urlsplit(url)) for url in self.webhooks)
