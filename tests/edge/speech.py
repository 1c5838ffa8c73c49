"""A codec with small tables of its own, and tokens that it can code."""

import numpy as np

from export.tables import text_tables, token_tables
from wire.segment import Codec
from wire.text import TextModel
from wire.tokens import TokenModel

CAPTIONS = [
    f"a {colour} {thing} {moves} to the {side}"
    for colour in ("red", "green", "white")
    for thing in ("car", "dog", "person")
    for moves in ("drives", "walks", "runs")
    for side in ("left", "right")
]
TOKENS = np.random.default_rng(0).integers(0, 8, (64, 12, 8, 8)).astype(np.uint8)
CODEC = Codec(
    TextModel.from_arrays(text_tables(CAPTIONS)),
    TokenModel.from_arrays(token_tables(TOKENS, levels=8, coarse_planes=4)),
)
