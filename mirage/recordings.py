"""A recording together with the bundle that understands it."""

from dataclasses import dataclass
from pathlib import Path

from cloud.scene import resolve
from mirage.bundles import bundle_folder
from mirage.errors import InputError
from mirage.output import read_input
from wire.bundle import Bundle, Half
from wire.packet import PacketError
from wire.recording import Recording, RecordingError, parse
from wire.segment import Segment


@dataclass(frozen=True, slots=True)
class Opened:
    """A recording that was checked against its bundle."""

    path: Path
    recording: Recording
    bundle: Bundle

    def segments(self) -> list[Segment]:
        """Resolve every packet, or raise InputError."""
        try:
            return resolve(self.recording.packets, self.bundle.codec())
        except PacketError as error:
            raise InputError(f"{self.path}: {error}") from error


def open_recording(path: Path, bundle: Path | None, half: Half) -> Opened:
    """Read a .mrg and load its bundle.

    Raises InputError naming the file where it is damaged or was made with another bundle, and BundleError.
    """
    try:
        recording = parse(read_input(path))
    except RecordingError as error:
        raise InputError(f"{path}: {error}") from error
    loaded = Bundle.load(bundle_folder(bundle), half)
    if recording.birth.bundle_sha256 != loaded.short_sha256:
        raise InputError(
            f"{path}: made with bundle {recording.birth.bundle} {recording.birth.bundle_sha256}, "
            f"but {loaded.root} is {loaded.manifest.name} {loaded.short_sha256}"
        )
    return Opened(path, recording, loaded)
