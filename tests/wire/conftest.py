"""Small tables of both coders."""

import pytest

from export.tables import text_tables, token_tables
from tests.wire.sample import CAPTIONS, smooth_tokens
from wire.segment import Codec
from wire.text import TextModel
from wire.tokens import TokenModel


@pytest.fixture(scope="session")
def text_model() -> TextModel:
    return TextModel.from_arrays(text_tables(CAPTIONS * 3))


@pytest.fixture(scope="session")
def token_model() -> TokenModel:
    return TokenModel.from_arrays(token_tables(smooth_tokens(200, seed=0), levels=8, coarse_planes=2))


@pytest.fixture(scope="session")
def codec(text_model: TextModel, token_model: TokenModel) -> Codec:
    return Codec(text_model, token_model)
