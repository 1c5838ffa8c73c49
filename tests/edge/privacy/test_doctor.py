"""The doctor says what the cloud has set, which a device's own settings do not show."""

from pathlib import Path

from edge.config import Config
from edge.doctor import Finding, examine
from edge.kept import Kept, Wish, mark
from edge.outfit import keeper_of
from tests.edge.settings import config_of


def examined(config: Config) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(config)}


def config(folder: Path) -> Config:
    return config_of(folder, 1, folder, {"door": "none.mp4"})


def test_without_anything_set_nothing_is_said(tmp_path: Path) -> None:
    assert not examined(config(tmp_path)).keys() & {"set by the cloud", "sender"}


def test_what_the_cloud_has_set_is_listed_and_counts(tmp_path: Path) -> None:
    settings = config(tmp_path)
    keeper = keeper_of(settings)
    wishes = {"off": Wish(value=True, over=mark(value=False)), "people": Wish("redact", mark("keep"))}
    keeper.keep(Kept(wishes, {"lte": {"bytes_per_s": Wish(62.5, mark(None))}}))
    found = examined(settings)
    assert found["set by the cloud"].ok
    detail = found["set by the cloud"].detail
    assert detail.startswith(
        f"{tmp_path}/spool.db.policy: off=True, people=redact, bytes_per_s=62.5 on lte; "
    )
    assert "reset=true" in detail
    assert "nothing is looked at now" in found["sender"].detail
    assert not found["redaction of people"].ok, "it is looked for in the bundle, which is none"


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "spool.db.policy").write_bytes(b"{")
    found = examined(config(tmp_path))["set by the cloud"]
    assert not found.ok
    assert str(tmp_path / "spool.db.policy") in found.detail
    assert "nothing is looked at" in found.detail
    assert "set-policy" in found.detail
