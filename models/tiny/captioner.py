"""The captioner: a Hugging Face vision encoder-decoder that reads a frame grid by way of plain words.

    grid (3, 320, 320) -> EfficientNet-Lite0 -> features, 1,000 classes, flow -> log-odds of plain words
                                                GPT-2, word vocabulary <- cross-attention <- the best 12

Between seeing and saying there are only words and how sure they are: so the decoder can be taught to
speak by sentences alone, and names things that no captioned picture shows. EfficientNet-Lite0 keeps
its ImageNet weights; its batch norms are folded into the convolutions at export.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
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
LAYOUT = ("frame", "frame", "frame", "flow")  # Glance takes it apart again
FEATURES, CLASSES = 1280, 1000  # of EfficientNet-Lite0
COMPONENTS = 128  # of its features that words are learned from
FLOW_CELLS = 4
FLOW = 3 * FLOW_CELLS**2
SEEN = FEATURES + FLOW
CHOSEN = 12  # words that the decoder may look at
LAYERS = 2
SURE, LEAST = 0.7, 1e-4  # probability of a word of whose class ImageNet is certain, and of any other
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


class Glance(nn.Module):
    """What a grid holds before anybody says a word: pictures (B, 3, S, S), ImageNet-normalised, to numbers.

    The three frames are classified by EfficientNet-Lite0, whole: its 1,280 features and 1,000 class
    probabilities, averaged; the flow tile is averaged over FLOW_CELLS x FLOW_CELLS cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.head = nn.Sequential(*_conv_norm(STAGES[-1][3], FEATURES, 1))
        self.classes = nn.Linear(FEATURES, CLASSES)

    def forward(self, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, FEATURES), probabilities (B, CLASSES), flow (B, 3 * FLOW_CELLS^2)."""
        top, bottom = grid.chunk(2, 2)
        first, middle = top.chunk(2, 3)
        last, flow = bottom.chunk(2, 3)
        features = self.head(self.trunk(torch.cat([first, middle, last]))).mean((2, 3))
        probabilities = self.classes(features).softmax(-1)
        cell = flow.shape[-1] // FLOW_CELLS
        return (
            torch.stack(features.chunk(3)).mean(0),
            torch.stack(probabilities.chunk(3)).mean(0),
            functional.avg_pool2d(flow, cell).flatten(1),
        )

    @torch.no_grad()
    def load_imagenet(self, weights: dict[str, Tensor]) -> None:
        """Copy the weights of `efficientnet-lite0` in their order; names differ, shapes must agree.

        The classifier's are rounded to 8 bits a row, so that they can be stored so.
        """
        own = self.state_dict()
        if len(own) != len(weights):
            raise ValueError(f"the weights hold {len(weights)} tensors, the network has {len(own)}")
        for (name, mine), (theirs, value) in zip(own.items(), weights.items(), strict=True):
            if mine.shape != value.shape:
                raise ValueError(f"{theirs} has shape {tuple(value.shape)}, {name} needs {tuple(mine.shape)}")
            mine.copy_(value)
        scale = self.classes.weight.abs().amax(1, keepdim=True) / 127
        self.classes.weight.copy_((self.classes.weight / scale).round() * scale)


class Tagger(nn.Module):
    """Which plain words fit what was glanced at: log-odds (B, tags).

    A word's odds are those of the ImageNet classes that stand for it, and what logistic regression
    on the features of captioned pictures adds. Fitted before the decoder is trained, then frozen.
    """

    named: Tensor
    centre: Tensor
    basis: Tensor
    spread: Tensor
    trust: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.register_buffer("named", torch.zeros(CLASSES, tags, dtype=torch.uint8))  # in halves
        self.register_buffer("centre", torch.zeros(SEEN))
        self.register_buffer("basis", torch.zeros(FEATURES, COMPONENTS))
        self.register_buffer("spread", torch.ones(COMPONENTS + FLOW))
        self.register_buffer("trust", torch.ones(tags))
        self.register_buffer("weight", torch.zeros(COMPONENTS + FLOW, tags))
        self.register_buffer("bias", torch.zeros(tags))

    def prior(self, probabilities: Tensor) -> Tensor:
        """Log-odds by ImageNet's classes alone; 0 for words that no class stands for."""
        share = (probabilities @ self.named.float()) * (0.5 * SURE)
        return torch.logit(share.clamp(LEAST, SURE)) * (self.named.amax(0) > 0)

    def components(self, features: Tensor, flow: Tensor) -> Tensor:
        """Principal components of features, and flow, each of about unit size."""
        seen = torch.cat([features, flow], 1) - self.centre
        return torch.cat([seen[:, :FEATURES] @ self.basis, seen[:, FEATURES:]], 1) / self.spread

    def forward(self, features: Tensor, probabilities: Tensor, flow: Tensor) -> Tensor:
        learned = self.components(features, flow) @ self.weight + self.bias
        return self.trust * self.prior(probabilities) + learned


class GridEncoderConfig(PretrainedConfig):
    """Sizes of the grid encoder."""

    model_type = "mirage-grid"

    def __init__(
        self,
        tags: int = 400,
        hidden_size: int = 192,
        heads: int = 4,
        image_size: int = 2 * TILE_PX,
        **rest: object,
    ) -> None:
        super().__init__(**rest)
        self.tags, self.hidden_size, self.heads = tags, hidden_size, heads
        self.image_size, self.num_channels = image_size, 3


class GridEncoder(PreTrainedModel):
    """Frame grids (B, 3, S, S), ImageNet-normalised, to states (B, CHOSEN, hidden_size): one per tag."""

    config_class = GridEncoderConfig
    main_input_name = "pixel_values"

    def __init__(self, config: GridEncoderConfig) -> None:
        super().__init__(config)
        self.glance = Glance().eval().requires_grad_(requires_grad=False)
        self.tagger = Tagger(config.tags)
        self.words = nn.Embedding(config.tags, config.hidden_size)
        self.strength = nn.Linear(2, config.hidden_size)
        self.mixer = nn.TransformerEncoderLayer(
            config.hidden_size,
            config.heads,
            config.hidden_size * 2,
            0.1,
            "gelu",
            batch_first=True,
            norm_first=True,
        )
        self.norm = nn.LayerNorm(config.hidden_size)
        self.post_init()

    def train(self, mode: bool = True) -> "GridEncoder":  # noqa: FBT001, FBT002 (nn.Module's signature)
        super().train(mode)
        self.glance.eval()
        return self

    def states(self, odds: Tensor) -> Tensor:
        """States from log-odds (B, tags) of words; a weak word says little."""
        best, which = odds.topk(CHOSEN)
        sure = best.sigmoid()[..., None]
        strength = self.strength(torch.cat([best[..., None] / 4, sure], -1))
        return self.norm(self.mixer(self.words(which) * sure.sqrt() + strength))

    def forward(
        self, pixel_values: Tensor, output_attentions: bool | None = None,  # noqa: ARG002, FBT001
        output_hidden_states: bool | None = None, return_dict: bool | None = None, **_: object,  # noqa: ARG002, FBT001
    ) -> BaseModelOutput:  # fmt: skip
        return BaseModelOutput(last_hidden_state=self.states(self.tagger(*self.glance(pixel_values))))


AutoConfig.register("mirage-grid", GridEncoderConfig)
AutoModel.register(GridEncoderConfig, GridEncoder)


def build_captioner(vocabulary: int, tags: int, hidden_size: int = 192) -> VisionEncoderDecoderModel:
    """Make a captioner with random weights for `vocabulary` words, `tags` of which it may look for."""
    encoder = GridEncoderConfig(tags=tags, hidden_size=hidden_size)
    decoder = GPT2Config(
        vocab_size=vocabulary, n_positions=MAX_TOKENS + 8, n_embd=hidden_size, n_layer=LAYERS, n_head=4,
        add_cross_attention=True, is_decoder=True, bos_token_id=START, eos_token_id=END, pad_token_id=PAD,
        resid_pdrop=0.1, embd_pdrop=0.1, attn_pdrop=0.1,
    )  # fmt: skip
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = START, PAD, END
    return VisionEncoderDecoderModel(
        config=config, encoder=GridEncoder(encoder), decoder=GPT2LMHeadModel(decoder)
    )
