"""Scenarios: what moves and when links fail."""

from itertools import pairwise

import pytest

from mirage.fleet.scenario import SCENARIOS, Break, Name
from mirage.fleet.settings import PLANS, sites_of, specs_of


@pytest.mark.parametrize("name", Name)
def test_links_are_back_when_the_run_ends_and_the_seed_decides(name: Name) -> None:
    scenario, film_s = SCENARIOS[name], 3600.0
    drawn = scenario.interruptions("7/cam-0001", film_s)
    assert drawn == scenario.interruptions("7/cam-0001", film_s)
    assert drawn != scenario.interruptions("8/cam-0001", film_s)
    for before, after in pairwise(drawn):
        assert before.at_s + before.for_s <= after.at_s
    assert all(each.at_s + each.for_s <= film_s for each in drawn)


def test_devices_sleep_only_where_it_is_usual() -> None:
    def kinds(name: Name) -> set[Break]:
        scenario = SCENARIOS[name]
        drawn = [scenario.interruptions(f"1/{number}", 36_000) for number in range(20)]
        return {each.kind for some in drawn for each in some}

    assert kinds(Name.COMMUTE) == {Break.CUT, Break.SLEEP}
    assert kinds(Name.STORM) == {Break.CUT}


def test_rushes_come_and_go_and_a_storm_stays() -> None:
    commute, storm = SCENARIOS[Name.COMMUTE], SCENARIOS[Name.STORM]
    rush, night = commute.moves(0.2, 0.0), commute.moves(0.0, 1.0)
    assert rush > 0.8
    assert night < 0.2
    assert {storm.moves(share, 0.5) for share in (0.0, 0.5, 1.0)} == {0.85}
    assert SCENARIOS[Name.OUTAGE].broker_away is not None


def test_devices_are_spread_over_sites_and_plans() -> None:
    specs = specs_of(1000)
    assert len({spec.name for spec in specs}) == 1000
    assert len({spec.site for spec in specs}) == sites_of(1000) == 20
    for site in {spec.site for spec in specs}:
        assert {spec.plan for spec in specs if spec.site == site} == set(range(len(PLANS)))
