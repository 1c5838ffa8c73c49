"""Reads VidTok's own checkpoints (.ckpt), as on the hub under microsoft/VidTok, into diffusers' class.

    encoder.* and decoder.*  have the same names in both;  loss.* and the rest is left out

The names say how many layers there are and where they halve the picture, so no other file is needed. Only
checkpoints of VidTok 1.1 (checkpoints/vidtok_v1_1) mean the same in both: 1.0 saw black before the first
frame, diffusers sees the first frame. Names do not tell the two apart.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # what torch raises: nothing is unpickled with it
from typing import Any

import torch
from diffusers import AutoencoderVidTok
from torch import Tensor

from export.captioners.folder import ModelFilesError

Weights = Mapping[str, Tensor]


def read_checkpoint(path: Path) -> Any:  # noqa: ANN401 (diffusers has no types)
    """Load a checkpoint, or raise ModelFilesError. Nothing but tensors is unpickled."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found = content.get("state_dict", content)
        weights = {name: found[name] for name in found if name.startswith(("encoder.", "decoder."))}
        model = AutoencoderVidTok(**_config(weights))
        model.load_state_dict(weights)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, AttributeError, UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFilesError(f"{path}: is no checkpoint of a causal VidTok: {reason}") from error
    return model.eval()


def _config(weights: Weights) -> dict[str, Any]:
    channels = weights["encoder.conv_in.conv.weight"].shape[0]
    latent = weights["decoder.conv_in.conv.weight"].shape[1]
    doubled = weights["encoder.conv_out.conv.weight"].shape[0] == 2 * latent
    widths = [
        weights[f"encoder.down.{level}.block.0.conv1.weight"].shape[0]
        for level in range(1 + max(_levels(weights, r"encoder\.down\.(\d+)\.block\.")))
    ]
    return {
        "in_channels": weights["encoder.conv_in.conv.weight"].shape[1],
        "out_channels": weights["decoder.conv_out.conv.weight"].shape[0],
        "ch": channels,
        "ch_mult": [width // channels for width in widths],
        "z_channels": latent,
        "double_z": doubled,
        "num_res_blocks": 1 + max(_levels(weights, r"encoder\.down\.0\.block\.(\d+)\.")),
        "spatial_ds": _levels(weights, r"encoder\.down\.(\d+)\.downsample\."),
        "tempo_ds": _levels(weights, r"encoder\.down_temporal\.(\d+)\.downsample\."),
        "spatial_us": _levels(weights, r"decoder\.up\.(\d+)\.upsample\."),
        "tempo_us": _levels(weights, r"decoder\.up_temporal\.(\d+)\.upsample\."),
        "regularizer": "kl" if doubled else "fsq",
        "codebook_size": 8**latent,
    }


def _levels(weights: Weights, pattern: str) -> list[int]:
    return sorted({int(match[1]) for name in weights if (match := re.match(pattern, name))})
