"""Pipelines of a given size with weights drawn at random, straight on the device that computes.

    configuration --parameters on no device--> module --drawn in place, in its precision--> pipeline

Nothing is downloaded, nothing passes through the CPU's memory, and 10 GB are there within seconds. What
such a pipeline makes is noise; what it costs is what the real one costs.
"""

from collections.abc import Mapping
from pathlib import Path

import diffusers
import torch
import transformers
from accelerate import init_empty_weights
from tokenizers import Tokenizer, models, pre_tokenizers

from cloud.render.diffusion.bench_sizes import Part, Size
from cloud.render.diffusion.models import Models
from cloud.render.diffusion.options import Options
from wire.bundle import (
    Bundle,
    CaptionerInfo,
    Manifest,
    ModelSource,
    RendererInfo,
    Scalar,
    TextInfo,
    VectorInfo,
)

_ROLES = ("pipeline", "ip_adapter")
_IMAGE_TOKENS = 4  # that an IP-Adapter makes of an embedding
_WORDS = {"<pad>": 0, "</s>": 1, "<unk>": 2}


def bundle_of(name: str, size: Size, options: Mapping[str, Scalar]) -> Bundle:
    """Write the manifest of a bundle with such a renderer; there are no files behind it."""
    chosen = {"pipeline": size.pipeline, **size.options, **options}
    sources = {"pipeline": ModelSource("./random")}
    if size.embedding:
        sources["ip_adapter"] = ModelSource("./random", weights="random")
    captioner = CaptionerInfo("-", "-", "-", 1, 0, 0, 1, (0.0,) * 3, (1.0,) * 3, ("frame",))
    manifest = Manifest(
        1, name, "-", captioner, TextInfo("-"), RendererInfo("diffusers", models=sources, options=chosen),
        {"-": "0" * 64},
    )  # fmt: skip
    return Bundle(Path(name), manifest, "0" * 64)


def vector_info(size: Size) -> VectorInfo | None:
    """Say what embedding the IP-Adapter takes."""
    return VectorInfo("-", "-", 1, size.embedding, (0.0,) * 3, (1.0,) * 3) if size.embedding else None


class RandomModels(Models):
    """Draws what a bundle would name."""

    def __init__(self, bundle: Bundle, options: Options, size: Size) -> None:
        super().__init__(bundle, options, _ROLES)
        self._size = size
        self.parameters: dict[str, int] = {}

    def load(
        self, role: str, kind: type[diffusers.ModelMixin], dtype: object = None, **parts: object
    ) -> diffusers.ModelMixin:
        """Put a pipeline of class `kind` together; `dtype` as for weights that are loaded."""
        del role
        each: dict[str, torch.dtype] = dtype if isinstance(dtype, dict) else {}
        torch.manual_seed(0)
        for name, part in self._size.parts.items():
            drawn = draw(part, each.get(name, self.dtype), self.device)
            self.parameters[name] = sum(tensor.numel() for tensor in drawn.parameters())
            parts[name] = drawn
        return kind(**parts, **_rest(self._size))

    def load_ip_adapter(self, pipe: diffusers.DiffusionPipeline) -> None:
        """Put an adapter's layers into the pipeline."""
        pipe.load_ip_adapter(
            _ip_adapter(pipe.unet, self._size.embedding),
            subfolder="",
            weight_name="",
            image_encoder_folder=None,
        )
        pipe.unet.to(self.device, self.dtype)


def draw(part: Part, dtype: torch.dtype, device: str) -> torch.nn.Module:
    """Make a module of this class and size, in evaluation mode.

    Each layer keeps the size of what goes through it: deviation 1/sqrt(inputs), scales 1, biases 0. What its
    library keeps in fp32 when it loads a checkpoint is so here.
    """
    with init_empty_weights(include_buffers=False):
        module = _constructed(part)
    module.to(dtype)  # buffers: parameters are nowhere yet
    exact = _kept_in_fp32(module, dtype)
    drawn: dict[int, torch.nn.Parameter] = {}  # shared ones stay shared
    for path, owner in module.named_modules():
        for name, empty in owner._parameters.items():  # noqa: SLF001 -- PyTorch's own way to replace them
            if empty is not None:
                if id(empty) not in drawn:
                    kept = not exact.isdisjoint((*path.split("."), name))
                    drawn[id(empty)] = _drawn(name, empty, torch.float32 if kept else dtype, device)
                owner._parameters[name] = drawn[id(empty)]  # noqa: SLF001
    return module.to(device).eval()


def _constructed(part: Part) -> torch.nn.Module:
    library = diffusers if hasattr(diffusers, part.kind) else transformers
    kind = getattr(library, part.kind)
    if library is diffusers:
        return kind(**part.config)
    return kind(kind.config_class(**part.config))


def _kept_in_fp32(module: torch.nn.Module, dtype: torch.dtype) -> frozenset[str]:
    """Name the sub-modules: those of diffusers beside any 16 bits, those of transformers beside fp16 only."""
    matters = dtype == torch.float16 or isinstance(module, diffusers.ModelMixin)
    return frozenset(getattr(module, "_keep_in_fp32_modules", None) or ()) if matters else frozenset()


def _drawn(name: str, empty: torch.Tensor, dtype: torch.dtype, device: str) -> torch.nn.Parameter:
    values = torch.empty(empty.shape, dtype=dtype, device=device)
    if name == "bias":
        values.zero_()
    elif empty.ndim < 2 or name == "gamma":
        values.fill_(1)
    else:
        values.normal_(0, max(empty[0].numel(), 1) ** -0.5)
    return torch.nn.Parameter(values, requires_grad=False)


def _rest(size: Size) -> dict[str, object]:
    """Give what a pipeline has beside weights: a tokenizer that knows no word, and its scheduler."""
    if size.pipeline == "ltx":
        return {"tokenizer": _tokenizer(512), "scheduler": diffusers.FlowMatchEulerDiscreteScheduler()}
    if size.pipeline == "wan":
        scheduler = diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
        )
        side = size.parts["image_encoder"].config["image_size"]
        pictures = transformers.CLIPImageProcessor(size=side, crop_size=side)
        return {"tokenizer": _tokenizer(512), "scheduler": scheduler, "image_processor": pictures}
    return {
        "tokenizer": _tokenizer(77),
        "scheduler": diffusers.DDIMScheduler(beta_schedule="linear", steps_offset=1, clip_sample=False),
        "motion_adapter": None,
    }


def _tokenizer(length: int) -> transformers.PreTrainedTokenizerFast:
    """Read every word as unknown: pipelines pad to the same length whatever is said."""
    words = Tokenizer(models.WordLevel(_WORDS, unk_token="<unk>"))  # noqa: S106 -- no password
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, model_max_length=length, pad_token="<pad>", eos_token="</s>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
    )  # fmt: skip


def _ip_adapter(unet: diffusers.UNetMotionModel, embedding: int) -> dict[str, dict[str, torch.Tensor]]:
    """Draw an adapter's weights, named as published: layers numbered as in the image model, two a block."""
    width = unet.config.cross_attention_dim
    named = dict(unet.named_modules())
    layers = [
        named[name.removesuffix(".processor")]
        for name in unet.attn_processors
        if "attn2" in name and "motion_modules" not in name
    ]
    keys = {
        f"{2 * number + 1}.to_{role}_ip.weight": torch.randn(layer.to_k.out_features, width) / width**0.5
        for number, layer in enumerate(layers)
        for role in ("k", "v")
    }
    projection = {
        "proj.weight": torch.randn(_IMAGE_TOKENS * width, embedding) / embedding**0.5,
        "proj.bias": torch.zeros(_IMAGE_TOKENS * width),
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
    }
    return {"image_proj": projection, "ip_adapter": keys}
