"""Trains the captioner: first which words a picture holds, then how to make a sentence of words.

    captioned pictures -> glances -> tagger --odds--.
    sentences of the grammar -----> made-up odds ---+--> states -> GPT-2 -> caption, cross-entropy

EfficientNet-Lite0 is frozen, so what it makes of each picture is computed once and kept.
"""

import collections
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from rich.progress import track
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor
from torch.nn import functional
from transformers import VisionEncoderDecoderModel

from export.data import footage
from export.data.captions import content, written
from export.data.grids import Captioned, Grid, mirror_words, photo_grids, segment_grids
from export.grammar import Grammar
from export.graph import export_module
from export.tags import Tags
from export.train.loop import read_average, reading
from export.train.perceptual import load_lite0
from export.train.tagging import NEVER, Glances, fit, odds_of_strangers, source_weights
from models.tiny import captioner as net

SEEN_SHARE = 0.1  # of a batch is pictures, the rest sentences alone: few pictures are soon known by heart
STRANGER_SHARE = 0.6  # of the pictures are tagged by fits without their source
VIEWS = 6  # of a segment
TOLD = 0.8  # standard deviations: 79 % of what a sentence tells is noticed
SENTENCES = 24_000
SEED = 1
CHECK_EVERY = 50  # steps between looks at held-out captions
Arrays = dict[str, NDArray[np.generic]]


def build_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Make a word-level tokenizer over all words of `texts`, the most frequent first."""
    counts = collections.Counter(word for text in texts for word in text.split())
    words = sorted(counts, key=lambda word: (-counts[word], word))
    tokenizer = Tokenizer(
        WordLevel(
            {word: i for i, word in enumerate([*net.SPECIAL, *words])}, unk_token=net.SPECIAL[net.UNKNOWN]
        )
    )
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens(list(net.SPECIAL))
    return tokenizer


def spoken(folder: Path) -> list[str]:
    """List what pictures are said to show: the captions trained on, and their mirror images."""
    texts = [content(text) for text in written(folder)]
    return texts + [mirror_words(text) for text in texts]


class CaptionerTask:
    """Cross-entropy on captions, given the odds of tags: seen in pictures, or made up for sentences."""

    def __init__(
        self, folder: Path, cache: Path, device: torch.device, batch: int = 64, sentences: int = SENTENCES
    ) -> None:
        texts, grammar = spoken(folder), Grammar.shipped()
        if not texts:
            raise footage.FootageError(f"{folder} holds no captioned segment or photograph to train on")
        self.tags = Tags.of(texts)
        self.tokenizer = build_tokenizer([*texts, *sorted(grammar.words())])
        self.network = net.build_captioner(self.tokenizer.get_vocab_size(), len(self.tags)).to(device)
        self.network.encoder.glance.load_imagenet(load_lite0().state_dict())
        self._device, self._batch, self._steps, self._unseen = device, batch, 0, 0.0
        seen, self._labels = self._glances(folder, cache, held_out=False)
        named = torch.from_numpy(self.tags.named).to(device)
        tagger = self.network.encoder.tagger
        self._strange = odds_of_strangers(tagger, seen, named)
        fit(tagger, seen, named)
        with torch.no_grad():
            self._familiar = tagger(seen.features, seen.probabilities, seen.flow)
            directions = functional.normalize(self.network.encoder.glance.classes.weight, dim=1)
            self._alike = directions @ directions.T
        self._seen = seen
        self._shares = source_weights(seen.sources).cpu()
        random = np.random.default_rng(SEED)
        drawn = [grammar.draw(random) for _ in range(sentences)]
        self._sentences = drawn + texts * max(sentences // (4 * len(texts)), 1)
        self._spoken = torch.from_numpy(np.stack([self.encode(text) for text in self._sentences])).to(device)
        holds = np.stack([self.tags.of_text(text) for text in self._sentences])
        self._holds = torch.from_numpy(holds).to(device)
        self._held = self._held_out(folder, cache)

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        seen = max(round(self._batch * SEEN_SHARE), 1)
        parts = [self._draw_seen(seen, generator), self._draw_spoken(self._batch - seen, generator)]
        odds, labels = (torch.cat(each) for each in zip(*parts, strict=True))
        logits = self._logits(odds, labels)
        target = labels.masked_fill(labels == net.PAD, -100)
        loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten(), label_smoothing=0.05)
        figures = {"loss": loss.item()}
        if self._held is not None:
            if self._steps % CHECK_EVERY == 0:
                self._unseen = self._loss_of(*self._held)
            figures["held_out"] = self._unseen
        self._steps += 1
        return loss, figures

    def _logits(self, odds: Tensor, labels: Tensor) -> Tensor:
        longest = int((labels != net.PAD).sum(1).max())
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            states = self.network.encoder.states(odds)
            shifted = torch.cat([torch.full_like(labels[:, :1], net.START), labels[:, :-1]], dim=1)
            logits = self.network.decoder(
                input_ids=shifted[:, :longest], encoder_hidden_states=states, use_cache=False
            ).logits.float()
        return functional.pad(logits, (0, 0, 0, labels.shape[1] - longest))

    def _draw_seen(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.multinomial(self._shares, count, replacement=True, generator=generator)
        strange = torch.rand(count, 1, generator=generator) < STRANGER_SHARE
        rows, strange = rows.to(self._device), strange.to(self._device)
        return torch.where(strange, self._strange[rows], self._familiar[rows]), self._labels[rows]

    def _draw_spoken(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(self._spoken), (count,), generator=generator)
        like = torch.multinomial(self._shares, count, replacement=True, generator=generator)
        noise = torch.randn(2, count, len(self.tags), generator=generator).to(self._device)
        rows, like = rows.to(self._device), like.to(self._device)
        holds = self._holds[rows]
        # What a stranger's picture looks like, without what it shows and with most of what is told.
        odds = self._strange[like] - 3.0 * (self._seen.tags[like] & ~holds)
        told = holds & (noise[0] < TOLD)
        odds = torch.where(told, torch.maximum(odds, noise[1] * 1.1 - 0.7), odds)
        tagger = self.network.encoder.tagger
        classed = tagger.trust * tagger.prior(self._imagine(holds, generator)) + tagger.bias
        likely = torch.where(tagger.named.amax(0) > 0, classed, NEVER)
        return torch.maximum(odds, likely), self._spoken[rows]

    def _imagine(self, holds: Tensor, generator: torch.Generator) -> Tensor:
        """Class probabilities (B, CLASSES) of pictures with these tags (B, tags): some true, some alike."""
        named = self.network.encoder.tagger.named.float()
        fits = (holds.float() @ (named == 2).float().T) / (
            holds.float() @ (named > 0).float().T + 1
        ).clamp_min(1)
        random = torch.rand(2, *fits.shape, generator=generator).to(self._device)
        chosen = (fits * random[0]).argmax(1)
        there = (fits.amax(1, keepdim=True) > 0).float()
        vagueness = 4 + 14 * torch.rand(len(holds), 1, generator=generator).to(self._device)
        gumbel = -torch.log(-torch.log(random[1].clamp(1e-6, 1 - 1e-6)))
        return (there * vagueness * self._alike[chosen] + gumbel).mul(1.2).softmax(1)

    @torch.no_grad()
    def _loss_of(self, odds: Tensor, labels: Tensor) -> float:
        self.network.eval()
        target = labels.masked_fill(labels == net.PAD, -100)
        loss = functional.cross_entropy(self._logits(odds, labels).flatten(0, 1), target.flatten()).item()
        self.network.train()
        return loss

    def _held_out(self, folder: Path, cache: Path) -> tuple[Tensor, Tensor] | None:
        if not written(folder, held_out=True):
            return None
        seen, labels = self._glances(folder, cache, held_out=True)
        with torch.no_grad():
            return self.network.encoder.tagger(seen.features, seen.probabilities, seen.flow), labels

    def _glances(self, folder: Path, cache: Path, *, held_out: bool) -> tuple[Glances, Tensor]:
        name = "unseen" if held_out else "seen"
        what = (written(folder, held_out=held_out), net.LAYOUT, net.TILE_PX, VIEWS)
        key = hashlib.sha256(repr(what).encode())
        for path in (*footage.clips(folder), *footage.photos(folder)):
            key.update(hashlib.sha256(path.read_bytes()).digest())
        stored = cache / f"captioner-{name}-{key.hexdigest()[:8]}.npz"
        if not stored.exists():
            views = 1 if held_out else VIEWS
            shared = (folder, net.TILE_PX, net.LAYOUT)
            segments = segment_grids(*shared, held_out=held_out, views=views, seed=SEED)
            grids = chain(segments, photo_grids(*shared, held_out=held_out, seed=SEED + 1))
            _save(stored, self._look_at(track(grids, f"{name} pictures", total=None)))
        with np.load(stored) as kept:
            texts = [content(text) for text in kept["texts"].tolist()]
            _, sources = np.unique(kept["sources"], return_inverse=True)
            features, probabilities, flow = (
                torch.from_numpy(kept[part].astype(np.float32)).to(self._device)
                for part in ("features", "probabilities", "flow")
            )
        tags = torch.from_numpy(np.stack([self.tags.of_text(text) for text in texts])).to(self._device)
        labels = torch.from_numpy(np.stack([self.encode(text) for text in texts])).to(self._device)
        return Glances(
            features, probabilities, flow, tags, torch.from_numpy(sources).to(self._device)
        ), labels

    def _look_at(self, grids: Iterable[Captioned]) -> Arrays:
        glance = self._glance()
        rows, texts, sources = [], [], []
        for each in grids:
            rows.append([part[0].astype(np.float16) for part in glance(to_pixels(each.grid))])
            texts.append(each.text)
            sources.append(each.source)
        features, probabilities, flow = (np.stack(part) for part in zip(*rows, strict=True))
        return {
            "features": features, "probabilities": probabilities, "flow": flow,
            "texts": np.array(texts), "sources": np.array(sources),
        }  # fmt: skip

    def _glance(self) -> Callable[[Tensor], list[NDArray[np.float32]]]:
        """Look by ONNX Runtime on a processor, where it takes a quarter of torch's time."""
        network = self.network.encoder.glance
        if self._device.type != "cpu":
            return lambda pixels: [part.cpu().numpy() for part in network(pixels.to(self._device))]
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "glance.onnx"
            side = 2 * net.TILE_PX
            export_module(
                network, {"grid": torch.zeros(1, 3, side, side)}, ["features", "classes", "flow"], path
            )
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda pixels: session.run(None, {"grid": pixels.numpy()})

    def encode(self, text: str) -> NDArray[np.int64]:
        """Token ids with the end token, cut and padded to MAX_TOKENS."""
        ids = [*self.tokenizer.encode(text).ids[: net.MAX_TOKENS - 1], net.END]
        return np.array(ids + [net.PAD] * (net.MAX_TOKENS - len(ids)), np.int64)


def load_captioner(checkpoint: Path) -> VisionEncoderDecoderModel:
    """Load the averaged weights of a checkpoint, for export. Raises TrainingError where there is none."""
    weights = read_average(checkpoint)
    with reading(checkpoint):
        vocabulary, tags = len(weights["decoder.transformer.wte.weight"]), len(weights["encoder.tagger.bias"])
        model = net.build_captioner(vocabulary, tags)
        model.load_state_dict(weights)
    return model.eval()


def _save(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(part, allow_pickle=False, **arrays)
    part.replace(path)


def to_pixels(grid: Grid) -> Tensor:
    """Normalise a grid (S, S, 3) to (1, 3, S, S)."""
    pixels = (grid.astype(np.float32) / 255 - np.array(net.MEAN)) / np.array(net.DEVIATION)
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))
