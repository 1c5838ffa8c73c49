"""What is in force where sender, network and receiver each want something: one pure function.

    sender  >  network  >  receiver

    limit     the smallest that anyone states                 planes, long_side_px, keep_days
    allowed   what all allow                                  layers
    demand    the sender's demand stands; else as asked       style, anchors, people, publish, viewers
    own       only one of the three has a say                 faces, bytes_per_s, steps ...

Each field tells who decided it, what was asked by whom, and why. A receiver who asks for more than the
sender allows gets what is allowed, or nothing: `Effective.refused` says which and why.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from wire.policy.errors import PolicyError
from wire.policy.rendering import Policy
from wire.policy.tables import ROLES, Demands, Network, Receiver, Sender, Tables

Party = Literal["sender", "network", "receiver"]
By = Literal["sender", "network", "receiver", "default"]
Outcome = Literal["granted", "limited", "refused", "unmet", "default"]
Value = bool | int | float | str | tuple[str, ...] | None

SENDER_OWN = (
    "off", "faces", "text", "people", "plates", "zones", "words", "picture_px", "noise", "hours", "timezone",
    "on_motion", "remote",
)  # fmt: skip
NETWORK_OWN = (
    "bytes_per_s", "burst_bytes", "bytes_per_month", "latency_ms", "send_hours", "send_timezone",
    "qos", "count", "link",
)  # fmt: skip
RECEIVER_OWN = ("steps", "fps", "frames", "guidance", "seed")


@dataclass(frozen=True, slots=True)
class Asked:
    """What one party stated."""

    party: Party
    value: Value


@dataclass(frozen=True, slots=True)
class Decision:
    """One field. `unmet`: the sender demands what the receiver lacks, so nothing may be rendered."""

    name: str
    value: Value
    by: By
    asked: tuple[Asked, ...]
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class Effective:
    """All fields, and the three tables that they come from."""

    tables: Tables
    decisions: Mapping[str, Decision]

    def __iter__(self) -> Iterator[Decision]:
        return iter(self.decisions.values())

    def __getitem__(self, name: str) -> Value:
        return self.decisions[name].value

    @property
    def binding(self) -> Demands:
        """What travels in each packet."""
        return self.tables.sender.receiver

    @property
    def refused(self) -> tuple[Decision, ...]:
        """Give the fields in which somebody did not get what was asked."""
        return tuple(each for each in self if each.outcome in ("limited", "refused", "unmet"))

    @property
    def unmet(self) -> tuple[Decision, ...]:
        """Give the demands without which nothing may be rendered."""
        return tuple(each for each in self if each.outcome == "unmet")

    def rendering(self, anchors: tuple[str, ...] = ()) -> Policy:
        """Give what a renderer is asked for; `anchors` are the SHA-256 of the pictures that are allowed.

        Raises PolicyError where a demand is not met.
        """
        if self.unmet:
            raise PolicyError("; ".join(f"{each.name}: {each.why}" for each in self.unmet))
        asked, side = self.tables.receiver, self["long_side_px"]
        if not isinstance(side, int):
            raise TypeError(f"long_side_px is {side!r}")
        return Policy(
            side, asked.steps, asked.fps, asked.frames, asked.guidance,
            str(self["style_prompt"]), str(self["negative_prompt"]), anchors,
            asked.planes, str(self["stand_in"]) if self["people_drawn"] == "stand-in" else None,
        )  # fmt: skip


def effective(sender: Sender, network: Network, receiver: Receiver) -> Effective:
    """Combine three tables; raises PolicyError where they leave nothing to send."""
    tables = Tables(sender, network, receiver)
    decisions = (
        *_own(sender, SENDER_OWN, "sender"),
        _layers(sender, network),
        _limit("planes", sender=sender.planes, network=network.planes, receiver=receiver.planes),
        *_own(network, NETWORK_OWN, "network"),
        _side(sender.receiver.largest_px, receiver.long_side_px),
        *_own(receiver, RECEIVER_OWN, "receiver"),
        *_demanded(sender.receiver, receiver),
        _limit("keep_days", sender=sender.receiver.keep_days, receiver=receiver.keep_days),
    )
    return Effective(tables, {each.name: each for each in decisions})


def _own(table: Sender | Network | Receiver, names: tuple[str, ...], party: Party) -> Iterator[Decision]:
    plain = type(table)()
    for name in names:
        value = _shown(getattr(table, name))
        stated = getattr(table, name) != getattr(plain, name)
        asked = (Asked(party, value),) if stated else ()
        why = f"only the {party} has a say" if stated else "nobody says otherwise"
        yield Decision(
            name, value, party if stated else "default", asked, "granted" if stated else "default", why
        )


def _layers(sender: Sender, network: Network) -> Decision:
    allowed = tuple(name for name in sender.layers if name in network.layers)
    if not allowed:
        raise PolicyError(
            f"[sender] layers {list(sender.layers)} and [network] layers {list(network.layers)} have "
            "nothing in common, so nothing could be sent: allow a layer in both"
        )
    asked = tuple(
        Asked(party, table.layers)
        for party, table in _of(sender, network)
        if table.layers != type(table)().layers
    )
    if not asked:
        return Decision("layers", allowed, "default", (), "default", "nobody says otherwise")
    by = asked[0].party if len(asked) == 1 or set(sender.layers) <= set(network.layers) else "network"
    return Decision("layers", allowed, by, asked, "granted", "what sender and network both allow")


def _of(sender: Sender, network: Network) -> tuple[tuple[Party, Sender | Network], ...]:
    return ("sender", sender), ("network", network)


def _limit(
    name: str, sender: int | None = None, network: int | None = None, receiver: int | None = None
) -> Decision:
    """Take the smallest; of equal ones, the party that goes before the others decided."""
    stated: list[tuple[Party, int | None]] = [
        ("sender", sender),
        ("network", network),
        ("receiver", receiver),
    ]
    limits = [(party, value) for party, value in stated if value is not None]
    asked = tuple(Asked(party, value) for party, value in limits)
    if not limits:
        return Decision(name, None, "default", (), "default", "nobody sets a limit")
    by, value = min(limits, key=lambda limit: limit[1])
    if receiver is not None and value < receiver:
        why = f"the {by} allows {value}, the receiver asked for {receiver}: the {by} goes before it"
        return Decision(name, value, by, asked, "limited", why)
    return Decision(name, value, by, asked, "granted", f"the smallest that is asked is the {by}'s")


def _side(allowed: int | None, wish: int) -> Decision:
    """Limit the side as others, but that it has a default, which nobody has to ask for."""
    default = Receiver().long_side_px
    if wish != default:
        return _limit("long_side_px", sender=allowed, receiver=wish)
    if allowed is None:
        return Decision("long_side_px", default, "default", (), "default", "nobody says otherwise")
    asked = (Asked("sender", allowed),)
    if allowed < default:
        why = f"the sender allows {allowed}, less than the default, {default}"
        return Decision("long_side_px", allowed, "sender", asked, "granted", why)
    why = f"the sender allows {allowed}, nobody asks for more than the default"
    return Decision("long_side_px", default, "default", asked, "granted", why)


def _demanded(demands: Demands, receiver: Receiver) -> Iterator[Decision]:
    words = "the sender allows no words of the receiver (sender.receiver.style = false)"
    yield _allowed("style_prompt", receiver.style_prompt, "", demands.style, allowed=demands.style, why=words)
    yield _allowed(
        "negative_prompt", receiver.negative_prompt, "", demands.style, allowed=demands.style, why=words
    )
    pictures = f'the sender allows no such pictures (sender.receiver.anchors = "{demands.anchors}")'
    places, people = demands.anchors != "none", demands.anchors == "any"
    yield _allowed("anchors", receiver.anchors, (), demands.anchors, allowed=places, why=pictures)
    yield _allowed(
        "people_anchors", receiver.people_anchors, (), demands.anchors, allowed=people, why=pictures
    )
    yield _people(demands, receiver)
    yield _stand_in(demands, receiver)
    yield _publish(demands, receiver)
    yield _viewers(demands, receiver)


def _allowed(name: str, wish: Value, nothing: Value, demand: Value, *, allowed: bool, why: str) -> Decision:
    if wish == nothing:
        return Decision(name, nothing, "default", (), "default", "nobody asks for it")
    asked = Asked("receiver", wish)
    if allowed:
        return Decision(name, wish, "receiver", (asked,), "granted", "the sender does not mind")
    return Decision(name, nothing, "sender", (Asked("sender", demand), asked), "refused", why)


def _people(demands: Demands, receiver: Receiver) -> Decision:
    """Decide whether each person is drawn as a stand-in; that can be asked for, and not be declined."""
    asked: list[Asked] = []
    if demands.stand_in:
        asked.append(Asked("sender", "stand-in"))
    if receiver.people == "stand-in":
        asked.append(Asked("receiver", "stand-in"))
    if not asked:
        return Decision("people_drawn", "as-sent", "default", (), "default", "nobody asks for stand-ins")
    by = asked[0].party
    return Decision(
        "people_drawn",
        "stand-in",
        by,
        tuple(asked),
        "granted",
        f"the {by} wants each person drawn as a stand-in",
    )


def _stand_in(demands: Demands, receiver: Receiver) -> Decision:
    wish, drawn = receiver.stand_in, demands.stand_in or receiver.people == "stand-in"
    asked = (Asked("sender", True),) if demands.stand_in else ()  # noqa: FBT003 -- the value that was asked
    if wish is not None:
        by: By = "sender" if demands.stand_in else "receiver"
        why = "each person is drawn so" if drawn else "each person would be drawn so, where that is asked for"
        return Decision("stand_in", wish, by, (*asked, Asked("receiver", wish)), "granted", why)
    if not drawn:
        return Decision("stand_in", None, "default", (), "default", "nobody asks for it")
    party: Party = "sender" if demands.stand_in else "receiver"
    does = "demands" if demands.stand_in else "wants"
    why = f"the {party} {does} a stand-in for each person: give receiver.stand_in, a picture of one"
    return Decision("stand_in", None, party, asked or (Asked("receiver", "stand-in"),), "unmet", why)


def _publish(demands: Demands, receiver: Receiver) -> Decision:
    asked = tuple(
        Asked(party, False)  # noqa: FBT003 -- the value that was asked
        for party, publish in _pair(demands.publish, receiver.publish)
        if not publish
    )
    if not asked:
        return Decision("publish", True, "default", (), "default", "nobody minds")  # noqa: FBT003 -- the value
    why = f"the {asked[0].party} allows nothing of it to third parties"
    return Decision("publish", False, asked[0].party, asked, "granted", why)  # noqa: FBT003 -- the value


def _viewers(demands: Demands, receiver: Receiver) -> Decision:
    lowest = max(demands.viewers, receiver.viewers, key=ROLES.index)
    asked = tuple(
        Asked(party, role) for party, role in _pair(demands.viewers, receiver.viewers) if role != ROLES[0]
    )
    if not asked:
        return Decision("viewers", lowest, "default", (), "default", "whoever has a token may look")
    by = next(each.party for each in asked if each.value == lowest)
    return Decision("viewers", lowest, by, asked, "granted", f"the {by} asks for the higher role")


def _pair(sender: Value, receiver: Value) -> tuple[tuple[Party, Value], tuple[Party, Value]]:
    return ("sender", sender), ("receiver", receiver)


def _shown(value: object) -> Value:
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    if isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        return value
    return len(value) if isinstance(value, tuple) else str(value)  # zones: how many
