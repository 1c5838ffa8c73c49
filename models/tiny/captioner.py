"""The captioner: a Hugging Face vision encoder-decoder that reads a frame grid.

    grid (3, 320, 320) -> EfficientNet-Lite0 trunk -> (320, 10, 10) -> 2 transformer layers -> 100 x 192
                                                       GPT-2, 3 layers, word vocabulary <- cross-attention

The trunk starts from ImageNet weights and stays frozen: with a few thousand captions it is what
lets the rest generalise. Its batch norms are folded into the convolutions at export.
"""

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    GPT2Config,
    GPT2LMHeadModel,
    PretrainedConfig,
    PreTrainedModel,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
)
from transformers.modeling_outputs import BaseModelOutput

PAD, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
MAX_TOKENS = 24
TILE_PX = 160
LAYOUT = ("frame", "frame", "frame", "flow")
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
# (kernel, stride, expansion, channels, repeats) of EfficientNet-Lite0, as in its paper's table
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class InvertedResidual(nn.Module):
    """Widen, depthwise, narrow; ReLU6 and no squeeze-and-excitation, which is what `Lite` means."""

    def __init__(self, kernel: int, stride: int, expansion: int, channels: int, out: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.expand = nn.Sequential(*(_conv_norm(channels, wide, 1) if expansion > 1 else ()))
        self.depthwise = nn.Sequential(*_conv_norm(wide, wide, kernel, stride, groups=wide))
        self.project = nn.Sequential(*_conv_norm(wide, out, 1)[:2])
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class SamePad(nn.Module):
    """TensorFlow's `same` padding of a strided convolution on even sizes: one pixel less on the left."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        total = kernel - stride if stride > 1 else kernel - 1
        self.pad = nn.ZeroPad2d((total // 2, total - total // 2, total // 2, total - total // 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.pad(x)


def _conv_norm(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, out, kernel, stride, groups=groups, bias=False)
    block: list[nn.Module] = [convolution, nn.BatchNorm2d(out, eps=1e-3), nn.ReLU6()]
    if kernel > 1:
        block[0] = nn.Sequential(SamePad(kernel, stride), convolution)
    return block


class Trunk(nn.Module):
    """EfficientNet-Lite0 without its head: (B, 3, S, S) to (B, 320, S/32, S/32)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_conv_norm(3, 32, 3, 2))
        blocks = []
        channels = 32
        for kernel, stride, expansion, out, repeats in STAGES:
            for number in range(repeats):
                blocks.append(
                    InvertedResidual(kernel, stride if number == 0 else 1, expansion, channels, out)
                )
                channels = out
        self.blocks = nn.Sequential(*blocks)

    def forward(self, picture: Tensor) -> Tensor:
        return self.blocks(self.stem(picture))

    def load_imagenet(self, weights: dict[str, Tensor]) -> None:
        """Copy the weights of `efficientnet-lite0` in their order; names differ, shapes must agree."""
        body = {k: v for k, v in weights.items() if not k.startswith(("_conv_head", "_bn1", "_fc"))}
        own = self.state_dict()
        if len(own) != len(body):
            raise ValueError(f"the weights hold {len(body)} tensors, the trunk has {len(own)}")
        for (name, mine), (theirs, value) in zip(own.items(), body.items(), strict=True):
            if mine.shape != value.shape:
                raise ValueError(f"{theirs} has shape {tuple(value.shape)}, {name} needs {tuple(mine.shape)}")
            mine.copy_(value)


class GridEncoderConfig(PretrainedConfig):
    """Sizes of the grid encoder."""

    model_type = "mirage-grid"

    def __init__(
        self,
        hidden_size: int = 192,
        layers: int = 2,
        heads: int = 4,
        image_size: int = 2 * TILE_PX,
        **rest: object,
    ) -> None:
        super().__init__(**rest)
        self.hidden_size, self.layers, self.heads = hidden_size, layers, heads
        self.image_size, self.num_channels = image_size, 3


class GridEncoder(PreTrainedModel):
    """Frame grids (B, 3, S, S), ImageNet-normalised, to states (B, (S/32)^2, hidden_size)."""

    config_class = GridEncoderConfig
    main_input_name = "pixel_values"

    def __init__(self, config: GridEncoderConfig) -> None:
        super().__init__(config)
        cells = (config.image_size // 32) ** 2
        self.trunk = Trunk().eval().requires_grad_(requires_grad=False)
        self.norm = nn.LayerNorm(320)
        self.project = nn.Linear(320, config.hidden_size)
        self.where = nn.Parameter(torch.zeros(1, cells, config.hidden_size))
        layer = nn.TransformerEncoderLayer(
            config.hidden_size,
            config.heads,
            config.hidden_size * 4,
            0.1,
            "gelu",
            batch_first=True,
            norm_first=True,
        )
        self.mixer = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.post_init()

    def train(self, mode: bool = True) -> "GridEncoder":  # noqa: FBT001, FBT002 (nn.Module's signature)
        super().train(mode)
        self.trunk.eval()
        return self

    def mix(self, features: Tensor) -> Tensor:
        """States from trunk features (B, cells, 320); training caches those."""
        return self.mixer(self.project(self.norm(features)) + self.where)

    def forward(
        self, pixel_values: Tensor, output_attentions: bool | None = None,  # noqa: ARG002, FBT001
        output_hidden_states: bool | None = None, return_dict: bool | None = None, **_: object,  # noqa: ARG002, FBT001
    ) -> BaseModelOutput:  # fmt: skip
        features = self.trunk(pixel_values).flatten(2).transpose(1, 2)
        return BaseModelOutput(last_hidden_state=self.mix(features))


AutoConfig.register("mirage-grid", GridEncoderConfig)
AutoModel.register(GridEncoderConfig, GridEncoder)


def build_captioner(vocabulary: int, hidden_size: int = 192) -> VisionEncoderDecoderModel:
    """Make a captioner with random weights for `vocabulary` words."""
    encoder = GridEncoderConfig(hidden_size=hidden_size)
    decoder = GPT2Config(
        vocab_size=vocabulary, n_positions=MAX_TOKENS + 8, n_embd=hidden_size, n_layer=3, n_head=4,
        add_cross_attention=True, is_decoder=True, bos_token_id=START, eos_token_id=END, pad_token_id=PAD,
        resid_pdrop=0.2, embd_pdrop=0.1, attn_pdrop=0.1,
    )  # fmt: skip
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = START, PAD, END
    return VisionEncoderDecoderModel(
        config=config, encoder=GridEncoder(encoder), decoder=GPT2LMHeadModel(decoder)
    )
