"""A folder with a recipe and its models: real classes, tiny, with random weights.

    python -m tests.own_bundle mine --renderer ltx

makes `mine/`, from which `mirage export build mine` builds a bundle without any download. What it says and
draws is noise; every command works on it as on a large one.
"""

import argparse
from pathlib import Path
from typing import Literal

import tomli_w

from tests.captioners import tiny_blip, tiny_git, tiny_vit_gpt2
from tests.encoders import tiny_clip_vision, tiny_vidtok
from tests.pipelines import tiny_animatediff, tiny_ltx, tiny_wan
from wire.bundle import ModelSource

Renderer = Literal["animatediff", "ltx", "wan"]
RENDERERS: tuple[Renderer, ...] = ("animatediff", "ltx", "wan")
EMBEDDING = 32


def write_own(folder: Path, renderer: Renderer) -> Path:
    """Write models and recipe.toml into `folder`, which is made, and give it."""
    folder.mkdir(parents=True)
    if renderer == "animatediff":
        tiny_vit_gpt2(folder / "captioner")
        tiny_clip_vision(folder / "embedding", EMBEDDING)
        seen: dict[str, dict[str, object]] = {"vector": {"model": "./embedding"}}
        models = tiny_animatediff(folder, EMBEDDING)
    elif renderer == "ltx":
        tiny_blip(folder / "captioner")
        tiny_vidtok(folder / "tokenizer")
        seen = {"appearance": {"model": "./tokenizer", "input_px": 64}}
        models = tiny_ltx(folder)
    else:
        tiny_git(folder / "captioner")
        tiny_vidtok(folder / "tokenizer", ratio=16)
        seen = {"appearance": {"model": "./tokenizer", "input_px": 64}}
        models = tiny_wan(folder)
    recipe = {
        "schema": 1,
        "name": folder.name,
        "licence": "none: random weights",
        "captioner": {"model": "./captioner", "max_tokens": 12},
        **seen,
        "renderer": {
            "backend": "diffusers",
            "models": {name: _below(folder, source) for name, source in models.items()},
            "options": {"pipeline": renderer, "steps": 2, "frames": 9, "guidance": 2.0},
        },
    }
    (folder / "recipe.toml").write_bytes(tomli_w.dumps(recipe).encode())
    return folder


def _below(folder: Path, source: ModelSource) -> dict[str, str]:
    place = f"./{Path(source.model).relative_to(folder)}"
    return {"model": place} if source.weights is None else {"model": place, "weights": source.weights}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--renderer", choices=RENDERERS, default="ltx")
    chosen = parser.parse_args()
    write_own(chosen.folder, chosen.renderer)
