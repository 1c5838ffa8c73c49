"""What a card can do at most in bf16, and what one step asks of it. Needs no more than PyTorch."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from cloud.render.renderer import RenderError

# TFLOP/s of bf16 matrix products without sparsity, summed in fp32, as the makers' data sheets say.
_DATA_SHEETS = (
    (r"\bB200\b", 2250.0),
    (r"\bH200\b|\bH100 80GB HBM3\b|\bGH200\b", 989.4),
    (r"\bH100 NVL\b", 835.5),
    (r"\bH100 PCIe\b", 756.4),
    (r"\bA100\b", 312.0),
    (r"\bA30\b", 165.0),
    (r"\bA40\b", 149.7),
    (r"\bA10\b", 125.0),
    (r"\bL40S\b", 362.1),
    (r"\bL40\b", 181.1),
    (r"\bL4\b", 121.0),
    (r"\bRTX 4090\b", 165.2),
    (r"\bRTX 3090\b", 71.0),
)
MATMUL_SIDE = 8192
_WARM_UP, _TIMED = 3, 10


@dataclass(frozen=True, slots=True)
class Peak:
    """TFLOP/s, and where the number is from."""

    tflops: float
    source: str


def require_gpu() -> str:
    """Give the device to measure on, or raise RenderError: at the real sizes a CPU would take hours."""
    if not torch.cuda.is_available():
        raise RenderError(
            f"the benchmark of diffusers needs a CUDA GPU, and PyTorch {torch.__version__} sees none here: "
            "run it on a machine with one and its driver, after pip install 'mirage-video[cloud,gpu]'"
        )
    return "cuda"


def data_sheet_peak(card: str) -> Peak | None:
    """Give what the data sheet of a card says, by the name that its driver gives it; None for others."""
    for pattern, tflops in _DATA_SHEETS:
        if re.search(pattern, card):
            return Peak(tflops, f"data sheet of {card}")
    return None


def measured_peak(device: str, side: int = MATMUL_SIDE) -> Peak:
    """Multiply square bf16 matrices and take the time."""
    one, other = (torch.randn(side, side, device=device).to(torch.bfloat16) for _ in range(2))
    for _ in range(_WARM_UP):
        torch.mm(one, other)
    synchronise(device)
    started_s = time.perf_counter()
    for _ in range(_TIMED):
        torch.mm(one, other)
    synchronise(device)
    each_s = (time.perf_counter() - started_s) / _TIMED
    return Peak(2 * side**3 / each_s / 1e12, f"measured: bf16 product of {side}x{side} matrices")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a module, to be repeated."""

    module: torch.nn.Module
    args: tuple[object, ...]
    kwargs: dict[str, object]

    def __call__(self) -> object:
        """Repeat it."""
        with torch.no_grad():
            return self.module(*self.args, **self.kwargs)


class Calls:
    """Remembers what a module is called with while it is entered: the calls of one step, to be repeated."""

    def __init__(self, modules: Sequence[torch.nn.Module]) -> None:
        self.seen: list[Call] = []
        self._modules = modules
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> Self:
        self._handles = [
            module.register_forward_pre_hook(self._remember, with_kwargs=True) for module in self._modules
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Remember no more."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def flops(self) -> int:
        """Repeat what was remembered and count the floating-point operations of its matrix products."""
        self.stop()
        with FlopCounterMode(display=False) as counter:
            for call in self.seen:
                if torch.cuda.is_available():
                    call()
                else:
                    with sdpa_kernel(SDPBackend.MATH):  # the CPU's own attention is not counted
                        call()
        return int(counter.get_total_flops())

    def _remember(self, module: torch.nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        self.seen.append(Call(module, args, kwargs))


def synchronise(device: str) -> None:
    """Wait until a device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
