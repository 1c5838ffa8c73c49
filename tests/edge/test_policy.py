"""What the cloud has set outlives the process, is bounded by the device's own settings, and fails closed."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.allowance import Limits, Standing
from edge.budget import Budget, Terms
from edge.commands import CommandError
from edge.kept import Keeper, Kept, Wish, mark
from edge.outfit import links_of
from edge.pipeline import Pipeline, Settings
from edge.policy import Policy
from edge.privacy.guard import Guard
from wire.bundle import Bundle
from wire.documents import Value
from wire.policy import Link, Network, Sender
from wire.telemetry import policy_id

STANDING = Standing(1500)


class Device:
    """One process of an agent, up to where it opens cameras. Its settings may differ from the last one's."""

    def __init__(self, bundle: Path, path: Path, sender: Sender | None = None, network: Network | None = None,
                 limits: Limits | None = None, planes: int | None = None) -> None:  # fmt: skip
        sender, network, own = sender or Sender(), network or Network(), limits or Limits()
        self.pipeline = Pipeline(
            Bundle.load(bundle, "edge"), Settings(planes=planes, sender=sender, network=network)
        )
        self.guard = Guard(sender, self.pipeline.bundle)
        keeper = Keeper(path)
        terms = {each.name: Terms(own, instead=keeper.kept.limits(each.name, own)) for each in network.link}
        self.budget = Budget(own, STANDING, links=terms, instead=keeper.kept.limits("", own))
        self.composers = {"door": self.pipeline.composer()}
        self.links = links_of(network, self.pipeline, self.composers)
        self.policy = Policy(self.pipeline, self.composers, self.budget, self.guard, self.links, keeper)
        with capture_logs() as self.logs:
            self.policy.resume()

    def ask(self, **arguments: Value) -> dict[str, Value]:
        return self.policy.set(arguments)

    @property
    def looks(self) -> bool:
        return self.guard.rules("door").is_open


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db.policy"


def test_a_camera_that_was_switched_off_from_afar_stays_off(tiny: Path, path: Path) -> None:
    first = Device(tiny, path)
    assert first.looks
    first.ask(off=True)
    second = Device(tiny, path)
    assert not second.looks
    assert second.pipeline.allowed["off"] is True
    (line,) = second.logs
    assert (line["log_level"], line["holds"]) == ("warning", {"off": True})
    second.ask(off=False)
    assert Device(tiny, path).looks


def test_all_that_can_be_asked_for_is_in_force_again_as_it_was_answered(tiny: Path, path: Path) -> None:
    asked: dict[str, Value] = {
        "planes": 4, "vector": False, "still_bytes": 90, "bytes_per_s": 62, "burst_bytes": 4096,
        "bytes_per_month": 40_000_000, "on_motion": True, "words": "gender,age",
        "layers": "caption,motion,appearance-tokens", "picture_px": 48, "noise": 2.5,
    }  # fmt: skip
    answer = Device(tiny, path).ask(**asked)
    assert answer.items() >= asked.items()
    again = Device(tiny, path).policy.in_force()
    assert again == answer
    assert policy_id(again) == policy_id(answer)


def test_a_command_that_is_repeated_after_its_answer_was_lost_comes_to_the_same(
    tiny: Path, path: Path
) -> None:
    answer = Device(tiny, path).ask(words="age", bytes_per_s=100.0)
    kept = path.read_bytes()
    assert Device(tiny, path).ask(words="age", bytes_per_s=100.0) == answer
    assert path.read_bytes() == kept


def test_what_is_refused_is_not_kept(tiny: Path, path: Path) -> None:
    device = Device(tiny, path, Sender(words=("gender",)))
    for arguments in ({"off": True, "words": "age"}, {"off": True, "planes": 200}, {"off": 1}):
        with pytest.raises(CommandError):
            device.ask(**arguments)
    assert not path.exists()
    assert device.looks


def test_other_changes_of_the_settings_lift_nothing(tiny: Path, path: Path) -> None:
    Device(tiny, path).ask(off=True, words="age", bytes_per_s=62.5)
    edited = Device(tiny, path, Sender(noise=2.0), limits=Limits(None, 4096, 40_000_000), planes=4)
    answer = edited.policy.in_force()
    assert (answer["off"], answer["words"], answer["noise"]) == (True, "age", 2.0)
    assert edited.budget.limits == Limits(62.5, 4096, 40_000_000)
    assert answer["planes"] == 4


def test_where_the_same_key_of_the_settings_was_changed_the_stricter_of_both_holds(
    tiny: Path, path: Path
) -> None:
    Device(tiny, path, limits=Limits(50.0)).ask(words="age", bytes_per_s=100.0, planes=8, picture_px=64)
    assert Device(tiny, path, limits=Limits(50.0)).budget.limits.bytes_per_s == 100
    edited = Device(tiny, path, Sender(words=("plate",), picture_px=48), limits=Limits(80.0), planes=4)
    answer = edited.policy.in_force()
    assert set(str(answer["words"]).split(",")) == {"age", "plate"}
    assert (answer["picture_px"], answer["bytes_per_s"], answer["planes"]) == (48, 80, 4)
    wider = Device(tiny, path, Sender(picture_px=128), limits=Limits(200.0), planes=16)
    answer = wider.policy.in_force()
    assert (answer["picture_px"], answer["bytes_per_s"], answer["planes"]) == (64, 100, 8)


def test_words_of_the_settings_that_hold_a_comma_are_bounds_like_any_other(tiny: Path, path: Path) -> None:
    own = Sender(words=("red, white",))
    Device(tiny, path, own).ask(off=True)
    again = Device(tiny, path, own)
    assert again.policy.trouble is None
    assert again.guard.sender == Sender(words=("red, white",), off=True)


def test_a_loosening_holds_as_long_as_the_settings_allow_it_and_say_the_same(tiny: Path, path: Path) -> None:
    lenient = Sender(words=("gender",), remote=True)
    assert Device(tiny, path, lenient).ask(words="", off=False)["words"] == ""
    assert Device(tiny, path, lenient).policy.in_force()["words"] == ""
    assert Device(tiny, path, Sender(words=("gender",))).policy.in_force()["words"] == "gender"
    assert not Device(tiny, path, Sender(words=("gender",), remote=True, off=True)).looks


def test_a_reset_goes_back_to_the_settings_for_good(tiny: Path, path: Path) -> None:
    network = Network(link=(Link("lte", "wwan*"),))
    device = Device(tiny, path, network=network, planes=4, limits=Limits(500.0))
    before = device.policy.in_force()
    device.budget.follow("lte")
    device.ask(off=True, planes=0, bytes_per_s=62.5)
    device.budget.follow("")
    device.ask(burst_bytes=4096)
    assert device.ask(reset=True) == before
    device.budget.follow("lte")
    assert device.budget.limits == Limits(500.0)
    assert device.looks
    assert not path.exists()
    assert Device(tiny, path, network=network, planes=4, limits=Limits(500.0)).policy.in_force() == before


def test_a_reset_and_what_shall_hold_are_one_command(tiny: Path, path: Path) -> None:
    device = Device(tiny, path)
    device.ask(words="age", noise=2.0)
    answer = device.ask(reset=True, off=True)
    assert (answer["off"], answer["words"], answer["noise"]) == (True, "", 0.0)
    assert Device(tiny, path).policy.in_force() == answer
    with pytest.raises(CommandError, match="planes is 200"):
        device.ask(reset=True, planes=200)
    assert device.policy.in_force() == answer


def test_limits_are_kept_for_the_link_on_which_they_were_set(tiny: Path, path: Path) -> None:
    network = Network(link=(Link("lte", "wwan*"),))
    device = Device(tiny, path, network=network)
    device.links.follow("lte")
    device.budget.follow("lte")
    answer = device.ask(bytes_per_s=62.5)
    again = Device(tiny, path, network=network)
    assert again.budget.limits == Limits()
    again.links.follow("lte")
    again.budget.follow("lte")
    assert again.policy.in_force() == answer


def test_layers_that_leave_nothing_on_a_link_that_may_become_active_are_refused(
    tiny: Path, path: Path
) -> None:
    network = Network(link=(Link("lte", "wwan*", layers=("caption",)),))
    device = Device(tiny, path, network=network)
    with pytest.raises(CommandError, match="nothing in common"):
        device.ask(layers="motion")
    device.links.follow("lte")


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b'{"crc32":0,"kept":{}}'])
def test_a_damaged_file_lifts_nothing_and_says_what_to_do(tiny: Path, path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    device = Device(tiny, path)
    assert not device.looks
    assert not device.policy.unable, "that is nobody's version's fault"
    assert device.policy.in_force()["off"] is True
    assert str(path) in str(device.policy.trouble)
    (line,) = device.logs
    assert (line["event"], line["log_level"]) == ("nothing is looked at", "error")
    assert str(path) in line["reason"]
    assert "set-policy" in line["do"]
    assert device.ask()["off"] is True
    assert device.policy.trouble is not None, "to ask what holds changes nothing"
    assert path.read_bytes() == damage


def test_after_damage_the_cloud_says_what_shall_hold(tiny: Path, path: Path) -> None:
    path.write_bytes(b"{")
    device = Device(tiny, path)
    assert device.ask(words="age")["off"] is True
    assert device.policy.trouble is None
    again = Device(tiny, path)
    assert not again.looks
    assert again.ask(off=False)["words"] == "age"
    assert again.looks
    path.write_bytes(b"{")
    third = Device(tiny, path)
    assert third.ask(reset=True)["words"] == ""
    assert third.looks
    assert third.policy.trouble is None
    assert Device(tiny, path).looks


def keep(path: Path, values: Mapping[str, Value], over: Mapping[str, Value]) -> None:
    Keeper(path).keep(Kept({name: Wish(value, mark(over[name])) for name, value in values.items()}))


def test_what_cannot_be_hidden_any_more_is_not_looked_at(tiny: Path, path: Path) -> None:
    """People were hidden by a detector of the bundle before, and this one has none."""
    keep(path, {"people": "redact", "still_bytes": 90}, {"people": "keep", "still_bytes": 116})
    kept = path.read_bytes()
    device = Device(tiny, path)
    assert not device.looks
    assert "people cannot be redacted" in str(device.policy.trouble)
    assert device.policy.unable
    for arguments in ({"off": False}, {"words": "age"}):
        with pytest.raises(CommandError, match="people cannot be redacted"):
            device.ask(**arguments)
        assert not device.looks
        assert device.policy.trouble is not None
    assert path.read_bytes() == kept
    answer = device.ask(people="keep")
    assert (answer["off"], answer["still_bytes"]) == (False, 90)
    assert device.looks
    assert not device.policy.unable
    assert device.policy.trouble is None


def test_layers_with_which_nothing_could_be_sent_any_more_are_not_guessed_at(tiny: Path, path: Path) -> None:
    Device(tiny, path).ask(layers="motion")
    for edited in (
        Device(tiny, path, Sender(layers=("caption",))),
        Device(tiny, path, network=Network(layers=("caption",))),
    ):
        assert not edited.looks
        assert "nothing" in str(edited.policy.trouble)


@pytest.mark.parametrize(("kept", "sent"), [(200, 24), (1, 0), (6, 6)])
def test_planes_that_another_bundle_does_not_take_become_fewer(
    tiny: Path, path: Path, kept: int, sent: int
) -> None:
    keep(path, {"planes": kept}, {"planes": None})
    device = Device(tiny, path)
    assert device.policy.trouble is None
    assert device.policy.in_force()["planes"] == sent


def test_a_cap_that_would_cut_the_device_off_now_is_the_least_that_does_not(tiny: Path, path: Path) -> None:
    wishes = {"bytes_per_month": Wish(1000, mark(None)), "bytes_per_s": Wish(0.001, mark(None))}
    Keeper(path).keep(Kept(links={"": wishes}))
    device = Device(tiny, path)
    assert device.policy.trouble is None
    floor = STANDING.floor_bytes_per_month()
    assert device.budget.limits == Limits(2 * STANDING.bytes_per_s, 16384, floor)


def test_what_cannot_be_written_is_in_force_and_the_answer_says_for_how_long(
    tiny: Path, tmp_path: Path
) -> None:
    path = tmp_path / "gone" / "spool.db.policy"
    device = Device(tiny, path)
    with pytest.raises(CommandError, match=r"in force, but only until this process ends: .*No such file"):
        device.ask(off=True)
    assert not device.looks
    path.parent.mkdir()
    device.ask(words="age")
    assert not Device(tiny, path).looks
