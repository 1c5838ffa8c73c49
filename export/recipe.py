"""recipe.toml: which pre-trained models a bundle is made of.

    recipe.toml + hub or folders --mirage export build--> bundle.toml, graphs, tables

A hub model is named by its id and pinned to a commit; a folder is absolute, or begins with a dot and lies
below the bundle.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from wire.bundle import Count, ModelSource, Scalar
from wire.toml import TomlError, parse_as

RECIPE = "recipe.toml"


class RecipeError(ValueError):
    """The recipe cannot be used; the message names the file and the key."""


class CaptionerRecipe(ModelSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The captioner, and what it is shown.

    `layout` as in bundle.toml: one "frame" for a model that was trained on photographs. `motion_words`: the
    device adds what it measured of the camera, which such a model cannot see.
    """

    layout: Annotated[tuple[Literal["frame", "flow"], ...], Meta(min_length=1)] = ("frame",)
    motion_words: bool = True
    max_tokens: Count = 24

    def __post_init__(self) -> None:
        super().__post_init__()
        _whole(self)


class AppearanceRecipe(ModelSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The image tokenizer; `input_px` is the side of the square that a keyframe is squeezed into.

    Planes are those of one FSQ code; a tokenizer that was not trained with nested dropout needs all of them,
    which is the default of both numbers.
    """

    input_px: Count = 256
    coarse_planes: Count | UnsetType = UNSET
    default_planes: Count | UnsetType = UNSET


class VectorRecipe(ModelSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The image embedding; `hold` as in bundle.toml."""

    hold: Annotated[float, Meta(gt=0, le=1)] = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        _whole(self)


class RendererRecipe(Struct, frozen=True, forbid_unknown_fields=True):
    """What the receiver renders with; `models` and `options` go into bundle.toml as they are."""

    backend: Literal["diffusers"] = "diffusers"
    models: dict[str, ModelSource] = {}
    options: dict[str, Scalar] = {}


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    schema: Annotated[int, Meta(ge=1, le=1)]
    name: Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,32}\Z")]
    licence: str
    captioner: CaptionerRecipe
    renderer: RendererRecipe
    appearance: AppearanceRecipe | None = None
    vector: VectorRecipe | None = None


def _whole(source: ModelSource) -> None:
    if source.weights is not None:
        raise ValueError(f"weights {source.weights!r}: a model of this part is a folder, not one file")


def load_recipe(bundle: Path) -> Recipe:
    """Read the recipe in folder `bundle`, or raise RecipeError."""
    path = bundle / RECIPE
    try:
        return parse_as(path.read_bytes(), Recipe, str(path))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except TomlError as error:
        raise RecipeError(str(error)) from error
