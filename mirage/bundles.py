"""Which bundle a command uses when none is named."""

from pathlib import Path

from mirage.errors import InputError

TINY = Path(__file__).resolve().parent.parent / "models" / "tiny"


def bundle_folder(chosen: Path | None) -> Path:
    """Give the chosen folder, or the bundle that is shipped. Raises InputError where there is none."""
    folder = TINY if chosen is None else chosen
    if not (folder / "bundle.toml").is_file():
        raise InputError(f"{folder}: no bundle.toml there, so it is no bundle")
    return folder
