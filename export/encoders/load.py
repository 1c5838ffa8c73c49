"""Loads appearance encoders by the class that their config.json names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers import AutoencoderVidTok
from huggingface_hub import hf_hub_download
from safetensors import SafetensorError

from export.captioners.captioner import UnsupportedModelError, square
from export.captioners.folder import (
    CONFIG,
    PREPROCESSOR,
    WEIGHTS,
    ModelFilesError,
    model_folder,
    parse_json,
    read_text,
    require,
)
from export.encoders.tokens import TokenCodec
from export.encoders.vector import Embedding, Rgb, VectorEncoder
from export.encoders.vidtok import read_checkpoint

__all__ = ["ModelFilesError", "UnsupportedModelError", "load_token_codec", "load_vector_encoder"]

CODEC = "AutoencoderVidTok"

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A class of `transformers`, which of its outputs is the embedding, and how its pictures are normalised.

    The normalisation is that of the class's image processor, for models that come without one.
    """

    network: type[Any]
    output: str
    mean: Rgb
    std: Rgb


_CLIP = _Kind(
    transformers.CLIPVisionModelWithProjection, "image_embeds",
    (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711),
)  # fmt: skip
# Attention pooling over all patches, what SigLIP compares with texts.
_SIGLIP = _Kind(transformers.SiglipVisionModel, "pooler_output", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
# The class token behind the last layer norm.
_DINO = _Kind(transformers.Dinov2Model, "pooler_output", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_KINDS = {  # by model_type: whole models give their vision half
    "clip_vision_model": _CLIP,
    "clip": _CLIP,
    "siglip_vision_model": _SIGLIP,
    "siglip": _SIGLIP,
    "dinov2": _DINO,
}
_SUPPORTED = "supported are " + ", ".join(sorted({kind.network.__name__ for kind in _KINDS.values()}))


def load_vector_encoder(
    place: str, revision: str | None, subfolder: str = "", device: str = "cpu"
) -> VectorEncoder:
    """Load the image model in folder `place` (`revision` None), or a hub's at a commit, in float32.

    Raises UnsupportedModelError for a class that cannot be exported, and ModelFilesError where files are
    missing or damaged.
    """
    folder = model_folder(place, revision, subfolder)
    config = _json(require(folder, (CONFIG,)))
    kind = _KINDS.get(str(config.get("model_type")))
    if kind is None:
        names = config.get("architectures") or [config.get("model_type")]
        raise UnsupportedModelError(f"{folder}: class {names[0]} has no image embedding here; {_SUPPORTED}")
    require(folder, WEIGHTS)
    processor = _json(folder / PREPROCESSOR) if (folder / PREPROCESSOR).is_file() else {}
    model = _opened(kind.network, folder, config=_vision_config(kind, folder, config))
    side = _side(model, processor)
    if kind is _DINO:
        _fix_positions(model, side)
    mean, std = _colours(folder / PREPROCESSOR, processor, kind)
    module = Embedding(model.to(device), kind.output).eval()
    with torch.inference_mode():
        size = module(torch.zeros(1, 3, side, side, device=device)).shape[1]
    return VectorEncoder(kind.network.__name__, side, mean, std, size, module)


def load_token_codec(
    place: str,
    revision: str | None,
    subfolder: str = "",
    device: str = "cpu",
    input_px: int = 256,
    weights: str | None = None,
) -> TokenCodec:
    """Load AutoencoderVidTok with FSQ from a folder (`revision` None) or a hub, for pictures of `input_px`.

    `weights` names a checkpoint of VidTok's own format in it instead. Raises UnsupportedModelError for
    another class or regularizer and for a size that it cannot take, and ModelFilesError for what is missing.
    """
    source = f"{place}/{subfolder}" if subfolder else place
    if weights is not None:
        model = read_checkpoint(_file(place, revision, subfolder, weights))
    else:
        config = _json(_file(place, revision, subfolder, CONFIG))
        if config.get("_class_name") != CODEC:
            found = config.get("_class_name") or config.get("architectures") or "nothing"
            raise UnsupportedModelError(f"{source}: class {found} is no tokenizer here; supported is {CODEC}")
        model = _opened(AutoencoderVidTok, place, revision=revision, subfolder=subfolder or None)
    if model.config.regularizer != "fsq" or not model.config.is_causal:
        raise UnsupportedModelError(
            f"{source}: regularizer is {model.config.regularizer}, is_causal {model.config.is_causal}; "
            f'supported is {CODEC} with regularizer "fsq" that is causal'
        )
    ratio = 2 ** len(model.encoder.spatial_ds)
    if input_px < ratio or input_px % ratio:
        raise UnsupportedModelError(f"{source}: input_px is {input_px}, no multiple of {ratio}")
    side = input_px // ratio
    return TokenCodec(CODEC, model.to(device), input_px, (side, side), model.config.z_channels)


def _opened(network: type[Any], place: str | Path, **more: object) -> Any:  # noqa: ANN401 (no types)
    dtype = {"torch_dtype": torch.float32} if network is AutoencoderVidTok else {"dtype": torch.float32}
    try:
        model, found = network.from_pretrained(place, output_loading_info=True, **dtype, **more)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelFilesError(f"{place}: {' '.join(str(error).split())}") from error
    # transformers would leave them at random, and so would be what they say of a picture.
    if lacking := sorted(found["missing_keys"]):
        raise ModelFilesError(f"{place}: weights lack {len(lacking)} tensors, among them {lacking[0]}")
    return model.eval()


def _vision_config(kind: _Kind, folder: Path, config: Config) -> Any:  # noqa: ANN401 (no types)
    vision = kind.network.config_class.from_pretrained(folder)
    if config["model_type"] == "clip":  # the projection belongs to the whole, and so does its size
        vision.projection_dim = transformers.CLIPConfig.from_pretrained(folder).projection_dim
    return vision


def _side(model: Any, processor: Config) -> int:  # noqa: ANN401 (no types)
    """Give the side of the picture: for DINOv2 what its processor crops to, the others have no choice."""
    side = square(model.config.image_size, "image_size")
    crop = processor.get("crop_size") if isinstance(model, transformers.Dinov2Model) else None
    if crop is not None:
        side = square(list(crop.values()) if isinstance(crop, dict) else crop, "crop_size")
    if side % model.config.patch_size:
        raise UnsupportedModelError(
            f"pictures of {side} are no multiple of a patch, {model.config.patch_size}"
        )
    return side


def _fix_positions(model: Any, side: int) -> None:  # noqa: ANN401 (no types)
    """Interpolate positions for pictures of `side` once, and not again in each graph."""
    embeddings = model.embeddings
    patches = torch.zeros(1, 1 + (side // model.config.patch_size) ** 2, model.config.hidden_size)
    with torch.no_grad():
        fixed = embeddings.interpolate_pos_encoding(patches, side, side)
    embeddings.position_embeddings = torch.nn.Parameter(fixed)
    embeddings.interpolate_pos_encoding = lambda *_: embeddings.position_embeddings


def _colours(path: Path, processor: Config, kind: _Kind) -> tuple[Rgb, Rgb]:
    """Give mean and deviation of RGB in 0..1 by the image processor, else by that of the class."""
    if not processor:
        return kind.mean, kind.std
    rescale = float(processor.get("rescale_factor", 1 / 255)) if processor.get("do_rescale", True) else 1.0
    factor = 255 * rescale  # processors start at 0..255, devices at 0..1
    if not processor.get("do_normalize", True):
        return (0.0, 0.0, 0.0), (1 / factor, 1 / factor, 1 / factor)
    return (
        _rgb(path, "image_mean", processor.get("image_mean", kind.mean), factor),
        _rgb(path, "image_std", processor.get("image_std", kind.std), factor),
    )


def _rgb(path: Path, field: str, values: object, factor: float) -> Rgb:
    if not isinstance(values, list | tuple) or len(values) != 3:
        raise ModelFilesError(f"{path}: {field} is {values}, expected three numbers")
    red, green, blue = (round(float(value) / factor, 9) for value in values)
    return red, green, blue


def _file(place: str, revision: str | None, subfolder: str, name: str) -> Path:
    """Give one file of a folder or of a hub's repository, or raise ModelFilesError."""
    if revision is None:
        return require(model_folder(place, None, subfolder), (name,))
    try:
        return Path(hf_hub_download(place, name, subfolder=subfolder or None, revision=revision))
    except (OSError, ValueError) as error:  # what the hub raises is of one of these kinds
        raise ModelFilesError(f"{place} at {revision}: {name}: {' '.join(str(error).split())}") from error


def _json(path: Path) -> Config:
    return parse_json(path, read_text(path))
