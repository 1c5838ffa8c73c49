"""What an agent sends with, as its settings say."""

from pathlib import Path

import pytest

from edge.allowance import Limits, Purpose
from edge.config import Config, ConfigError
from edge.kept import Keeper, Kept, Wish, mark
from edge.outfit import budget_of, keeper_of
from tests.edge.settings import config_of
from wire.documents import Birth

LINKS = """
[network]
bytes_per_s = 500
count = "{count}"
[[network.link]]
name = "lte"
match = "wwan*"
bytes_per_month = {cap}
"""
BIRTH = Birth("jetson-1", "0" * 16, 0, 1, "mirage test", "tiny", "0" * 16, ())


def config(folder: Path, bundle: Path, count: str, cap: int) -> Config:
    return config_of(
        folder, 1883, bundle, {"door": "rtsp://127.0.0.1/door"}, LINKS.format(count=count, cap=cap)
    )


@pytest.mark.parametrize(("count", "cap"), [("mqtt", 1_000_000), ("wire", 9_000_000)])
def test_a_budget_follows_the_links_of_the_settings(tmp_path: Path, count: str, cap: int) -> None:
    budget = budget_of(config(tmp_path, tmp_path, count, cap), BIRTH)
    assert (budget.limits.bytes_per_s, budget.limits.bytes_per_month) == (500, None)
    budget.follow("lte")
    assert (budget.limits.bytes_per_s, budget.limits.bytes_per_month) == (500, cap)


@pytest.mark.parametrize(("count", "cap"), [("mqtt", 100_000), ("wire", 1_000_000)])
def test_a_cap_that_keeps_no_device_connected_on_a_link_is_refused_with_its_name(
    tmp_path: Path, count: str, cap: int
) -> None:
    with pytest.raises(ConfigError, match="link lte: bytes_per_month"):
        budget_of(config(tmp_path, tmp_path, count, cap), BIRTH)


def test_layers_that_leave_nothing_on_one_link_are_refused(tmp_path: Path) -> None:
    more = '[sender]\nlayers = ["motion"]\n[[network.link]]\nname = "lte"\nmatch = "w*"\nlayers = ["caption"]'
    with pytest.raises(ConfigError, match="nothing in common"):
        config_of(tmp_path, 1883, tmp_path, {"door": "rtsp://127.0.0.1/door"}, more)


def test_a_cap_that_the_cloud_has_set_goes_on_after_a_start_with_what_was_left_of_it(tmp_path: Path) -> None:
    settings = config_of(tmp_path, 1883, tmp_path, {"door": "rtsp://127.0.0.1/door"})
    limits = {"bytes_per_month": Wish(31_000_000, mark(None)), "bytes_per_s": Wish(9000.0, mark(None))}
    Keeper(tmp_path / "spool.db.policy").keep(Kept(links={"": limits}))
    budget = budget_of(settings, BIRTH, kept=keeper_of(settings).kept)
    assert budget.limits == Limits(9000.0, 16384, 31_000_000)
    assert budget.stated == {"": Limits()}
    assert budget.admits(Purpose.LIVE, 3000, 0.0)
    budget.spent(Purpose.LIVE, 990_000, 0.0)
    budget.close()
    again = budget_of(settings, BIRTH, kept=keeper_of(settings).kept)
    again.adopt(Limits(None, 16384, 31_000_000))
    assert again.admits(Purpose.LIVE, 3000, 0.0)
    assert not again.admits(Purpose.LIVE, 12_000, 0.0)
