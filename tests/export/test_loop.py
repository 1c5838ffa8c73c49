"""The training loop: bounded, resumable, the same for a seed."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from export.train.loop import Plan, Run, TrainingError, load_average
from export.train.run import pick_device


class Line:
    """Fits y = 2 x + 1."""

    def __init__(self, scale: float = 1.0) -> None:
        torch.manual_seed(0)
        self.network: nn.Module = nn.Linear(1, 1)
        self._scale = scale

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        x = torch.randn(16, 1, generator=generator)
        loss = self._scale * (self.network(x) - (2 * x + 1)).square().mean()
        return loss, {"loss": loss.item()}


def weights(task: Line) -> list[float]:
    return [float(value) for value in task.network.state_dict().values()]


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole, halves = Line(), Line()
    Run(whole, Plan(steps=60), tmp_path / "whole.pt", resume=False).train()
    plan = Plan(steps=60)
    first = Run(halves, plan, tmp_path / "halves.pt", resume=False)
    first.advance(30)
    first.save()
    again = Line()
    second = Run(again, plan, tmp_path / "halves.pt", resume=True)
    assert second.step == 30
    second.train()
    assert weights(again) == weights(whole)


def test_training_brings_the_average_to_the_answer(tmp_path: Path) -> None:
    task = Line()
    Run(
        task, Plan(steps=400, learning_rate=0.05, weight_decay=0, ema=0.9), tmp_path / "line.pt", resume=False
    ).train()
    assert weights(task) == pytest.approx([2.0, 1.0], abs=0.05)
    fresh = Line()
    load_average(tmp_path / "line.pt", fresh.network)
    assert weights(fresh) == weights(task)


def test_a_run_over_minutes_ends(tmp_path: Path) -> None:
    run = Run(Line(), Plan(minutes=0.005), tmp_path / "line.pt", resume=False)
    run.train()
    assert run.trained_s >= 0.3


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the loss is nan at step 0"):
        Run(Line(float("nan")), Plan(steps=5), tmp_path / "line.pt", resume=False).train()


@pytest.mark.parametrize(("minutes", "steps"), [(None, None), (1.0, 10)])
def test_a_plan_needs_one_bound(minutes: float | None, steps: int | None) -> None:
    with pytest.raises(TrainingError, match="either minutes or steps"):
        Plan(minutes=minutes, steps=steps)


def test_a_missing_checkpoint_says_which_command_makes_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="mirage export train appearance"):
        load_average(tmp_path / "appearance.pt", nn.Linear(1, 1))


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(TrainingError, match="device 'tpu'"):
        pick_device("tpu")


def test_an_average_is_of_what_is_learned_and_of_nothing_else(tmp_path: Path) -> None:
    task = Line()
    task.network.register_buffer("measured", torch.zeros(1))
    run = Run(task, Plan(steps=10, ema=0.9), tmp_path / "line.pt", resume=False)
    for step in range(10):
        task.network.get_buffer("measured").fill_(float(step))
        run.advance(1)
    run.save()
    fresh = Line()
    fresh.network.register_buffer("measured", torch.zeros(1))
    load_average(tmp_path / "line.pt", fresh.network)
    assert fresh.network.get_buffer("measured").item() == 9


@pytest.mark.parametrize("damage", ["cut", "text", "other"])
def test_a_checkpoint_that_does_not_fit_is_named(tmp_path: Path, damage: str) -> None:
    checkpoint = tmp_path / "line.pt"
    run = Run(Line(), Plan(steps=1), checkpoint, resume=False)
    run.save()
    if damage == "cut":
        checkpoint.write_bytes(checkpoint.read_bytes()[:700])
    if damage == "text":
        checkpoint.write_text("no checkpoint")
    other = Line()
    if damage == "other":
        other.network = nn.Linear(2, 1)
    with pytest.raises(TrainingError, match=r"line\.pt is damaged, or of another network"):
        Run(other, Plan(steps=1), checkpoint, resume=True)
    with pytest.raises(TrainingError, match=r"line\.pt is damaged, or of another network"):
        load_average(checkpoint, other.network)


def test_a_plan_of_no_time_is_refused() -> None:
    with pytest.raises(TrainingError, match="more than 0"):
        Plan(minutes=0.0)
