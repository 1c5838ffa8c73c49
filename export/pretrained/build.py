"""`mirage export build` of a recipe: pre-trained models become a bundle.

    captioner   --> sender/encoder_model.onnx, decoder_model_merged.onnx, tables/tokenizer.json, text.npz
    appearance  --> sender/appearance_encoder.onnx, receiver/appearance_decoder.onnx, tables/tokens.npz
    vector      --> sender/vector_encoder.onnx, tables/vector.npz
    renderer    --> named in bundle.toml, loaded by the cloud from where the recipe says

Everything is written in a temporary folder, checked against PyTorch, and only then takes its place.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import torch

from export.calibration import calibration
from export.golden import CAPTIONS
from export.manifest import publish, workplace, write_manifest
from export.pretrained.appearance import build_appearance, build_vector
from export.pretrained.captioner import build_captioner
from export.pretrained.work import Order, OrderError, Work
from export.recipe import Recipe, load_recipe
from export.verify import Runtime, VerifyError, verify
from wire.bundle import Bundle

GOLDEN = "golden.npz"


def build_pretrained(
    bundle: Path, order: Order, runtime: Runtime, step: Callable[[str], None] = lambda _: None
) -> Bundle:
    """Build the bundle whose recipe is in folder `bundle`; `step` is told each part that begins.

    Raises OrderError, RecipeError, UnsupportedModelError, FootageError, BusyError and VerifyError; what was
    there before is then untouched.
    """
    try:
        return _build(bundle, order, runtime, step)
    except torch.OutOfMemoryError as error:
        raise OrderError(
            f"{bundle}: its models do not fit in the memory of {order.device}: {error}"
        ) from error


def parts(recipe: Recipe) -> int:
    """How often `build_pretrained` calls `step`."""
    return 3 + sum(each is not None for each in (recipe.appearance, recipe.vector))


def _build(bundle: Path, order: Order, runtime: Runtime, step: Callable[[str], None]) -> Bundle:
    recipe = load_recipe(bundle)
    with workplace(bundle) as made:
        step("footage")
        work = Work(bundle, made, recipe, order, calibration(order.footage, CAPTIONS))
        step("captioner")
        fields: dict[str, object] = {"captioner": build_captioner(work)}
        if recipe.appearance is not None:
            step("appearance")
            fields["appearance"] = build_appearance(work, recipe.appearance)
        if recipe.vector is not None:
            step("vector")
            fields["vector"] = build_vector(work, recipe.vector)
        work.save(GOLDEN, work.golden.arrays)
        write_manifest(made, {**fields, **_rest(work)})
        step("verification")
        misses = verify(Bundle.load(made), runtime).misses()
        if misses:
            raise VerifyError(f"{bundle}: not built, for it differs from PyTorch: {'; '.join(misses)}")
        publish(made, bundle)
    return Bundle.load(bundle)


def _rest(work: Work) -> dict[str, object]:
    recipe = work.recipe
    renderer = msgspec.to_builtins(recipe.renderer)
    if recipe.appearance is not None:
        renderer["decoder"] = "receiver/appearance_decoder.onnx"
    return {
        "name": recipe.name,
        "licence": recipe.licence,
        "text": {"tables": "tables/text.npz"},
        "renderer": renderer,
        "precision": work.order.precision,
        "golden": GOLDEN,
        "training": {**work.sources, "tables": work.frames.origin},
    }
