"""BLIP: a BERT that decodes, with cross-attention to a ViT.

The encoder gives what cross-attention needs, once: keys and values of the picture for every layer. So
the decoder needs no picture, and its own cache begins empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BlipConfig, BlipForConditionalGeneration, DynamicCache, EncoderDecoderCache

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
    export_cached,
    flat,
    heads,
    kept,
    named,
    paired,
)
from wire.golden import Sample


class PictureEncoder(nn.Module):
    """Pictures (B, 3, S, S) to every layer's keys and values (B, heads, P, size) of cross-attention."""

    def __init__(self, model: BlipForConditionalGeneration) -> None:
        super().__init__()
        self.vision = model.vision_model
        self.layers = model.text_decoder.bert.encoder.layer

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        seen = self.vision(pixel_values).last_hidden_state
        return flat([heads(layer.crossattention.self, seen) for layer in self.layers])


class TextDecoder(nn.Module):
    """Tokens and their places in the text (B, n), own cache and the picture's, to logits (B, n, V)."""

    def __init__(self, model: BlipForConditionalGeneration) -> None:
        super().__init__()
        self.text = model.text_decoder

    def forward(self, input_ids: Tensor, position_ids: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        own, picture = past[: len(past) // 2], past[len(past) // 2 :]
        cache = EncoderDecoderCache(DynamicCache(paired(own)), DynamicCache(paired(picture)))
        logits = self.text(
            input_ids=input_ids,
            position_ids=position_ids,
            encoder_hidden_states=picture[0][:, 0],  # only its (B, P) is read: keys and values are cached
            past_key_values=cache,
            use_cache=True,
        ).logits
        return (logits, *flat(kept(cache.self_attention_cache)))


@dataclass(frozen=True, slots=True, eq=False)
class BlipCaptioner(Traits):
    """A `Captioner` of class BlipForConditionalGeneration."""

    model: BlipForConditionalGeneration

    @staticmethod
    def check(config: BlipConfig) -> None:
        """Raise UnsupportedModelError for a model that the device cannot decode."""
        kind = getattr(config.text_config, "position_embedding_type", "absolute")
        if kind != "absolute":
            raise UnsupportedModelError(
                f"config.json: text_config.position_embedding_type is {kind!r}, "
                "only 'absolute' can be decoded with a cache"
            )
        square(config.vision_config.image_size, "vision_config.image_size")

    @classmethod
    def of(cls, model: BlipForConditionalGeneration, prepared: Prepared) -> "BlipCaptioner":
        """Make one of a checked model; raises UnsupportedModelError where start or end are not known."""
        text = model.config.text_config
        return cls(
            kind=model.config.model_type,
            input_px=square(model.config.vision_config.image_size, "vision_config.image_size"),
            mean=prepared.mean,
            std=prepared.std,
            start_token=token(text.bos_token_id, "text_config.bos_token_id"),
            end_token=token(text.sep_token_id, "text_config.sep_token_id"),
            tokenizer_json=prepared.tokenizer_json,
            positions=text.max_position_embeddings,
            parameters=model.num_parameters(),
            model=model,
        )

    def export(self, folder: Path) -> None:
        pixels = torch.zeros(1, 3, self.input_px, self.input_px, device=self.model.device)
        encoder = PictureEncoder(self.model)
        with torch.no_grad():
            picture = paired(encoder(pixels))
        export_cached(
            encoder, {"pixel_values": pixels}, named("present", "encoder", picture), folder / ENCODER
        )
        own = [(keys[:, :, :1], values[:, :, :1]) for keys, values in picture]
        inputs = {
            "input_ids": torch.full((1, 2), self.start_token, device=self.model.device),
            "position_ids": torch.arange(1, 3, device=self.model.device)[None],
            **named("past_key_values", "decoder", own),
            **named("past_key_values", "encoder", picture),
        }
        outputs = ("logits", *named("present", "decoder", own))
        export_cached(TextDecoder(self.model), inputs, outputs, folder / DECODER)

    @torch.no_grad()
    def samples(self, pixels: Tensor) -> Mapping[str, list[Sample]]:
        pixels = pixels.to(self.model.device)
        ids = self._generated(pixels, DEPTH, ended=False)
        seen = self.model.vision_model(pixels).last_hidden_state
        out = self.model.text_decoder(input_ids=ids, encoder_hidden_states=seen, use_cache=True)
        own = kept(out.past_key_values.self_attention_cache)
        picture = kept(out.past_key_values.cross_attention_cache)
        feeds = {
            "input_ids": ids[:, -1:],
            "position_ids": torch.full((1, 1), DEPTH),
            **named("past_key_values", "decoder", before_last(own)),
            **named("past_key_values", "encoder", picture),
        }
        results = {"logits": out.logits[:, -1:], **named("present", "decoder", own)}
        return {
            ENCODER: [sample({"pixel_values": pixels}, named("present", "encoder", picture))],
            DECODER: [sample(feeds, results)],
        }

    def greedy(self, pixels: Tensor, max_tokens: int) -> list[int]:
        return self.said(self._generated(pixels.to(self.model.device), max_tokens))

    def _generated(self, pixels: Tensor, tokens: int, *, ended: bool = True) -> Tensor:
        wanted = self.generation(tokens, ended=ended)
        return self.model.generate(pixels, generation_config=wanted, use_model_defaults=False)
