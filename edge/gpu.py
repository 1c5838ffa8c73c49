"""Who the GPU is and what drives it: what a TensorRT engine depends on, asked of the libraries themselves.

libcuda.so.1             name, compute capability, driver's CUDA version
libnvinfer.so.N          TensorRT's version, of the library that ONNX Runtime loads too
/etc/nv_tegra_release    L4T version, on a Jetson only
"""

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_CUDA = "libcuda.so.1"
_TENSORRT = ("libnvinfer.so.11", "libnvinfer.so.10", "libnvinfer.so.8")
_NAME_BYTES = 256
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*, cuda.h
_RELEASE = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")


class GpuError(RuntimeError):
    """There is no GPU that can be used, or no TensorRT; the message says which library says so, and why."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first GPU. `compute_capability` as in "8.7", `driver` as in "12.6"."""

    name: str
    compute_capability: str
    driver: str


@dataclass(frozen=True, slots=True)
class Host:
    """What an engine was built for, and runs on alone; `l4t` is empty where this is no Jetson."""

    tensorrt: str
    gpu: str
    compute_capability: str
    l4t: str


class Driver(Protocol):
    """What is asked of libcuda (cuda.h). Every call gives 0, or a CUDA error."""

    def cuInit(self, flags: int, /) -> int: ...  # noqa: N802 (CUDA's name, and so below)
    def cuDeviceGet(self, device: Any, number: int, /) -> int: ...  # noqa: N802, ANN401 (ctypes' pointers)
    def cuDeviceGetName(self, name: Any, size: int, device: Any, /) -> int: ...  # noqa: N802, ANN401
    def cuDriverGetVersion(self, version: Any, /) -> int: ...  # noqa: N802, ANN401
    def cuDeviceGetAttribute(self, value: Any, number: int, device: Any, /) -> int: ...  # noqa: N802, ANN401


class TensorRt(Protocol):
    """What is asked of libnvinfer (NvInferRuntimeBase.h)."""

    def getInferLibVersion(self) -> int: ...  # noqa: N802


def find_host(root: Path = Path("/")) -> Host:
    """Ask all of them, or raise GpuError. `root` is where /etc is looked for."""
    gpu = find_gpu()
    return Host(tensorrt_version(), gpu.name, gpu.compute_capability, l4t_version(root))


def find_gpu(driver: "Driver | None" = None) -> Gpu:
    """Ask the CUDA driver, or raise GpuError."""
    cuda: Driver = driver or _load((_CUDA,))
    _ask(cuda.cuInit(0), "cuInit")
    device, version = ctypes.c_int(), ctypes.c_int()
    _ask(cuda.cuDeviceGet(ctypes.byref(device), 0), "cuDeviceGet")
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _ask(cuda.cuDeviceGetName(name, _NAME_BYTES, device), "cuDeviceGetName")
    _ask(cuda.cuDriverGetVersion(ctypes.byref(version)), "cuDriverGetVersion")
    major, minor = (_attribute(cuda, number, device) for number in (_MAJOR, _MINOR))
    return Gpu(
        name.value.decode(errors="replace"),
        f"{major}.{minor}",
        f"{version.value // 1000}.{version.value % 1000 // 10}",
    )


def tensorrt_version(library: "TensorRt | None" = None) -> str:
    """Ask TensorRT's library, or raise GpuError; "8.6.2" or "10.3.0"."""
    number = int((library or _load(_TENSORRT)).getInferLibVersion())
    unit = 1000 if number < 10_000 else 10_000  # 8.6.2 is 8602, 10.3.0 is 100300
    return f"{number // unit}.{number % unit // 100}.{number % 100}"


def l4t_version(root: Path = Path("/")) -> str:
    """Jetson Linux release, like "36.4.0"; empty where this is none."""
    try:
        found = _RELEASE.match((root / "etc" / "nv_tegra_release").read_text(errors="replace"))
    except OSError:
        return ""
    return f"{found[1]}.{found[2]}" if found else ""


def _load(names: Sequence[str]) -> ctypes.CDLL:
    reasons = []
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError as error:  # noqa: PERF203 (three names at most)
            reasons.append(str(error))
    raise GpuError("; ".join(reasons))


def _attribute(cuda: "Driver", number: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    _ask(cuda.cuDeviceGetAttribute(ctypes.byref(value), number, device), "cuDeviceGetAttribute")
    return value.value


def _ask(status: int, call: str) -> None:
    if status:
        raise GpuError(f"{_CUDA}: {call} failed with CUDA error {status}")
