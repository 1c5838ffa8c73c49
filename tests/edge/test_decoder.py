"""Greedy decoding: the cache changes the speed and never the words."""

from pathlib import Path

import numpy as np
import pytest

from edge.decoder import GreedyDecoder
from edge.runtime import ModelError, open_session

pytest.importorskip("onnx", reason="onnx is not installed: it writes the graphs of these tests")

from tests.edge.graphs import KINDS, SIZE, Kind, reference, write_decoder


def hidden(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(0, 1, (1, 5, SIZE)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_export_says_what_a_decoder_without_cache_says(tmp_path: Path, kind: Kind) -> None:
    session = open_session(write_decoder(tmp_path / "decoder.onnx", kind))
    decoder = GreedyDecoder(session, start=1, end=2, max_tokens=12)
    said = [decoder.decode(hidden(seed)) for seed in range(12)]
    assert said == [reference(hidden(seed), 1, 2, 12) for seed in range(12)]
    assert len({tuple(ids) for ids in said}) > 3


def test_decoding_ends_at_the_limit(tmp_path: Path) -> None:
    session = open_session(write_decoder(tmp_path / "decoder.onnx", "merged"))
    decoder = GreedyDecoder(session, start=1, end=99, max_tokens=7)
    assert len(decoder.decode(hidden(0))) == 7


def test_a_graph_that_is_no_caption_decoder_is_refused(tiny: Path) -> None:
    session = open_session(tiny / "sender" / "appearance_encoder.onnx")
    with pytest.raises(ModelError, match="no encoder_hidden_states, input_ids"):
        GreedyDecoder(session, start=1, end=2, max_tokens=4)
