"""Sender over network over receiver: every field of the table, against its rule said in other words."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.policy import Demands, Effective, Network, Policy, PolicyError, Receiver, Sender, effective
from wire.policy.effective import Value
from wire.policy.tables import LAYERS, ROLES, LayerName

planes = st.none() | st.integers(0, 24)
days = st.none() | st.integers(1, 400)
words = st.sampled_from(["", "oil painting", "fog"])
names = st.lists(st.sampled_from(["yard.jpg", "desk.jpg"]), max_size=2, unique=True).map(tuple)
roles = st.sampled_from(ROLES)


def _with_tokens(chosen: set[LayerName]) -> tuple[LayerName, ...]:
    fitting: set[str] = {*chosen}
    fitting |= {"appearance-tokens"} if "appearance-detail" in chosen else set()
    return tuple(name for name in LAYERS if name in fitting)


layers = st.sets(st.sampled_from(LAYERS), min_size=1).map(_with_tokens)
demands = st.builds(
    Demands,
    largest_px=st.none() | st.integers(16, 2000),
    anchors=st.sampled_from(["any", "places", "none"]),
    stand_in=st.booleans(),
    style=st.booleans(),
    publish=st.booleans(),
    keep_days=days,
    viewers=roles,
)
redaction = st.sampled_from(["keep", "redact"])
senders = st.builds(
    Sender,
    faces=redaction,
    text=redaction,
    words=st.lists(st.sampled_from(["gender", "cat"]), max_size=2, unique=True).map(tuple),
    layers=layers,
    planes=st.none() | st.integers(1, 24),
    picture_px=st.none() | st.integers(4, 200),
    on_motion=st.booleans(),
    off=st.booleans(),
    receiver=demands,
)
networks = st.builds(
    Network, bytes_per_s=st.none() | st.floats(1, 1e6), planes=planes, layers=layers, latency_ms=st.none()
)
receivers = st.builds(
    Receiver,
    long_side_px=st.integers(16, 2000) | st.just(256),
    steps=st.none() | st.integers(1, 50),
    seed=st.none() | st.integers(0, 9),
    planes=planes,
    style_prompt=words,
    negative_prompt=words,
    anchors=names,
    people_anchors=names,
    people=st.sampled_from(["as-sent", "stand-in"]),
    stand_in=st.none() | st.just("figure.png"),
    publish=st.booleans(),
    keep_days=days,
    viewers=roles,
)
Trio = tuple[Sender, Network, Receiver]
Rule = Callable[[Sender, Network, Receiver], Value]


def least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def own(name: str, at: int) -> Rule:
    return lambda *tables: getattr(tables[at], name)


RULES: dict[str, Rule] = {
    **{name: own(name, 0) for name in ("off", "faces", "text", "people", "plates", "words", "picture_px")},
    **{name: own(name, 0) for name in ("noise", "hours", "timezone", "on_motion", "remote")},
    "zones": lambda sender, *_: len(sender.zones) or (),
    **{name: own(name, 1) for name in ("bytes_per_s", "burst_bytes", "bytes_per_month", "latency_ms")},
    **{name: own(name, 1) for name in ("send_hours", "send_timezone", "qos", "count", "link")},
    **{name: own(name, 2) for name in ("steps", "fps", "frames", "guidance", "seed")},
    "layers": lambda s, n, _: tuple(name for name in LAYERS if name in s.layers and name in n.layers),
    "planes": lambda s, n, r: least(s.planes, n.planes, r.planes),
    "long_side_px": lambda s, _, r: least(s.receiver.largest_px, r.long_side_px),
    "keep_days": lambda s, _, r: least(s.receiver.keep_days, r.keep_days),
    "style_prompt": lambda s, _, r: r.style_prompt if s.receiver.style else "",
    "negative_prompt": lambda s, _, r: r.negative_prompt if s.receiver.style else "",
    "anchors": lambda s, _, r: () if s.receiver.anchors == "none" else r.anchors,
    "people_anchors": lambda s, _, r: r.people_anchors if s.receiver.anchors == "any" else (),
    "people_drawn": lambda s, _, r: "stand-in" if s.receiver.stand_in else r.people,
    "stand_in": lambda _s, _n, r: r.stand_in,
    "publish": lambda s, _, r: s.receiver.publish and r.publish,
    "viewers": lambda s, _, r: max(s.receiver.viewers, r.viewers, key=ROLES.index),
}


def combined(sender: Sender, network: Network, receiver: Receiver) -> Effective | None:
    if not set(sender.layers) & set(network.layers):
        with pytest.raises(PolicyError, match="nothing in common"):
            effective(sender, network, receiver)
        return None
    return effective(sender, network, receiver)


def test_every_field_of_the_tables_has_a_rule_here() -> None:
    found = effective(Sender(), Network(), Receiver())
    assert {each.name for each in found} == set(RULES)
    asked = {*Sender.__struct_fields__, *Network.__struct_fields__, *Receiver.__struct_fields__}
    # `people` of a receiver is how they are drawn, that of a sender whether they are seen.
    assert asked - {"preset", "receiver"} | {"people_drawn"} == set(RULES)


@given(senders, networks, receivers)
def test_each_field_is_what_its_rule_says(sender: Sender, network: Network, receiver: Receiver) -> None:
    found = combined(sender, network, receiver)
    for name, rule in RULES.items() if found else ():
        assert found is not None
        assert found[name] == rule(sender, network, receiver), name


@given(senders, networks, receivers)
def test_whoever_decided_is_one_of_those_who_asked(
    sender: Sender, network: Network, receiver: Receiver
) -> None:
    found = combined(sender, network, receiver)
    for field in found or ():
        parties = [each.party for each in field.asked]
        may_be_default = not parties or field.name == "long_side_px"  # which has one that may be the least
        assert field.by in parties or (may_be_default and field.by == "default")
        assert field.why
        assert parties == sorted(parties, key=("sender", "network", "receiver").index)


@given(senders, networks, receivers)
def test_only_the_receiver_is_ever_refused(sender: Sender, network: Network, receiver: Receiver) -> None:
    found = combined(sender, network, receiver)
    for field in found.refused if found else ():
        if field.outcome != "unmet":
            assert field.by in ("sender", "network")
            assert field.asked[-1].party == "receiver"


@given(senders, networks, receivers)
def test_a_receiver_can_never_get_more_than_the_sender_allows(
    sender: Sender, network: Network, receiver: Receiver
) -> None:
    found = combined(sender, network, receiver)
    if found is None:
        return
    asks_nothing = combined(sender, network, Receiver(long_side_px=8192))
    assert asks_nothing is not None
    for name in ("planes", "long_side_px", "keep_days"):
        most, got = asks_nothing[name], found[name]
        assert most is None or (isinstance(most, int) and isinstance(got, int) and got <= most)
    assert found["layers"] == asks_nothing["layers"]


@given(senders, networks, receivers)
def test_what_was_found_binds_and_found_again_is_the_same(
    sender: Sender, network: Network, receiver: Receiver
) -> None:
    found = combined(sender, network, receiver)
    if found is None:
        return
    # The cloud knows of the sender what travels in the packet, and must come to the same.
    cloud = effective(Sender(receiver=found.binding), Network(), receiver)
    for name in (
        "long_side_px",
        "style_prompt",
        "anchors",
        "people_anchors",
        "people_drawn",
        "stand_in",
        "publish",
        "viewers",
    ):
        assert cloud[name] == found[name]
        assert cloud.decisions[name].outcome == found.decisions[name].outcome


@given(senders, networks, receivers)
def test_a_renderer_is_asked_for_what_is_allowed_or_for_nothing(
    sender: Sender, network: Network, receiver: Receiver
) -> None:
    found = combined(sender, network, receiver)
    if found is None:
        return
    drawn = sender.receiver.stand_in or receiver.people == "stand-in"
    if drawn and receiver.stand_in is None:
        with pytest.raises(PolicyError, match=r"stand_in: .* give receiver\.stand_in"):
            found.rendering()
        return
    asked = found.rendering(("a" * 64,))
    assert asked.stand_in == (receiver.stand_in if drawn else None)
    assert asked.planes == receiver.planes
    assert asked.long_side_px == found["long_side_px"]
    assert asked.style_prompt == found["style_prompt"]
    assert asked.anchors == ("a" * 64,)


def test_without_constraints_a_renderer_is_asked_for_the_usual() -> None:
    assert effective(Sender(), Network(), Receiver()).rendering() == Policy()


def test_a_refusal_says_who_and_why() -> None:
    found = effective(
        Sender(planes=8, receiver=Demands(largest_px=256, style=False)),
        Network(planes=12),
        Receiver(planes=24, long_side_px=1024, style_prompt="his face"),
    )
    whys = {each.name: each.why for each in found.refused}
    assert whys == {
        "planes": "the sender allows 8, the receiver asked for 24: the sender goes before it",
        "long_side_px": "the sender allows 256, the receiver asked for 1024: the sender goes before it",
        "style_prompt": "the sender allows no words of the receiver (sender.receiver.style = false)",
    }


@pytest.mark.parametrize(
    ("allowed", "value", "by", "outcome"),
    [(None, 256, "default", "default"), (128, 128, "sender", "granted"), (1024, 256, "default", "granted")],
)
def test_a_default_is_asked_for_by_nobody(allowed: int | None, value: int, by: str, outcome: str) -> None:
    found = effective(Sender(receiver=Demands(largest_px=allowed)), Network(), Receiver())
    side = found.decisions["long_side_px"]
    assert (side.value, side.by, side.outcome) == (value, by, outcome)
    assert [each.party for each in side.asked] == ([] if allowed is None else ["sender"])
    assert not found.refused
    plain = effective(Sender(), Network(), Receiver())
    assert {each.outcome for each in plain} == {"default"}


def test_of_equal_limits_the_sender_decides_before_the_network() -> None:
    assert (
        effective(Sender(planes=8), Network(planes=8), Receiver(planes=8)).decisions["planes"].by == "sender"
    )
    assert effective(Sender(), Network(planes=8), Receiver(planes=8)).decisions["planes"].by == "network"
