"""The agent's settings (edge.toml) of one device, as its seed carries them.

The key is not here: systemd hands it over from where the device made it.
"""

import msgspec

from mirage.deploy.device import Device
from mirage.deploy.fleet import Fleet

ETC = "/etc/mirage"
STATE = "/var/lib/mirage"
IDENTITY = "/var/lib/mirage-identity"  # root's: device.key (0600) and device.pem, made on the device
BUNDLES = "/opt/mirage/bundles"
BUNDLE = "current"  # a link, so that a new bundle needs no new settings


def edge_toml(fleet: Fleet, device: Device) -> str:
    """Write the settings of the device's agent."""
    site = fleet.site_of(device)
    network: dict[str, object] = {"bytes_per_s": site.bytes_per_s, "burst_bytes": site.burst_bytes}
    parts = [
        _table(
            "[device]",
            {
                "tenant": fleet.fleet.tenant,
                "site": device.site,
                "id": device.id,
                "key": "credential:device.key",
                "certificate": f"{IDENTITY}/device.pem",
            },
        ),
        _table(
            "[broker]",
            {
                "host": fleet.broker.host,
                "port": fleet.broker.port,
                "ca": f"{ETC}/ca.pem",
                "cloud_key": f"{ETC}/cloud.pub",
            },
        ),
        _table("[network]", network),
        _table("[bundle]", {"path": f"{BUNDLES}/{BUNDLE}", "engine_cache": f"{STATE}/engines"}),
        _table("[spool]", {"path": f"{STATE}/spool.db"}),
        *(_table("[[camera]]", {"name": each.name, "source": each.source}) for each in device.cameras),
    ]
    return "\n".join(part for part in parts if part)


def enrolment_toml(fleet: Fleet, device: Device) -> str:
    """Write where the device exchanges its claim for a certificate."""
    values: dict[str, object] = {
        "url": fleet.cloud.enrolment,
        "claim": f"{ETC}/claim",
        "ca": f"{ETC}/ca.pem",
        "identity": IDENTITY,
        "name": f"{fleet.fleet.tenant}/{device.site}/{device.id}",
    }
    return _table("[enrolment]", values)


def _table(header: str, values: dict[str, object]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in values.items() if value is not None]
    return "\n".join([header, *lines, ""]) if lines else ""


def _value(value: object) -> str:
    # A string of JSON is one of TOML, but for DEL, which the fleet file does not let in.
    return msgspec.json.encode(value).decode()
