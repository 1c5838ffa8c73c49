"""Token coding: every grid comes back, near the tables' entropy; damage is an error."""

import contextlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from export.tables import token_tables
from tests.wire.sample import changed_tokens, plain_tables, smooth_tokens
from wire.neighbours import UNKNOWN
from wire.packet import PacketError
from wire.tokens import TokenError, TokenModel

GRIDS = smooth_tokens(24, seed=1)


def sent(model: TokenModel, tokens: NDArray[np.uint8], planes: int) -> tuple[bytes, bytes]:
    return model.encode_coarse(tokens), model.encode_detail(tokens, planes)


def received(model: TokenModel, coarse: bytes, detail: bytes) -> NDArray[np.uint8]:
    return model.decode_detail(detail, model.decode_coarse(coarse))


def upto(tokens: NDArray[np.uint8], planes: int) -> NDArray[np.uint8]:
    """Keep the first planes, as if no more had been sent."""
    shown = tokens.copy()
    shown[planes:] = UNKNOWN
    return shown


@pytest.mark.parametrize("planes", [2, 3, 6])
def test_as_many_planes_come_back_as_were_sent(token_model: TokenModel, planes: int) -> None:
    for grid in GRIDS:
        coarse, detail = sent(token_model, grid, planes)
        assert detail[0] == planes
        assert np.array_equal(received(token_model, coarse, detail), upto(grid, planes))
        assert np.array_equal(token_model.decode_coarse(coarse), upto(grid, 2))


@settings(max_examples=50, deadline=None)
@given(grid=arrays(np.uint8, (6, 8, 8), elements=st.integers(0, 7)))
def test_arbitrary_tokens_come_back(token_model: TokenModel, grid: NDArray[np.uint8]) -> None:
    assert np.array_equal(received(token_model, *sent(token_model, grid, 6)), grid)


def test_bytes_are_within_3_percent_of_the_cross_entropy(token_model: TokenModel) -> None:
    size = sum(sum(map(len, sent(token_model, grid, 6))) for grid in GRIDS)
    ideal = sum(token_model.ideal_bits(grid, 6) for grid in GRIDS) / 8
    assert ideal < size <= 1.03 * ideal


def test_changes_cost_what_the_cells_that_changed_cost(token_model: TokenModel) -> None:
    before, after = changed_tokens(1, seed=7)
    changed = (before != after).any(axis=0)
    size = len(token_model.encode_changes(after, before, changed))
    assert size < 0.5 * len(token_model.encode_coarse(after))
    assert len(token_model.encode_changes(before, before, np.zeros((8, 8), np.bool_))) <= 2


@settings(max_examples=40, deadline=None)
@given(
    grids=arrays(np.uint8, (2, 6, 8, 8), elements=st.integers(0, 7)),
    depth=arrays(np.uint8, (8, 8), elements=st.integers(2, 6)),
    changed=arrays(np.bool_, (8, 8)),
    planes=st.integers(2, 6),
)
def test_any_cells_may_change_whatever_is_known_of_the_others(
    token_model: TokenModel,
    grids: NDArray[np.uint8],
    depth: NDArray[np.uint8],
    changed: NDArray[np.bool_],
    planes: int,
) -> None:
    below = np.arange(6)[:, None, None]
    memory = np.where(below < depth, grids[0], UNKNOWN).astype(np.uint8)
    known = token_model.decode_changes(token_model.encode_changes(grids[1], memory, changed), memory)
    expected = np.where(changed, upto(grids[1], 2), memory)
    assert np.array_equal(known, expected)
    more = token_model.decode_detail(token_model.encode_detail(grids[1], planes, known), known)
    filled = (known == UNKNOWN) & (below < planes)
    assert np.array_equal(more, np.where(filled, grids[1], known))


def test_changes_are_read_the_same_without_the_detail(token_model: TokenModel) -> None:
    before, after = changed_tokens(1, seed=8)
    data = token_model.encode_changes(after, before, (before != after).any(axis=0))
    whole, poor = token_model.decode_changes(data, before), token_model.decode_changes(data, upto(before, 2))
    assert np.array_equal(whole[:2], poor[:2])


def test_detail_takes_no_more_room_than_there_is(token_model: TokenModel) -> None:
    lengths = [len(token_model.encode_detail(GRIDS[0], planes)) for planes in (3, 4, 5, 6)]
    known = upto(GRIDS[0], 2)
    for room, planes in ((lengths[0] - 1, 0), (lengths[0], 3), (lengths[2] - 1, 4), (lengths[3] + 50, 6)):
        detail = token_model.encode_detail(GRIDS[0], 6, known, room)
        assert len(detail) <= room
        assert detail == (token_model.encode_detail(GRIDS[0], planes) if planes else b"")


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
        token_model.decode_detail(bytes((planes,)), upto(GRIDS[0], 2))


def test_an_empty_detail_is_refused(token_model: TokenModel) -> None:
    with pytest.raises(TokenError, match="0 planes"):
        token_model.decode_detail(b"", upto(GRIDS[0], 2))


def test_damaged_payloads_raise_packet_error_or_decode(token_model: TokenModel) -> None:
    chance = random.Random(5)
    before, after = changed_tokens(1, seed=9)
    originals = *sent(token_model, after, 6), token_model.encode_changes(after, before, GRIDS[0][0] > 4)
    for _ in range(300):
        parts = [bytearray(data) for data in originals]
        for part in parts:
            part[chance.randrange(len(part))] = chance.randrange(256)
            part.extend(chance.randbytes(chance.choice([0, 0, 2, 30])))
            del part[chance.randrange(1, 2 * len(part)) :]
        try:
            grids = (
                received(token_model, *map(bytes, parts[:2])),
                token_model.decode_changes(bytes(parts[2]), before),
            )
        except PacketError:
            continue
        for grid in grids:
            assert grid[grid != UNKNOWN].max() < 8
            assert (grid[:2] != UNKNOWN).all()


@pytest.mark.parametrize("payload", [b"", b"\xff" * 300, b"\x00" * 30_000])
def test_long_or_empty_payloads_end(token_model: TokenModel, payload: bytes) -> None:
    for decode in (
        token_model.decode_coarse,
        lambda data: token_model.decode_changes(data, GRIDS[0]),
        lambda data: token_model.decode_detail(b"\6" + data, upto(GRIDS[0], 2)),
    ):
        with contextlib.suppress(TokenError):
            assert decode(payload).shape == (6, 8, 8)


def test_planes_weigh_differently_where_something_changed() -> None:
    tables = plain_tables((2, 1, 3), levels=8, coarse_planes=2) | {"weights": np.array([0.6, 0.2])}
    model = TokenModel.from_arrays(tables)
    before = np.full((2, 1, 3), 4, np.uint8)
    after = np.array([[[5, 6, 4]], [[5, 4, 2]]], np.uint8)  # 0.8, 2.4 and 0.8
    assert model.changed(after, before).tolist() == [[False, True, False]]


def test_incomplete_tables_are_refused() -> None:
    tables = token_tables(smooth_tokens(20, seed=2), levels=8, coarse_planes=2)
    for name in tables:
        with pytest.raises(TokenError, match="incomplete"):
            TokenModel.from_arrays({key: value for key, value in tables.items() if key != name})
    with pytest.raises(TokenError, match="0 coarse planes of 6"):
        TokenModel.from_arrays(tables | {"shape": np.array([8, 6, 8, 8, 0])})
    with pytest.raises(TokenError, match="256 levels"):
        TokenModel.from_arrays(plain_tables((1, 2, 2), levels=256, coarse_planes=1))
    for weights in ([1, 0], [1, np.inf], [1], [1, 1, 1]):
        with pytest.raises(TokenError, match="weights"):
            TokenModel.from_arrays(tables | {"weights": np.array(weights)})
    name = "alone3_frequencies"
    with pytest.raises(TokenError, match="alone3 does not add up"):
        TokenModel.from_arrays(tables | {name: np.zeros_like(tables[name])})
    with pytest.raises(TokenError, match="alone3 has 1 tables"):
        TokenModel.from_arrays(tables | {name: tables[name][0, 0]})


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("shape", np.array([8.0, 2, 2, 2, 1])),
        ("shape", np.array([8, 2, 65536, 65536, 1])),
        ("shape", np.array([8, 2, 0, 2, 1])),
        ("shape", np.array([8, 2, -1, -1, 1])),
        ("alone1_outer", np.zeros(8, np.int32)),
        ("alone1_outer_rough", np.zeros((9, 1), np.int32)),
        ("alone0_inner", np.zeros((4, 1), np.int32)),
        ("alone0_inner_rough", np.zeros(5, np.int32)),
        ("alone0_bins", np.array(3)),
    ],
)
def test_tables_that_do_not_fit_together_are_refused(
    name: str, table: np.ndarray[tuple[int, ...], np.dtype]
) -> None:
    with pytest.raises(TokenError, match="incomplete"):
        TokenModel.from_arrays(plain_tables((2, 2, 2), levels=8, coarse_planes=1) | {name: table})
