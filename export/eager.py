"""The tiny bundle's networks in PyTorch, with random weights: what its ONNX graphs are timed against.

How long a network takes does not depend on its weights, so nothing needs to be trained or downloaded.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from transformers import VisionEncoderDecoderModel

from export.build import ClampedDecoder, TokenEncoder
from export.train.appearance import Codec
from models.tiny import captioner
from models.tiny.renderer import FlowDenoiser
from wire.golden import Array
from wire.words import SIZE

Call = Callable[[Mapping[str, Array]], object]
_TAGS = 522  # words that the shipped captioner looks for


class Eager:
    """All networks, on `threads` threads of the processor; a caption's tokens are counted, not chosen."""

    def __init__(self, vocabulary: int, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self._captioner: VisionEncoderDecoderModel = captioner.build_captioner(vocabulary, _TAGS).eval()
        codec = Codec().eval()
        self._modules: dict[str, nn.Module] = {
            "receiver/appearance_decoder.onnx": ClampedDecoder(codec.decoder),
            "receiver/flow_denoiser.onnx": FlowDenoiser(SIZE).eval(),
            "sender/appearance_encoder.onnx": TokenEncoder(codec.encoder),
            "sender/encoder_model.onnx": self._captioner.encoder,
        }

    def graphs(self) -> dict[str, Call]:
        """Give what does each graph's work, by the graph's name; the caption decoder's is one step."""
        calls: dict[str, Call] = {name: self._call(module) for name, module in self._modules.items()}
        return {**calls, "sender/decoder_model_merged.onnx": self._step}

    @torch.inference_mode()
    def caption(self, pixels: Array, tokens: int) -> None:
        """Encode a picture (1, 3, S, S) and decode so many tokens: no more than the two networks' work."""
        states = self._captioner.encoder(torch.from_numpy(pixels)).last_hidden_state
        ids, cache = torch.full((1, 1), captioner.START), None
        for _ in range(tokens):
            out = self._captioner.decoder(
                input_ids=ids, encoder_hidden_states=states, past_key_values=cache, use_cache=True
            )
            ids, cache = out.logits[:, -1:].argmax(-1), out.past_key_values

    @torch.inference_mode()
    def generate(self, pixels: Array, tokens: int) -> None:
        """Do the same through `generate`, as users of transformers do."""
        self._captioner.generate(
            torch.from_numpy(pixels),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            num_beams=1,
        )

    def _call(self, module: nn.Module) -> Call:
        def run(feeds: Mapping[str, Array]) -> object:
            with torch.inference_mode():
                return module(*(torch.from_numpy(array) for array in feeds.values()))

        return run

    @torch.inference_mode()
    def _step(self, feeds: Mapping[str, Array]) -> Tensor:
        return self._captioner.decoder(
            input_ids=torch.from_numpy(feeds["input_ids"]),
            encoder_hidden_states=torch.from_numpy(feeds["encoder_hidden_states"]),
            use_cache=True,
        ).logits
