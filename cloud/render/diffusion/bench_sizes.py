"""The real models' sizes, as their published configurations say, for weights that are drawn.

ltx-2b       LTX-Video 0.9.5: 28 layers of 32 heads x 64; T5-XXL; a VAE of 32 x 32 x 8 pixels a latent
wan-1.3b     Wan 2.1 at 1.3B with image-to-video's channels (Fun InP): 30 layers of 12 heads x 128; UMT5-XXL
sd-animate   Stable Diffusion 1.5, motion modules v1.5.2, IP-Adapter for CLIP ViT-H/14

A clip is a segment of 2 s at the rate and near the size that the model was trained for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cloud.render.diffusion.options import PipelineName
from wire.bundle import Scalar

Config = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a pipeline: class of diffusers or transformers, and what its configuration says."""

    kind: str
    config: Config


@dataclass(frozen=True, slots=True)
class Size:
    """A pipeline and the clip that it is measured by: frames a second, and how many; `options` of a bundle.

    `embedding` is what an IP-Adapter takes; 0 for pipelines that have none.
    """

    pipeline: PipelineName
    width: int
    height: int
    rate: int
    frames: int
    parts: Mapping[str, Part]
    options: Mapping[str, Scalar]
    embedding: int = 0


_T5_XXL: Config = {
    "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}  # fmt: skip

_LTX_VAE: Config = {
    "latent_channels": 128, "block_out_channels": (128, 256, 512, 1024, 2048),
    "down_block_types": ("LTXVideo095DownBlock3D",) * 4, "decoder_block_out_channels": (256, 512, 1024),
    "layers_per_block": (4, 6, 6, 2, 2), "decoder_layers_per_block": (5, 5, 5, 5),
    "spatio_temporal_scaling": (True,) * 4, "decoder_spatio_temporal_scaling": (True,) * 3,
    "decoder_inject_noise": (False,) * 4,
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "upsample_residual": (True,) * 3, "upsample_factor": (2, 2, 2), "timestep_conditioning": True,
    "spatial_compression_ratio": 32, "temporal_compression_ratio": 8,
}  # fmt: skip

_VIT_H: Config = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16,
    "patch_size": 14, "image_size": 224, "projection_dim": 1024, "hidden_act": "gelu",
}  # fmt: skip

_WAN: Config = {
    "num_attention_heads": 12, "attention_head_dim": 128, "in_channels": 36, "out_channels": 16,
    "text_dim": 4096, "freq_dim": 256, "ffn_dim": 8960, "num_layers": 30, "image_dim": 1280,
    "added_kv_proj_dim": 1536,
}  # fmt: skip

_SD_VAE: Config = {
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip

_CLIP_L: Config = {
    "vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12,
}  # fmt: skip

SIZES: Mapping[str, Size] = {
    "ltx-2b": Size(
        "ltx", 704, 480, 24, 49,
        {
            "transformer": Part("LTXVideoTransformer3DModel", {}),  # the class's defaults are the 2B model
            "vae": Part("AutoencoderKLLTXVideo", _LTX_VAE),
            "text_encoder": Part("T5EncoderModel", {"vocab_size": 32128, **_T5_XXL}),
        },
        {"steps": 40, "guidance": 3.0},
    ),
    "wan-1.3b": Size(
        "wan", 832, 480, 16, 33,
        {
            "transformer": Part("WanTransformer3DModel", _WAN),
            "vae": Part("AutoencoderKLWan", {}),  # likewise
            "text_encoder": Part("UMT5EncoderModel", {"vocab_size": 256384, **_T5_XXL}),
            "image_encoder": Part("CLIPVisionModel", _VIT_H),
        },
        {"steps": 50, "guidance": 5.0},
    ),
    "sd-animate": Size(
        "animatediff", 512, 512, 8, 16,
        {
            "unet": Part("UNetMotionModel", {"sample_size": 64, "cross_attention_dim": 768}),
            "vae": Part("AutoencoderKL", _SD_VAE),
            "text_encoder": Part("CLIPTextModel", _CLIP_L),
        },
        {"steps": 25, "guidance": 7.5, "scheduler": "ddim"},
        embedding=1024,
    ),
}  # fmt: skip
