"""What `set-policy` takes, in flat values, and which of two values of it is the stricter."""

from collections.abc import Callable, Mapping
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from edge.allowance import Limits
from edge.config import Planes, StillBytes
from edge.privacy.remote import AskedOfSender
from wire.documents import Value
from wire.policy.tables import LAYERS

OF_SENDER = frozenset(AskedOfSender.__struct_fields__)
OF_LINK = frozenset({"bytes_per_s", "burst_bytes", "bytes_per_month"})


class Asked(AskedOfSender, forbid_unknown_fields=True):
    """What is left out stays as it is; `reset`: what was asked before is forgotten first."""

    planes: Planes | UnsetType | None = UNSET
    vector: bool | UnsetType = UNSET
    still_bytes: StillBytes | UnsetType = UNSET
    bytes_per_s: Annotated[float, Meta(gt=0)] | UnsetType | None = UNSET
    burst_bytes: Annotated[int, Meta(ge=1024)] | UnsetType = UNSET
    bytes_per_month: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    reset: bool = False

    def limits(self, now: Limits) -> Limits:
        """Give the limits that are asked for, where `now` is what holds."""
        return Limits(
            now.bytes_per_s if self.bytes_per_s is UNSET else self.bytes_per_s,
            now.burst_bytes if self.burst_bytes is UNSET else self.burst_bytes,
            now.bytes_per_month if self.bytes_per_month is UNSET else self.bytes_per_month,
        )

    def values(self) -> dict[str, Value]:
        """Give what is asked for, by name."""
        names = sorted(OF_DEVICE | OF_LINK)
        return {name: value for name in names if (value := getattr(self, name)) is not UNSET}


OF_DEVICE = frozenset(Asked.__struct_fields__) - OF_LINK - {"reset"}


def stricter(name: str, one: Value, other: Value) -> Value:
    """Give what is in keeping with two values of a key; None is no limit."""
    return _STRICTER[name](one, other)


def _either(one: Value, other: Value) -> Value:
    return bool(one) or bool(other)


def _both(one: Value, other: Value) -> Value:
    return bool(one) and bool(other)


def _redacted(one: Value, other: Value) -> Value:
    return "redact" if "redact" in (one, other) else "keep"


def _smaller(one: Value, other: Value) -> Value:
    limits = [each for each in (one, other) if isinstance(each, (int, float))]
    return min(limits, default=None)


def _larger(one: Value, other: Value) -> Value:
    return max(each for each in (one, other) if isinstance(each, (int, float)))


def _parts(value: Value) -> list[str]:
    return [part for each in str(value).split(",") if (part := each.strip())]


def _all_words(one: Value, other: Value) -> Value:
    return ",".join(dict.fromkeys((*_parts(one), *_parts(other))))


def _common_layers(one: Value, other: Value) -> Value:
    common = {*_parts(one)} & {*_parts(other)}
    return ",".join(name for name in LAYERS if name in common)


_STRICTER: Mapping[str, Callable[[Value, Value], Value]] = {
    **dict.fromkeys(("off", "on_motion"), _either),
    **dict.fromkeys(("faces", "text", "people", "plates"), _redacted),
    **dict.fromkeys(("planes", "still_bytes", "picture_px", *OF_LINK), _smaller),
    "vector": _both,
    "words": _all_words,
    "layers": _common_layers,
    "noise": _larger,
}
