"""Who the GPU is: as its driver, TensorRT and Jetson Linux say."""

import ctypes
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.gpu import Gpu, GpuError, find_gpu, l4t_version, tensorrt_version

JETPACK_6 = (
    "# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic, EABI: aarch64, DATE: Fri Sep 13 2024\n"
    "# KERNEL_VARIANT: oot\n"
)


class Driver:
    """Answers as libcuda does: a status, and the answer through a pointer."""

    def __init__(self, failing: str = "", status: int = 0) -> None:
        self._failing = failing
        self._status = status

    def cuInit(self, flags: int) -> int:  # noqa: N802 (CUDA's name, and so below)
        assert flags == 0
        return self._answer("cuInit")

    def cuDeviceGet(self, device: ctypes.Array[ctypes.c_int], number: int) -> int:  # noqa: N802
        assert number == 0
        _target(device).value = 5
        return self._answer("cuDeviceGet")

    def cuDeviceGetName(self, name: ctypes.Array[ctypes.c_char], size: int, device: ctypes.c_int) -> int:  # noqa: N802
        assert size == len(name)
        assert device.value == 5
        name.value = b"Orin"
        return self._answer("cuDeviceGetName")

    def cuDriverGetVersion(self, version: ctypes.Array[ctypes.c_int]) -> int:  # noqa: N802
        _target(version).value = 12060
        return self._answer("cuDriverGetVersion")

    def cuDeviceGetAttribute(  # noqa: N802
        self, value: ctypes.Array[ctypes.c_int], number: int, device: ctypes.c_int
    ) -> int:
        assert device.value == 5
        _target(value).value = {75: 8, 76: 7}[number]
        return self._answer("cuDeviceGetAttribute")

    def _answer(self, call: str) -> int:
        return self._status if call == self._failing else 0


def _target(pointer: object) -> ctypes.c_int:
    """Give what `ctypes.byref` points to."""
    return pointer._obj  # type: ignore[attr-defined,no-any-return] # noqa: SLF001 (byref offers no other way)


def test_the_driver_says_who_the_gpu_is() -> None:
    assert find_gpu(Driver()) == Gpu("Orin", "8.7", "12.6")


def test_a_driver_that_fails_is_named_with_its_call() -> None:
    with pytest.raises(GpuError, match="cuInit failed with CUDA error 100"):
        find_gpu(Driver("cuInit", 100))


@pytest.mark.parametrize(
    ("number", "version"),
    [(8602, "8.6.2"), (8510, "8.5.10"), (100300, "10.3.0"), (101303, "10.13.3"), (110400, "11.4.0")],
)
def test_tensorrt_counts_versions_in_two_ways(number: int, version: str) -> None:
    assert tensorrt_version(SimpleNamespace(getInferLibVersion=lambda: number)) == version


def test_jetson_linux_says_its_release(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "nv_tegra_release").write_text(JETPACK_6)
    assert l4t_version(tmp_path) == "36.4.0"


@pytest.mark.parametrize("text", [None, "", "# something else\n"])
def test_what_is_no_jetson_has_no_release(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "etc").mkdir()
    if text is not None:
        (tmp_path / "etc" / "nv_tegra_release").write_text(text)
    assert l4t_version(tmp_path) == ""
