"""One training run by name: which task, which data, where the checkpoint lies."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from tokenizers import Tokenizer

from export.data.windows import Estimate
from export.train.loop import Plan, Run, Task, TrainingError, load_average

NETWORKS = ("captioner", "appearance", "decoder", "renderer", "refiner")
TOKENIZER = "tokenizer.json"
LEARNING_RATES = {"captioner": 1e-3, "appearance": 6e-4, "decoder": 4e-4, "renderer": 6e-4, "refiner": 1e-3}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run reads and writes: a footage folder, and a folder for checkpoints and caches."""

    footage: Path
    work: Path


@dataclass(frozen=True, slots=True)
class Machine:
    """What to train on: a device as for `pick_device`, CPU threads, samples a step (None: the task's)."""

    device: str = "auto"
    threads: int = 1
    batch: int | None = None


def pick_device(name: str) -> torch.device:
    """Read `auto`, `cpu` or `cuda`; auto takes a GPU where there is one. Raises TrainingError."""
    if name not in ("auto", "cpu", "cuda"):
        raise TrainingError(f"device {name!r} is not one of auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device cuda was asked for, but torch sees no GPU")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def train(
    network: str, place: Place, plan: Plan, estimate: Estimate, machine: Machine, *, resume: bool
) -> Run:
    """Train one network to the end of its plan, and leave a checkpoint in `place.work`.

    Raises TrainingError, or FootageError for a folder without anything to train on.
    """
    if network not in NETWORKS:
        raise TrainingError(f"there is no network {network!r}, known are {', '.join(NETWORKS)}")
    torch.set_num_threads(machine.threads)
    cv2.setNumThreads(machine.threads)
    torch.manual_seed(plan.seed)
    place.work.mkdir(parents=True, exist_ok=True)
    task = _task(network, place, machine, estimate, plan.seed, resume=resume)
    run = Run(task, plan, place.work / f"{network}.pt", resume=resume)
    run.train()
    return run


def _task(
    network: str, place: Place, machine: Machine, estimate: Estimate, seed: int, *, resume: bool
) -> Task:
    device = pick_device(machine.device)
    batch = {} if machine.batch is None else {"batch": machine.batch}
    if network == "captioner":
        from export.train.captioner import CaptionerTask

        captioner = CaptionerTask(place.footage, place.work, device, **batch)
        keep_tokenizer(captioner.tokenizer, place.work, resume=resume)
        return captioner
    if network == "appearance":
        from export.train.appearance import AppearanceTask

        return AppearanceTask(place.footage, device, **batch)
    if network == "decoder":
        from export.train.appearance import Codec, DecoderTask

        codec = Codec()
        load_average(place.work / "appearance.pt", codec)
        return DecoderTask(codec, place.footage, device, **batch)
    if network == "refiner":
        from export.train.refiner import RefinerTask

        return RefinerTask(place.footage, place.work, estimate, device, seed=seed, **batch)
    from export.train.renderer import RendererTask

    return RendererTask(place.footage, place.work, estimate, device, seed=seed, **batch)


def keep_tokenizer(tokenizer: Tokenizer, work: Path, *, resume: bool) -> None:
    """Write the tokenizer; a checkpoint of other words must not stay beside it."""
    stored, checkpoint = work / TOKENIZER, work / "captioner.pt"
    words = tokenizer.to_str(pretty=True)
    if checkpoint.exists() and (not stored.exists() or stored.read_text() != words):
        if resume:
            raise TrainingError(f"{checkpoint} speaks other words than this footage: train without --resume")
        checkpoint.unlink()
    stored.write_text(words)
