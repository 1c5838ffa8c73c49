"""Whatever the bytes, a parser of what comes from outside raises nothing but its own exception."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirage.bench.fuzz.campaign import in_scratch
from mirage.bench.fuzz.targets import Target, make_targets
from mirage.bench.fuzz.watch import make_input, replay

NAMES = (
    *("packet", "header", "plain-envelope", "sealed-envelope", "gap", "topic", "birth", "state", "ack"),
    *("command", "reply", "telemetry", "signature", "wrapped-key", "certificate", "sealed-ack"),
    *("motion", "segment", "caption", "tokens", "token-detail", "policy-layer", "vector"),
    *("recording", "toml", "manifest"),
    *("recipe", "edge-config", "cloud-config", "fleet", "policy", "tables-of-three"),
    *("engines", "tables", "golden"),
    *("release", "release-index", "release-pack"),
)  # fmt: skip

Edit = tuple[int, int, bytes]  # where, how many bytes go, what comes instead
edits = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 8), st.binary(max_size=6)), max_size=4)


@pytest.fixture(scope="module")
def targets() -> Iterator[Mapping[str, Target]]:
    with in_scratch(partial(make_targets, ())) as made:
        yield made


def edited(data: bytes, changes: Sequence[Edit]) -> bytes:
    for at, gone, new in changes:
        place = at % (len(data) + 1)
        data = data[:place] + new + data[place + gone :]
    return data


def test_every_target_is_named_here(targets: Mapping[str, Target]) -> None:
    assert tuple(targets) == NAMES


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_edited_and_random_bytes_are_taken_or_refused(
    targets: Mapping[str, Target], name: str, data: st.DataObject
) -> None:
    target = targets[name]
    begun = st.builds(edited, st.sampled_from(target.valid), edits)
    _stands(target, data.draw(begun | st.binary(max_size=300)))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), index=st.integers(0, 2**20))
def test_mutated_inputs_are_taken_or_refused(
    targets: Mapping[str, Target], name: str, seed: int, index: int
) -> None:
    _stands(targets[name], make_input(targets[name], seed, index))


def _stands(target: Target, data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what zipfile and NumPy say of damaged archives
        assert replay(target, data)[1] is None
