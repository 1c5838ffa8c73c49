"""The captioner's part of a bundle: two graphs, tokenizer, and the caption coder's tables."""

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from export.captioners.captioner import DECODER, ENCODER, Captioner
from export.captioners.load import load_captioner
from export.golden import CAPTIONS, GRAPH_SAMPLES, Shown
from export.pretrained.work import Work
from export.recipe import RECIPE, RecipeError
from export.sayable import sayable
from export.tables import text_tables
from wire.golden import normalised

TOKENIZER, TEXT = "tables/tokenizer.json", "tables/text.npz"
_SPOKEN = 64  # segments whose captions the text tables are counted on, besides sentences
_RANGED = 32  # pictures that 8-bit ranges are measured on


def build_captioner(work: Work) -> dict[str, object]:
    """Write the captioner's files and golden outputs; give its table in the manifest."""
    wanted = work.recipe.captioner
    place = work.place("captioner", wanted)
    model = load_captioner(place, wanted.revision, wanted.subfolder, work.order.device)
    tile_px = _tile_px(work, model.input_px)
    model.export(work.made / "sender")
    (work.made / "tables").mkdir(exist_ok=True)
    (work.made / TOKENIZER).write_text(model.tokenizer_json, "utf-8")
    grids = work.frames.grids(_SPOKEN, tile_px, wanted.layout)
    said = _golden(work, model, grids) + _said(work, model, grids)
    tokenizer = Tokenizer.from_str(model.tokenizer_json)
    captions = [" ".join(tokenizer.decode(ids).split()) for ids in said]
    work.save(TEXT, text_tables(sayable(captions, motion_words=wanted.motion_words)))
    mean, std = np.array(model.mean), np.array(model.std)
    work.finish(
        f"sender/{ENCODER}",
        feeds=[{"pixel_values": normalised(grid[None], mean, std)} for grid in grids[:_RANGED]],
    )
    work.finish(f"sender/{DECODER}")
    return {
        "encoder": f"sender/{ENCODER}",
        "decoder": f"sender/{DECODER}",
        "tokenizer": TOKENIZER,
        "max_tokens": wanted.max_tokens,
        "start_token": model.start_token,
        "end_token": model.end_token,
        "tile_px": tile_px,
        "mean": model.mean,
        "std": model.std,
        "layout": wanted.layout,
        "motion_words": wanted.motion_words,
    }


def _tile_px(work: Work, input_px: int) -> int:
    side = round(len(work.recipe.captioner.layout) ** 0.5)
    where = f"{work.bundle / RECIPE}: captioner.layout"
    if side**2 != len(work.recipe.captioner.layout):
        raise RecipeError(f"{where} has {len(work.recipe.captioner.layout)} tiles, which is no square number")
    if input_px % side:
        raise RecipeError(f"{where}: {side} tiles a side do not divide the model's {input_px} pixels")
    return input_px // side


def _golden(work: Work, model: Captioner, grids: NDArray[np.uint8]) -> list[list[int]]:
    """Keep what PyTorch makes of some grids: both graphs' outputs, and captions, which are given."""
    shown = Shown.of(grids[:: max(len(grids) // CAPTIONS, 1)][:CAPTIONS], model.mean, model.std)
    said = [model.greedy(work.tensor(p[None]), work.recipe.captioner.max_tokens) for p in shown.pixels]
    work.golden.add_captions(shown, said)
    seen = [model.samples(work.tensor(pixels[None])) for pixels in shown.pixels[:GRAPH_SAMPLES]]
    for graph in (ENCODER, DECODER):
        samples = [sample for each in seen for sample in each[graph]]
        work.golden.add(f"sender/{graph}", samples, shown, "pixel_values")
    return said


def _said(work: Work, model: Captioner, grids: NDArray[np.uint8]) -> list[list[int]]:
    pixels = normalised(grids, np.array(model.mean), np.array(model.std))
    return [model.greedy(work.tensor(one[None]), work.recipe.captioner.max_tokens) for one in pixels]
