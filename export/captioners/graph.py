"""Graphs of a text decoder with a key/value cache, and of the encoder that fills its first part.

    encoder   pixel_values (B, 3, S, S)             -> present.{layer}.decoder|encoder.key|value
    decoder   input_ids, position_ids (B, n)        -> logits (B, n, V)
              past_key_values.{layer}.decoder.*     -> present.{layer}.decoder.*  (B, heads, past + n, size)
              past_key_values.{layer}.encoder.*        cross-attention: as the encoder gave it

What the encoder gives under `.decoder.` is a prefix that the text attends to like to itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn
from transformers import DynamicCache

from export.graph_file import OPSET

Pairs = Sequence[tuple[Tensor, Tensor]]  # of each layer: keys and values (B, heads, length, size)


class Attention(Protocol):
    """What every attention of BERT's kind is made of."""

    num_attention_heads: int
    attention_head_size: int
    key: nn.Linear
    value: nn.Linear


def named(prefix: str, role: str, pairs: Pairs) -> dict[str, Tensor]:
    """Name keys and values as in a graph: `prefix` is `past_key_values` or `present`."""
    return {
        f"{prefix}.{layer}.{role}.{part}": tensor
        for layer, pair in enumerate(pairs)
        for part, tensor in zip(("key", "value"), pair, strict=True)
    }


def paired(tensors: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Undo `flat`."""
    return list(zip(tensors[::2], tensors[1::2], strict=True))


def flat(pairs: Pairs) -> tuple[Tensor, ...]:
    """Give keys and values in the order of a graph's inputs and outputs."""
    return tuple(tensor for pair in pairs for tensor in pair)


def kept(cache: DynamicCache) -> list[tuple[Tensor, Tensor]]:
    """Give keys and values that a cache holds."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def heads(attention: Attention, states: Tensor) -> tuple[Tensor, Tensor]:
    """Give keys and values (B, heads, L, size) that a layer's attention makes of states (B, L, H)."""
    shape = (*states.shape[:2], attention.num_attention_heads, attention.attention_head_size)
    keys, values = (part(states).view(shape).transpose(1, 2) for part in (attention.key, attention.value))
    return keys, values


def before_last(pairs: Pairs) -> list[tuple[Tensor, Tensor]]:
    """Give keys and values without those of the last token."""
    return [(keys[:, :, :-1], values[:, :, :-1]) for keys, values in pairs]


def causal_mask(states: Tensor, past: Tensor) -> Tensor:
    """Give (n, past + n): 0 where a token of `states` (B, n, H) may look, -inf at those behind it."""
    before, count = past.shape[2], states.shape[1]
    places = torch.arange(before + count, device=states.device)
    hidden = places[None] > places[before:, None]
    return torch.zeros(hidden.shape, device=states.device).masked_fill(hidden, float("-inf"))


def export_cached(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Iterable[str], path: Path
) -> None:
    """Export `module`, called with the tensors of `inputs` in order, with dynamic batch, tokens and past.

    The other sizes of what comes out are written down, so that a graph can be told from one of another model.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    decodes = "input_ids" in inputs
    names = list(outputs)
    axes = {name: _axes(name, decodes=decodes) for name in (*inputs, *names)}
    with torch.no_grad():
        results = module.eval()(*inputs.values())
        torch.onnx.export(
            module, tuple(inputs.values()), str(path), input_names=list(inputs), output_names=names,
            dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    model = onnx.load(str(path))
    for outlet, result in zip(model.graph.output, results, strict=True):
        shape = [axes[outlet.name].get(axis, size) for axis, size in enumerate(result.shape)]
        outlet.CopyFrom(helper.make_tensor_value_info(outlet.name, TensorProto.FLOAT, shape))
    onnx.save(model, str(path))


def _axes(name: str, *, decodes: bool) -> dict[int, str]:
    axes = {0: "batch"}
    if decodes and ".decoder." in name:
        axes[2] = "past" if name.startswith("past_key_values") else "past_and_tokens"
    elif name in ("input_ids", "position_ids", "logits"):
        axes[1] = "tokens"
    return axes
