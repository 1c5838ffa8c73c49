"""Recipes: pinned models, known keys, or an error that names file and key."""

from pathlib import Path

import pytest

from export.recipe import RecipeError, load_recipe
from tests.conftest import ROOT

REVISION = "0123456789abcdef0123456789abcdef01234567"
RECIPE = f"""
schema = 1
name = "own"
licence = "MIT"
[captioner]
model = "owner/captioner"
revision = "{REVISION}"
[appearance]
model = "./tokenizer"
[renderer.models.pipeline]
model = "./pipeline"
[renderer.options]
pipeline = "ltx"
"""


def write(folder: Path, text: str) -> Path:
    (folder / "recipe.toml").write_text(text)
    return folder


def test_a_recipe_names_models_and_leaves_the_rest_to_defaults(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, RECIPE))
    assert (recipe.captioner.model, recipe.captioner.revision) == ("owner/captioner", REVISION)
    assert (recipe.captioner.layout, recipe.captioner.motion_words) == (("frame",), True)
    assert recipe.appearance is not None
    assert recipe.appearance.place(tmp_path) == str(tmp_path / "tokenizer")
    assert recipe.vector is None
    assert recipe.renderer.options == {"pipeline": "ltx"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", "schema"),
        ('licence = "MIT"', "", "licence"),
        (f'revision = "{REVISION}"', "", "needs its revision"),
        (REVISION, "main", "a commit of 40 hex digits"),
        ("[appearance]", "[appearence]", "appearence"),
        ('model = "./tokenizer"', 'model = "./tokenizer"\ninput_pixels = 3', r"input_pixels.*input_px"),
        ('model = "./tokenizer"', 'model = "./tokenizer"\ninput_px = 0', r"appearance\.input_px"),
        ('model = "owner/captioner"', 'model = "owner/captioner"\nweights = "a.bin"', "a model of this part"),
        ("[renderer.options]", '[renderer]\nbackend = "preview"\n[renderer.options]', "renderer"),
        ('model = "./pipeline"', "", r"renderer\.models"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_an_error_that_names_file_and_key(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in RECIPE
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(write(tmp_path, RECIPE.replace(old, new)))
    assert "recipe.toml" in str(caught.value)


def test_a_folder_without_a_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.toml: No such file"):
        load_recipe(tmp_path)


@pytest.mark.parametrize("name", ["ltx", "sd-animate", "wan"])
def test_shipped_recipes_can_be_read(name: str) -> None:
    recipe = load_recipe(ROOT / "models" / name)
    assert recipe.name == name
    assert recipe.appearance is not None or recipe.vector is not None
    assert "pipeline" in recipe.renderer.models
