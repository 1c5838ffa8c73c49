"""The agent's settings (edge.toml) of one device, as its seed carries them.

The key is not here: systemd hands it over from where the device made it.
"""

import msgspec

from mirage.deploy import constraints
from mirage.deploy.device import Camera, Device
from mirage.deploy.fleet import Fleet

ETC = "/etc/mirage"
STATE = "/var/lib/mirage"
ROOT = "/opt/mirage"
UPDATE = f"{ETC}/update.toml"
IDENTITY = "/var/lib/mirage-identity"  # root's: device.key (0600) and device.pem, made on the device
BUNDLES = f"{ROOT}/bundles"
BUNDLE = "current"  # a link, so that a new bundle needs no new settings


def edge_toml(fleet: Fleet, device: Device) -> str:
    """Write the settings of the device's agent."""
    network, sender = constraints.network_table(fleet, device), constraints.sender_table(fleet, device)
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
        _table("[sender]", sender),
        _table("[bundle]", {"path": f"{BUNDLES}/{BUNDLE}", "engine_cache": f"{STATE}/engines"}),
        _table("[spool]", {"path": f"{STATE}/spool.db"}),
        _table("[update]", {"settings": UPDATE if fleet.takes_updates else None}),
        *(_table("[[camera]]", _camera(each)) for each in device.cameras),
    ]
    return "\n".join(part for part in parts if part)


def update_toml(fleet: Fleet) -> str:
    """Write where the device fetches releases, who signs them, and what they may take of its link."""
    update = fleet.update
    values: dict[str, object] = {
        "url": update.url,
        "key": f"{ETC}/release.pub",
        "ca": f"{ETC}/ca.pem",
        "identity": IDENTITY,
        "root": ROOT,
        "wishes": f"{STATE}/update",
        "health_minutes": update.health_minutes,
        "bytes_per_s": update.bytes_per_s,
        "byte_budget": update.byte_budget,
    }
    return _table("[update]", values)


def enrolment_toml(fleet: Fleet, device: Device) -> str:
    """Write where the device exchanges its claim for a certificate, or proves which TPM it has."""
    values: dict[str, object] = {
        "url": fleet.cloud.enrolment,
        "claim": f"{ETC}/claim" if device.tpm is None else None,
        "tpm": None if device.tpm is None else "device:/dev/tpmrm0",
        "ca": f"{ETC}/ca.pem",
        "identity": IDENTITY,
        "name": f"{fleet.fleet.tenant}/{device.site}/{device.id}",
    }
    return _table("[enrolment]", values)


def _camera(camera: Camera) -> dict[str, object]:
    zones = msgspec.to_builtins(camera.zones)
    stated = [{key: value for key, value in zone.items() if value not in ((), [], None)} for zone in zones]
    return {"name": camera.name, "source": camera.source, "zones": stated or None}


def _table(header: str, values: dict[str, object]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in values.items() if value is not None]
    return "\n".join([header, *lines, ""]) if lines else ""


def _value(value: object) -> str:
    """Write a value in one line, as TOML has it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_value(str(key))} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(each) for each in value)}]"
    # A string of JSON is one of TOML, but for DEL.
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
