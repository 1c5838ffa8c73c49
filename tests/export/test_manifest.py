"""bundle.toml as it is written: readable, hashed, without what is not there."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from export.manifest import BusyError, publish, workplace, write_manifest
from export.tables import text_tables
from tests.wire.sample import CAPTIONS
from wire.bundle import Bundle

FIELDS: dict[str, object] = {
    "name": "own",
    "licence": "MIT",
    "captioner": {
        "encoder": "sender/a.onnx", "decoder": "sender/b.onnx", "tokenizer": "sender/t.json",
        "max_tokens": 4, "start_token": 1, "end_token": 2, "tile_px": 8,
        "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "layout": ("frame",),
    },
    "text": {"tables": "text.npz"},
    "renderer": {
        "backend": "diffusers",
        "models": {"pipeline": {"model": "./pipe"}},
        "options": {"pipeline": "ltx", "steps": 3},
    },
    "training": {"captioner": "./blip"},
}  # fmt: skip


def made(folder: Path, more: dict[str, object] | None = None) -> Path:
    (folder / "sender").mkdir(parents=True)
    for name in ("a.onnx", "b.onnx", "t.json"):
        (folder / "sender" / name).write_bytes(name.encode())
    np.savez(folder / "text.npz", allow_pickle=False, **text_tables(CAPTIONS))
    write_manifest(folder, {**FIELDS, **(more or {})})
    return folder


def test_what_is_written_can_be_loaded(tmp_path: Path) -> None:
    bundle = Bundle.load(made(tmp_path / "own"))
    assert bundle.manifest.renderer.models["pipeline"].place(bundle.root) == str(bundle.root / "pipe")
    assert bundle.manifest.files["sender/a.onnx"] == hashlib.sha256(b"a.onnx").hexdigest()
    text = (bundle.root / "bundle.toml").read_text()
    assert "appearance" not in text
    assert "quality" not in text


def test_a_first_bundle_takes_its_place(tmp_path: Path) -> None:
    with workplace(tmp_path / "own") as scratch:
        publish(made(scratch), tmp_path / "own")
    assert Bundle.load(tmp_path / "own").manifest.name == "own"
    assert not list((tmp_path / "own").glob(".build*"))


def test_a_new_bundle_leaves_no_file_of_the_old_one(tmp_path: Path) -> None:
    old, new = made(tmp_path / "old"), made(tmp_path / "new", {"precision": "fp16"})
    (old / "sender/a.onnx.data").write_bytes(b"large")
    write_manifest(old, FIELDS)
    (old / "notes.txt").write_text("mine")
    publish(new, old)
    assert Bundle.load(old).manifest.precision == "fp16"
    assert not (old / "sender/a.onnx.data").exists()
    assert (old / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("trouble", ["old", "new"])
@pytest.mark.parametrize("name", ["bundle.toml", "sender/a.onnx", "sender/t.json", "text.npz"])
def test_a_bundle_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, name: str
) -> None:
    folders = {"old": made(tmp_path / "old"), "new": made(tmp_path / "new", {"precision": "fp16"})}
    replace, failed = Path.replace, list[Path]()

    def failing(source: Path, target: Path) -> Path:
        if source == folders[trouble] / name and not failed:
            failed.append(source)
            raise OSError(28, "No space left on device")
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="No space left"):
        publish(folders["new"], folders["old"])
    monkeypatch.undo()
    assert Bundle.load(folders["old"]).manifest.precision == "fp32"


@pytest.mark.parametrize("moves", range(1, 11))
def test_a_build_that_is_killed_costs_neither_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    old, replace, done = made(tmp_path / "own"), Path.replace, list[Path]()

    def dying(source: Path, target: Path) -> Path:
        if len(done) == moves:
            os._exit(9)  # no clean-up, as for SIGKILL
        done.append(source)
        return replace(source, target)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(Path, "replace", dying)
        with workplace(old) as scratch:
            publish(made(scratch, {"precision": "fp16"}), old)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (0, 9)
    with workplace(old):
        assert Bundle.load(old).manifest.precision in ("fp16", "fp32")
    assert not list(old.glob(".build*"))


def test_one_build_at_a_time_and_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "own/.build-killed").mkdir(parents=True)
    with workplace(tmp_path / "own") as scratch:
        assert [path.name for path in (tmp_path / "own").glob(".build-*")] == [scratch.name]
        with (
            pytest.raises(BusyError, match="own: is being built by another process"),
            workplace(tmp_path / "own"),
        ):
            pass
    assert not (tmp_path / "own").exists(), "nothing came of it"


def test_a_bundle_takes_its_place_over_an_old_one(tmp_path: Path) -> None:
    old, new = made(tmp_path / "old"), made(tmp_path / "new")
    (old / "sender/a.onnx").write_bytes(b"old")
    (old / "pipe").mkdir()
    publish(new, old)
    assert Bundle.load(old).path("sender/a.onnx").read_bytes() == b"a.onnx"
    assert (old / "pipe").is_dir()
    assert not list(new.rglob("*.onnx"))
