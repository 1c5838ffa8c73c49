"""What the sender and its link forbid, as the fleet file states it: for all, for a site, for a device.

    [sender], [uplink]            for all devices; uplink is what [network] of the agent's settings is
    [site.sender], [site.uplink]  key by key before those of the fleet
    [device.sender], ...          key by key before those of the site

A `preset` begins anew: nothing that a wider table says is left. docs/constraints.md says what the keys mean.
"""

from collections.abc import Iterator, Mapping

from mirage.deploy.device import Device
from mirage.deploy.fleet import Fleet
from wire.policy import Network, PolicyError, Receiver, Sender, effective
from wire.policy.reading import sender_of, with_preset
from wire.policy.tables import convert

Raw = Mapping[str, object]


def sender_table(fleet: Fleet, device: Device) -> dict[str, object]:
    """Give [sender] of a device's settings, as TOML has it."""
    merged: dict[str, object] = {}
    for table in (fleet.sender, fleet.site_of(device).sender, device.sender):
        merged = _over({} if "preset" in table else merged, table)
    return merged


def network_table(fleet: Fleet, device: Device) -> dict[str, object]:
    """Give [network] of a device's settings, as TOML has it."""
    site = fleet.site_of(device)
    own = {"bytes_per_s": site.bytes_per_s, "burst_bytes": site.burst_bytes}
    stated = {key: value for key, value in own.items() if value is not None}
    return {**fleet.uplink, **stated, **site.uplink, **device.uplink}


def check(fleet: Fleet, source: str) -> None:
    """Raise PolicyError for an unknown key or a contradiction; it names file, table and key."""
    for name, forbidden, uplink in _stated(fleet):
        convert(with_preset(dict(forbidden)), Sender, f"{name}sender", source)
        convert(dict(uplink), Network, f"{name}uplink", source)
    for device in fleet.device:
        where = f"{source}: device {device.id}"
        sender = sender_of(sender_table(fleet, device), where)
        network = convert(network_table(fleet, device), Network, "uplink", where)
        try:
            for link in ("", *(each.name for each in network.link)):
                effective(sender, network.on(link), Receiver())
        except PolicyError as error:
            raise PolicyError(f"{where}: {error}") from error


def _stated(fleet: Fleet) -> Iterator[tuple[str, Raw, Raw]]:
    """Give all tables that the file has, with what comes before their names."""
    yield "", fleet.sender, fleet.uplink
    for site in fleet.site:
        yield f"site {site.id}: ", site.sender, site.uplink
    for device in fleet.device:
        yield f"device {device.id}: ", device.sender, device.uplink


def _over(wide: dict[str, object], narrow: Raw) -> dict[str, object]:
    """Lay a table over a wider one; of [sender.receiver], key by key, too."""
    merged = {**wide, **narrow}
    demands, more = wide.get("receiver"), narrow.get("receiver")
    if isinstance(demands, dict) and isinstance(more, dict):
        merged["receiver"] = {**demands, **more}
    return merged
