"""Parameter sets, taken from a clip's header."""

import pytest

from cloud.hls.groups import GroupError, parameter_sets

AVCC = bytes.fromhex("0164000a ff e1 0003 674d40 01 0002 68ee")


def test_parameter_sets_are_given_with_their_lengths() -> None:
    assert parameter_sets(AVCC) == bytes.fromhex("00000003 674d40 00000002 68ee")


def test_what_follows_them_is_not_theirs() -> None:
    assert parameter_sets(AVCC + b"more") == parameter_sets(AVCC)


@pytest.mark.parametrize("length", range(len(AVCC)))
def test_every_prefix_is_refused(length: int) -> None:
    with pytest.raises(GroupError):
        parameter_sets(AVCC[:length])


@pytest.mark.parametrize("other", ["0064000affe1", "0164000afee1"])
def test_another_kind_is_refused(other: str) -> None:
    with pytest.raises(GroupError):
        parameter_sets(bytes.fromhex(other) + AVCC[6:])
