"""The checker finds what it is there to find: each rule has a history that breaks it, and only it."""

from dataclasses import replace

import pytest

from mirage.bench.chaos.checker import Violation, check, ranges_text
from mirage.bench.chaos.history import Boot, Captured, Claim, History, Stored, StoredGap
from wire.gap import GapReason

A, B = "0a" * 8, "0b" * 8


def captured(sequence: int) -> Captured:
    return Captured(sequence, "door", sequence * 100, f"whole-{sequence}", f"coarse-{sequence}")


def stored(sequence: int, boot: str = A) -> Stored:
    return Stored(boot, sequence, "door", sequence * 100, f"whole-{sequence}", 5000 + sequence * 100)


def boot_of(count: int, boot: str = A) -> Boot:
    return Boot(boot, tuple(map(captured, range(count))), frozenset(range(count)))


# Ten were captured; 3 and 4 were shed, 6 lost its detail, and all of it is in the store.
GOOD = History(
    boots=(boot_of(10),),
    packets=tuple(
        replace(stored(each), digest="coarse-6") if each == 6 else stored(each)
        for each in (0, 1, 2, *range(5, 10))
    ),
    gaps=(StoredGap(A, 3, 4, GapReason.SPOOL_FULL),),
    claims=(Claim(A, 9),),
)


def without(sequence: int) -> History:
    """Lose a packet in the store, which knows that."""
    claim = Claim(A, 9, ((sequence, sequence),)) if sequence < 9 else Claim(A, 8)
    packets = tuple(each for each in GOOD.packets if each.sequence != sequence)
    return replace(GOOD, packets=packets, claims=(claim,))


def with_packet(packet: Stored) -> History:
    others = [each for each in GOOD.packets if (each.boot, each.sequence) != (packet.boot, packet.sequence)]
    return replace(GOOD, packets=(*others, packet))


def with_boot(**changes: object) -> Boot:
    boot: Boot = replace(GOOD.boots[0], **changes)  # type: ignore[arg-type]
    return boot


def rules(history: History) -> list[str]:
    return [violation.rule for violation in check(history).violations]


def test_a_run_in_which_all_is_well_is_counted_and_not_blamed() -> None:
    verdict = check(GOOD)
    assert verdict.violations == ()
    assert (verdict.captured, verdict.stored, verdict.stored_without_detail) == (10, 8, 1)
    assert verdict.given_up == {"spool-full": 2}
    assert verdict.cut_off == {}


@pytest.mark.parametrize("sequence", [0, 5, 9])
def test_what_is_nowhere_is_lost_wherever_it_was(sequence: int) -> None:
    (violation,) = check(without(sequence)).violations
    assert violation == Violation("lost", f"boot {A}: {sequence} were captured, and are nowhere")


def test_a_boot_of_which_nothing_came_is_lost() -> None:
    history = replace(GOOD, boots=(*GOOD.boots, boot_of(3, B)))
    assert [each.what for each in check(history).violations] == [
        f"boot {B}: 0-2 were captured, and are nowhere"
    ]


def test_a_packet_that_is_stored_twice_is_found() -> None:
    assert rules(replace(GOOD, packets=(*GOOD.packets, stored(5)))) == ["twice", "order"]


def test_a_packet_that_is_stored_and_given_up_is_found() -> None:
    assert rules(replace(GOOD, gaps=(StoredGap(A, 3, 5, GapReason.SPOOL_FULL),))) == ["twice"]


def test_gap_records_that_overlap_are_found() -> None:
    gaps = (*GOOD.gaps, StoredGap(A, 4, 4, GapReason.EXPIRED))
    assert rules(replace(GOOD, gaps=gaps)) == ["twice"]


def test_a_packet_that_was_never_captured_is_a_phantom() -> None:
    history = replace(with_packet(stored(10)), claims=(Claim(A, 10),))
    assert rules(history) == ["phantom"]


def test_a_packet_of_one_boot_under_another_is_a_phantom() -> None:
    history = replace(with_packet(stored(0, B)), claims=(*GOOD.claims, Claim(B, 0)))
    assert rules(history) == ["phantom"]


def test_a_gap_of_what_was_never_captured_is_a_phantom() -> None:
    gaps = (*GOOD.gaps, StoredGap(A, 10, 12, GapReason.DAMAGED))
    assert rules(replace(GOOD, gaps=gaps, claims=(Claim(A, 12),))) == ["phantom"]


def test_a_packet_that_was_sent_and_never_captured_is_a_phantom() -> None:
    assert rules(replace(GOOD, boots=(with_boot(offered={0: 1, 10: 1}),))) == ["phantom"]


@pytest.mark.parametrize(
    "change", [{"digest": "another"}, {"digest": "coarse-4"}, {"camera": "gate"}, {"captured_ms": 501}]
)
def test_a_packet_with_another_content_place_or_time_is_altered(change: dict[str, object]) -> None:
    changed: Stored = replace(stored(5), **change)  # type: ignore[arg-type]
    assert rules(with_packet(changed)) == ["altered"]


def test_times_that_do_not_ascend_with_sequences_are_out_of_order() -> None:
    assert rules(with_packet(replace(stored(5), start_ms=stored(7).start_ms))) == ["order"]
    times = (replace(captured(1), captured_ms=250), *map(captured, (0, *range(2, 10))))
    history = replace(with_packet(replace(stored(1), captured_ms=250)), boots=(with_boot(captured=times),))
    assert rules(history) == ["order"]


def test_cameras_and_boots_have_times_of_their_own() -> None:
    late = [replace(captured(each), camera="gate", captured_ms=each * 100 + 50) for each in range(3)]
    more = Boot(B, tuple(late), frozenset(range(3)))
    packets = [
        replace(stored(each, B), camera="gate", captured_ms=each * 100 + 50, start_ms=each)
        for each in range(3)
    ]
    history = replace(GOOD, boots=(*GOOD.boots, more), packets=(*GOOD.packets, *packets))
    assert rules(replace(history, claims=(*GOOD.claims, Claim(B, 2)))) == []


def test_a_gap_without_a_reason_that_anyone_knows_is_nameless() -> None:
    assert rules(replace(GOOD, gaps=(StoredGap(A, 3, 4, 77),))) == ["nameless"]
    assert check(replace(GOOD, gaps=(StoredGap(A, 3, 4, 77),))).given_up == {"reason-77": 2}


def test_packets_of_a_boot_whose_birth_is_not_there_are_birthless_unless_damage_took_it() -> None:
    history = replace(GOOD, birthless=(A,))
    assert rules(history) == ["birthless"]
    assert rules(replace(GOOD, birthless=(B,))) == [], "nothing of it is stored"
    assert rules(replace(history, boots=(with_boot(in_damaged_file=frozenset({9})),))) == []


def test_what_was_acknowledged_before_it_was_stored_is_early() -> None:
    (violation,) = check(replace(GOOD, boots=(with_boot(early=((4, 5),)),))).violations
    assert violation == Violation("early", f"boot {A}: 4-5 was acknowledged, and was not in the store")


def test_a_watermark_that_claims_what_is_not_stored_is_found() -> None:
    assert rules(replace(GOOD, claims=(Claim(A, 10),))) == ["watermark"]
    assert rules(replace(without(5), claims=GOOD.claims)) == ["lost", "watermark"]


def test_a_watermark_that_forgets_what_is_stored_is_found() -> None:
    assert rules(replace(GOOD, claims=(Claim(A, 9, ((5, 6),)),))) == ["watermark"]
    assert rules(replace(GOOD, claims=())) == ["watermark"]


def test_what_still_waits_in_the_end_is_not_delivered() -> None:
    assert rules(replace(GOOD, undelivered=3)) == ["undelivered"]


def test_a_process_that_died_by_itself_is_a_violation() -> None:
    (violation,) = check(replace(GOOD, deaths=("cloud ended with 1",))).violations
    assert violation == Violation("death", "cloud ended with 1")


def test_what_was_in_flight_at_a_kill_is_the_end_of_its_boot() -> None:
    boot = with_boot(written=frozenset(range(9)), killed=True)
    verdict = check(replace(without(9), boots=(boot,)))
    assert verdict.violations == ()
    assert verdict.cut_off == {"in flight at a kill": 1}


def test_what_was_in_flight_may_have_arrived_all_the_same() -> None:
    assert rules(replace(GOOD, boots=(with_boot(written=frozenset(range(9)), killed=True),))) == []


def test_nobody_is_in_flight_where_nobody_was_killed() -> None:
    boot = with_boot(written=frozenset(range(9)))
    assert rules(replace(without(9), boots=(boot,))) == ["lost"]


def test_only_the_last_of_a_boot_may_have_been_in_flight() -> None:
    boot = with_boot(written=frozenset(range(10)) - {5}, killed=True)
    assert rules(replace(without(5), boots=(boot,))) == ["lost"]


def test_only_one_may_have_been_in_flight() -> None:
    boot = with_boot(written=frozenset(range(8)), killed=True)
    history = replace(without(9), boots=(boot,), claims=(Claim(A, 7),))
    packets = tuple(each for each in history.packets if each.sequence < 8)
    assert rules(replace(history, packets=packets)) == ["lost"]


def test_what_was_written_is_not_excused_by_a_kill() -> None:
    assert rules(replace(without(9), boots=(with_boot(killed=True),))) == ["lost"]


def test_what_a_full_disk_left_in_memory_may_go_with_the_process() -> None:
    boot = with_boot(written=frozenset(range(8)), given_up=frozenset({8, 9}), killed=True)
    packets = tuple(each for each in GOOD.packets if each.sequence < 8)
    history = replace(GOOD, boots=(boot,), packets=packets, claims=(Claim(A, 7),))
    verdict = check(history)
    assert verdict.violations == ()
    assert verdict.cut_off == {"disk full at a kill": 2}
    assert rules(replace(history, boots=(replace(boot, killed=False),))) == ["lost"]


def test_what_was_in_a_file_that_was_damaged_is_counted_and_nothing_else_is_excused() -> None:
    boot = with_boot(in_damaged_file=frozenset({5}))
    verdict = check(replace(without(5), boots=(boot,)))
    assert verdict.violations == ()
    assert verdict.cut_off == {"file destroyed": 1}
    assert rules(replace(without(7), boots=(boot,))) == ["lost"]


def test_what_was_sent_again_is_counted() -> None:
    assert check(replace(GOOD, boots=(with_boot(offered={0: 3, 1: 1, 2: 2}),))).offered_again == 3


def test_sequences_are_told_as_ranges() -> None:
    assert ranges_text([7, 3, 2, 1]) == "1-3, 7"
