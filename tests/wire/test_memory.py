"""The scene memory: detail gathers, changes forget it, and what is missing is noticed."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.wire.sample import changed_tokens, plain_tables, smooth_tokens
from wire.memory import Keyframe, Memory, SceneCoder, size_of
from wire.neighbours import UNKNOWN
from wire.packet import Layer, PacketError
from wire.tokens import TokenModel

COARSE, DETAIL = Layer.APPEARANCE_TOKENS, Layer.APPEARANCE_DETAIL
BEFORE, AFTER = changed_tokens(1, seed=3)

# Two cells of three planes, one of them coarse, of two levels that are equally likely: every token is a bit.
PLAIN = TokenModel.from_arrays(plain_tables((3, 1, 2), levels=2, coarse_planes=1))
BITS = SceneCoder(PLAIN)


def grid(*planes: str) -> NDArray[np.uint8]:
    """Write tokens as digits, a plane a word, with a dot where nothing is known."""
    return np.array(
        [[[UNKNOWN if each == "." else int(each) for each in plane]] for plane in planes], np.uint8
    )


# Written out by hand: a change here is a change of protocol, not of code.
GOLDEN = [
    pytest.param("20 80", None, None, grid("10", "..", ".."), 0, id="alone: two bits, at 32/128"),
    pytest.param("00 80", "03 70", None, grid("10", "01", "11"), 1, id="alone, and its detail: four bits"),
    pytest.param("00 80", "02 40", None, grid("10", "01", ".."), 1, id="alone, and some detail: two bits"),
    # Of 256, 229 parts are for a cell that stays, and behind one that changed 157: [229/256, 1) for the
    # first, of which [0, 157/256) for the second; the upper half is a bit of 1. 15/16 lies within.
    pytest.param(
        "80 02 f0",
        None,
        Memory(grid("00", "01", "11"), written=5, details=1),
        grid("10", ".1", ".1"),
        1,
        id="changes of the keyframe two packets before: the first cell changed, the second stays",
    ),
    pytest.param(
        "80 02 f0",
        "03 01 80",
        Memory(grid("00", "01", "11"), written=5, details=1),
        grid("10", "11", "01"),
        2,
        id="changes, and detail on top of one layer of it: two bits for the first cell",
    ),
    pytest.param(
        None,
        "03 02 60",
        Memory(grid("10", "0.", ".."), written=5, details=2),
        grid("10", "00", "11"),
        3,
        id="detail alone: three bits from where each cell ends",
    ),
]


def layers(coarse: str | None, detail: str | None) -> dict[int, bytes]:
    both = {COARSE: coarse, DETAIL: detail}
    return {int(layer): bytes.fromhex(text) for layer, text in both.items() if text is not None}


@pytest.mark.parametrize(("coarse", "detail", "memory", "tokens", "details"), GOLDEN)
def test_layers_have_the_documented_bytes(
    coarse: str | None, detail: str | None, memory: Memory | None, tokens: NDArray[np.uint8], details: int
) -> None:
    wire = layers(coarse, detail)
    seen = BITS.read(wire, memory, sequence=7)
    assert np.array_equal(seen.tokens, tokens)
    assert (seen.written, seen.details) == (5 if coarse is None else 7, details)


def test_layers_are_written_as_documented() -> None:
    first = Keyframe(grid("10", "01", "11"), 32, 7)
    assert BITS.layers(first, None, 1, None, rests=False) == layers("20 80", None)
    assert BITS.layers(first, None, 3, None, rests=False) == layers("20 80", "03 70")
    memory = Memory(grid("10", "0.", ".."), written=5, details=2)
    gathered = Keyframe(grid("10", "00", "11"), 0, 7)
    assert BITS.layers(gathered, memory, 3, None, rests=True) == layers(None, "03 02 60")
    # Of two levels, one more is noise: what changed has to be said.
    changed = np.array([[True, False]])
    assert PLAIN.encode_changes(grid("10"), grid("00", "01", "11"), changed) == b"\xf0"
    assert PLAIN.encode_detail(grid("10", "11", "01"), 3, grid("10", ".1", ".1")) == b"\3\x80"


@pytest.mark.parametrize(("coarse", "detail", "memory", "tokens", "details"), GOLDEN)
def test_a_layer_cut_short_is_refused_or_says_less(
    coarse: str | None, detail: str | None, memory: Memory | None, tokens: NDArray[np.uint8], details: int
) -> None:
    """A packet says where its layers end, so none is ever cut short; still nothing but an error may come."""
    del tokens, details
    for layer, payload in layers(coarse, detail).items():
        for length in range(len(payload)):
            try:
                seen = BITS.read({**layers(coarse, detail), layer: payload[:length]}, memory, sequence=7)
            except PacketError:
                continue
            assert seen.tokens[seen.tokens != UNKNOWN].max() < 2


@pytest.mark.parametrize(
    ("coarse", "detail", "memory", "reason"),
    [
        pytest.param("", None, None, "none that can be read", id="nothing"),
        pytest.param("80", None, None, "cut off", id="changes of what"),
        pytest.param("80 80", None, None, "cut off", id="half a number"),
        pytest.param("80 8000", None, None, "overlong", id="a number in two bytes for one"),
        pytest.param("80 01 f0", None, None, "not here", id="changes of nothing"),
        pytest.param("80 01 f0", None, Memory(grid("00", "..", ".."), 5, 0), "not here", id="of another"),
        pytest.param("80 00 f0", None, Memory(grid("00", "..", ".."), 7, 0), "not here", id="of itself"),
        pytest.param("00 80", "", None, "0 planes", id="detail without a number of planes"),
        pytest.param("00 80", "04 70", None, "4 planes", id="more planes than there are"),
        pytest.param(None, "03 00 60", None, "without the coarse", id="detail of nothing"),
        pytest.param(None, "03", Memory(grid("10", "..", ".."), 5, 0), "cut off", id="detail of what"),
        pytest.param("00 80 01 01 01 01 01 01 01", None, None, "bytes follow", id="more than the code"),
    ],
)
def test_layers_without_sense_are_refused(
    coarse: str | None, detail: str | None, memory: Memory | None, reason: str
) -> None:
    with pytest.raises(PacketError, match=reason):
        BITS.read(layers(coarse, detail), memory, sequence=7)


@pytest.fixture(scope="module")
def coder(token_model: TokenModel) -> SceneCoder:
    return SceneCoder(token_model)


def told(
    coder: SceneCoder,
    tokens: NDArray[np.uint8],
    memory: Memory | None,
    planes: int,
    room: int | None = None,
    *,
    rests: bool = False,
) -> tuple[dict[int, bytes], Memory]:
    """Send tokens in the packet that follows; give its layers and what is known then."""
    sequence = 0 if memory is None else memory.written + 1
    sent = coder.layers(Keyframe(tokens, 0, sequence), memory, planes, room, rests=rests)
    return sent, coder.read(sent, memory, sequence) if sent or memory is None else memory


def test_detail_gathers_while_a_scene_rests(coder: SceneCoder) -> None:
    _, memory = told(coder, BEFORE, None, planes=2)
    for planes in range(3, 7):
        sent, memory = told(coder, BEFORE, memory, planes, rests=True)
        assert set(sent) == {DETAIL}
        assert (memory.depth == planes).all()
    assert np.array_equal(memory.tokens, BEFORE)
    assert told(coder, BEFORE, memory, 6, rests=True)[0] == {}


def test_as_much_detail_is_sent_as_there_is_room_for(coder: SceneCoder) -> None:
    for room in range(0, 200, 10):
        sent, memory = told(coder, BEFORE, None, 6, room)
        fresh = size_of({COARSE: sent[COARSE]})
        assert size_of(sent) <= max(room, fresh)
        _, deeper = told(coder, BEFORE, memory, 6, room, rests=True)
        assert (deeper.depth >= memory.depth).all()


def test_who_walks_through_costs_only_the_cells_that_show_him(coder: SceneCoder) -> None:
    _, memory = told(coder, BEFORE, None, planes=6)
    sent, after = told(coder, AFTER, memory, planes=2)
    whole, _ = told(coder, AFTER, None, planes=2)
    assert size_of(sent) < 0.6 * size_of(whole)
    changed = after.depth == 2
    assert changed.any()
    assert not changed[:4].any()
    assert not changed[:, :4].any()
    assert (after.depth[~changed] == 6).all()
    assert np.array_equal(after.tokens[:2, changed], AFTER[:2, changed])
    assert np.array_equal(after.tokens[:, ~changed], BEFORE[:, ~changed])


def test_noise_of_one_level_in_one_token_is_no_change(coder: SceneCoder) -> None:
    _, memory = told(coder, BEFORE, None, planes=6)
    noisy = BEFORE.copy()
    noisy[1] = np.where(noisy[1] < 7, noisy[1] + 1, 6)
    sent, after = told(coder, noisy, memory, planes=6)
    assert len(sent[COARSE]) <= 4
    assert np.array_equal(after.tokens, BEFORE)


def test_a_scene_at_rest_is_not_told_again_for_noise(coder: SceneCoder) -> None:
    _, memory = told(coder, BEFORE, None, planes=6)
    shaken = BEFORE.copy()
    shaken[0] = np.where(shaken[0] < 7, shaken[0] + 1, 6)
    assert told(coder, shaken, memory, 6, rests=True)[0] == {}
    sent, after = told(coder, AFTER, memory, 6, rests=True)
    assert sent[COARSE][0] & 128
    corner = after.tokens[:, 4:, 4:]
    apart = corner[:2].astype(int) - AFTER[:2, 4:, 4:]
    assert (apart**2).sum(axis=0).max() <= 1


def test_another_scene_is_sent_by_itself(coder: SceneCoder) -> None:
    _, memory = told(coder, BEFORE, None, planes=6)
    sent, after = told(coder, smooth_tokens(1, seed=77)[0], memory, planes=4)
    assert not sent[COARSE][0] & 128
    assert (after.written, after.details) == (1, 1)
    assert (after.depth == 4).all()


def test_changes_of_another_keyframe_are_refused(coder: SceneCoder) -> None:
    _, memory = told(coder, BEFORE, None, planes=6)
    sent, _ = told(coder, AFTER, memory, planes=6)
    for wrong in (None, Memory(memory.tokens, 3, 1)):
        with pytest.raises(PacketError, match="packet 1 changes tokens that are not here"):
            coder.read(sent, wrong, 1)


films = st.lists(
    st.tuples(
        st.sampled_from(["walk", "rest", "scene"]), st.integers(0, 2**16), st.integers(2, 6), st.booleans()
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(film=films)
def test_detail_left_out_on_the_way_costs_detail_only(
    coder: SceneCoder, film: list[tuple[str, int, int, bool]]
) -> None:
    """Whatever detail is left out: every packet is read, and no known token is another than was meant."""
    meant: Memory | None = None
    seen: Memory | None = None
    tokens = BEFORE
    for sequence, (what, seed, planes, shed) in enumerate(film):
        tokens = _next(tokens, what, seed)
        sent = coder.layers(Keyframe(tokens, 0, sequence), meant, planes, None, rests=what == "rest")
        if not sent:
            continue
        meant = coder.read(sent, meant, sequence)
        seen = _read_without(sent, seen, sequence, coder) if shed else coder.read(sent, seen, sequence)
        if seen is None:
            continue
        assert np.array_equal(seen.tokens[:2], meant.tokens[:2])
        known = seen.tokens != UNKNOWN
        assert np.array_equal(seen.tokens[known], meant.tokens[known])
        assert np.array_equal(known, np.arange(6)[:, None, None] < seen.depth), "known planes are the first"


def _next(tokens: NDArray[np.uint8], what: str, seed: int) -> NDArray[np.uint8]:
    if what == "rest":
        return tokens
    other: NDArray[np.uint8] = smooth_tokens(1, seed)[0]
    if what == "scene":
        return other
    top, left = seed % 6, seed // 8 % 6
    walked: NDArray[np.uint8] = BEFORE.copy()
    walked[:, top : top + 3, left : left + 2] = other[:, top : top + 3, left : left + 2]
    return walked


def _read_without(
    sent: Mapping[int, bytes], seen: Memory | None, sequence: int, coder: SceneCoder
) -> Memory | None:
    rest = {layer: data for layer, data in sent.items() if layer != DETAIL}
    return coder.read(rest, seen, sequence) if rest else seen


@settings(deadline=None)
@given(
    coarse=st.binary(max_size=40) | st.none(),
    detail=st.binary(max_size=60) | st.none(),
    known=st.none() | arrays(np.uint8, (6, 8, 8), elements=st.integers(0, 7)),
)
def test_arbitrary_layers_are_read_or_raise_packet_error(
    coder: SceneCoder, coarse: bytes | None, detail: bytes | None, known: NDArray[np.uint8] | None
) -> None:
    parts = {COARSE: coarse, DETAIL: detail}
    sent = {int(layer): data for layer, data in parts.items() if data is not None}
    memory = None if known is None else Memory(known, written=0, details=1)
    try:
        seen = coder.read(sent, memory, sequence=1) if sent else memory
    except PacketError:
        return
    if seen is not None:
        assert (seen.tokens[:2] < 8).all()
        assert np.array_equal(seen.tokens != UNKNOWN, np.arange(6)[:, None, None] < seen.depth)
