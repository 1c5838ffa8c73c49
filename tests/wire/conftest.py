"""Small tables of both coders."""

import numpy as np
import pytest

from export.tables import text_tables, token_tables
from tests.wire.sample import CAPTIONS, changed_tokens
from wire.segment import Codec
from wire.text import TextModel
from wire.tokens import TokenModel


@pytest.fixture(scope="session")
def text_model() -> TextModel:
    return TextModel.from_arrays(text_tables(CAPTIONS * 3))


@pytest.fixture(scope="session")
def token_model() -> TokenModel:
    tokens = changed_tokens(150, seed=0)
    pairs = np.stack([np.arange(150), np.arange(150, 300)], axis=1)
    return TokenModel.from_arrays(token_tables(tokens, levels=8, coarse_planes=2, pairs=pairs))


@pytest.fixture(scope="session")
def codec(text_model: TextModel, token_model: TokenModel) -> Codec:
    return Codec(text_model, token_model)
