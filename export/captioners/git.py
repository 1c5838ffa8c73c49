"""GIT: a decoder without cross-attention, whose text follows the tokens of the picture.

    picture tokens   attend to each other only  -> their keys and values never change: the encoder's outputs
    text tokens      attend to the picture and to the text before them

`transformers` computes the picture's keys and values again at every step, and caches those of the text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import DynamicCache, GitConfig, GitForCausalLM

from export.captioners.captioner import (
    DECODER,
    DEPTH,
    ENCODER,
    Prepared,
    Traits,
    UnsupportedModelError,
    sample,
    square,
    token,
)
from export.captioners.graph import (
    before_last,
    causal_mask,
    export_cached,
    flat,
    heads,
    kept,
    named,
    paired,
)
from wire.golden import Sample


class PictureEncoder(nn.Module):
    """Pictures (B, 3, S, S) to the keys and values (B, heads, P, size) of every layer."""

    def __init__(self, model: GitForCausalLM) -> None:
        super().__init__()
        self.git = model.git

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        seen = self.git.image_encoder(pixel_values).last_hidden_state
        cache = DynamicCache()
        self.git.encoder(self.git.visual_projection(seen), past_key_values=cache, use_cache=True)
        return flat(kept(cache))


class TextDecoder(nn.Module):
    """Tokens and their places in the text (B, n), with what came before, to logits (B, n, V)."""

    def __init__(self, model: GitForCausalLM) -> None:
        super().__init__()
        self.git = model.git
        self.output = model.output

    def forward(self, input_ids: Tensor, position_ids: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        states = self.git.embeddings(input_ids=input_ids, position_ids=position_ids)
        cache = DynamicCache(paired(past))
        mask = causal_mask(states, past[0])
        states = self.git.encoder(states, attention_mask=mask, past_key_values=cache, use_cache=True)[0]
        return (self.output(states), *flat(kept(cache)))


@dataclass(frozen=True, slots=True, eq=False)
class GitCaptioner(Traits):
    """A `Captioner` of class GitForCausalLM."""

    model: GitForCausalLM

    @staticmethod
    def check(config: GitConfig) -> None:
        """Raise UnsupportedModelError for a model that the device cannot decode."""
        if config.num_image_with_embedding:
            raise UnsupportedModelError(
                f"num_image_with_embedding is {config.num_image_with_embedding}, a grid is one picture"
            )
        if config.position_embedding_type != "absolute":
            raise UnsupportedModelError(
                f"config.json: position_embedding_type is {config.position_embedding_type!r}, "
                "only 'absolute' can be decoded with a cache"
            )
        square(config.vision_config.image_size, "vision_config.image_size")

    @classmethod
    def of(cls, model: GitForCausalLM, prepared: Prepared) -> "GitCaptioner":
        """Make one of a checked model; raises UnsupportedModelError where start or end are not known."""
        config = model.config
        return cls(
            kind=config.model_type,
            input_px=square(config.vision_config.image_size, "vision_config.image_size"),
            mean=prepared.mean,
            std=prepared.std,
            start_token=token(config.bos_token_id, "bos_token_id"),
            end_token=token(config.eos_token_id, "eos_token_id"),
            tokenizer_json=prepared.tokenizer_json,
            positions=config.max_position_embeddings,
            parameters=model.num_parameters(),
            model=model,
        )

    def export(self, folder: Path) -> None:
        pixels = torch.zeros(1, 3, self.input_px, self.input_px, device=self.model.device)
        encoder = PictureEncoder(self.model)
        with torch.no_grad():
            pairs = paired(encoder(pixels))
        given = named("present", "decoder", pairs)
        export_cached(encoder, {"pixel_values": pixels}, given, folder / ENCODER)
        ids = torch.full((1, 2), self.start_token, device=self.model.device)
        places = torch.arange(2, device=self.model.device)[None]
        inputs = {"input_ids": ids, "position_ids": places, **named("past_key_values", "decoder", pairs)}
        export_cached(TextDecoder(self.model), inputs, ("logits", *given), folder / DECODER)

    @torch.no_grad()
    def samples(self, pixels: Tensor) -> Mapping[str, list[Sample]]:
        pixels = pixels.to(self.model.device)
        ids = self._generated(pixels, DEPTH, ended=False)
        out = self.model(input_ids=ids, pixel_values=pixels, output_hidden_states=True)
        layers = self.model.git.encoder.layer
        pairs = [heads(layer.attention.self, h) for layer, h in zip(layers, out.hidden_states, strict=False)]
        prefix = out.hidden_states[0].shape[1] - ids.shape[1]
        picture = [(keys[:, :, :prefix], values[:, :, :prefix]) for keys, values in pairs]
        feeds = {
            "input_ids": ids[:, -1:],
            "position_ids": torch.full((1, 1), DEPTH),
            **named("past_key_values", "decoder", before_last(pairs)),
        }
        results = {"logits": out.logits[:, -1:], **named("present", "decoder", pairs)}
        return {
            ENCODER: [sample({"pixel_values": pixels}, named("present", "decoder", picture))],
            DECODER: [sample(feeds, results)],
        }

    def greedy(self, pixels: Tensor, max_tokens: int) -> list[int]:
        return self.said(self._generated(pixels.to(self.model.device), max_tokens))

    def _generated(self, pixels: Tensor, tokens: int, *, ended: bool = True) -> Tensor:
        wanted = self.generation(tokens, ended=ended)
        return self.model.generate(pixel_values=pixels, generation_config=wanted, use_model_defaults=False)
