"""Appearance encoders of the supported classes, tiny and random, as a hub keeps them."""

from pathlib import Path

import torch
from diffusers import AutoencoderVidTok
from transformers import (
    BaseImageProcessor,
    BitImageProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Dinov2Config,
    Dinov2Model,
    PreTrainedModel,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
)

INPUT_PX = 64
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation of DINOv2's pictures
_VISION = {
    "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": INPUT_PX, "patch_size": 16,
}  # fmt: skip


def tiny_clip_vision(folder: Path, size: int = 32) -> Path:
    """Save CLIPVisionModelWithProjection with an embedding of `size` dimensions, and its processor."""
    torch.manual_seed(0)
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=size, **_VISION))
    processor = CLIPImageProcessor(size=INPUT_PX, crop_size=INPUT_PX)
    return _saved(_lively(model), folder, processor)


def tiny_clip(folder: Path, size: int = 32) -> Path:
    """Save a whole CLIPModel, which has a text half too, without a processor."""
    torch.manual_seed(0)
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(text_config={"vocab_size": 20, **text}, vision_config=_VISION, projection_dim=size)
    return _saved(_lively(CLIPModel(config)), folder, None)


def tiny_siglip(folder: Path) -> Path:
    """Save SiglipVisionModel and its processor."""
    torch.manual_seed(0)
    model = SiglipVisionModel(SiglipVisionConfig(**_VISION))
    return _saved(_lively(model), folder, SiglipImageProcessor(size={"height": INPUT_PX, "width": INPUT_PX}))


def tiny_dinov2(folder: Path) -> Path:
    """Save Dinov2Model that was trained on larger pictures than its processor makes, as the public ones."""
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=2, image_size=112, patch_size=16
    )
    processor = BitImageProcessor(
        size={"shortest_edge": 80}, crop_size=INPUT_PX, image_mean=IMAGENET[0], image_std=IMAGENET[1]
    )
    return _saved(_lively(Dinov2Model(config)), folder, processor)


def tiny_vidtok(folder: Path, ratio: int = 8, planes: int = 4, regularizer: str = "fsq") -> Path:
    """Save AutoencoderVidTok that shrinks pictures by `ratio` (8 or 16) and time by 4."""
    tiny_vidtok_model(ratio, planes, regularizer).save_pretrained(folder)
    return folder


def tiny_vidtok_model(ratio: int = 8, planes: int = 4, regularizer: str = "fsq") -> AutoencoderVidTok:
    """Make AutoencoderVidTok with the layers of the public models, and few channels."""
    torch.manual_seed(0)
    model = AutoencoderVidTok(
        ch=8, ch_mult=[1, 2, 4, 4] if ratio == 8 else [1, 2, 4, 4, 4], z_channels=planes,
        double_z=regularizer == "kl", num_res_blocks=1, regularizer=regularizer, codebook_size=8**planes,
    )  # fmt: skip
    with torch.no_grad():  # latents of random weights are near 0: all tokens would be one of two
        model.encoder.conv_out.conv.weight *= 8
    return model.eval()


def _lively(model: PreTrainedModel) -> PreTrainedModel:
    """Enlarge random weights, so that pictures change what comes out."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("weight") and weight.ndim > 1:
                weight.mul_(4)
    return model.eval()


def _saved(model: PreTrainedModel, folder: Path, processor: BaseImageProcessor | None) -> Path:
    model.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return folder
