"""What holds comes of the settings and of what the cloud has set, for each link that may become active."""

from pathlib import Path

import pytest

from edge.allowance import Limits
from edge.kept import Kept, Wish, mark
from edge.privacy.model_files import DetectorError
from edge.upshot import Own, upshot
from tests.edge.settings import config_of
from tests.edge.test_policy import Device
from wire.bundle import Bundle
from wire.policy import Link, Network


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db.policy"


def test_a_cap_that_was_set_is_not_lifted_by_a_link_that_is_new_or_takes_it_over(
    tiny: Path, path: Path
) -> None:
    Device(tiny, path).ask(bytes_per_month=40_000_000, bytes_per_s=500.0)
    links = (Link("lte", "wwan*", bytes_per_s="unlimited"), Link("eth", "eth*"))
    device = Device(tiny, path, network=Network(link=links))
    device.budget.follow("eth")
    assert device.budget.limits == Limits(500.0, 16384, 40_000_000)
    device.budget.follow("lte")
    assert device.budget.limits == Limits(None, 16384, 40_000_000), "a link's own word goes before [network]"
    device.ask(burst_bytes=4096)
    assert device.budget.limits.bytes_per_month == 40_000_000, "what is left out stays as it is"
    assert device.ask(bytes_per_month=50_000_000)["bytes_per_month"] == 50_000_000


def test_what_differs_is_told_by_link(tiny: Path, tmp_path: Path) -> None:
    more = (
        '[encode]\nplanes = 4\n[network]\nbytes_per_s = 500.0\n[[network.link]]\nname = "eth"\nmatch = "eth*"'
    )
    own = Own.of(config_of(tmp_path, 1, tiny, {"door": "none.mp4"}, more))
    wishes = {"planes": Wish(4, mark(4)), "off": Wish(value=True, over=mark(value=False))}
    kept = Kept(wishes, {"": {"bytes_per_s": Wish(62.5, mark(500.0))}})
    found = upshot(own, Bundle.load(tiny, "edge"), kept)
    assert found.holds == {"off": True, "planes": 4, "bytes_per_s": 62.5, "bytes_per_s on eth": 62.5}
    assert found.differing == {"off": True, "bytes_per_s": 62.5, "bytes_per_s on eth": 62.5}
    assert (found.sender.off, found.planes, found.still_bytes) == (True, 4, own.detail["still_bytes"])


def test_what_nothing_here_finds_cannot_be_hidden(tiny: Path, tmp_path: Path) -> None:
    own = Own.of(config_of(tmp_path, 1, tiny, {"door": "none.mp4"}))
    bundle = Bundle.load(tiny, "edge")
    with pytest.raises(DetectorError, match="plates cannot be redacted"):
        upshot(own, bundle, Kept({"plates": Wish("redact", mark("keep"))}))
    upshot(own, bundle, Kept({"faces": Wish("redact", mark("keep"))}))
