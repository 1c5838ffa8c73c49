"""The parts of a bundle that depict a keyframe: image tokenizer and image embedding."""

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from export.encoders.load import load_token_codec, load_vector_encoder
from export.golden import GRAPH_SAMPLES, Shown
from export.pretrained.work import BATCH, Work
from export.recipe import AppearanceRecipe, VectorRecipe
from export.simplify import simplify
from export.tables import token_tables, vector_tables
from wire.golden import normalised

TOKENS, VECTOR = "tables/tokens.npz", "tables/vector.npz"
_ENCODER, _DECODER, _EMBEDDING = "appearance_encoder.onnx", "appearance_decoder.onnx", "vector_encoder.onnx"
_PICTURES = 160  # that tables are counted on
_RANGED = 32  # pictures that 8-bit ranges are measured on


def build_appearance(work: Work, wanted: AppearanceRecipe) -> dict[str, object]:
    """Write the image tokenizer's files and golden outputs; give its table in the manifest."""
    place = work.place("appearance", wanted)
    codec = load_token_codec(
        place, wanted.revision, wanted.subfolder, work.order.device, wanted.input_px, wanted.weights
    )
    codec.export(work.made / "sender")
    (work.made / "receiver").mkdir(exist_ok=True)
    (work.made / "sender" / _DECODER).replace(work.made / "receiver" / _DECODER)
    pictures = work.frames.pictures(wanted.input_px, _PICTURES)
    plain = np.zeros(3), np.ones(3)
    shares = (normalised(part, *plain) for part in _batches(pictures))
    tokens = np.concatenate([codec.encode(work.tensor(share)) for share in shares])
    coarse = codec.planes if wanted.coarse_planes is UNSET else wanted.coarse_planes
    work.save(TOKENS, token_tables(tokens, codec.levels, coarse))
    shown = Shown.of(pictures[:: max(len(pictures) // GRAPH_SAMPLES, 1)][:GRAPH_SAMPLES])
    seen = [codec.samples(work.tensor(pixels[None])) for pixels in shown.pixels]
    work.golden.add(f"sender/{_ENCODER}", [s for each in seen for s in each[_ENCODER]], shown, "image")
    work.golden.add(f"receiver/{_DECODER}", [s for each in seen for s in each[_DECODER]])
    simplify(work.made / "receiver" / _DECODER)
    work.finish(f"sender/{_ENCODER}", work.precision_of_codes)
    return {
        "encoder": f"sender/{_ENCODER}",
        "tables": TOKENS,
        "input_px": wanted.input_px,
        "grid": codec.grid,
        "levels": codec.levels,
        "planes": codec.planes,
        "coarse_planes": coarse,
        "default_planes": codec.planes if wanted.default_planes is UNSET else wanted.default_planes,
    }


def build_vector(work: Work, wanted: VectorRecipe) -> dict[str, object]:
    """Write the image embedding's files and golden outputs; give its table in the manifest."""
    place = work.place("vector", wanted)
    model = load_vector_encoder(place, wanted.revision, wanted.subfolder, work.order.device)
    model.export(work.made / "sender")
    pictures = work.frames.pictures(model.input_px, _PICTURES)
    mean, std = np.array(model.mean), np.array(model.std)
    shares = (normalised(part, mean, std) for part in _batches(pictures))
    values = np.concatenate([model.embed(work.tensor(share)).cpu().float().numpy() for share in shares])
    work.save(VECTOR, vector_tables(values))
    shown = Shown.of(
        pictures[:: max(len(pictures) // GRAPH_SAMPLES, 1)][:GRAPH_SAMPLES], model.mean, model.std
    )
    seen = [model.samples(work.tensor(pixels[None])) for pixels in shown.pixels]
    graph = f"sender/{_EMBEDDING}"
    work.golden.add(graph, [s for each in seen for s in each[_EMBEDDING]], shown, "pixel_values")
    work.finish(graph, feeds=[{"pixel_values": normalised(p[None], mean, std)} for p in pictures[:_RANGED]])
    return {
        "encoder": graph,
        "tables": VECTOR,
        "input_px": model.input_px,
        "size": model.size,
        "mean": model.mean,
        "std": model.std,
        "hold": wanted.hold,
    }


def _batches(pictures: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [pictures[at : at + BATCH] for at in range(0, len(pictures), BATCH)]
