"""What a likeness of codes is worth: `confidence.toml` beside a bundle's manifest, which it does not change.

    likeness   other ............................ typical
    score      0 = a random other scene           1 = what the bundle's own renderer reaches

`mirage bench confidence` measures both and writes the file. It names the bundle by its hash: for another one
it says nothing.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloud.confidence.codes import TOKENS, VECTOR
from wire import toml
from wire.bundle import Bundle, BundleError

FILE = "confidence.toml"
DOUBTFUL = 0.5  # a score below is low: nearer to another scene than to what the renderer reaches

_Share = Annotated[float, Meta(ge=0, le=1)]


class Calibration(Struct, frozen=True, forbid_unknown_fields=True):
    """Two likenesses, medians of `measured`; by `measure` of codes, of one renderer of one bundle."""

    schema: Annotated[int, Meta(ge=1, le=1)]
    bundle: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    renderer: str
    measure: Literal["tokens-1", "vector-1"]
    typical: _Share
    other: _Share
    measured: dict[str, str | int | float]

    def __post_init__(self) -> None:
        if self.other >= self.typical:
            raise ValueError(f"other = {self.other} is not below typical = {self.typical}")

    def score(self, likeness: float) -> float:
        """Give 0 to 1, to three digits."""
        share = (likeness - self.other) / (self.typical - self.other)
        return round(min(max(share, 0.0), 1.0), 3)


def measure_of(bundle: Bundle) -> str | None:
    """Name by what measure reconstructions of a bundle are compared; tokens say more than an embedding."""
    if bundle.manifest.appearance is not None:
        return TOKENS
    return None if bundle.manifest.vector is None else VECTOR


def calibration_of(bundle: Bundle) -> Calibration:
    """Read what was measured of a bundle. Raises BundleError: nothing is there, or of another one."""
    path = bundle.root / FILE
    try:
        found = toml.parse_as(path.read_bytes(), Calibration, str(path))
    except FileNotFoundError as error:
        raise BundleError(f"the bundle is not calibrated ({FILE}: mirage bench confidence)") from error
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    except toml.TomlError as error:
        raise BundleError(str(error)) from error
    if found.bundle != bundle.sha256:
        raise BundleError(f"{path}: measured with bundle {found.bundle[:16]}, this is {bundle.short_sha256}")
    if found.measure != measure_of(bundle):
        raise BundleError(f"{path}: measured as {found.measure}, compared is by {measure_of(bundle)}")
    return found


def written(found: Calibration) -> bytes:
    """Write the file."""
    lines = [
        "# Beside the bundle, and no part of it: how alike codes are of what its renderer draws, and of",
        "# other scenes. Written by `mirage bench confidence --write`.",
    ]
    names = ("schema", "bundle", "renderer", "measure", "typical", "other")
    lines += [f"{name} = {_value(getattr(found, name))}" for name in names]
    lines += ["", "[measured]", *(f"{name} = {_value(value)}" for name, value in found.measured.items())]
    return ("\n".join(lines) + "\n").encode()


def path_of(bundle: Bundle) -> Path:
    """Say where the file of a bundle is."""
    return bundle.root / FILE


def _value(value: str | float) -> str:
    return json.dumps(value, ensure_ascii=False)  # TOML's basic strings and numbers are written like JSON's
