"""The benchmark's sizes, tiny: same classes, same wiring, fractions of a second on a CPU."""

from collections.abc import Mapping

from cloud.render.diffusion.bench_sizes import Part, Size

_T5 = {"vocab_size": 16, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
_GATED = {"feed_forward_proj": "gated-gelu"}
TINY: Mapping[str, Size] = {
    "ltx-2b": Size(
        "ltx", 64, 32, 8, 9,
        {
            "transformer": Part("LTXVideoTransformer3DModel", {
                "in_channels": 8, "out_channels": 8, "num_attention_heads": 2, "attention_head_dim": 16,
                "cross_attention_dim": 32, "num_layers": 3, "caption_channels": 16,
            }),
            "vae": Part("AutoencoderKLLTXVideo", {
                "latent_channels": 8, "block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4,
                "layers_per_block": (1,) * 5, "decoder_layers_per_block": (1,) * 5,
            }),
            "text_encoder": Part("T5EncoderModel", {**_T5, **_GATED}),
        },
        {"steps": 3, "guidance": 3.0},
    ),
    "wan-1.3b": Size(
        "wan", 32, 32, 8, 5,
        {
            "transformer": Part("WanTransformer3DModel", {
                "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 36, "out_channels": 16,
                "text_dim": 16, "freq_dim": 16, "ffn_dim": 32, "num_layers": 3, "image_dim": 8,
                "added_kv_proj_dim": 24,
            }),
            "vae": Part("AutoencoderKLWan", {"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}),
            "text_encoder": Part("UMT5EncoderModel", {**_T5, **_GATED}),
            "image_encoder": Part("CLIPVisionModel", {
                "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                "image_size": 32, "patch_size": 16,
            }),
        },
        {"steps": 3, "guidance": 5.0},
    ),
    "sd-animate": Size(
        "animatediff", 64, 64, 8, 4,
        {
            "unet": Part("UNetMotionModel", {
                "sample_size": 8, "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 2,
                "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
                "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"),
                "cross_attention_dim": 16, "num_attention_heads": 2, "motion_num_attention_heads": 2,
            }),
            "vae": Part("AutoencoderKL", {
                "block_out_channels": (8,) * 4, "norm_num_groups": 2, "latent_channels": 4,
                "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
            }),
            "text_encoder": Part("CLIPTextModel", {
                "vocab_size": 16, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
                "num_attention_heads": 2, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0,
            }),
        },
        {"steps": 3, "guidance": 7.5, "scheduler": "ddim"},
        embedding=12,
    ),
}  # fmt: skip
