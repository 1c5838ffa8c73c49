"""Diffusion pipelines of the real classes, tiny and with random weights, saved as a model hub holds them.

    tiny_animatediff   pipeline/ (Stable Diffusion), motion_adapter/, ip_adapter/, image_encoder/
    tiny_ltx           pipeline/
    tiny_wan           pipeline/

Each function gives the tables `[renderer.models.NAME]` that a bundle needs for it, by absolute path.
"""

import json
import string
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXVideoTransformer3DModel,
    MotionAdapter,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanTransformer3DModel,
)
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)

from wire.bundle import ModelSource

Models = dict[str, ModelSource]
WanKind = Literal["i2v", "flf2v", "t2v", "ti2v", "i2v-2.2"]

IP_ADAPTER = "ip-adapter.safetensors"
_TEXT_WIDTH = 16
_IMAGE_TOKENS = 4


def tiny_animatediff(folder: Path, embed_dim: int) -> Models:
    """Save Stable Diffusion, motion modules and an IP-Adapter for embeddings (embed_dim,)."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=8, in_channels=4, out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=_TEXT_WIDTH, norm_num_groups=2, attention_head_dim=2,
    )  # fmt: skip
    adapter = MotionAdapter(
        block_out_channels=(8, 16),
        motion_layers_per_block=1,
        motion_norm_num_groups=2,
        motion_num_attention_heads=2,
    )
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4, norm_num_groups=2,
            up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4,
        ),
        text_encoder=CLIPTextModel(_clip_text(folder)), tokenizer=_clip_tokenizer(folder), unet=unet,
        scheduler=DDIMScheduler(beta_schedule="linear", steps_offset=1, clip_sample=False),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder / "pipeline")
    adapter.save_pretrained(folder / "motion_adapter")
    CLIPVisionModelWithProjection(_clip_vision(embed_dim)).save_pretrained(folder / "image_encoder")
    (folder / "ip_adapter").mkdir()
    save_file(_ip_adapter(unet, embed_dim), folder / "ip_adapter" / IP_ADAPTER)
    named = {
        name: ModelSource(str(folder / name)) for name in ("pipeline", "motion_adapter", "image_encoder")
    }
    return {**named, "ip_adapter": ModelSource(str(folder / "ip_adapter"), weights=IP_ADAPTER)}


def tiny_ltx(folder: Path) -> Models:
    """Save an LTX-Video pipeline; 32 pixels and 8 frames make a latent, as in the real one."""
    torch.manual_seed(1)
    pipeline = LTXConditionPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=AutoencoderKLLTXVideo(
            latent_channels=8, block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 5,
        ),
        text_encoder=T5EncoderModel(T5Config(**_t5())),
        tokenizer=_t5_tokenizer(),
        transformer=LTXVideoTransformer3DModel(
            in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=16,
            cross_attention_dim=32, num_layers=2, caption_channels=_TEXT_WIDTH,
        ),
    )  # fmt: skip
    pipeline.save_pretrained(folder / "pipeline")
    return {"pipeline": ModelSource(str(folder / "pipeline"))}


def tiny_wan(folder: Path, kind: WanKind = "flf2v") -> Models:
    """Save a Wan pipeline. 2.1 takes a first picture, first and last, or none; 2.2 a first one, or both."""
    torch.manual_seed(2)
    encodes = kind in {"i2v", "flf2v"}
    vision = _clip_vision(8)
    pipeline = WanImageToVideoPipeline(
        tokenizer=_t5_tokenizer(),
        text_encoder=UMT5EncoderModel(UMT5Config(**_t5())),
        vae=AutoencoderKLWan(base_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
        ),
        transformer=_wan_transformer(kind, vision),
        transformer_2=_wan_transformer(kind, vision) if kind == "i2v-2.2" else None,
        boundary_ratio=0.9 if kind == "i2v-2.2" else None,
        image_encoder=CLIPVisionModel(vision) if encodes else None,
        image_processor=CLIPImageProcessor(size=vision.image_size, crop_size=vision.image_size)
        if encodes
        else None,
        expand_timesteps=kind == "ti2v",
    )
    pipeline.save_pretrained(folder / "pipeline")
    return {"pipeline": ModelSource(str(folder / "pipeline"))}


def _wan_transformer(kind: WanKind, vision: CLIPVisionConfig) -> WanTransformer3DModel:
    encodes = kind in {"i2v", "flf2v"}
    pictures = (vision.image_size // vision.patch_size) ** 2 + 1
    return WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, in_channels=16 if kind in {"t2v", "ti2v"} else 36,
        out_channels=16, text_dim=_TEXT_WIDTH, freq_dim=16, ffn_dim=32, num_layers=2, rope_max_seq_len=64,
        image_dim=vision.hidden_size if encodes else None, added_kv_proj_dim=24 if encodes else None,
        pos_embed_seq_len=2 * pictures if kind == "flf2v" else None,
    )  # fmt: skip


def _ip_adapter(unet: UNet2DConditionModel, embed_dim: int) -> dict[str, torch.Tensor]:
    """Make weights as they are published; its layers are numbered as in the image model, two a block."""
    weights = {
        "image_proj.proj.weight": torch.randn(_IMAGE_TOKENS * _TEXT_WIDTH, embed_dim) / embed_dim**0.5,
        "image_proj.proj.bias": torch.zeros(_IMAGE_TOKENS * _TEXT_WIDTH),
        "image_proj.norm.weight": torch.ones(_TEXT_WIDTH),
        "image_proj.norm.bias": torch.zeros(_TEXT_WIDTH),
    }
    named = dict(unet.named_modules())
    crossing = [name.removesuffix(".processor") for name in unet.attn_processors if "attn2" in name]
    for number, name in enumerate(crossing):
        for role in ("k", "v"):
            width = named[name].to_k.out_features
            weights[f"ip_adapter.{2 * number + 1}.to_{role}_ip.weight"] = torch.randn(width, _TEXT_WIDTH)
    return weights


def _clip_vision(projection: int) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=8, intermediate_size=16, projection_dim=projection, num_hidden_layers=2,
        num_attention_heads=2, image_size=32, patch_size=16,
    )  # fmt: skip


def _clip_text(folder: Path) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(_clip_tokenizer(folder)), hidden_size=_TEXT_WIDTH, intermediate_size=32,
        num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=77, bos_token_id=0,
        eos_token_id=1, pad_token_id=1,
    )  # fmt: skip


def _clip_tokenizer(folder: Path) -> CLIPTokenizer:
    """Read one letter at a time."""
    letters = [letter + end for end in ("", "</w>") for letter in string.printable.strip()]
    vocabulary = {word: number for number, word in enumerate(["<|startoftext|>", "<|endoftext|>", *letters])}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)


def _t5() -> dict[str, Any]:
    return {
        "vocab_size": 128, "d_model": _TEXT_WIDTH, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2,
        "pad_token_id": 0, "eos_token_id": 1, "feed_forward_proj": "gated-gelu",
    }  # fmt: skip


def _t5_tokenizer() -> T5TokenizerFast:
    """Read one letter at a time."""
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    tokenizer = Tokenizer(
        models.Unigram([*words, *((letter, -3.0) for letter in string.printable[:94])], unk_id=2)
    )
    tokenizer.normalizer = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return T5TokenizerFast(tokenizer_object=tokenizer, extra_ids=0)
