"""A pack over a bad link, from a server that errs or lies: in pieces, at a rate, within the budget."""

import contextlib
import hashlib
import os
from pathlib import Path

import pytest

from edge.update import client as clients
from edge.update.client import Client
from edge.update.fetch import BLOCK
from edge.update.state import State
from edge.update.wishes import Order
from tests.edge.update.station import (
    NEW,
    OLD,
    CutError,
    Fault,
    Maker,
    Release,
    Shelf,
    Station,
    pack_of,
    write_tree,
)
from wire.release import Index, Pack, sign

LARGE = {**OLD, "lib/large.bin": os.urandom(600_000)}


@pytest.fixture
def large(maker: Maker, old: Release) -> Release:
    """Give a release whose pack is some 600 KB."""
    made = maker.agent(LARGE, "0.2.0")
    maker.publish(made, old)
    return made


def pack_path(release: Release, old: Release) -> Path:
    return Path(release.id) / "packs" / f"{old.id}.pack"


def ranges(shelf: Shelf) -> list[str | None]:
    return [asked for path, asked in shelf.asked if path.endswith(".pack")]


def test_a_link_that_breaks_is_gone_on_with_where_it_broke(
    station: Station, shelf: Shelf, old: Release, large: Release
) -> None:
    size = (shelf.folder / pack_path(large, old)).stat().st_size
    shelf.faults = [Fault(".pack", times=3, cut_after=150_000)]
    station.order(large.id)
    station.run()
    assert station.runs() == (large.id, large.id)
    assert ranges(shelf) == [None, "bytes=150000-", "bytes=300000-", "bytes=450000-"]
    assert shelf.sent - (shelf.folder / large.id / "index.json").stat().st_size == size, "nothing came twice"


def test_a_reboot_goes_on_where_it_broke_and_knows_what_was_spent(
    station: Station, shelf: Shelf, large: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.order(large.id)
    shelf.faults = [Fault(".pack", cut_after=150_000)]
    with monkeypatch.context() as patch:
        patch.setattr(station.machine, "on_wait", lambda: (_ for _ in ()).throw(CutError()))
        patch.setattr("edge.update.fetch.Purse.settle", lambda _: None)  # nothing is written after a cut
        with pytest.raises(CutError):
            station.run()
    work = station.state().work
    assert work is not None
    assert work.step == "fetching"
    assert 150_000 < work.spent < 200_000 + BLOCK
    spent = work.spent
    station.boot()
    shelf.faults = []
    station.run()
    assert ranges(shelf) == [None, "bytes=150000-"]
    outcome = station.state().outcomes["agent"]
    assert outcome.result == "committed"
    assert outcome.spent > spent + 400_000
    indexes = [path for path, _ in shelf.asked if path.endswith("index.json")]
    assert len(indexes) == 1, "the index is kept"


def test_a_link_that_breaks_for_ever_spends_no_more_than_the_budget(
    tmp_path: Path, maker: Maker, shelf: Shelf, old: Release, large: Release
) -> None:
    station = Station(tmp_path / "poor", maker, shelf.url, budget=900_000)
    station.flash(old)
    shelf.faults = [Fault(".pack", cut_after=70_000, whole=True)]  # it always begins anew
    station.order(large.id)
    station.run()
    assert station.runs() == (old.id, old.id)
    result, why = station.result()
    assert result == "failed"
    assert "update.byte_budget = 900000" in why
    assert shelf.sent < 900_000
    assert station.state().outcomes["agent"].spent <= 900_000


def test_a_power_that_always_goes_spends_no_more_than_the_budget_either(
    tmp_path: Path, maker: Maker, shelf: Shelf, old: Release, large: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = Station(tmp_path / "poor", maker, shelf.url, budget=2_000_000)
    station.flash(old)
    station.order(large.id)
    writes = 0
    real = os.write

    def power_goes(descriptor: int, data: bytes) -> int:
        nonlocal writes
        writes += 1
        if writes % 6 == 0:
            raise CutError
        return real(descriptor, data)

    monkeypatch.setattr("edge.update.fetch.os.write", power_goes)
    monkeypatch.setattr("edge.update.fetch.Purse.settle", lambda _: None)  # nothing is written after a cut
    shelf.faults = [Fault(".pack", whole=True)]
    cuts = 0
    while cuts == 0 or station.state().work is not None:
        cuts += 1
        assert cuts < 60, "nobody remembers what was spent"
        with contextlib.suppress(CutError):
            station.run()
        station.boot()
    assert cuts > 3
    assert "byte_budget" in station.result()[1]


def test_a_pack_beyond_the_budget_is_not_begun(
    tmp_path: Path, maker: Maker, shelf: Shelf, old: Release, large: Release
) -> None:
    station = Station(tmp_path / "poor", maker, shelf.url, budget=400_000)
    station.flash(old)
    station.order(large.id)
    station.run()
    assert ranges(shelf) == []
    assert "bytes of the link are still needed, and" in station.result()[1]


def test_a_rate_is_kept(tmp_path: Path, maker: Maker, shelf: Shelf, old: Release, large: Release) -> None:
    station = Station(tmp_path / "slow", maker, shelf.url, rate=10_000)
    station.flash(old)
    began_s = station.machine.time_s
    station.order(large.id)
    station.run()
    assert station.result() == ("committed", "")
    size = (shelf.folder / pack_path(large, old)).stat().st_size
    assert station.machine.time_s - began_s >= (size - 20_000) / 10_000


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault(".pack", status=404), "404 Not Found"),
        (Fault("index.json", status=404), "404 Not Found"),
        (Fault("index.json", status=302, headers={"Location": "/elsewhere"}), "302 Found"),
        (Fault(".pack", lie=lambda data: data[:-1] + b"\0"), "is not what the index says"),
        (Fault(".pack", lie=lambda data: data + b"more"), "the index says"),
        (Fault(".pack", lie=lambda data: data[:-4]), "the index says"),
        (Fault("index.json", lie=lambda data: data.replace(b"0.2.0", b"0.3.0")), "signature"),
        (Fault("index.json", lie=lambda _: b"{}"), "not signed"),
        (Fault("index.json", lie=lambda _: b"x" * 100_000), "more than 32768 bytes"),
    ],
)
def test_a_server_that_errs_or_lies_changes_nothing(
    station: Station, shelf: Shelf, old: Release, new: Release, fault: Fault, why: str
) -> None:
    shelf.faults = [fault]
    station.order(new.id)
    station.run()
    assert station.runs() == (old.id, old.id)
    result, told = station.result()
    assert result == "failed"
    assert why in told
    assert station.machine.restarts == 0
    station.check_whole()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_is_asked_again_later(
    station: Station, shelf: Shelf, new: Release, status: int
) -> None:
    shelf.faults = [Fault("index.json", times=2, status=status), Fault(".pack", times=2, status=status)]
    station.order(new.id)
    station.run()
    assert station.runs() == (new.id, new.id)


def test_a_server_that_hangs_is_asked_again(
    station: Station, shelf: Shelf, new: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "TIMEOUT_S", 0.3)
    shelf.faults = [Fault("index.json", times=1, hang_s=60), Fault(".pack", times=1, hang_s=60)]
    station.order(new.id)
    station.run()
    assert station.runs() == (new.id, new.id)


def test_a_server_that_is_away_is_waited_for_until_something_else_is_wanted(
    station: Station, old: Release, new: Release, maker: Maker, shelf: Shelf
) -> None:
    other = maker.agent({**NEW, "bin/mirage": b"other"}, "0.3.0")
    maker.publish(other)
    shelf.faults = [Fault(f"{new.id}/index.json", status=503)]
    began_s = station.machine.time_s

    def patience_ends() -> None:
        if station.machine.time_s - began_s > 3 * 86_400:
            station.order(other.id)
            station.machine.on_wait = lambda: None

    station.machine.on_wait = patience_ends
    station.order(new.id)
    station.run()
    assert station.runs() == (other.id, other.id)
    assert old.id != other.id


def test_the_same_order_again_goes_on_with_what_is_there(
    station: Station, shelf: Shelf, large: Release
) -> None:
    shelf.faults = [Fault(".pack", times=1, cut_after=150_000)]

    def order_again() -> None:
        station.order(large.id)
        station.machine.on_wait = lambda: None

    station.machine.on_wait = order_again
    station.order(large.id)
    station.run()
    assert ranges(shelf) == [None, "bytes=150000-"]
    assert station.result() == ("committed", "")


@pytest.mark.parametrize("noted", [b"\xff\0\0", b"\0" * 34, b'"a\r\nX: y"', b""])
def test_a_note_that_a_cut_damaged_is_not_sent_to_the_server(
    station: Station, shelf: Shelf, large: Release, noted: bytes
) -> None:
    shelf.faults = [Fault(".pack", times=1, cut_after=150_000)]

    def damage() -> None:
        [note] = station.config.folder.glob("*.etag")
        note.write_bytes(noted)
        station.machine.on_wait = lambda: None

    station.machine.on_wait = damage
    station.order(large.id)
    station.run()
    assert ranges(shelf) == [None, "bytes=150000-"]
    assert station.result() == ("committed", "")


def test_a_part_that_was_damaged_is_fetched_once_more(station: Station, shelf: Shelf, large: Release) -> None:
    shelf.faults = [Fault(".pack", times=1, cut_after=150_000)]

    def damage() -> None:
        [part] = station.config.folder.glob("*.part")
        part.write_bytes(b"\0" * part.stat().st_size)
        station.machine.on_wait = lambda: None

    station.machine.on_wait = damage
    station.order(large.id)
    station.run()
    assert ranges(shelf) == [None, "bytes=150000-"]
    assert station.result()[0] == "failed", "within one go it is the server's fault"
    station.order(large.id)
    shelf.faults = [Fault(".pack", times=1, cut_after=150_000)]
    station.machine.on_wait = lambda: (_ for _ in ()).throw(CutError())
    with pytest.raises(CutError):
        station.run()
    damage()
    station.run()
    assert ranges(shelf)[2:] == [None, "bytes=150000-", None]
    assert station.result() == ("committed", "")


def test_a_file_that_changed_meanwhile_is_begun_anew(station: Station, shelf: Shelf, large: Release) -> None:
    shelf.faults = [Fault(".pack", times=1, cut_after=150_000, headers={"ETag": '"before"'})]
    station.order(large.id)
    station.run()
    assert ranges(shelf) == [None, "bytes=150000-"]
    assert shelf.sent > 700_000, "the tag was another, so all of it came"
    assert station.result() == ("committed", "")


def test_the_whole_pack_is_fetched_where_what_runs_is_damaged(
    station: Station, shelf: Shelf, new: Release
) -> None:
    (station.root / "slots/a/lib/python3.11/site-packages/numpy/core.so").write_bytes(b"rot")
    station.order(new.id)
    station.run()
    assert station.runs() == (new.id, new.id)
    assert shelf.asked[-1][0].endswith("/packs/whole.pack")


def test_there_must_be_room(station: Station, shelf: Shelf, old: Release, new: Release) -> None:
    station.machine.free = 1 << 20
    write_tree(station.root / "slots/b", old)
    station.order(new.id)
    station.run()
    assert not (station.root / "slots/b").exists(), "room is made before it is measured"
    assert ranges(shelf) == []
    assert station.runs() == (old.id, old.id)
    assert station.result()[1].startswith("no room: ")


@pytest.mark.parametrize("at", ["edge.update.fetch._write", "edge.update.tree._write"])
def test_a_disk_that_fills_up_changes_nothing_and_is_cleared(
    station: Station, old: Release, new: Release, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(at, full)
        station.order(new.id)
        station.run()
    assert station.runs() == (old.id, old.id)
    assert station.result()[0] == "failed"
    assert "No space left" in station.result()[1]
    assert not list(station.config.folder.glob("*.part"))
    assert not (station.root / "slots/b").exists()
    station.order(new.id)
    station.run()
    assert station.runs() == (new.id, new.id)


def test_another_key_another_platform_another_kind_are_refused(
    station: Station, maker: Maker, shelf: Shelf, old: Release
) -> None:
    stranger = Maker(shelf.folder)
    made = stranger.agent(NEW, "0.2.0")
    stranger.publish(made)
    refused = {made.id: "the signature is not of the key"}
    for platform, python, why in (
        ("jetpack6", "3.11", "it is for jetpack6, this is arm64"),
        ("arm64", "3.10", "it is for Python 3.10, this is 3.11"),
    ):
        other = maker.agent(NEW, "0.2.0", platform, python)
        maker.publish(other)
        refused[other.id] = why
    bundle = maker.bundle({"bundle.toml": b"schema = 1\n"}, "1")
    maker.publish(bundle)
    refused[bundle.id] = "of kind bundle, not agent"
    for release, why in refused.items():
        station.order(release)
        station.run()
        assert station.runs() == (old.id, old.id)
        assert why in station.result()[1]
    assert ranges(shelf) == []


def test_a_pack_that_brings_another_release_than_its_signed_index_says_changes_nothing(
    station: Station, maker: Maker, old: Release, new: Release
) -> None:
    other = maker.agent({**NEW, "bin/mirage": b"other"}, "0.2.0")
    maker.publish_packs(new, {None: pack_of(other)})
    station.order(new.id)
    station.run()
    assert station.runs() == (old.id, old.id)
    assert "this is no pack of" in station.result()[1]


def test_an_index_that_promises_another_version_than_its_release_is_refused(
    station: Station, maker: Maker, old: Release
) -> None:
    hidden = maker.agent({**OLD, "bin/mirage": b"hole"}, "0.0.1")
    data = pack_of(hidden)
    (maker.shelf / hidden.id / "packs").mkdir(parents=True)
    (maker.shelf / hidden.id / "packs/whole.pack").write_bytes(data)
    pack = Pack(len(data), hashlib.sha256(data).hexdigest())
    size = hidden.manifest.size
    index = Index(hidden.id, "agent", "mirage", "0.9.0", "arm64", size, (pack,), "3.11")
    (maker.shelf / hidden.id / "index.json").write_bytes(sign(index, maker.key))
    station.order(hidden.id)
    station.run()
    assert station.runs() == (old.id, old.id)
    assert "is agent mirage 0.0.1, not what its index says" in station.result()[1]


def test_the_updater_ends_when_it_is_asked_to_and_goes_on(
    station: Station, shelf: Shelf, new: Release
) -> None:
    shelf.faults = [Fault("index.json", status=503)]

    def ask() -> None:
        station.machine.stopped = True

    station.machine.on_wait = ask
    station.order(new.id)
    station.run()
    assert station.state() == State(work=station.state().work)
    assert station.state().work is not None
    shelf.faults = []
    station.machine.stopped = False
    station.machine.on_wait = lambda: None
    station.run()
    assert station.runs() == (new.id, new.id)


def test_what_a_connection_takes_is_counted_both_ways(station: Station, shelf: Shelf, large: Release) -> None:
    client = Client(station.config)
    with client.get(f"{large.id}/packs/whole.pack") as answer:
        while answer.read(65_536):
            pass
        during = client.spent
    size = (shelf.folder / large.id / "packs/whole.pack").stat().st_size
    assert size < during <= client.spent < size * 1.2 + 8192
    with client.get(f"{large.id}/index.json"):
        pass
    assert client.spent > during + 500, "a second connection costs, too"


def test_an_order_that_is_no_order_is_none(station: Station) -> None:
    wanted = station.wishes / "wanted.json"
    wanted.parent.mkdir(parents=True)
    (station.wishes / "secret").write_text('{"agent":{"id":"0123456789abcdef","order":"0123456789abcdef"}}')
    for data in (
        b"",
        b"{",
        b'{"agent":{"id":"../../etc","order":"0000000000000000"}}',
        b"[1]",
        b"\xff" * 9999,
    ):
        wanted.write_bytes(data)
        station.run()
    wanted.unlink()
    wanted.symlink_to(station.wishes / "secret")
    station.run()
    wanted.unlink()
    os.mkfifo(wanted)
    station.run()
    assert station.state() == State()
    assert Order("0123456789abcdef", "0" * 16).id
