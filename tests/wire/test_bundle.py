"""Bundles: whole and unchanged, or an error that names the file."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from export.tables import text_tables, token_tables, vector_tables
from tests.wire.sample import CAPTIONS, smooth_tokens
from wire.bundle import Bundle, BundleError

MANIFEST = """\
schema = 1
name = "tiny"
licence = "Apache-2.0"
[captioner]
encoder = "captioner/encoder.onnx"
decoder = "captioner/decoder.onnx"
tokenizer = "captioner/tokenizer.json"
max_tokens = 24
start_token = 1
end_token = 2
tile_px = 160
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 1]
layout = ["frame", "frame", "frame", "flow"]
[appearance]
encoder = "appearance/encoder.onnx"
tables = "appearance/tables.npz"
input_px = 128
grid = [8, 8]
levels = 8
planes = 6
coarse_planes = 2
default_planes = 4
[text]
tables = "text/tables.npz"
[renderer]
backend = "preview"
decoder = "renderer/decoder.onnx"
[renderer.options]
flow_frames = 8
[quality]
psnr_db = 21.5
[files]
"""
GRAPHS = (
    "captioner/encoder.onnx",
    "captioner/decoder.onnx",
    "captioner/tokenizer.json",
    "appearance/encoder.onnx",
    "renderer/decoder.onnx",
    "renderer/card.md",
)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bundle")
    for name in (*GRAPHS, "text/tables.npz", "appearance/tables.npz"):
        (root / name).parent.mkdir(exist_ok=True)
    for name in GRAPHS:
        (root / name).write_bytes(name.encode())
    np.savez(root / "text/tables.npz", allow_pickle=False, **text_tables(CAPTIONS))
    tables = token_tables(smooth_tokens(50, seed=4), levels=8, coarse_planes=2)
    np.savez(root / "appearance/tables.npz", allow_pickle=False, **tables)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """Copy a bundle's folder for a test that damages it."""
    copy = tmp_path / "tiny"
    for path in made.rglob("*.*"):
        target = copy / path.relative_to(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    hashes = [
        f'"{path.relative_to(copy).as_posix()}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"'
        for path in sorted(copy.rglob("*.*"))
    ]
    (copy / "bundle.toml").write_text(MANIFEST + "\n".join(hashes) + "\n")
    return copy


def change(root: Path, old: str, new: str) -> None:
    path = root / "bundle.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_bundle_gives_its_manifest_and_tables(root: Path) -> None:
    bundle = Bundle.load(root)
    assert bundle.manifest.captioner.tile_px == 160
    assert bundle.manifest.captioner.std == (0.5, 0.5, 1.0)
    assert bundle.manifest.renderer.options == {"flow_frames": 8}
    assert bundle.path("captioner/encoder.onnx").read_bytes() == b"captioner/encoder.onnx"
    text = bundle.text_model()
    assert text.decode(text.encode("a brown dog")) == "a brown dog"
    tokens = bundle.token_model()
    assert tokens is not None
    assert (tokens.planes, tokens.coarse_planes) == (6, 2)


def test_its_name_on_the_wire_is_the_manifests_hash(root: Path) -> None:
    digest = hashlib.sha256((root / "bundle.toml").read_bytes()).hexdigest()
    bundle = Bundle.load(root)
    assert (bundle.sha256, bundle.short_sha256) == (digest, digest[:16])


@pytest.mark.parametrize("name", [*GRAPHS, "text/tables.npz", "appearance/tables.npz"])
def test_a_changed_or_missing_file_is_named(root: Path, name: str) -> None:
    path = root / name
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(BundleError, match=f"{name}: SHA-256 is"):
        Bundle.load(root)
    path.unlink()
    with pytest.raises(BundleError, match=f"{name}: No such file"):
        Bundle.load(root)


def test_each_half_needs_only_its_own_files(root: Path) -> None:
    (root / "renderer/decoder.onnx").unlink()
    edge = Bundle.load(root, half="edge")
    edge.codec()
    with pytest.raises(BundleError, match="not among the files of the edge half"):
        edge.path("renderer/decoder.onnx")
    with pytest.raises(BundleError, match=r"renderer/decoder\.onnx"):
        Bundle.load(root, half="cloud")


def test_the_cloud_does_not_need_the_senders_graphs(root: Path) -> None:
    (root / "captioner/encoder.onnx").unlink()
    (root / "appearance/encoder.onnx").unlink()
    cloud = Bundle.load(root, half="cloud")
    cloud.codec()
    assert cloud.path("renderer/card.md").is_file()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        pytest.param("tile_px", "tile_size", "tile_size", id="unknown key"),
        pytest.param('name = "tiny"', 'name = "tiny"\ncolour = 1', "colour", id="unknown key at the top"),
        pytest.param("schema = 1", "schema = 2", "schema", id="later schema"),
        pytest.param("max_tokens = 24", "", "max_tokens", id="missing key"),
        pytest.param("tile_px = 160", "tile_px = 0", "tile_px", id="no pixels"),
        pytest.param('"flow"]', '"depth"]', "layout", id="unknown tile"),
        pytest.param("default_planes = 4", "default_planes = 1", "coarse_planes", id="planes disagree"),
        pytest.param(
            'renderer/decoder.onnx"\n[', 'renderer/other.onnx"\n[', "no hash", id="file without a hash"
        ),
        pytest.param('"renderer/card.md"', '"../card.md"', "not inside", id="path leaves the bundle"),
        pytest.param('"renderer/card.md"', '"/etc/passwd"', "not inside", id="absolute path"),
        pytest.param("[text]", "[text", "bundle.toml", id="no TOML"),
        pytest.param("planes = 6", "planes = 7", "not the manifest's", id="tables of another model"),
    ],
)
def test_a_bad_manifest_is_refused(root: Path, old: str, new: str, reason: str) -> None:
    change(root, old, new)
    with pytest.raises(BundleError, match=reason):
        Bundle.load(root).codec()


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"bundle\.toml: No such file"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", b"PK\x03\x04" + bytes(40)], ids=["empty", "text", "cut off"]
)
def test_tables_that_are_none_are_named(root: Path, content: bytes) -> None:
    path = root / "text/tables.npz"
    change(root, hashlib.sha256(path.read_bytes()).hexdigest(), hashlib.sha256(content).hexdigest())
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"text/tables\.npz"):
        Bundle.load(root).text_model()


def test_a_bundle_may_have_no_appearance(root: Path) -> None:
    text = (root / "bundle.toml").read_text()
    start, end = text.index("[appearance]"), text.index("[text]")
    (root / "bundle.toml").write_text(text[:start] + text[end:])
    assert Bundle.load(root).token_model() is None


VECTOR = """
[vector]
encoder = "captioner/encoder.onnx"
tables = "appearance/vector.npz"
input_px = 32
size = {size}
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
"""


def with_vector(root: Path, size: int) -> None:
    path = root / "appearance/vector.npz"
    np.savez(
        path,
        allow_pickle=False,
        **vector_tables(np.random.default_rng(0).normal(size=(9, 16)).astype(np.float32)),
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    change(root, "[files]\n", VECTOR.format(size=size) + f'[files]\n"appearance/vector.npz" = "{digest}"\n')


def test_a_bundle_may_send_an_embedding(root: Path) -> None:
    with_vector(root, 16)
    bundle = Bundle.load(root, "cloud")
    model = bundle.vector_model()
    assert model is not None
    assert model.size == 16
    assert bundle.manifest.vector is not None
    assert bundle.manifest.vector.hold == 0.95


def test_embedding_tables_of_another_size_are_refused(root: Path) -> None:
    with_vector(root, 17)
    with pytest.raises(BundleError, match=r"vector\.npz: has 16 dimensions, bundle\.toml says size = 17"):
        Bundle.load(root).codec()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('model = "owner/name"', "needs its revision"),
        ('model = "owner/name"\nrevision = "main"', "a commit of 40 hex digits"),
        ('model = "name"', "neither a hub id"),
        ('model = "./here"\nrevision = "0123456789012345678901234567890123456789"', "has no revision"),
        ('model = "./here"\nrevison = "main"', "revison"),
    ],
)
def test_a_model_is_pinned_or_local(root: Path, entry: str, message: str) -> None:
    change(root, "[quality]", f"[renderer.models.pipeline]\n{entry}\n[quality]")
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.load(root)
    assert "bundle.toml" in str(caught.value)


def test_a_folder_is_seen_from_the_bundle_and_a_hub_id_is_not(root: Path) -> None:
    revision = 40 * "a"
    change(root, "[quality]", '[renderer.models]\na = {model = "./x"}\n[quality]')
    change(root, "[quality]", f'b = {{model = "owner/x", revision = "{revision}"}}\n[quality]')
    models = Bundle.load(root).manifest.renderer.models
    assert models["a"].place(root) == str(root / "x")
    assert models["b"].place(root) == "owner/x"


def test_weights_beside_a_graph_belong_to_its_half(root: Path) -> None:
    path = root / "captioner/encoder.onnx.data"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    change(root, "[files]\n", f'[files]\n"captioner/encoder.onnx.data" = "{digest}"\n')
    manifest = Bundle.load(root).manifest
    assert "captioner/encoder.onnx.data" in manifest.edge_files() - manifest.cloud_files()


def test_golden_outputs_are_checked_when_they_are_asked_for(root: Path) -> None:
    path = root / "golden.npz"
    np.savez(path, allow_pickle=False, **{"captions|tokens": np.array([[4, -1]], np.int32)})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    change(root, 'name = "tiny"\n', 'name = "tiny"\ngolden = "golden.npz"\n')
    change(root, "[files]\n", f'[files]\n"golden.npz" = "{digest}"\n')
    assert Bundle.load(root).golden().tokens() == [[4]]
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(BundleError, match=r"golden\.npz: SHA-256 is"):
        Bundle.load(root).golden()
    path.unlink()
    with pytest.raises(BundleError, match=r"golden\.npz: No such file"):
        Bundle.load(root, "edge").golden()


def test_a_bundle_without_golden_outputs_says_so(root: Path) -> None:
    with pytest.raises(BundleError, match="names no golden file"):
        Bundle.load(root).golden()
