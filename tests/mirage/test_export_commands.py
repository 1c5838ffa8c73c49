"""`mirage export …` on the shipped bundle: what is right passes, what was changed is found and named."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wire.bundle import file_sha256


def mirage(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", "export", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    return folder


def replace(folder: Path, name: str, content: bytes) -> None:
    """Put another file into a bundle, with its hash."""
    manifest = (folder / "bundle.toml").read_text()
    old = file_sha256(folder / name)
    (folder / name).write_bytes(content)
    (folder / "bundle.toml").write_text(manifest.replace(old, hashlib.sha256(content).hexdigest()))


def changed_golden(folder: Path, key: str, by: float) -> None:
    arrays = dict(np.load(folder / "golden.npz"))
    arrays[key] = arrays[key] + np.asarray(by, arrays[key].dtype)
    np.savez(folder / "other.npz", allow_pickle=False, **arrays)
    replace(folder, "golden.npz", (folder / "other.npz").read_bytes())


def test_the_shipped_bundle_is_what_pytorch_gave(tiny: Path) -> None:
    result = mirage("verify", tiny, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["ok"], found["misses"]) == (True, [])
    assert (found["checked"]["captions"], found["checked"]["identical_captions"]) == (20, 20)
    graphs = {each["graph"]: each for each in found["checked"]["graphs"]}
    assert len(graphs) == 5
    assert all(each["cosine"] > 0.9999 for each in graphs.values())
    assert graphs["sender/encoder_model.onnx"]["tensorrt"] == []
    assert graphs["receiver/flow_denoiser.onnx"]["tensorrt"] is None


@pytest.mark.parametrize(
    ("key", "by", "message"),
    [
        ("sender/encoder_model.onnx|out|last_hidden_state", 1.0, "sender/encoder_model.onnx: error 1"),
        ("sender/appearance_encoder.onnx|out|tokens", 1, "sender/appearance_encoder.onnx: 0.0"),
        ("captions|tokens", 1, "captions: 0 of 20 identical"),
    ],
)
def test_a_graph_that_differs_is_named_and_the_exit_is_1(
    copy: Path, key: str, by: float, message: str
) -> None:
    changed_golden(copy, key, by)
    result = mirage("verify", copy)
    assert result.returncode == 1
    assert f"MISSED {message}" in result.stdout


def test_a_graph_without_golden_outputs_is_a_miss(copy: Path) -> None:
    arrays = {k: v for k, v in np.load(copy / "golden.npz").items() if not k.startswith("sender/enc")}
    np.savez(copy / "other.npz", allow_pickle=False, **arrays)
    replace(copy, "golden.npz", (copy / "other.npz").read_bytes())
    result = mirage("verify", copy, "--json")
    assert result.returncode == 1
    assert "golden data of sender/encoder_model.onnx" in json.loads(result.stdout)["misses"][0]


@pytest.mark.parametrize("change", ["altered", "missing"])
def test_a_file_that_is_not_what_its_hash_says_is_refused(copy: Path, change: str) -> None:
    path = copy / "receiver/flow_denoiser.onnx"
    if change == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"!")
    result = mirage("verify", copy)
    assert result.returncode == 2
    assert "flow_denoiser.onnx: " in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_card_says_what_was_measured(copy: Path) -> None:
    written = (copy / "CARD.md").read_text()
    result = mirage("card", copy)
    assert result.returncode == 0, result.stderr
    card = (copy / "CARD.md").read_text()
    assert card.startswith(written.partition("<!-- measured")[0].rstrip())
    assert "20 of 20 captions are identical" in card.replace("\n", " ")
    assert "sender/encoder_model.onnx` | fp32 | 10." in card


def test_a_bundle_is_verified_where_there_is_no_pytorch(tiny: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['transformers'] = None; "
        f"sys.argv = ['mirage', 'export', 'verify', {str(tiny)!r}]; import mirage.cli; mirage.cli.main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "20 of 20 captions" in result.stdout


def test_no_card_is_written_of_a_bundle_that_is_not_verified(copy: Path) -> None:
    changed_golden(copy, "captions|tokens", 1)
    before = (copy / "CARD.md").read_text()
    result = mirage("card", copy)
    assert result.returncode == 2
    assert "no card for a bundle that is not verified: captions: 0 of 20" in result.stderr
    assert (copy / "CARD.md").read_text() == before


@pytest.mark.parametrize(("device", "message"), [("gpu", "neither cpu nor cuda"), ("cuda", "sees no GPU")])
def test_a_device_that_is_not_here_is_refused(tmp_path: Path, device: str, message: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    recipe = 'schema = 1\nname = "a"\nlicence = "b"\n[captioner]\nmodel = "./c"\n[renderer]\n'
    (tmp_path / "recipe.toml").write_text(recipe)
    result = mirage("build", tmp_path, "--device", device)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_card_with_one_mark_only_is_left_alone(copy: Path) -> None:
    (copy / "CARD.md").write_text("# tiny\n<!-- measured: end -->\nmine\n")
    result = mirage("card", copy)
    assert result.returncode == 2
    assert "CARD.md: needs one line" in result.stderr
    assert (copy / "CARD.md").read_text() == "# tiny\n<!-- measured: end -->\nmine\n"


def test_a_folder_of_no_recipe_and_no_footage_says_what_is_missing(tmp_path: Path) -> None:
    result = mirage("build", tmp_path)
    assert result.returncode == 2
    assert "has no recipe.toml" in result.stderr
    assert "--footage" in result.stderr
