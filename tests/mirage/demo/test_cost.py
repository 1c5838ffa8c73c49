"""The table of bytes on the wire leaves none out."""

import msgspec

from mirage.demo.cost import birth_bytes, cost_table, mqtt_bytes, wire_costs
from mirage.demo.meter import Direction, Tally

TOTALS = {
    (Direction.DOWN, "receipt"): Tally(5, 20),
    (Direction.UP, "sem"): Tally(3, 700, 623),
    (Direction.UP, "birth"): Tally(1, 400, 350),
    (Direction.DOWN, "birth"): Tally(1, 1, 0),
}


def test_costs_are_ordered_upwards_first_then_by_size() -> None:
    assert [(cost.direction, cost.kind) for cost in wire_costs(TOTALS)] == [
        ("up", "sem"),
        ("up", "birth"),
        ("down", "receipt"),
        ("down", "birth"),
    ]


def test_both_directions_are_counted_and_the_birth_by_itself() -> None:
    costs = wire_costs(TOTALS)
    assert (mqtt_bytes(costs), birth_bytes(costs)) == (1121, 400)
    assert cost_table(costs).row_count == 4


def test_costs_are_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(wire_costs(TOTALS)))[0] == {
        "direction": "up",
        "kind": "sem",
        "packets": 3,
        "bytes": 700,
        "payload_bytes": 623,
    }
