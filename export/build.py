"""`mirage export build`: trained networks become a bundle.

    checkpoints + footage -> ONNX graphs, tokenizer, coding tables -> bundle.toml with every file's hash

Everything is written beside the old bundle, checked against PyTorch, and takes its place only then.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import VisionEncoderDecoderModel

from export.captioners.captioner import DECODER, ENCODER
from export.captioners.vision_encoder_decoder import export_captioner
from export.data import footage
from export.graph import export_module
from export.manifest import publish, workplace, write_manifest
from export.reference import TinyReference
from export.sayable import sayable
from export.tables import text_tables, token_tables
from export.train.appearance import COARSE_PLANES, Codec, load_decoder, load_pictures, to_input
from export.train.captioner import load_captioner, spoken
from export.train.loop import load_average
from export.verify import Runtime, VerifyError, verify
from models.tiny import appearance, captioner, refiner, renderer
from models.tiny.motion import FLOW_SCALE, FRAMES, KEY_PX, SIDE
from wire.bundle import Bundle
from wire.words import SIZE

CHECKPOINTS = ("captioner.pt", "appearance.pt", "renderer.pt")
REFINER_GRAPH = "receiver/refiner.onnx"
REFINER = "refiner.pt"  # optional: without it, warped keyframes are shown as they are
DEFAULT_PLANES = 8
GOLDEN = "golden.npz"


class BuildError(RuntimeError):
    """The bundle cannot be built; the message says what is missing."""


class TokenEncoder(nn.Module):
    """The sender's half: a picture (1, 3, 128, 128) in 0..1 to tokens (1, 24, 8, 8) int32."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> Tensor:
        return appearance.to_tokens(self.encoder(image)).to(torch.int32)


class ClampedDecoder(nn.Module):
    """The receiver's half: codes (B, 24, 8, 8), 0 where nothing is known, to pictures (B, 3, 256, 256)."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, code: Tensor) -> Tensor:
        return self.decoder(code).clamp(0, 1)


def build_tiny(
    bundle: Path,
    checkpoints: Path,
    folder: Path,
    runtime: Runtime,
    note: Callable[[str], None],
    *,
    int8: bool = False,
) -> None:
    """Build the bundle from the checkpoints of CHECKPOINTS and `tokenizer.json`.

    `decoder.pt` and `refiner.pt` are used where they are; with `int8`, captions are decoded in 8 bits. `note`
    is told what begins; `runtime` runs the graphs that are checked. Raises BuildError,
    TrainingError, FootageError or VerifyError; the bundle that was there is then untouched.
    """
    tokenizer_file = checkpoints / "tokenizer.json"
    if not tokenizer_file.exists():
        raise BuildError(f"{tokenizer_file} does not exist: run `mirage export train captioner` first")
    for name in CHECKPOINTS:
        if not (checkpoints / name).exists():
            raise BuildError(f"{checkpoints / name} does not exist: run `mirage export train` first")
    if not footage.photos(folder) + footage.clips(folder):
        raise footage.FootageError(f"{folder} holds no picture or clip to count tokens on")
    with workplace(bundle) as made:
        golden = TinyReference()
        note("captioner")
        speaker = _captioner(checkpoints / "captioner.pt", tokenizer_file)
        export_captioner(speaker, made / "sender", int8=int8)
        golden.add_captioner(speaker, tokenizer_file)
        (made / "tables").mkdir()
        shutil.copyfile(tokenizer_file, made / "tables/tokenizer.json")
        note("appearance")
        codec = Codec()
        load_average(checkpoints / "appearance.pt", codec)
        load_decoder(checkpoints / "decoder.pt", codec)
        codec.eval()
        _export_appearance(codec, made)
        golden.add_appearance(TokenEncoder(codec.encoder), ClampedDecoder(codec.decoder))
        note("renderer")
        motion, repair = renderer.FlowDenoiser(SIZE), refiner.Refiner(SIZE)
        load_average(checkpoints / "renderer.pt", motion)
        if (checkpoints / REFINER).exists():
            load_average(checkpoints / REFINER, repair)
            _export_refiner(repair, made)
            golden.add_refiner(repair)
        _export_renderer(motion, made)
        golden.add_renderer(motion)
        note("tables")
        _write_tables(codec, folder, made)
        _save_tables(made / GOLDEN, golden.arrays)
        write_manifest(made, _fields(made, bundle.name, int8=int8))
        note("verification")
        misses = verify(Bundle.load(made), runtime).misses()
        if misses:
            raise VerifyError(f"{bundle}: not built, for it differs from PyTorch: {'; '.join(misses)}")
        publish(made, bundle)


def _captioner(checkpoint: Path, tokenizer_file: Path) -> VisionEncoderDecoderModel:
    model = load_captioner(checkpoint)
    words, known = Tokenizer.from_file(str(tokenizer_file)).get_vocab_size(), model.decoder.config.vocab_size
    if words != known:
        raise BuildError(f"{tokenizer_file} has {words} words, {checkpoint} knows {known}: train it again")
    return model


def _export_appearance(codec: Codec, made: Path) -> None:
    picture = torch.rand(1, 3, appearance.IMAGE_PX, appearance.IMAGE_PX)
    export_module(
        TokenEncoder(codec.encoder), {"image": picture}, ["tokens"], made / "sender/appearance_encoder.onnx"
    )
    code = torch.zeros(1, appearance.PLANES, appearance.GRID, appearance.GRID)
    export_module(
        ClampedDecoder(codec.decoder),
        {"code": code},
        ["image"],
        made / "receiver/appearance_decoder.onnx",
        dynamic_batch=True,
    )


def _export_renderer(motion: nn.Module, made: Path) -> None:
    side = SIDE
    inputs = {
        "noisy": torch.randn(1, renderer.CHANNELS, side, side),
        "time": torch.zeros(1),
        "keys": torch.rand(1, 6, KEY_PX, KEY_PX),
        "guide": torch.zeros(1, renderer.GUIDE, side, side),
        "conditions": torch.zeros(1, renderer.CONDITIONS),
        "words": torch.ones(1, renderer.WORDS, dtype=torch.int64),
    }
    export_module(motion, inputs, ["clean"], made / "receiver/flow_denoiser.onnx", dynamic_batch=True)


def _export_refiner(repair: nn.Module, made: Path) -> None:
    """Write `made`/receiver/refiner.onnx."""
    seen = torch.rand(1, 3 + refiner.HINTS, refiner.PICTURE_PX, refiner.PICTURE_PX)
    inputs = {"seen": seen, "words": torch.ones(1, renderer.WORDS, dtype=torch.int64)}
    export_module(repair, inputs, ["change"], made / REFINER_GRAPH, dynamic_batch=True)


def _write_tables(codec: Codec, folder: Path, made: Path) -> None:
    _save_tables(made / "tables/text.npz", text_tables(sayable(spoken(folder))))
    tokens = encode_pictures(codec.encoder, folder)
    weights = appearance.change_weights(codec.encoder)[:COARSE_PLANES].numpy()
    _save_tables(made / "tables/tokens.npz", token_tables(tokens, appearance.LEVELS, COARSE_PLANES, weights))


def _save_tables(path: Path, tables: Mapping[str, NDArray[np.generic]]) -> None:
    np.savez_compressed(path, allow_pickle=False, **tables)


def encode_pictures(encoder: nn.Module, folder: Path) -> NDArray[np.uint8]:
    """Encode all training pictures and their mirror images, whole frames as on the device: (N, P, 8, 8)."""
    pictures = load_pictures(folder)
    rows = []
    for picture in track(pictures.split(8), "tokens of training pictures"):
        seen = to_input(picture.float() / 255)
        with torch.inference_mode():
            code = encoder(torch.cat([seen, seen.flip(3)]))
        rows.append(appearance.to_tokens(code).to(torch.uint8).numpy())
    return np.concatenate(rows)


def _fields(made: Path, name: str, *, int8: bool) -> dict[str, object]:
    """Say of the files in `made` what bundle.toml does."""
    receiver = {"decoder": "receiver/appearance_decoder.onnx", "denoiser": "receiver/flow_denoiser.onnx"}
    if (made / REFINER_GRAPH).exists():
        receiver["refiner"] = REFINER_GRAPH
    return {
        "name": name,
        "licence": "Apache-2.0",
        "precisions": {f"sender/{DECODER}": "int8"} if int8 else {},
        "golden": GOLDEN,
        "captioner": {
            "encoder": f"sender/{ENCODER}",
            "decoder": f"sender/{DECODER}",
            "tokenizer": "tables/tokenizer.json",
            "max_tokens": captioner.MAX_TOKENS,
            "start_token": captioner.START,
            "end_token": captioner.END,
            "tile_px": captioner.TILE_PX,
            "mean": captioner.MEAN,
            "std": captioner.DEVIATION,
            "layout": captioner.LAYOUT,
            "motion_words": True,
        },
        "appearance": {
            "encoder": "sender/appearance_encoder.onnx",
            "tables": "tables/tokens.npz",
            "input_px": appearance.IMAGE_PX,
            "grid": (appearance.GRID, appearance.GRID),
            "levels": appearance.LEVELS,
            "planes": appearance.PLANES,
            "coarse_planes": COARSE_PLANES,
            "default_planes": DEFAULT_PLANES,
        },
        "text": {"tables": "tables/text.npz"},
        "renderer": {
            "backend": "preview",
            **receiver,
            "options": {
                "frames": FRAMES,
                "side": SIDE,
                "key_px": KEY_PX,
                "flow_scale": FLOW_SCALE,
                "words": renderer.WORDS,
                "time_shift": renderer.TIME_SHIFT,
            },
        },
    }
