"""`mirage cloud claims`: made, listed and taken back in the store."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from cloud.certificate import device_named
from cloud.clock import wall_ms
from cloud.config import load
from cloud.identity import claims
from cloud.identity.claims import NewClaim
from cloud.store import Store
from mirage.deploy.device import Device
from mirage.deploy.fleet import load as load_fleet
from mirage.deploy.materials import claim_path
from mirage.errors import InputError, OutputError
from mirage.output import as_json, print_line, print_tables, time_text
from mirage.tokens_command import duration_ms
from wire.topics import DeviceTopics


def create_one(config: Path, name: str | None, cameras: Sequence[str], expires: str, *, json: bool) -> None:
    """Make one claim and print its secret. Raises InputError, AuthorityError, ClaimError."""
    if name is None:
        raise InputError("give --fleet FILE.toml, or --device TENANT/SITE/DEVICE with --camera")
    with _store(config) as store:
        made = _make(store, device_named(name), cameras, expires)
    if json:
        print_line(as_json(made))
        return
    print_line(f"claim {made.claim.id} for {name}, good until {time_text(made.claim.expires_ms)}")
    print_line(made.secret)
    print_line("Keep it: it is not shown again. It goes onto the device as /etc/mirage/claim, mode 0600.")


def create_for_fleet(config: Path, fleet_file: Path, only: str | None, expires: str, *, again: bool) -> None:
    """Make a claim for each device that has no file yet, or is not yet known by its TPM.

    Raises FleetError, ClaimError, OutputError.
    """
    fleet = load_fleet(fleet_file)
    devices = fleet.device if only is None else (fleet.find(only.rpartition("/")[2]),)
    with _store(config) as store:
        for device in devices:
            place = DeviceTopics(fleet.fleet.tenant, device.site, device.id)
            if device.tpm is not None:
                _make_for_tpm(store, place, device, expires, again=again)
                continue
            path = claim_path(fleet, device, fleet_file.parent)
            if path.exists() and not again:
                print_line(f"{path}: is there already (--again makes another)")
                continue
            made = _make(store, place, [camera.name for camera in device.cameras], expires)
            _write_secret(path, f"{made.secret}\n")
            until = time_text(made.claim.expires_ms)
            print_line(f"{path}: claim {made.claim.id} for {made.claim.device}, good until {until}")


def show(config: Path, *, json: bool) -> None:
    """List all claims."""
    with _store(config) as store, store.read() as session:
        found = claims.listed(session, wall_ms())
    if json:
        print_line(as_json({"claims": found}))
        return
    table = Table("id", "device", "cameras", "state", "made", "expires", "used", "by key", "TPM")
    for each in found:
        table.add_row(
            each.id, each.device, " ".join(each.cameras), each.state, time_text(each.created_ms),
            time_text(each.expires_ms), time_text(each.used_ms), (each.used_by or "")[:16],
            (each.tpm or "")[:16],
        )  # fmt: skip
    print_tables(table)


def revoke(config: Path, claim_id: str) -> None:
    """Take a claim back. Raises ClaimError."""
    with _store(config) as store, store.write() as session:
        claim = claims.revoke(session, claim_id, wall_ms())
    print_line(f"claim {claim.id} for {claim.device}: {claim.state}")


def _make(store: Store, device: DeviceTopics, cameras: Sequence[str], expires: str) -> NewClaim:
    now_ms = wall_ms()
    with store.write() as session:
        return claims.create(session, device, cameras, now_ms, now_ms + duration_ms(expires))


def _make_for_tpm(store: Store, place: DeviceTopics, device: Device, expires: str, *, again: bool) -> None:
    assert device.tpm is not None  # noqa: S101 -- the caller has looked
    ek_sha256, now_ms = bytes.fromhex(device.tpm), wall_ms()
    until_ms = now_ms + duration_ms(expires)
    with store.write() as session:
        known = claims.of_tpm(session, device.id)
        if known is not None and known.ek_sha256 == ek_sha256 and not again:
            state = claims.state_of(known, now_ms)
            print_line(
                f"{device.id}: claim {known.id} for its TPM is there already, {state} (--again makes another)"
            )
            return
        cameras = [camera.name for camera in device.cameras]
        made = claims.create_for_tpm(session, place, cameras, ek_sha256, now_ms, until_ms)
    until = time_text(made.expires_ms)
    print_line(
        f"{device.id}: claim {made.id} for TPM {device.tpm[:16]}, good until {until}; nothing goes to it"
    )


def _write_secret(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:  # noqa: PTH123 (a descriptor, not a path)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


@contextmanager
def _store(config: Path) -> Iterator[Store]:
    store = Store(load(config).store.url)
    try:
        yield store
    finally:
        store.close()
