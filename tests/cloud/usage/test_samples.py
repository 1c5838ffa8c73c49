"""What video would take, and how sure that is."""

import pytest

from cloud.store import Store
from cloud.usage.samples import SampleView, half_width, listed, student_t
from tests.cloud.usage.reporting import BOOT_MS, remark, reporter
from wire.bundle import Bundle
from wire.spent import Codec, Sample


@pytest.mark.parametrize(
    ("freedom", "wanted"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (29, 2.045), (1000, 1.962)],
)
def test_students_distribution_is_as_in_the_tables(freedom: int, wanted: float) -> None:
    assert student_t(freedom) == pytest.approx(wanted, rel=0.01)


def test_one_window_tells_nothing_of_how_sure_it_is() -> None:
    assert half_width(100.0, 1) is None
    assert half_width(100.0, 4) == pytest.approx(3.182 * 50, rel=0.01)


def test_the_latest_sample_of_a_camera_is_shown_with_its_interval(store: Store, bundle: Bundle) -> None:
    edge = reporter(store, bundle)
    edge.say(remark(60, Sample(0, Codec.H265, 1, 2_000, 1_000, 0, 28, 5)))
    edge.say(remark(120, Sample(0, Codec.H265, 4, 8_000, 80_000, 1_000, 28, 5)))
    (found,) = listed(store)
    assert found == SampleView(
        camera="acme/north/jetson-1/gate", codec="h265", preset="medium", crf=28, windows=4, sampled_s=8.0,
        bytes_per_s=10_000.0, low=found.low, high=found.high, came_ms=BOOT_MS + 121_000,
    )  # fmt: skip
    assert found.low == pytest.approx(10_000 - 1591, abs=20)
    assert found.high == pytest.approx(10_000 + 1591, abs=20)
