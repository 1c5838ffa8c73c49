"""The doctor says what the cloud has set, which a device's own settings do not show."""

from pathlib import Path

import pytest

from edge.config import Config
from edge.doctor import Finding, examine
from edge.kept import Kept, Wish, mark
from edge.outfit import keeper_of
from edge.privacy import doctor as privacy
from tests.edge.settings import config_of
from wire.policy import PolicyError
from wire.policy.tables import LAYERS


def examined(config: Config) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(config)}


def config(folder: Path, bundle: Path | None = None, more: str = "") -> Config:
    return config_of(folder, 1, bundle or folder, {"door": "none.mp4"}, more)


def keep(settings: Config, kept: Kept) -> None:
    keeper_of(settings).keep(kept)


def test_without_anything_set_nothing_is_said(tmp_path: Path) -> None:
    assert not examined(config(tmp_path)).keys() & {"set by the cloud", "sender"}


def test_what_the_cloud_has_set_is_listed_and_counts(tmp_path: Path, tiny: Path) -> None:
    settings = config(tmp_path, tiny, '[[network.link]]\nname = "lte"\nmatch = "wwan*"')
    wishes = {"off": Wish(value=True, over=mark(value=False)), "noise": Wish(2.0, mark(0.0))}
    keep(settings, Kept(wishes, {"lte": {"bytes_per_s": Wish(62.5, mark(None))}}))
    found = privacy.examinations(settings)
    said = found["set by the cloud"]()
    assert said.startswith(f"{tmp_path}/spool.db.policy: noise=2.0, off=True, bytes_per_s=62.5 on lte; ")
    assert "reset=true" in said
    assert "nothing is looked at now" in found["sender"]()


def test_what_holds_is_told_and_not_what_was_set_once(tmp_path: Path, tiny: Path) -> None:
    more = '[encode]\nplanes = 6\n[sender]\nwords = ["plate"]\npicture_px = 48\n[network]\nbytes_per_s = 50.0'
    settings = config(tmp_path, tiny, more)
    wishes = {
        "words": Wish("age", mark("")),
        "picture_px": Wish(64, mark(None)),
        "planes": Wish(200, mark(6)),
    }
    links = {"": {"bytes_per_s": Wish(62.5, mark(None))}, "gone": {"bytes_per_s": Wish(10.0, mark(None))}}
    keep(settings, Kept(wishes, links))
    said = privacy.examinations(settings)["set by the cloud"]()
    assert "picture_px=48, planes=24, words=age,plate, bytes_per_s=50.0;" in said


@pytest.mark.parametrize(
    ("wishes", "more", "why"),
    [
        ({"people": Wish("redact", mark("keep"))}, "", r"has no \[detectors\.people\]"),
        ({"layers": Wish("motion", mark(",".join(LAYERS)))}, '[network]\nlayers = ["caption"]', "in common"),
        (
            {"layers": Wish("motion", mark(",".join(LAYERS)))},
            '[[network.link]]\nname = "lte"\nmatch = "w*"\nlayers = ["caption"]',
            "nothing in common",
        ),
        ({"words": Wish("age", mark(""))}, "[sender]\nplanes = 1", "planes is 1, but a code of this bundle"),
    ],
)
def test_where_nothing_is_looked_at_the_doctor_says_so(
    tmp_path: Path, tiny: Path, wishes: dict[str, Wish], more: str, why: str
) -> None:
    settings = config(tmp_path, tiny, more)
    keep(settings, Kept(wishes))
    found = privacy.examinations(settings)
    with pytest.raises(PolicyError, match=rf"cannot be done: .*{why}.*nothing is looked at; have the cloud"):
        found["set by the cloud"]()
    assert "nothing is looked at now" in found["sender"]()


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "spool.db.policy").write_bytes(b"{")
    found = examined(config(tmp_path))["set by the cloud"]
    assert not found.ok
    assert str(tmp_path / "spool.db.policy") in found.detail
    assert "nothing is looked at" in found.detail
    assert "set-policy" in found.detail
