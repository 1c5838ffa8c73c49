"""The crew: the same results from one process and from several, in order; a dead one is an error."""

from pathlib import Path

import pytest

from mirage.bench.quality.work import Crew, Setup, WorkError
from tests.mirage.bench.quality.chores import dies, doubled

pytestmark = pytest.mark.slow  # processes that load OpenCV and ONNX Runtime anew

SETUP = Setup(Path("no-bundle-is-loaded"), threads=1, seconds=1.0)


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_tasks(jobs: int) -> None:
    steps = list[int]()
    found = list(Crew(SETUP, jobs).map(doubled, range(5), lambda: steps.append(1)))
    assert found == [0, 2, 4, 6, 8]
    assert len(steps) == 5


def test_a_process_that_dies_is_said_so() -> None:
    with pytest.raises(WorkError, match="a process died"):
        list(Crew(SETUP, 2).map(dies, [3], lambda: None))
