"""What a release is built for: the Python that is there, and which wheels it takes.

Debian 12 on boards that boot an image; Ubuntu 22.04 and 24.04 on Jetsons, whose ONNX Runtime, OpenCV and
TensorRT are NVIDIA's. NumPy is in every release, but older than 2 on Jetsons: what NVIDIA built needs that.
"""

from dataclasses import dataclass
from pathlib import Path

import mirage
from mirage.deploy.device import Platform

ROOT = Path(mirage.__file__).resolve().parents[1]
LOCKS = ROOT / "deploy" / "release"
_GLIBC = range(17, 29)  # to manylinux_2_28: older than Ubuntu 22.04's 2.35 and Debian 12's 2.36

# What would hide NVIDIA's own builds on a Jetson if a release had it: distributions and import names.
NVIDIAS = frozenset({"onnxruntime", "onnxruntime-gpu", "cv2", "tensorrt", "nvidia", "torch"})


@dataclass(frozen=True, slots=True)
class Target:
    """Wheels of `machine` for `python` (3.11); a system's own packages count where `with_system`."""

    platform: Platform
    python: str
    machine: str
    with_system: bool

    @property
    def site_packages(self) -> str:
        """Where packages lie below the tree."""
        return f"lib/python{self.python}/site-packages"

    @property
    def lock(self) -> Path:
        """Which wheels, with their hashes."""
        return LOCKS / f"{self.platform}.lock"

    @property
    def tags(self) -> tuple[str, ...]:
        """What pip calls wheels that run there, the newest first."""
        return (
            *(f"manylinux_2_{minor}_{self.machine}" for minor in reversed(_GLIBC)),
            f"manylinux2014_{self.machine}",
        )


TARGETS = {
    target.platform: target
    for target in (
        Target("amd64", "3.11", "x86_64", with_system=False),
        Target("arm64", "3.11", "aarch64", with_system=False),
        Target("jetpack6", "3.10", "aarch64", with_system=True),
        Target("jetpack7", "3.12", "aarch64", with_system=True),
    )
}
