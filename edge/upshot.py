"""What comes of the device's own settings and of all that the cloud has set over them.

    Own, Bundle, Kept --upshot()--> Upshot --> the agent does it, its doctor says it

Pure: whoever asks gets the same answer, before anything is loaded.
"""

from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass

import msgspec
from msgspec import structs

from edge.allowance import Limits
from edge.asked import OF_SENDER
from edge.config import Config
from edge.kept import Kept, Wishes, holding, inherited
from edge.privacy.allowed import most_planes
from edge.privacy.detectors import check_findable
from edge.privacy.model_files import DetectorError
from edge.privacy.remote import AskedOfSender, stated
from wire.bundle import Bundle, BundleError
from wire.documents import Value
from wire.policy import Network, PolicyError, Receiver, Sender, effective

CANNOT = (msgspec.ValidationError, BundleError, PolicyError, DetectorError)


@dataclass(frozen=True, slots=True)
class Own:
    """What the settings say. `detail`: planes, still_bytes, vector; `limits` by link ("": without a name)."""

    sender: Sender
    network: Network
    detail: Mapping[str, Value]
    limits: Mapping[str, Limits]

    @classmethod
    def of(cls, config: Config) -> "Own":
        """Take it from the settings of an agent."""
        encode, network = config.encode, config.network
        detail = {"planes": encode.planes, "still_bytes": encode.still_bytes, "vector": encode.vector}
        names = ("", *(each.name for each in network.link))
        return cls(config.sender, network, detail, {name: limits_on(network, name) for name in names})

    @property
    def device(self) -> dict[str, Value]:
        """All but the limits, as it would be asked for."""
        return {**self.detail, **stated(self.sender)}


@dataclass(frozen=True, slots=True)
class Upshot:
    """What is to be done. `said`: of each key that the cloud has set, what holds and what the settings say.

    Limits are not raised yet to what keeps a device connected.
    """

    sender: Sender
    planes: int | None
    still_bytes: int
    vector: bool
    limits: Mapping[str, Limits]
    said: Mapping[str, tuple[Value, Value]]

    @property
    def holds(self) -> dict[str, Value]:
        """What holds of what the cloud has set; "KEY on LINK" of a link with a name."""
        return {name: value for name, (value, _) in self.said.items()}

    @property
    def differing(self) -> dict[str, Value]:
        """What holds otherwise than the settings say."""
        return {name: value for name, (value, own) in self.said.items() if value != own}


def upshot(own: Own, bundle: Bundle, kept: Kept) -> Upshot:
    """Say what holds, on all links that may become active, or raise what is in CANNOT."""
    sender = sender_of(own.sender, kept)
    if sender != own.sender:
        for name in own.limits:  # a link becomes active when nobody can refuse anything
            most_planes(bundle, effective(sender, own.network.on(name), Receiver()))
        check_findable(sender, bundle)
    device = own.device
    holds = holding(kept.device, device, _bound(own.sender))
    if "planes" in holds:
        holds["planes"] = _fitting(bundle, holds["planes"])
    detail = msgspec.convert({**own.detail, **_only(holds, own.detail)}, _Detail)
    said = {name: (value, device[name]) for name, value in sorted(holds.items())}
    limits = dict[str, Limits]()
    for link, of_link in own.limits.items():
        taken = inherited(own.network, link)
        limits[link] = kept.limits(link, of_link, taken)
        now, before, on = asdict(limits[link]), asdict(of_link), f" on {link}" if link else ""
        said |= {f"{name}{on}": (now[name], before[name]) for name in sorted(kept.wishes(link, taken))}
    return Upshot(sender, detail.planes, detail.still_bytes, detail.vector, limits, said)


def sender_of(file: Sender, kept: Kept) -> Sender:
    """Give the table that holds, which never forbids less than the device's own, unless that is `remote`.

    Raises PolicyError.
    """
    wishes: Wishes = {name: wish for name, wish in kept.device.items() if name in OF_SENDER}
    sender = msgspec.convert(holding(wishes, stated(file), _bound(file)), AskedOfSender).of(file)
    if file.remote:
        return sender
    return structs.replace(sender, words=tuple(dict.fromkeys((*file.words, *sender.words))))


def limits_on(network: Network, link: str) -> Limits:
    """Give the limits that the settings say of a link."""
    table = network.on(link)
    return Limits(table.bytes_per_s, table.burst_bytes, table.bytes_per_month)


class _Detail(msgspec.Struct):
    planes: int | None
    still_bytes: int
    vector: bool


def _bound(file: Sender) -> frozenset[str]:
    return frozenset() if file.remote else OF_SENDER


def _only(values: Mapping[str, Value], names: Container[str]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if name in names}


def _fitting(bundle: Bundle, planes: Value) -> Value:
    """Give so many planes, or as many fewer as the bundle takes, which may be another than then."""
    info = bundle.manifest.appearance
    if info is None or not isinstance(planes, int):
        return None
    return 0 if planes < info.coarse_planes else min(planes, info.planes)
