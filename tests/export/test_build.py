"""From footage to bundle: trained for two steps, exported, and loaded as devices and clouds load it."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from cloud.render.preview import PreviewRenderer
from cloud.render.renderer import Context
from edge.appearance import AppearanceEncoder
from edge.captioner import Captioner
from edge.motion import estimate_motion
from export.build import BuildError, build_tiny
from export.captioners.captioner import DECODER
from export.captioners.vision_encoder_decoder import export_captioner
from export.data.footage import FootageError
from export.data.grids import photo_grids, segment_grids
from export.train.appearance import AppearanceTask, Codec
from export.train.captioner import CaptionerTask, load_captioner, to_pixels
from export.train.loop import Plan, Run, TrainingError, load_average
from export.train.refiner import RefinerTask
from export.train.renderer import RendererTask
from export.train.run import keep_tokenizer
from mirage.device import EdgeRuntime
from models.tiny import captioner
from models.tiny.appearance import LEVELS, PLANES, from_tokens, to_tokens
from models.tiny.refiner import Refiner
from models.tiny.renderer import FlowDenoiser, sample
from wire.bundle import Bundle, BundleError, file_sha256
from wire.documents import CameraInfo
from wire.motion import CameraMotion, Motion
from wire.policy import Policy
from wire.segment import Segment
from wire.words import SIZE

pytestmark = [
    pytest.mark.slow,
    # optimum 0.1 exports through TorchScript, which torch announces the end of in many words.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]
CPU = torch.device("cpu")
STEPS = Plan(steps=2)
TIE = 0.02  # of a logit


@pytest.fixture(scope="module")
def checkpoints(footage_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train all networks for two steps."""
    torch.manual_seed(0)
    work = tmp_path_factory.mktemp("work")
    words = CaptionerTask(footage_folder, work, CPU, batch=4, sentences=8)
    words.tokenizer.save(str(work / "tokenizer.json"))
    Run(words, STEPS, work / "captioner.pt", resume=False).train()
    Run(AppearanceTask(footage_folder, CPU, batch=2), STEPS, work / "appearance.pt", resume=False).train()
    motion = RendererTask(footage_folder, work, estimate_motion, CPU, batch=4)
    Run(motion, STEPS, work / "renderer.pt", resume=False).train()
    repair = RefinerTask(footage_folder, work, estimate_motion, CPU, batch=2)
    Run(repair, STEPS, work / "refiner.pt", resume=False).train()
    return work


@pytest.fixture(scope="module")
def bundle(checkpoints: Path, footage_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Build the bundle and check every hash."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    parts: list[str] = []
    build_tiny(folder, checkpoints, footage_folder, EdgeRuntime(), parts.append)
    assert parts == ["captioner", "appearance", "renderer", "tables", "verification"]
    return Bundle.load(folder)


def session(bundle: Bundle, name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(bundle.path(name)), providers=["CPUExecutionProvider"])


def grids(footage_folder: Path, count: int) -> list[NDArray[np.uint8]]:
    shared = (footage_folder, captioner.TILE_PX, captioner.LAYOUT)
    segments = segment_grids(*shared, held_out=False, views=4, seed=0)
    photos = photo_grids(*shared, held_out=False, seed=5)
    return [each.grid for each in (*segments, *photos)][:count]


def test_captions_on_onnx_runtime_are_those_of_torch(
    bundle: Bundle, checkpoints: Path, footage_folder: Path
) -> None:
    info = bundle.manifest.captioner
    torch_model = load_captioner(checkpoints / "captioner.pt")
    device = Captioner(bundle)
    for grid in grids(footage_folder, 20):
        with torch.inference_mode():
            said = torch_model.generate(
                to_pixels(grid), max_new_tokens=info.max_tokens, do_sample=False, num_beams=1,
                output_scores=True, return_dict_in_generate=True,
            )  # fmt: skip
        wanted = said.sequences[0, 1:].tolist()
        made = [*device.tokens(grid), captioner.END]
        for word, goal, scores in zip(made, wanted, said.scores, strict=False):
            if word != goal:  # weights of half precision may decide a tie, after which the sentences differ
                assert scores[0, word] > scores[0, goal] - TIE
                break


def test_tokens_on_onnx_runtime_are_those_of_torch(bundle: Bundle, checkpoints: Path) -> None:
    codec = Codec()
    load_average(checkpoints / "appearance.pt", codec)
    codec.eval()
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    given = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        wanted = to_tokens(codec.encoder(given))[0].numpy()
    made = AppearanceEncoder(bundle).encode(picture)
    assert (made != wanted).mean() < 0.005  # half precision may move a value across a level's edge


def test_pictures_on_onnx_runtime_are_those_of_torch(bundle: Bundle, checkpoints: Path) -> None:
    codec = Codec()
    load_average(checkpoints / "appearance.pt", codec)
    codec.eval()
    tokens = torch.randint(LEVELS, (1, PLANES, 8, 8), generator=torch.Generator().manual_seed(0))
    code = from_tokens(tokens)
    with torch.inference_mode():
        wanted = codec.decoder(code).clamp(0, 1).numpy()
    (made,) = session(bundle, "receiver/appearance_decoder.onnx").run(None, {"code": code.numpy()})
    assert np.abs(made - wanted).max() < 0.02


def test_motion_on_onnx_runtime_is_that_of_torch(bundle: Bundle, checkpoints: Path) -> None:
    denoiser = session(bundle, "receiver/flow_denoiser.onnx")
    network = FlowDenoiser(SIZE)
    load_average(checkpoints / "renderer.pt", network)
    network.eval()
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 40, 32, 32, generator=random)
    inputs = {
        "keys": torch.rand(1, 6, 64, 64, generator=random),
        "guide": torch.randn(1, 32, 32, 32, generator=random),
        "conditions": torch.tensor([[0.1, 1.1, 1.0, 0.5]]),
        "words": torch.randint(1, SIZE, (1, 24), generator=random),
    }
    wanted = sample(network, noise, **inputs, steps=1).numpy()
    arrays = {name: value.numpy() for name, value in inputs.items()}
    (made,) = denoiser.run(None, {"noisy": noise.numpy(), "time": np.zeros(1, np.float32), **arrays})
    assert np.abs(made - wanted).max() < 0.02 * max(1.0, float(np.abs(wanted).max()))


def test_changes_on_onnx_runtime_are_those_of_torch(bundle: Bundle, checkpoints: Path) -> None:
    network = Refiner(SIZE)
    load_average(checkpoints / "refiner.pt", network)
    random = torch.Generator().manual_seed(0)
    seen = torch.rand(2, 8, 256, 256, generator=random)
    words = torch.randint(1, SIZE, (2, 24), generator=random)
    with torch.inference_mode():
        wanted = network.eval()(seen, words).numpy()
    given = {"seen": seen.numpy(), "words": words.numpy()}
    (made,) = session(bundle, "receiver/refiner.onnx").run(None, given)
    assert np.abs(made - wanted).max() < 0.02 * max(0.1, float(np.abs(wanted).max()))


def test_a_packet_of_the_new_bundle_becomes_frames(bundle: Bundle) -> None:
    picture = np.full((90, 160, 3), 120, np.uint8)
    tokens = AppearanceEncoder(bundle).encode(picture)
    segment = Segment(
        0,
        1000,
        "leaves slide to the right",
        Motion(CameraMotion(pan_x=0.25)),
        tokens,
        0,
        still=False,
        cut=False,
    )
    layers = bundle.codec().layers(segment, None, None)
    assert sum(map(len, layers.values())) < 600
    frames = PreviewRenderer(bundle).render(
        segment, Context(None, None), CameraInfo("yard", 160, 90, 25.0), Policy(long_side_px=160), seed=0
    )
    assert frames.shape == (25, 90, 160, 3)


def test_a_missing_checkpoint_leaves_the_old_bundle_alone(
    bundle: Bundle, checkpoints: Path, footage_folder: Path, tmp_path: Path
) -> None:
    partial = tmp_path / "work"
    shutil.copytree(checkpoints, partial, ignore=shutil.ignore_patterns("renderer.pt", "*.npz"))
    before = (bundle.root / "bundle.toml").read_bytes()
    with pytest.raises(RuntimeError, match=r"renderer\.pt does not exist"):
        build_tiny(bundle.root, partial, footage_folder, EdgeRuntime(), lambda _: None)
    assert (bundle.root / "bundle.toml").read_bytes() == before
    assert [p.name for p in bundle.root.parent.iterdir()] == ["tiny"]


def test_a_tokenizer_of_other_words_is_refused(
    checkpoints: Path, footage_folder: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    shutil.copytree(checkpoints, work, ignore=shutil.ignore_patterns("*.npz"))
    stored = Tokenizer.from_file(str(work / "tokenizer.json"))
    stored.add_tokens(["unheard"])
    stored.save(str(work / "tokenizer.json"))
    with pytest.raises(BuildError, match=r"captioner\.pt knows"):
        build_tiny(tmp_path / "tiny", work, footage_folder, EdgeRuntime(), lambda _: None)


def test_a_tokenizer_of_other_words_ends_the_training_of_the_old_ones(
    checkpoints: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    shutil.copytree(checkpoints, work, ignore=shutil.ignore_patterns("*.npz"))
    stored = Tokenizer.from_file(str(work / "tokenizer.json"))
    keep_tokenizer(stored, work, resume=True)
    assert (work / "captioner.pt").exists()
    stored.add_tokens(["unheard"])
    with pytest.raises(TrainingError, match="train without --resume"):
        keep_tokenizer(stored, work, resume=True)
    keep_tokenizer(stored, work, resume=False)
    assert not (work / "captioner.pt").exists()
    assert "unheard" in (work / "tokenizer.json").read_text()


def test_captions_may_be_decoded_in_8_bits(
    bundle: Bundle, checkpoints: Path, footage_folder: Path, tmp_path: Path
) -> None:
    export_captioner(load_captioner(checkpoints / "captioner.pt"), tmp_path / "sender", int8=True)
    small, plain = tmp_path / "sender" / DECODER, bundle.path(f"sender/{DECODER}")
    assert small.stat().st_size < 0.8 * plain.stat().st_size
    folder = tmp_path / "tiny"
    shutil.copytree(bundle.root, folder)
    shutil.copyfile(small, folder / "sender" / DECODER)
    manifest = (folder / "bundle.toml").read_text()
    manifest = manifest.replace(file_sha256(plain), file_sha256(small))
    (folder / "bundle.toml").write_text(manifest)
    device, reference = Captioner(Bundle.load(folder)), Captioner(bundle)
    for grid in grids(footage_folder, 4):
        assert device.tokens(grid)[:1] == reference.tokens(grid)[:1]


def test_building_without_a_tokenizer_says_what_to_run(tmp_path: Path, footage_folder: Path) -> None:
    with pytest.raises(BuildError, match="mirage export train captioner"):
        build_tiny(tmp_path / "tiny", tmp_path, footage_folder, EdgeRuntime(), lambda _: None)


def test_building_without_footage_is_refused_before_anything_is_exported(
    checkpoints: Path, tmp_path: Path
) -> None:
    parts: list[str] = []
    with pytest.raises(FootageError, match="no picture or clip"):
        build_tiny(tmp_path / "models" / "tiny", checkpoints, tmp_path, EdgeRuntime(), parts.append)
    assert parts == []


def test_a_changed_graph_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "tiny"
    shutil.copytree(bundle.root, copy)
    with (copy / "receiver/flow_denoiser.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BundleError, match=r"flow_denoiser\.onnx: SHA-256"):
        Bundle.load(copy)
