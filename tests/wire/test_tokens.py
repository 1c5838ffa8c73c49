"""Token coding: every grid comes back, near the tables' entropy; damage is an error."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from export.tables import token_tables
from tests.wire.sample import changed_tokens, smooth_tokens
from wire.packet import PacketError
from wire.tokens import TokenError, TokenModel

GRIDS = smooth_tokens(24, seed=1)


@pytest.mark.parametrize("planes", [2, 3, 6])
def test_as_many_planes_come_back_as_were_sent(token_model: TokenModel, planes: int) -> None:
    for grid in GRIDS:
        coarse, detail = token_model.encode_coarse(grid), token_model.encode_detail(grid, planes)
        assert detail[0] == planes
        assert np.array_equal(token_model.decode(coarse, detail), grid[:planes])
        assert np.array_equal(token_model.decode(coarse, None), grid[:2])


@given(grid=arrays(np.uint8, (6, 8, 8), elements=st.integers(0, 7)))
def test_arbitrary_tokens_come_back(token_model: TokenModel, grid: NDArray[np.uint8]) -> None:
    coarse, detail = token_model.encode_coarse(grid), token_model.encode_detail(grid, 6)
    assert np.array_equal(token_model.decode(coarse, detail), grid)


def test_bytes_are_within_3_percent_of_the_cross_entropy(token_model: TokenModel) -> None:
    sent = sum(
        len(token_model.encode_coarse(grid)) + len(token_model.encode_detail(grid, 6)) for grid in GRIDS
    )
    ideal = sum(token_model.ideal_bits(grid, 6) for grid in GRIDS) / 8
    assert ideal < sent <= 1.03 * ideal


@pytest.mark.parametrize("planes", [2, 5, 6])
def test_a_change_comes_back_in_fewer_bytes(token_model: TokenModel, planes: int) -> None:
    grids = changed_tokens(12, seed=7)
    for before, after in zip(grids[:12], grids[12:], strict=True):
        sent = (token_model.encode_coarse(after, before), token_model.encode_detail(after, planes, before))
        assert np.array_equal(token_model.decode(*sent, before), after[:planes])
        alone = (token_model.encode_coarse(after), token_model.encode_detail(after, planes))
        assert sum(map(len, sent)) < 0.6 * sum(map(len, alone))


@given(grids=arrays(np.uint8, (2, 6, 8, 8), elements=st.integers(0, 7)))
def test_arbitrary_changes_come_back(token_model: TokenModel, grids: NDArray[np.uint8]) -> None:
    before, after = grids
    sent = token_model.encode_coarse(after, before), token_model.encode_detail(after, 6, before)
    assert np.array_equal(token_model.decode(*sent, before), after)


def test_detail_of_a_change_needs_the_detail_before(token_model: TokenModel) -> None:
    before, after = changed_tokens(1, seed=8)
    sent = token_model.encode_coarse(after, before), token_model.encode_detail(after, 6, before)
    assert np.array_equal(token_model.decode(*sent, before[:2]), after[:2])


@pytest.mark.parametrize("shape", [(1, 8, 8), (6, 8, 7), (0, 8, 8)])
def test_a_reference_of_another_shape_is_refused(token_model: TokenModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(TokenError, match="shape"):
        token_model.encode_coarse(GRIDS[0], np.zeros(shape, np.uint8))
    with pytest.raises(TokenError, match="shape"):
        token_model.decode(b"abc", None, np.zeros(shape, np.uint8))


def test_a_change_needs_tables_for_changes() -> None:
    model = TokenModel.from_arrays(token_tables(smooth_tokens(20, seed=2), 8, 2))
    with pytest.raises(TokenError, match="no tables for changes"):
        model.encode_coarse(GRIDS[0], GRIDS[1])
    with pytest.raises(TokenError, match="no tables for changes"):
        model.decode(b"abc", None, GRIDS[1])


def test_tables_save_what_neighbours_tell(token_model: TokenModel) -> None:
    raw_bits = 6 * 64 * 3
    assert np.mean([token_model.ideal_bits(grid, 6) for grid in GRIDS]) < 0.75 * raw_bits


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        pytest.param(np.zeros((6, 8, 7), np.uint8), r"shape \(6, 8, 7\)", id="another grid"),
        pytest.param(np.zeros((1, 8, 8), np.uint8), r"shape \(1, 8, 8\)", id="too few planes"),
        pytest.param(np.zeros((64,), np.uint8), r"shape \(64,\)", id="flat"),
        pytest.param(np.full((6, 8, 8), 8, np.uint8), "8 is not below 8", id="level too high"),
    ],
)
def test_what_cannot_be_sent_is_refused(
    token_model: TokenModel, tokens: NDArray[np.uint8], reason: str
) -> None:
    with pytest.raises(TokenError, match=reason):
        token_model.encode_coarse(tokens)


@pytest.mark.parametrize("planes", [0, 1, 7, 255])
def test_planes_outside_the_tables_are_refused(token_model: TokenModel, planes: int) -> None:
    with pytest.raises(TokenError, match="planes"):
        token_model.encode_detail(GRIDS[0], planes)
    with pytest.raises(TokenError, match="planes"):
        token_model.decode(token_model.encode_coarse(GRIDS[0]), bytes((planes,)))


def test_an_empty_detail_is_refused(token_model: TokenModel) -> None:
    with pytest.raises(TokenError, match="0 planes"):
        token_model.decode(token_model.encode_coarse(GRIDS[0]), b"")


def test_damaged_payloads_raise_packet_error_or_decode(token_model: TokenModel) -> None:
    chance = random.Random(5)
    coarse, detail = token_model.encode_coarse(GRIDS[0]), token_model.encode_detail(GRIDS[0], 6)
    for _ in range(400):
        parts = [bytearray(coarse), bytearray(detail)]
        for part in parts:
            part[chance.randrange(len(part))] = chance.randrange(256)
            part.extend(chance.randbytes(chance.choice([0, 0, 2, 30])))
            del part[chance.randrange(1, 2 * len(part)) :]
        try:
            tokens = token_model.decode(bytes(parts[0]), bytes(parts[1]))
        except PacketError:
            continue
        assert tokens.max() < 8


@pytest.mark.parametrize("payload", [b"", b"\xff" * 300, b"\x00" * 30_000])
def test_long_or_empty_payloads_end(token_model: TokenModel, payload: bytes) -> None:
    try:
        assert token_model.decode(payload, None).shape == (2, 8, 8)
    except TokenError:
        return


def test_incomplete_tables_are_refused() -> None:
    pairs = np.array([[0, 1], [2, 3]])
    tables = token_tables(smooth_tokens(20, seed=2), levels=8, coarse_planes=2, pairs=pairs)
    for name in tables.keys() - {"change0_bins"}:  # without that one there are no changes at all
        with pytest.raises(TokenError, match="incomplete"):
            TokenModel.from_arrays({key: value for key, value in tables.items() if key != name})
    with pytest.raises(TokenError, match="0 coarse planes of 6"):
        TokenModel.from_arrays(tables | {"shape": np.array([8, 6, 8, 8, 0])})
    name = "alone3_frequencies"
    with pytest.raises(TokenError, match="alone3 does not add up"):
        TokenModel.from_arrays(tables | {name: np.zeros_like(tables[name])})
    with pytest.raises(TokenError, match="alone3 has 1 tables"):
        TokenModel.from_arrays(tables | {name: tables[name][0, 0]})
