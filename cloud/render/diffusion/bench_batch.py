"""Whether a denoiser gains from several clips in one pass, and whether each is then the same clip.

    call of one step --inputs n times--> n clips in one pass: seconds for each of them, and its bits

That is all a batch could give: the rest of a clip (text, pictures, decoding) is not worth it. Where the bits
differ, a clip would depend on what happened to be rendered beside it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from cloud.render.diffusion.bench_card import Call, synchronise

CLIPS = (1, 2, 4)
_TIMED = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """One step of so many clips at once: seconds for each clip, and how far the first one is from alone."""

    step_s_each: float
    times_as_fast: float
    identical: bool
    largest_difference: float


def measure_batches(call: Call | None, device: str) -> tuple[dict[int, Batch], dict[str, str]]:
    """Repeat a call with more clips, or say why that is not possible: they may not fit in memory."""
    try:
        return ({}, {}) if call is None else (_measured(call, device, CLIPS), {})
    except (RuntimeError, ValueError) as error:
        return {}, {"batches": str(error).strip().split("\n", maxsplit=1)[0]}


def _measured(call: Call, device: str, clips: Sequence[int]) -> dict[int, Batch]:
    rows = _rows(call)
    alone, alone_s = _timed(call, device)
    found = dict[int, Batch]()
    for count in clips:
        together, took_s = _timed(_repeated(call, rows, count), device)
        first = together[:rows].float()
        each_s = took_s / count
        found[count] = Batch(
            step_s_each=each_s,
            times_as_fast=alone_s / each_s,
            identical=torch.equal(first, alone.float()),
            largest_difference=float((first - alone.float()).abs().max()),
        )
    return found


def _rows(call: Call) -> int:
    """Count the rows of one clip: two where it is denoised with and without its caption."""
    sample = next(value for value in (*call.args, *call.kwargs.values()) if isinstance(value, torch.Tensor))
    return len(sample)


def _repeated(call: Call, rows: int, count: int) -> Call:
    args = tuple(_times(value, rows, count) for value in call.args)
    kwargs = {name: _times(value, rows, count) for name, value in call.kwargs.items()}
    return Call(call.module, args, kwargs)


def _times(value: object, rows: int, count: int) -> object:
    """Put tensors that have rows for each clip behind themselves, also within lists and mappings."""
    if isinstance(value, torch.Tensor) and value.ndim and len(value) % rows == 0:
        return torch.cat([value] * count)
    if isinstance(value, dict):
        return type(value)((name, _times(each, rows, count)) for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(_times(each, rows, count) for each in value)
    return value


def _timed(call: Call, device: str) -> tuple[torch.Tensor, float]:
    """Make a call once to warm up, and then several times."""
    result = call()
    synchronise(device)
    started_s = time.perf_counter()
    for _ in range(_TIMED):
        result = call()
    synchronise(device)
    took_s = (time.perf_counter() - started_s) / _TIMED
    sample = result[0] if isinstance(result, tuple) else getattr(result, "sample", result)
    if not isinstance(sample, torch.Tensor):
        raise TypeError(f"a denoiser gave {type(sample).__name__}")
    return sample, took_s
