"""The parts that take long, one task at a time: in this process, or in several with one thread each."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.camera import CameraError
from mirage.bench.quality.appearance import AppearanceCode
from mirage.bench.quality.clips import Clip
from mirage.bench.quality.commands import Commander, Order, Verdict
from mirage.bench.quality.stills import Compared, compare
from mirage.bench.quality.system import Bench, Outcome, Said, Strip
from mirage.errors import InputError
from wire.bundle import Bundle

if TYPE_CHECKING:
    from export.judges.features import Panel

Task = TypeVar("Task")
Result = TypeVar("Result")
Picture = NDArray[np.uint8]  # (H, W, 3)


class WorkError(RuntimeError):
    """A process of the crew died, so that its result will never come."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What every process loads."""

    bundle: Path
    threads: int
    seconds: float


class Desk:
    """Everything that tasks need, loaded when first needed."""

    def __init__(self, setup: Setup) -> None:
        cv2.setNumThreads(setup.threads)
        self._setup = setup

    @cached_property
    def bundle(self) -> Bundle:
        return Bundle.load(self._setup.bundle)

    @cached_property
    def panel(self) -> "Panel":
        from export.judges.features import Panel

        return Panel(threads=self._setup.threads)

    @cached_property
    def bench(self) -> Bench:
        return Bench(self.bundle, self._setup.threads, self._setup.seconds)

    @cached_property
    def code(self) -> AppearanceCode:
        return AppearanceCode(self.bundle, self._setup.threads)

    @cached_property
    def commander(self) -> Commander:
        return Commander(self.bundle, self._setup.threads)


@dataclass(frozen=True, slots=True, eq=False)
class StillTask:
    """A keyframe, and the numbers of planes at which it is coded."""

    keyframe: Picture
    tokens: NDArray[np.uint8]
    planes: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CommandTask:
    """An order over a keyframe that shows `content`; objects are cut out of `other`."""

    order: Order
    keyframe: Picture
    content: str
    other: Picture
    seed: int


def measure_clip(desk: Desk, clip: Clip) -> tuple[Outcome, Strip] | str:
    """Measure a clip, or say why it cannot be read."""
    try:
        return desk.bench.measure(clip, desk.panel)
    except (CameraError, InputError) as error:
        return str(error)


def hear_clip(desk: Desk, clip: Clip) -> tuple[Said, ...] | str:
    """Caption a clip and its reconstruction, or say why it cannot be read."""
    try:
        return desk.bench.words(clip)
    except (CameraError, InputError) as error:
        return str(error)


def measure_still(desk: Desk, task: StillTask) -> list[Compared]:
    """Compare one keyframe."""
    return compare(desk.code, task.keyframe, task.tokens, task.planes, desk.panel)


def obey(desk: Desk, task: CommandTask) -> Verdict:
    """Render and judge one order."""
    return desk.commander.obey(task.order, task.keyframe, task.content, task.other, task.seed)


class Crew:
    """Runs tasks in `jobs` processes; with one job, in this one. Results come in the order of the tasks."""

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._setup = setup
        self._jobs = jobs

    def map(
        self, do: Callable[[Desk, Task], Result], tasks: Sequence[Task], done: Callable[[], None]
    ) -> Iterator[Result]:
        """Yield the result of each task and call `done` after it. Raises what tasks raise, and WorkError."""
        if self._jobs == 1:
            desk = Desk(self._setup)
            for task in tasks:
                yield do(desk, task)
                done()
            return
        pool = ProcessPoolExecutor(
            self._jobs, mp_context=get_context("spawn"), initializer=_sit_down, initargs=(self._setup,)
        )
        try:
            for result in pool.map(_work, [do] * len(tasks), tasks):
                yield result
                done()
        except BrokenProcessPool as error:
            raise WorkError("a process died in native code or for want of memory: try --jobs 1") from error
        finally:
            pool.shutdown(cancel_futures=True)


_desks: list[Desk] = []  # of a worker process: one, made once


def _sit_down(setup: Setup) -> None:
    _desks.append(Desk(setup))


def _work(do: Callable[[Desk, Task], Result], task: Task) -> Result:
    return do(_desks[0], task)
