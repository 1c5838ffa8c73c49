"""The agent's side: what it writes for the updater, what it answers, and what it swears to and when."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from edge.commands import CommandError
from edge.update import machine, state, wishes
from edge.update.desk import QUIET_S, Desk, Receipts
from edge.update.settings import UpdateConfig, UpdateConfigError, load
from edge.update.state import Outcome, State, Work
from edge.update.versions import is_older
from edge.update.wishes import Health, Wanted

RELEASE, BUNDLE, OTHER = "0123456789abcdef", "fedcba9876543210", "00112233445566aa"
TRIAL, ORDER = "aaaabbbbccccdddd", "1" * 16
NOTHING, HEARD, STORED = Receipts(False, False, True), Receipts(True, False, True), Receipts(True, True, True)  # noqa: FBT003
WORK = Work("agent", OTHER, ORDER)


@pytest.fixture
def config(tmp_path: Path) -> UpdateConfig:
    (tmp_path / "opt/update").mkdir(parents=True)
    return UpdateConfig(
        "https://localhost/releases", root=str(tmp_path / "opt"), wishes=str(tmp_path / "var/update")
    )


def desk(config: UpdateConfig) -> Desk:
    return Desk(config, "", RELEASE, BUNDLE, "1234567812345678")


def wanted(config: UpdateConfig) -> Wanted | None:
    return wishes.read(Path(config.wishes, wishes.WANTED), Wanted)


def sworn(config: UpdateConfig) -> Health | None:
    return wishes.read(Path(config.wishes, wishes.HEALTHY), Health)


def try_out(config: UpdateConfig) -> None:
    """Let something be under trial."""
    state.write(config.folder, State(structs.replace(WORK, step="trying", trial=TRIAL)))


def test_an_order_is_written_for_the_updater(config: UpdateConfig) -> None:
    assert desk(config).set_release({"release": OTHER}) == {"update": "accepted"}
    first = wanted(config)
    assert first is not None
    assert first.agent is not None
    assert (first.agent.id, first.bundle) == (OTHER, None)
    assert desk(config).set_bundle({"bundle": OTHER}) == {"update": "accepted"}
    desk(config).set_release({"release": OTHER})
    second = wanted(config)
    assert second is not None
    assert second.bundle is not None
    assert second.agent is not None
    assert second.agent.order != first.agent.order, "what is wanted again is tried again"
    assert not (Path(config.wishes) / wishes.WANTED).stat().st_mode & 0o027


def test_an_order_is_refused_with_the_reason(config: UpdateConfig) -> None:
    with pytest.raises(CommandError, match=f"release {RELEASE} runs already"):
        desk(config).set_release({"release": RELEASE})
    with pytest.raises(CommandError, match=f"bundle {BUNDLE} runs already"):
        desk(config).set_bundle({"bundle": BUNDLE})
    for wrong in ({}, {"release": "new"}, {"release": OTHER, "force": True}, {"bundle": OTHER}):
        with pytest.raises(CommandError, match="16 hexadecimal digits"):
            desk(config).set_release(wrong)  # type: ignore[arg-type]
    try_out(config)
    with pytest.raises(CommandError, match="is being tried"):
        desk(config).set_release({"release": "2" * 16})
    with pytest.raises(CommandError, match="updates are not set up"):
        Desk().set_release({"release": OTHER})
    assert wanted(config) is None


def test_what_was_rolled_back_may_be_ordered_while_the_old_one_runs(config: UpdateConfig) -> None:
    state.write(config.folder, State(outcomes={"agent": Outcome(OTHER, ORDER, "rolled back", "slow")}))
    assert desk(config).set_release({"release": OTHER})["update"] == "accepted"


@pytest.mark.parametrize(
    ("now", "told", "spent"),
    [
        (State(), "none", 0),
        (State(WORK), "fetching 0%", 0),
        (State(structs.replace(WORK, size=1000, pack="ab" * 32, spent=700)), "fetching 41%", 700),
        (State(structs.replace(WORK, step="installing", size=1000)), "installing", 0),
        (State(structs.replace(WORK, step="trying", trial=TRIAL)), "trying", 0),
        (State(structs.replace(WORK, step="committing", trial=TRIAL)), "trying", 0),
        (State(structs.replace(WORK, step="undoing", why="x")), "rolling back", 0),
        (
            State(outcomes={"agent": Outcome(OTHER, ORDER, "committed", "", 9)}, last="agent"),
            "committed 00112233",
            9,
        ),
        (
            State(outcomes={"bundle": Outcome(OTHER, ORDER, "rolled back", "too slow", 9)}, last="bundle"),
            "rolled back 00112233: too slow",
            9,
        ),
        (
            State(outcomes={"agent": Outcome(OTHER, ORDER, "failed", "404")}, last="agent"),
            "failed 00112233: 404",
            0,
        ),
    ],
)
def test_a_ping_tells_how_the_update_goes(config: UpdateConfig, now: State, told: str, spent: int) -> None:
    state.write(config.folder, now)
    state.part_of(config.folder, OTHER, "ab" * 32).write_bytes(bytes(417))
    said = desk(config).told()
    assert said == {"release": RELEASE, "bundle": BUNDLE, "update": told, "update_bytes": spent}


def test_what_became_of_the_last_order_is_not_told_of_the_next(config: UpdateConfig) -> None:
    state.write(
        config.folder, State(outcomes={"agent": Outcome(OTHER, ORDER, "failed", "404")}, last="agent")
    )
    assert desk(config).told()["update"] == "failed 00112233: 404"
    desk(config).set_release({"release": OTHER})
    assert desk(config).told()["update"] == "ordered"
    again = wanted(config)
    assert again is not None
    assert again.agent is not None
    outcome = Outcome(OTHER, again.agent.order, "rolled back", "slow")
    state.write(config.folder, State(outcomes={"agent": outcome}, last="agent"))
    assert desk(config).told()["update"] == "rolled back 00112233: slow"


def test_it_swears_once_the_cloud_has_a_packet_of_this_boot(config: UpdateConfig) -> None:
    try_out(config)
    own = desk(config)
    for receipts in (NOTHING, HEARD):
        own.look(receipts, 0.0)
        own.look(receipts, 1e6)
    assert sworn(config) is None, "a receipt alone says nothing of what waits"
    own.look(STORED, 1e6)
    pid = os.getpid()
    assert sworn(config) == Health(
        TRIAL, RELEASE, BUNDLE, "1234567812345678", machine.boot_id(), pid, machine.started(pid) or 0
    )


def test_where_there_is_nothing_to_send_a_receipt_and_some_quiet_will_do(config: UpdateConfig) -> None:
    try_out(config)
    own = desk(config)
    quiet = replace(HEARD, waiting=False)
    own.look(quiet, 0.0)
    own.look(HEARD, 100.0)  # something waits: the quiet begins anew
    own.look(quiet, 110.0)
    own.look(quiet, 110.0 + QUIET_S - 1)
    own.look(replace(NOTHING, waiting=False), 110.0 + QUIET_S)
    assert sworn(config) is None
    own.look(quiet, 300.0)
    own.look(quiet, 300.0 + QUIET_S)
    assert sworn(config) is not None


def test_it_swears_to_nothing_while_what_the_cloud_has_set_cannot_be_done(config: UpdateConfig) -> None:
    try_out(config)
    own = desk(config)
    quiet = replace(HEARD, waiting=False)
    for at in range(10):
        own.look(replace(quiet, unable=True), at * QUIET_S)
        own.look(replace(STORED, unable=True), at * QUIET_S)
    own.look(quiet, 10 * QUIET_S)  # the quiet begins here
    assert sworn(config) is None
    own.look(quiet, 11 * QUIET_S)
    assert sworn(config) is not None


def test_a_process_of_before_the_trial_swears_to_nothing(config: UpdateConfig) -> None:
    before = desk(config)
    try_out(config)
    before.look(STORED, 0.0)
    assert sworn(config) is None


def test_a_folder_that_cannot_be_written_is_tried_again(config: UpdateConfig) -> None:
    try_out(config)
    own = desk(config)
    Path(config.wishes).parent.mkdir()
    Path(config.wishes).write_text("in the way")
    own.look(STORED, 0.0)
    state.write(config.folder, State())
    with pytest.raises(CommandError, match="File exists"):
        desk(config).set_release({"release": OTHER})
    Path(config.wishes).unlink()
    own.look(STORED, 1.0)
    assert sworn(config) is None, "not at once"
    own.look(STORED, 60.0)
    assert sworn(config) is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('url = "http://example.com/r"', "use https"),
        ('url = "ftp://localhost/r"', "is not https"),
        ('url = "https:///r"', "is not https"),
        ('url = "https://localhost/r?x=1"', "is not https"),
        ('url = "https://localhost/r"\nhealth = 1', "health"),
        ('url = "https://localhost/r"\nhealth_minutes = 0', "health_minutes"),
        ('url = "https://localhost/r"\nbytes_per_s = 1', "bytes_per_s"),
        ("", "url"),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "update.toml"
    file.write_text(f"[update]\n{text}\n")
    with pytest.raises(UpdateConfigError, match=why):
        load(file)


def test_paths_are_relative_to_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "update.toml"
    file.write_text('[update]\nurl = "http://127.0.0.1:8000/r"\n')
    found = load(file)
    assert (found.key, found.root) == (str(tmp_path / "release.pub"), "/opt/mirage")


def test_versions_are_told_apart() -> None:
    rising = [
        "0.2.0.dev1",
        "0.2.0a1",
        "0.2.0b2",
        "0.2.0rc1",
        "0.2.0",
        "0.2.0+fix",
        "0.2.0.1",
        "0.9",
        "0.10.0",
        "1",
    ]
    for at, version in enumerate(rising):
        assert not is_older(version, version)
        assert all(is_older(version, later) and not is_older(later, version) for later in rising[at + 1 :])
    assert not is_older("1.0-1", "1.0.1")


@pytest.mark.parametrize(
    ("release", "machine_name", "platform"),
    [
        ("# R36 (release), REVISION: 4.4", "aarch64", "jetpack6"),
        ("# R39 (release), REVISION: 0.0", "aarch64", "jetpack7"),
        ("# R35 (release), REVISION: 4.1", "aarch64", "jetson"),
        (None, "aarch64", "arm64"),
        (None, "x86_64", "amd64"),
    ],
)
def test_the_platform_is_what_the_machine_is(
    tmp_path: Path, release: str | None, machine_name: str, platform: str
) -> None:
    file = tmp_path / "nv_tegra_release"
    if release is not None:
        file.write_text(release)
    assert machine.platform_of(file, machine_name) == platform
