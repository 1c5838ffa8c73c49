"""The training loop that every network of the bundle shares.

    batch -> task.loss -> AdamW (warm-up, cosine) -> exponential moving average -> checkpoint

A run is bounded by minutes or by steps, counted over all its resumptions; the schedule follows
whichever was given. With steps, the same seed gives the same weights on the same device.
"""

import pickle
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

WARM_UP_STEPS = 200
CHECKPOINT_S = 120.0


class TrainingError(RuntimeError):
    """The run cannot start or go on; the message says why."""


class Task(Protocol):
    """What to train; `loss` draws its own batch."""

    @property
    def network(self) -> nn.Module:
        """The parameters being trained."""

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        """Return the loss and figures worth showing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to train and how fast to learn. Give `minutes` or `steps`."""

    minutes: float | None = None
    steps: int | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    ema: float = 0.999
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise TrainingError("give either minutes or steps")
        if (self.minutes or self.steps or 0) <= 0:
            raise TrainingError("give more than 0 minutes or steps")

    def progress(self, step: int, trained_s: float) -> float:
        """How much of the run is done, 0..1."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        return min(1.0, trained_s / 60 / (self.minutes or 1))


class Run:
    """One training run with its checkpoint; `run.train()` continues where the checkpoint stands."""

    def __init__(self, task: Task, plan: Plan, checkpoint: Path, *, resume: bool) -> None:
        self._task, self._plan, self._checkpoint = task, plan, checkpoint
        self._generator = torch.Generator().manual_seed(plan.seed)
        parameters = [p for p in task.network.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(
            parameters, plan.learning_rate, betas=(0.9, 0.98), weight_decay=plan.weight_decay
        )
        self._average = {k: v.detach().clone() for k, v in task.network.state_dict().items()}
        self.step = 0
        self.trained_s = 0.0
        if resume and checkpoint.exists():
            self._load()

    def train(self) -> None:
        """Train to the end of the plan, then leave the averaged weights in the network."""
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        last_save = time.monotonic()
        figures: dict[str, float] = {}
        with Progress(*columns) as bars:
            bar = bars.add_task(self._checkpoint.stem, total=1.0)
            while (done := self._plan.progress(self.step, self.trained_s)) < 1:
                for key, value in self._step(done).items():
                    figures[key] = figures.get(key, value) * 0.98 + value * 0.02
                text = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
                bars.update(bar, completed=done, description=f"{self._checkpoint.stem} {self.step}  {text}")
                if time.monotonic() - last_save > CHECKPOINT_S:
                    self.save()
                    last_save = time.monotonic()
        self.save()
        self._task.network.load_state_dict(self._average)

    def advance(self, steps: int) -> None:
        """Train for `steps` steps of the plan, without a progress bar."""
        for _ in range(steps):
            self._step(self._plan.progress(self.step, self.trained_s))

    def _step(self, done: float) -> Mapping[str, float]:
        started = time.monotonic()
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        cosine = 0.5 * (1 + float(torch.cos(torch.tensor(done * torch.pi))))
        for group in self._optimiser.param_groups:
            group["lr"] = self._plan.learning_rate * warm * max(cosine, 0.01)
        self._task.network.train()
        loss, figures = self._task.loss(self._generator)
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss is {loss.item()} at step {self.step}; lower the learning rate")
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._task.network.parameters(), 1.0)
        self._optimiser.step()
        self.step += 1
        decay = min(self._plan.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            learned = dict(self._task.network.named_parameters())
            for key, value in self._task.network.state_dict().items():
                if key in learned:
                    self._average[key].lerp_(value, 1 - decay)
                else:
                    self._average[key].copy_(value)
        self.trained_s += time.monotonic() - started
        return figures

    def save(self) -> None:
        """Write the checkpoint under a temporary name, then rename it."""
        self._checkpoint.parent.mkdir(parents=True, exist_ok=True)
        part = self._checkpoint.with_suffix(".part")
        torch.save(
            {
                "network": self._task.network.state_dict(),
                "average": self._average,
                "optimiser": self._optimiser.state_dict(),
                "generator": self._generator.get_state(),
                "step": self.step,
                "trained_s": self.trained_s,
            },
            part,
        )
        part.replace(self._checkpoint)

    def _load(self) -> None:
        device = next(self._task.network.parameters()).device
        with reading(self._checkpoint):
            state = torch.load(self._checkpoint, weights_only=True, map_location=device)
            self._task.network.load_state_dict(state["network"])
            self._average = state["average"]
            self._optimiser.load_state_dict(state["optimiser"])
            self._generator.set_state(state["generator"].cpu())
            self.step, self.trained_s = state["step"], state["trained_s"]


def load_average(checkpoint: Path, network: nn.Module) -> None:
    """Load the averaged weights of a checkpoint into `network`, for export. Raises TrainingError."""
    weights = read_average(checkpoint)
    with reading(checkpoint):
        network.load_state_dict(weights)


def read_average(checkpoint: Path) -> dict[str, Tensor]:
    """Read the averaged weights of a checkpoint. Raises TrainingError."""
    if not checkpoint.exists():
        raise TrainingError(f"{checkpoint} does not exist: run `mirage export train {checkpoint.stem}` first")
    with reading(checkpoint):
        weights: dict[str, Tensor] = torch.load(checkpoint, weights_only=True, map_location="cpu")["average"]
    return weights


@contextmanager
def reading(checkpoint: Path) -> Iterator[None]:
    """Name the checkpoint that is damaged, or of another network than the one it is read into."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        if isinstance(error, TrainingError):
            raise
        raise TrainingError(
            f"{checkpoint} is damaged, or of another network or footage: train it again without --resume"
        ) from error
