"""What the cloud has set is on the disk whole or not at all, and no damage of it goes unnoticed."""

import os
import stat
from pathlib import Path

import pytest

from edge.allowance import Limits
from edge.asked import OF_LINK, Asked
from edge.kept import CLOSED, MAX_BYTES, Keeper, Kept, KeptError, Wish, holding, inherited, mark, read
from wire.documents import Value
from wire.policy import Link, Network

OWN: dict[str, Value] = {"off": False, "words": "gender", "planes": None, "noise": 0.0}
LIMITS = Limits(500.0, 16384, None)
ASKED = Asked(off=True, words="age", bytes_per_s=62.5)
KEPT = Kept().with_asked(ASKED, OWN, "lte", LIMITS)


def test_what_is_kept_is_there_for_the_next_process_and_for_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "spool.db.policy"
    Keeper(path).keep(KEPT)
    again = Keeper(path)
    assert (again.kept, again.trouble) == (KEPT, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_without_a_file_nothing_is_kept(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "spool.db.policy")
    assert (keeper.kept, keeper.trouble) == (Kept(), None)


def test_to_keep_nothing_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "spool.db.policy"
    keeper = Keeper(path)
    keeper.keep(Kept())
    keeper.keep(KEPT)
    keeper.keep(Kept())
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_half_written_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spool.db.policy"
    Keeper(path).keep(KEPT)
    (tmp_path / f".{path.name}.partial").write_bytes(b'{"crc32":')
    keeper = Keeper(path)
    assert keeper.kept == KEPT
    keeper.keep(CLOSED)
    assert Keeper(path).kept == CLOSED


def test_every_prefix_and_every_changed_byte_is_damage_and_nothing_may_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "spool.db.policy"
    Keeper(path).keep(KEPT)
    whole = path.read_bytes()
    damaged = [whole[:end] for end in range(len(whole))]
    damaged += [whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :] for at in range(len(whole))]
    for data in [*damaged, bytes(len(whole)), whole + b"0", b"{}", b" " * MAX_BYTES + whole]:
        path.write_bytes(data)
        with pytest.raises(KeptError, match=r"spool\.db\.policy: "):
            read(path)
        keeper = Keeper(path)
        assert keeper.kept == CLOSED
        assert str(path) in str(keeper.trouble)


@pytest.mark.parametrize(
    "kept",
    [
        Kept(
            {"redact": Wish(value=True, over="0" * 16)}
        ),  # of a version that knows more: it may have been a ban
        Kept({"reset": Wish(value=True, over="0" * 16)}),
        Kept({"off": Wish("yes", "0" * 16)}),
        Kept({"bytes_per_s": Wish(5.0, "0" * 16)}),
        Kept(links={"": {"off": Wish(value=True, over="0" * 16)}}),
        Kept(links={"": {"bytes_per_s": Wish(-1.0, "0" * 16)}}),
    ],
)
def test_what_no_command_could_have_set_is_damage(tmp_path: Path, kept: Kept) -> None:
    path = tmp_path / "spool.db.policy"
    Keeper(path).keep(kept)
    assert Keeper(path).kept == CLOSED


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_no_file_is_damage_and_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "spool.db.policy"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(path)
    assert str(path) in str(Keeper(path).trouble)


def test_what_the_cloud_has_set_holds_until_the_settings_change_and_then_the_stricter_does() -> None:
    wishes = KEPT.device
    assert holding(wishes, OWN) == {"off": True, "words": "age"}
    assert holding(wishes, {**OWN, "planes": 4, "noise": 2.0}) == {"off": True, "words": "age"}
    assert holding(wishes, {**OWN, "words": "plate"}) == {"off": True, "words": "age,plate"}
    assert holding(wishes, OWN, {"words"}) == {"off": True, "words": "age,gender"}


def test_limits_are_of_the_link_on_which_they_were_set() -> None:
    assert KEPT.limits("lte", LIMITS) == Limits(62.5, 16384, None)
    assert KEPT.limits("", LIMITS) == LIMITS
    more = KEPT.with_asked(Asked(bytes_per_month=50_000_000), OWN, "lte", LIMITS)
    assert more.limits("lte", LIMITS) == Limits(62.5, 16384, 50_000_000)
    assert more.limits("lte", Limits(40.0, 16384, 60_000_000)) == Limits(40.0, 16384, 50_000_000)


def test_what_a_link_takes_over_is_never_loosened_by_that() -> None:
    kept = Kept().with_asked(Asked(bytes_per_s=900.0, bytes_per_month=40_000_000), OWN, "", LIMITS)
    assert kept.limits("", LIMITS) == Limits(900.0, 16384, 40_000_000)
    assert kept.limits("lte", LIMITS, OF_LINK) == Limits(500.0, 16384, 40_000_000)
    assert kept.limits("lte", LIMITS, {"bytes_per_s"}) == LIMITS
    own = kept.with_asked(Asked(bytes_per_month=None), OWN, "lte", LIMITS)
    assert own.limits("lte", LIMITS, OF_LINK) == LIMITS


def test_a_link_takes_over_what_it_does_not_state() -> None:
    link = Link("lte", "wwan*", bytes_per_s="unlimited", burst_bytes=16384)
    network = Network(link=(link, Link("eth", "eth*")))
    assert inherited(network, "lte") == {"bytes_per_month"}
    assert inherited(network, "eth") == OF_LINK
    assert inherited(network, "") == inherited(network, "gone") == frozenset()


def test_a_later_command_replaces_what_it_names_and_a_reset_all() -> None:
    later = KEPT.with_asked(Asked(words="plate", planes=None), OWN, "", LIMITS)
    assert holding(later.device, OWN) == {"off": True, "words": "plate", "planes": None}
    assert KEPT.with_asked(Asked(reset=True), OWN, "", LIMITS) == Kept()
    only = KEPT.with_asked(Asked(reset=True, noise=4.0), OWN, "", LIMITS)
    assert only == Kept({"noise": Wish(4.0, mark(0.0))})
