"""Bytes by camera and slot, as they are stored and added. Pure.

    {"": [61, 40, 0, …], "gate": [12, 9, …]}     "" is the device itself, others are cameras

Lists follow `wire.spent.OWN_SLOTS` and CAMERA_SLOTS, which only grow; zeros at the end are left out. A camera
that its device has not is counted as OTHER, and above devices all cameras are ALL: so many names there are.

    {"@lte EUR": [1210, 484000]}       the same bytes again, by link, and what they cost, in billionths of EUR

A link without a price has no currency. It is known of minutes only, so of less than all bytes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import msgspec

from wire.documents import LinkInfo
from wire.policy.price import Price
from wire.spent import CAMERA_SLOTS, OWN_SLOTS, PAYLOAD, Slot, Spent

Parts = dict[str, list[int]]

OWN, OTHER, ALL = "", "~", "*"  # no camera can be called so
LINK = "@"
MOST_LINKS = 64  # of a place: what devices call them is their business
LABELS = {OTHER: "other", ALL: "all"}

_decoder = msgspec.json.Decoder(dict[str, list[int]])


def of_record(spent: Iterable[Spent], cameras: Sequence[str], known: frozenset[str]) -> Parts:
    """Name the cameras of a record by their places in the birth; those not `known` are OTHER."""
    parts: Parts = {}
    for each in spent:
        name = OWN
        if each.camera is not None:
            named = cameras[each.camera] if each.camera < len(cameras) else OTHER
            name = named if named in known else OTHER
        add(parts, {name: list(each.bytes)})
    return parts


@dataclass(frozen=True, slots=True)
class OfLink:
    """Bytes that went by links of one name, and what they cost, in billionths of `currency`, if anything."""

    name: str
    currency: str
    bytes: int
    nano: int


def of_link(link: LinkInfo, size: int) -> Parts:
    """Say by which link so many bytes went."""
    price = Price.parse(link.price) if link.price else None
    if price is None:
        return {f"{LINK}{link.name}": [size]}
    return {f"{LINK}{link.name} {price.currency}": [size, price.nano(size)]}


def links(parts: Mapping[str, Sequence[int]]) -> Iterator[OfLink]:
    """Give what went by which link, by name."""
    for key, sizes in sorted(parts.items()):
        if key.startswith(LINK):
            name, _, currency = key.removeprefix(LINK).partition(" ")
            size, nano = [*sizes, 0, 0][:2]
            yield OfLink(name, currency, size, nano)


def add(parts: Parts, more: Mapping[str, Sequence[int]], sign: int = 1) -> None:
    """Add to `parts`, or take from them."""
    for name, sizes in more.items():
        parts[name] = [
            have + sign * size for have, size in zip_longest(parts.get(name, ()), sizes, fillvalue=0)
        ]


def total(parts: Mapping[str, Sequence[int]]) -> int:
    """Add up all bytes."""
    return sum(sum(sizes) for name, sizes in parts.items() if not name.startswith(LINK))


def folded(parts: Mapping[str, Sequence[int]]) -> Parts:
    """Take all cameras as one, as it is done above devices."""
    folded: Parts = {}
    for name, sizes in parts.items():
        add(folded, {name if name == OWN or name.startswith(LINK) else ALL: sizes})
    return folded


def unlinked(parts: Mapping[str, list[int]]) -> Parts:
    """Leave out what is said by link."""
    return {name: sizes for name, sizes in parts.items() if not name.startswith(LINK)}


def bounded(parts: Parts) -> Parts:
    """Count links beyond the first MOST_LINKS names under one."""
    names = sorted(name for name in parts if name.startswith(LINK))
    for name in names[MOST_LINKS:]:
        _, _, currency = name.partition(" ")
        add(parts, {f"{LINK}{OTHER} {currency}" if currency else f"{LINK}{OTHER}": parts.pop(name)})
    return parts


def shares(parts: Mapping[str, Sequence[int]], weights: Sequence[int]) -> list[Parts]:
    """Split into as many parts as there are weights, of these proportions; nothing is lost by rounding."""
    cuts = {name: [cut(size, weights) for size in sizes] for name, sizes in parts.items()}
    return [
        {name: [size[at] for size in sizes] for name, sizes in cuts.items()} for at in range(len(weights))
    ]


def cut(number: int, weights: Sequence[int]) -> list[int]:
    """Cut a number into whole ones that are as these weights, and add up to it."""
    whole, upto, pieces = sum(weights), 0, list[int]()
    for weight in weights:
        before, upto = upto, upto + weight
        pieces.append(number * upto // whole - number * before // whole)
    return pieces


def slots(parts: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, Slot, int]]:
    """Give camera, slot and bytes of all that is not zero."""
    for name, sizes in parts.items():
        if name.startswith(LINK):
            continue
        for slot, size in zip(OWN_SLOTS if name == OWN else CAMERA_SLOTS, sizes, strict=False):
            if size:
                yield name, slot, size


def by_layer(parts: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Add up payload by layer; what goes around it has the name of its kind."""
    layers: dict[str, int] = {}
    for _, (layer, kind), size in slots(parts):
        name = layer if kind == PAYLOAD else kind
        layers[name] = layers.get(name, 0) + size
    return layers


def encode(parts: Mapping[str, Sequence[int]]) -> str:
    """Write as JSON, without what is zero."""
    short = {name: _trimmed(sizes) for name, sizes in sorted(parts.items())}
    return msgspec.json.encode({name: sizes for name, sizes in short.items() if sizes}).decode()


def decode(text: str) -> Parts:
    """Read what `encode` wrote."""
    return _decoder.decode(text)


def _trimmed(sizes: Sequence[int]) -> Sequence[int]:
    end = len(sizes)
    while end and not sizes[end - 1]:
        end -= 1
    return sizes[:end]
