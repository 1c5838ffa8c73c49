"""A checker that cannot fail is worthless: mistakes planted into a whole system are found."""

from pathlib import Path

import pytest

from mirage.bench.chaos.checker import check
from mirage.bench.chaos.run import Request, run
from mirage.bench.chaos.settings import Mistake


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mistake", "rules"),
    [
        (Mistake.NONE, set()),
        (Mistake.FREES_WHEN_SENT, {"early"}),
        (Mistake.ACKNOWLEDGES_EARLY, {"early"}),
        (Mistake.FORGETS, {"early", "lost", "watermark"}),
        (Mistake.ALTERS, {"altered"}),
    ],
)
def test_a_planted_mistake_is_found_and_nothing_is_where_there_is_none(
    tmp_path: Path, mistake: Mistake, rules: set[str]
) -> None:
    request = Request(3.5, 1, "iotcore", "sealed", segments_per_s=20, drain_s=20, mistake=mistake)
    verdict = check(run(request, tmp_path, lambda _: None).history)
    assert verdict.captured  # how much depends on the machine
    found = {violation.rule for violation in verdict.violations}
    assert rules <= found <= (rules | {"lost"} if rules else rules), verdict.violations
