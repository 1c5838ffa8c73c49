"""Decoding: neither the cache nor where it begins changes the words; beams find better ones."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.beam import log_softmax
from edge.decoder import Decoder, Speech
from edge.graph import Graph, ModelError, Value
from edge.runtime import Runtime

pytest.importorskip("onnx", reason="onnx is not installed: it writes the graphs of these tests")

from tests.edge.graphs import (
    KINDS,
    PICTURE_PX,
    SIZE,
    WORDS,
    Kind,
    logits_of,
    reference,
    seen_by_encoder,
    write_decoder,
    write_encoder,
)  # fmt: skip

Picture = NDArray[np.float32]
LIMIT = 12
SEEDS = range(12)


def picture(seed: int) -> Picture:
    shape = (1, 3, PICTURE_PX, PICTURE_PX)
    bright = np.random.default_rng(seed).normal(0, 1, (1, 3, 1, 1))
    return (bright + np.random.default_rng(seed).normal(0, 1, shape)).astype(np.float32)


def seen(folder: Path, kind: Kind, seed: int) -> dict[str, Value]:
    encoder = Runtime().open(write_encoder(folder / "encoder.onnx", kind))
    return encoder.values({"pixel_values": picture(seed)})


def decoder(folder: Path, kind: Kind, beams: int = 1, end: int = 2, limit: int = LIMIT) -> Decoder:
    graph = Runtime().open(write_decoder(folder / "decoder.onnx", kind, batch="b"))
    given = {
        "image prefix": {"present.0.key"},
        "image cross-attention": {"present.0.encoder.key"},
    }.get(kind, {"last_hidden_state"})
    return Decoder(graph, Speech(1, end, limit, beams), given)


def score(ids: list[int], hidden: Picture, kind: Kind) -> float:
    """Mean log probability of a sentence and its end token (2), where it was not cut off."""
    whole = [1, *ids] if len(ids) == LIMIT else [1, *ids, 2]
    total = sum(
        float(log_softmax(logits_of(whole[:at], hidden, kind))[whole[at]]) for at in range(1, len(whole))
    )
    return total / (len(whole) - 1)


def searched(hidden: Picture, beams: int, kind: Kind) -> list[int]:
    """Beam search without cache or tricks: every open sentence is scored from its beginning."""
    opened: list[tuple[tuple[int, ...], float]] = [((1,), 0.0)]
    ended: list[tuple[tuple[int, ...], float]] = []
    for _ in range(LIMIT):
        longer = []
        for ids, total in opened:
            chances = log_softmax(logits_of(list(ids), hidden, kind))
            longer += [((*ids, token), total + float(chances[token])) for token in range(WORDS)]
        longer.sort(key=lambda each: -each[1])
        longer = longer[: 2 * beams]
        ended += [(ids[1:-1], total / (len(ids) - 1)) for ids, total in longer if ids[-1] == 2]
        opened = [each for each in longer if each[0][-1] != 2][:beams]
    ended += [(ids[1:], total / LIMIT) for ids, total in opened]
    return list(max(ended, key=lambda each: each[1])[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_export_says_what_a_decoder_without_cache_says(tmp_path: Path, kind: Kind) -> None:
    greedy = decoder(tmp_path, kind)
    said = [greedy.decode(seen(tmp_path, kind, seed)) for seed in SEEDS]
    assert said == [reference(seen_by_encoder(picture(seed)), 1, 2, LIMIT, kind) for seed in SEEDS]
    assert len({tuple(ids) for ids in said}) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_beams_find_what_a_search_without_cache_finds(tmp_path: Path, kind: Kind) -> None:
    search = decoder(tmp_path, kind, beams=3)
    greedy = decoder(tmp_path, kind)
    hidden = [seen_by_encoder(picture(seed)) for seed in SEEDS]
    found = [search.decode(seen(tmp_path, kind, seed)) for seed in SEEDS]
    assert found == [searched(each, 3, kind) for each in hidden]
    plain = [greedy.decode(seen(tmp_path, kind, seed)) for seed in SEEDS]
    better = [
        score(beam, each, kind) - score(one, each, kind)
        for beam, one, each in zip(found, plain, hidden, strict=True)
    ]
    assert max(better) > 0.01  # else this would be greedy under another name


@pytest.mark.parametrize("beams", [1, 3])
def test_decoding_ends_at_the_limit(tmp_path: Path, beams: int) -> None:
    endless = decoder(tmp_path, "cache", beams, end=10, limit=7)
    lengths = [len(endless.decode(seen(tmp_path, "cache", seed))) for seed in SEEDS]
    assert max(lengths) == 7


def test_decoding_again_gives_the_same_words(tmp_path: Path) -> None:
    search = decoder(tmp_path, "image prefix", beams=4)
    said = [search.decode(seen(tmp_path, "image prefix", 5)) for _ in range(4)]
    assert all(one == other for one, other in pairwise(said))


def test_warming_up_changes_no_words(tmp_path: Path) -> None:
    for kind in KINDS:
        warm = decoder(tmp_path, kind)
        warm.warm_up(seen(tmp_path, kind, 0))
        said = warm.decode(seen(tmp_path, kind, 1))
        assert said == reference(seen_by_encoder(picture(1)), 1, 2, LIMIT, kind)


def test_a_graph_that_is_no_caption_decoder_is_refused(tiny: Path) -> None:
    graph = Runtime().open(tiny / "sender" / "appearance_encoder.onnx")
    with pytest.raises(ModelError, match=r"appearance_encoder\.onnx: has no input_ids, logits"):
        Decoder(graph, Speech(1, 2, 4), {"last_hidden_state"})


def test_a_decoder_of_another_encoder_is_refused(tmp_path: Path) -> None:
    path = write_decoder(tmp_path / "decoder.onnx", "cache")
    with pytest.raises(ModelError, match="wants encoder_hidden_states, but the encoder gives no last_hidden"):
        Decoder(Runtime().open(path), Speech(1, 2, 4), {"present.0.key"})
    path = write_decoder(tmp_path / "decoder.onnx", "image cross-attention")
    with pytest.raises(
        ModelError, match=r"past_key_values\.0\.encoder\.key, but gives no present\.0\.encoder"
    ):
        Decoder(Runtime().open(path), Speech(1, 2, 4), {"last_hidden_state"})


def test_beams_need_a_graph_for_several_sentences(tmp_path: Path) -> None:
    graph = Runtime().open(write_decoder(tmp_path / "decoder.onnx", "cache", batch=1))
    with pytest.raises(
        ModelError, match=r"decoder\.onnx: input_ids is for 1 sentence, so beams can only be 1"
    ):
        Decoder(graph, Speech(1, 2, 4, beams=2), {"last_hidden_state"})


def test_tokens_beyond_the_vocabulary_are_refused(tmp_path: Path) -> None:
    graph = Runtime().open(write_decoder(tmp_path / "decoder.onnx", "cache"))
    with pytest.raises(ModelError, match=rf"logits for {WORDS} tokens, but .* captioner\.end_token is 99"):
        Decoder(graph, Speech(1, 99, 4), {"last_hidden_state"}).warm_up(seen(tmp_path, "cache", 0))


def test_what_is_seen_may_have_any_length(tmp_path: Path) -> None:
    graph: Graph = Runtime().open(write_decoder(tmp_path / "decoder.onnx", "merged"))
    greedy = Decoder(graph, Speech(1, 2, LIMIT), {"last_hidden_state"})
    for length in (1, 9):
        hidden = np.random.default_rng(length).normal(0, 1, (1, length, SIZE)).astype(np.float32)
        assert greedy.decode({"last_hidden_state": graph.value(hidden)}) == reference(hidden, 1, 2, LIMIT)
