"""Whole path of bundles of pre-trained classes: recipe, export, packets, and the real diffusers pipelines."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from export.captioners.captioner import UnsupportedModelError
from export.captioners.folder import ModelFilesError
from export.recipe import RecipeError
from mirage.builds import pretrained
from mirage.cli import app
from mirage.errors import InputError
from tests.own_bundle import RENDERERS, Renderer, write_own
from wire.bundle import Bundle
from wire.packet import Layer
from wire.recording import parse

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # exporters and pipelines warn of much; what comes out is compared
]
MakeVideo = Callable[..., Path]
DEPICTED = {
    "animatediff": Layer.APPEARANCE_VECTOR,
    "ltx": Layer.APPEARANCE_TOKENS,
    "wan": Layer.APPEARANCE_TOKENS,
}
SMALL = ("--long-side", 64, "--fps", 5)


def mirage(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def done(*arguments: object) -> str:
    """Run a command in this process, which has loaded torch already."""
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[Renderer, Bundle]:
    """Build a bundle for each renderer."""
    folder = tmp_path_factory.mktemp("own")
    return {name: pretrained(write_own(folder / name, name), None, "cpu", "fp32", 1) for name in RENDERERS}


def frames(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("name", RENDERERS)
def test_a_clip_goes_through_models_that_a_recipe_names(
    built: dict[Renderer, Bundle], name: Renderer, make_video: MakeVideo, tmp_path: Path
) -> None:
    bundle, video = built[name].root, make_video(frames=75)
    whole, words = tmp_path / "whole.mrg", tmp_path / "words.mrg"
    done("encode", video, "-o", whole, "--bundle", bundle)
    done("encode", video, "-o", words, "--bundle", bundle, "--no-vector", *_no_tokens(built[name]))
    assert DEPICTED[name] in parse(whole.read_bytes()).packets[0].layers
    assert set(parse(words.read_bytes()).packets[0].layers) == {Layer.CAPTION, Layer.MOTION}
    shown = {}
    for recording in (whole, words):
        output = recording.with_suffix(".mp4")
        report = json.loads(done("decode", recording, "-o", output, "--bundle", bundle, *SMALL, "--json"))
        shown[recording.stem] = frames(output)
        assert (report["frames"], report["width"], report["height"]) == (15, 64, 36)
        assert shown[recording.stem].shape == (15, 36, 64, 3)
    assert np.abs(shown["whole"].astype(int) - shown["words"]).mean() > 1, "appearance changes the picture"


def _no_tokens(bundle: Bundle) -> tuple[object, ...]:
    return () if bundle.manifest.appearance is None else ("--planes", 0)


def test_what_was_built_is_what_pytorch_gives(built: dict[Renderer, Bundle]) -> None:
    for name, bundle in built.items():
        found = json.loads(done("export", "verify", bundle.root, "--json"))
        assert found["ok"], found["misses"]
        assert (found["checked"]["captions"], found["checked"]["identical_captions"]) == (20, 20), name
        captions = {tuple(tokens) for tokens in bundle.golden().tokens()}
        assert len(captions) > 3, "captions differ from picture to picture"


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_narrower_graphs_are_smaller_and_near_enough(
    built: dict[Renderer, Bundle], precision: str, tmp_path: Path
) -> None:
    whole = built["ltx"]
    folder = tmp_path / "narrow"
    folder.mkdir()
    recipe = (whole.root / "recipe.toml").read_text().replace('"./', f'"{whole.root}/')
    (folder / "recipe.toml").write_text(recipe)
    narrow = pretrained(folder, None, "cpu", precision, 1)
    assert narrow.manifest.precision == precision
    for graph in (narrow.manifest.captioner.encoder, narrow.manifest.captioner.decoder):
        assert narrow.path(graph).stat().st_size < whole.path(graph).stat().st_size


def test_a_card_is_measured_and_keeps_what_others_wrote(built: dict[Renderer, Bundle]) -> None:
    bundle = built["animatediff"]
    (bundle.root / "CARD.md").write_text("# Mine\n\nTrained on nothing.\n")
    done("export", "card", bundle.root)
    first = (bundle.root / "CARD.md").read_text()
    assert first.startswith("# Mine\n\nTrained on nothing.\n")
    for said in (
        bundle.short_sha256,
        "none: random weights",
        "vector_encoder.onnx",
        "20 of 20",
        "./embedding",
    ):
        assert said in first
    done("export", "card", bundle.root)
    assert (bundle.root / "CARD.md").read_text().count("| graph |") == 1


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ('model = "./captioner"', 'model = "./gone"', ModelFilesError, "gone: no such folder"),
        ('layout = ["frame"]', 'layout = ["frame", "flow"]', RecipeError, "no square number"),
        ('model = "./tokenizer"', 'model = "./captioner"', UnsupportedModelError, "supported"),
    ],
)
def test_a_recipe_that_cannot_be_built_leaves_nothing_behind(
    built: dict[Renderer, Bundle], old: str, new: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    whole = built["ltx"]
    text = (whole.root / "recipe.toml").read_text().replace("[captioner]", '[captioner]\nlayout = ["frame"]')
    assert old in text
    (tmp_path / "recipe.toml").write_text(text.replace(old, new).replace('"./', f'"{whole.root}/'))
    with pytest.raises(error, match=message):
        pretrained(tmp_path, None, "cpu", "fp32", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.toml"]


def test_a_mistake_in_a_recipe_is_one_line_and_exit_2(tmp_path: Path) -> None:
    recipe = '[captioner]\nmodel = "./c"\n[renderer]\nmodl = 1\n'
    (tmp_path / "recipe.toml").write_text(f'schema = 1\nname = "a"\nlicence = "b"\n{recipe}')
    result = mirage("export", "build", tmp_path)
    assert result.returncode == 2
    assert "recipe.toml" in result.stderr
    assert "modl" in result.stderr
    assert result.stderr.count("\n") == 1, result.stderr


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--precision fp8: is none of fp32, fp16, int8"):
        pretrained(tmp_path, None, "cpu", "fp8", 1)


def test_a_bundle_whose_graph_was_changed_is_refused(built: dict[Renderer, Bundle]) -> None:
    bundle = built["wan"]
    path = bundle.path(bundle.manifest.captioner.encoder)
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1] + b"?")
        result = mirage("export", "verify", bundle.root)
    finally:
        path.write_bytes(content)
    assert result.returncode == 2
    assert "encoder_model.onnx: SHA-256 is" in result.stderr
