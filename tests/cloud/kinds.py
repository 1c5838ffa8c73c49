"""On what kinds of store and place of objects a test runs: each with each other would tell no more."""

import pytest

KINDS = (("sqlite", "folder"), ("postgresql", "folder"), ("postgresql", "s3"))

on_each_kind = pytest.mark.parametrize(("store_url", "place"), KINDS, indirect=True)
