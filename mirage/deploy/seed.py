"""What a device reads at its first boot: a cloud-init NoCloud seed.

    user-data       names, users, files below /etc/mirage, units to start
    meta-data       the instance: another seed is another instance, and is carried out anew
    network-config  addresses

Everything is JSON, which is YAML: nothing in it can be read as something else. The same fleet file gives the
same bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from ipaddress import ip_address

from mirage.deploy.agent_settings import ETC, UPDATE, edge_toml, enrolment_toml, update_toml
from mirage.deploy.device import Device, Network
from mirage.deploy.fleet import Fleet
from mirage.deploy.materials import Materials

_HEADER = b"#cloud-config\n"
_UPDATES = (
    "mirage-update-boot.service", "mirage-update.service", "mirage-update.path", "mirage-update.timer",
)  # fmt: skip
_UNITS = ("mirage-enrol.service", "mirage-renew.timer", "mirage-engines.service", "mirage-edge.service")


def seed_of(fleet: Fleet, device: Device, materials: Materials) -> dict[str, bytes]:
    """Make the files of one device's seed, by name. Claim, if any, and radio password are its secrets."""
    user_data = _HEADER + _json(_user_data(fleet, device, materials))
    network = _json(_network(device, materials))
    digest = hashlib.sha256(user_data + network).hexdigest()[:16]
    meta = {"instance-id": f"mirage-{device.id}-{digest}", "local-hostname": device.id}
    return {"user-data": user_data, "meta-data": _json(meta), "network-config": network}


def _user_data(fleet: Fleet, device: Device, materials: Materials) -> dict[str, object]:
    return {
        "hostname": device.id,
        "preserve_hostname": False,
        "ssh_pwauth": False,
        "disable_root": True,
        "users": _users(fleet),
        "package_update": False,
        "package_upgrade": False,
        "write_files": [
            _file(path, text, mode) for path, (text, mode) in files_of(fleet, device, materials).items()
        ],
        "runcmd": commands_of(fleet, device),
    }


def _users(fleet: Fleet) -> list[object]:
    # Without a list, cloud-init makes the distribution's default user; an empty one is against its schema.
    root = {"name": "root", "lock_passwd": True}
    if not fleet.access.ssh_keys:
        return [root]
    user = {
        "name": fleet.access.user,
        "gecos": "Mirage",
        "shell": "/bin/bash",
        "groups": ["adm", "video", "systemd-journal"],
        "sudo": "ALL=(ALL) NOPASSWD:ALL",  # there is no password to ask for
        "lock_passwd": True,
        "ssh_authorized_keys": list(fleet.access.ssh_keys),
    }
    return [root, user]


def files_of(fleet: Fleet, device: Device, materials: Materials) -> Mapping[str, tuple[str, str]]:
    """Give the files that a device gets: text and mode, by path."""
    system = fleet.system
    files = {
        f"{ETC}/edge.toml": (edge_toml(fleet, device), "0644"),
        f"{ETC}/enrolment.toml": (enrolment_toml(fleet, device), "0644"),
        f"{ETC}/ca.pem": (materials.ca, "0644"),
        f"{ETC}/cloud.pub": (materials.cloud_key, "0644"),
        "/etc/systemd/journald.conf.d/mirage.conf": (
            f"[Journal]\nStorage=persistent\nSystemMaxUse={system.journal_megabytes}M\n",
            "0644",
        ),
    }
    if materials.claim is not None:
        files[f"{ETC}/claim"] = (f"{materials.claim}\n", "0600")
    if fleet.takes_updates and materials.release_key is not None:
        files[UPDATE] = (update_toml(fleet), "0644")
        files[f"{ETC}/release.pub"] = (materials.release_key, "0644")
    if system.ntp:
        time = f"[Time]\nNTP={' '.join(system.ntp)}\n"
        files["/etc/systemd/timesyncd.conf.d/mirage.conf"] = (time, "0644")
    return files


def _file(path: str, text: str, mode: str) -> dict[str, object]:
    return {"path": path, "content": text, "owner": "root:root", "permissions": mode}


def commands_of(fleet: Fleet, device: Device) -> list[list[str]]:
    """Give what is run once those are there."""
    power = fleet.jetson.power_mode
    commands = [["systemctl", "restart", "systemd-journald.service"]]
    if fleet.system.ntp:
        commands.append(["systemctl", "restart", "systemd-timesyncd.service"])
    if device.kind.is_jetson and power is not None:
        commands.append(["nvpmodel", "-m", str(power)])
    # No block: an engine takes minutes to build, and cloud-init would wait.
    units = (*_UNITS, *_UPDATES) if fleet.takes_updates else _UNITS
    commands.append(["systemctl", "enable", "--now", "--no-block", *units])
    return commands


def _network(device: Device, materials: Materials) -> dict[str, object]:
    network = device.network
    wired = network.wifi is None
    match = {"macaddress": device.mac} if device.mac else {"name": "e*" if wired else "w*"}
    uplink: dict[str, object] = {"match": match, **_addresses(network)}
    if network.wifi is not None:
        uplink["access-points"] = {network.wifi.ssid: {"password": materials.wifi_password}}
    return {"version": 2, "ethernets" if wired else "wifis": {"uplink": uplink}}


def _addresses(network: Network) -> dict[str, object]:
    if network.address is None:
        return {"dhcp4": True, "dhcp6": True}
    addresses: dict[str, object] = {"dhcp4": False, "dhcp6": False, "addresses": [network.address]}
    if network.gateway is not None:
        everywhere = "0.0.0.0/0" if ip_address(network.gateway).version == 4 else "::/0"
        addresses["routes"] = [{"to": everywhere, "via": network.gateway}]  # cloud-init 22 knows no "default"
    if network.dns:
        addresses["nameservers"] = {"addresses": list(network.dns)}
    return addresses


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
