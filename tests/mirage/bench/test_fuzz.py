"""Fuzzing: planted faults are found and replayed, and the same seed gives the same inputs."""

import base64
import io
import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from cloud.certificate import identity_of
from mirage.bench.fuzz import watch
from mirage.bench.fuzz.campaign import PART, Plan, in_scratch, run_parallel
from mirage.bench.fuzz.command import Request, choose, report, run, run_replay
from mirage.bench.fuzz.mutate import LONGEST
from mirage.bench.fuzz.settings import CERTIFICATE
from mirage.bench.fuzz.targets import Target, make_targets
from mirage.bench.fuzz.watch import make_input, replay, run_part
from mirage.bench.report import to_json
from mirage.errors import InputError
from tests import planted

CARELESS = planted.planted(Path())["careless"]


@pytest.fixture(scope="module")
def targets() -> Iterator[Mapping[str, Target]]:
    with in_scratch(partial(make_targets, ())) as made:
        yield made


def test_a_serial_number_that_is_not_positive_is_read_without_a_warning(
    targets: Mapping[str, Target],
) -> None:
    made = x509.load_pem_x509_certificate(CERTIFICATE)
    serial = made.serial_number.to_bytes(20, "big")
    content = made.public_bytes(Encoding.DER).replace(serial, bytes((serial[0] | 0x80,)) + serial[1:])
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(content) + b"-----END CERTIFICATE-----\n"
    with pytest.warns(CryptographyDeprecationWarning, match="serial number"):
        identity_of(pem)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        targets["certificate"].parse(pem)
    assert seen == []


def test_a_planted_fault_is_reported_with_the_input_that_replays_it() -> None:
    tally = run_part(CARELESS, 0, 0, 400)
    assert tally.inputs == 400
    assert tally.violations > 0
    assert tally.accepted + sum(tally.refused.values()) + tally.violations == 400
    first = tally.told[0]
    assert first.target == "careless"
    assert first.what.startswith("KeyError")
    data = bytes.fromhex(first.input_hex)
    assert data == make_input(CARELESS, 0, first.index)
    again, what = replay(CARELESS, data)
    assert what == first.what
    assert again.violations == 1


def test_what_was_mended_replays_without_a_fault() -> None:
    first = run_part(CARELESS, 0, 0, 400).told[0]
    mended = replace(CARELESS, errors=(ValueError, KeyError))
    tally, what = replay(mended, bytes.fromhex(first.input_hex))
    assert what is None
    assert tally.refused == {"KeyError": 1}


def test_a_call_that_takes_long_is_a_violation() -> None:
    target = replace(CARELESS, parse=planted.slow, limit_s=0.001)
    assert "processor time" in run_part(target, 0, 1, 2).told[0].what


def test_a_call_that_does_not_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "HANG_S", 0.05)
    tally = run_part(replace(CARELESS, parse=planted.endless), 0, 0, 1)
    assert "did not end" in tally.told[0].what


def test_a_call_that_takes_much_memory_is_a_violation() -> None:
    target = replace(CARELESS, parse=planted.greedy, limit_bytes=1_000_000)
    assert "bytes of memory" in run_part(target, 0, 0, 1).told[0].what
    assert run_part(replace(target, limit_bytes=20_000_000), 0, 0, 1).violations == 0


def test_a_process_that_dies_is_a_violation_and_all_else_is_tried() -> None:
    plan = Plan(0, {"careless": 300, "deadly": 300})
    told = list[int]()
    tallies = run_parallel(plan, planted.planted, 2, told.append)
    assert "died" in tallies["deadly"].told[0].what
    assert tallies["deadly"].violations == 1
    alone = run_part(CARELESS, 0, 0, 300)
    assert tallies["careless"].refused == alone.refused
    assert tallies["careless"].told == alone.told
    assert sum(told) == 300


def test_a_target_has_parts_of_its_own_and_one_input_at_least(targets: Mapping[str, Target]) -> None:
    plan = Plan.by_share(targets, 1_000_000, 0)
    assert sum(plan.counts.values()) >= 1_000_000
    assert all(stop - start <= PART for _, start, stop in plan.parts())
    assert set(Plan.by_share(targets, 1, 0).counts.values()) == {1}


def test_the_same_seed_gives_the_same_inputs(targets: Mapping[str, Target]) -> None:
    for target in targets.values():
        inputs = [make_input(target, 3, index) for index in range(60)]
        assert inputs == [make_input(target, 3, index) for index in range(60)]
        assert inputs != [make_input(target, 4, index) for index in range(60)]
        assert max(map(len, inputs)) <= LONGEST
        assert len(set(inputs)) > 30


def test_every_target_takes_what_it_begins_with(targets: Mapping[str, Target]) -> None:
    for target in targets.values():
        assert target.valid
        for data in target.valid:
            tally, what = replay(target, data)
            assert (what, tally.accepted) == (None, 1), target.name


def test_a_report_counts_and_judges() -> None:
    request = Request(400, 0, ("careless",), 1)
    tally = run_part(CARELESS, 0, 0, 400)
    printed = json.loads(to_json(report(request, {"careless": tally}, 0, 2.0)))
    gates = {gate["name"]: gate for gate in printed["gates"]}
    assert gates["violations"]["value"] == tally.violations
    assert not gates["violations"]["ok"]
    assert gates["inputs"]["ok"]
    figures = printed["results"]["targets"]["careless"]
    assert figures["refused"] == dict(tally.refused)
    assert printed["results"]["inputs_per_s"] == 200
    first = printed["results"]["violations"][f"careless {tally.told[0].index}"]
    assert bytes.fromhex(first["input_hex"]) == make_input(CARELESS, 0, tally.told[0].index)


def test_chosen_targets_are_run_in_processes_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirage.bench.fuzz.command.clip_packets", tuple)
    found = run(Request(600, 1, ("gap", "topic"), 2))
    assert [(gate.name, gate.value, gate.ok) for gate in found.gates] == [
        ("violations", 0, True),
        ("inputs", 600, True),
    ]
    figures = found.results["targets"]
    assert isinstance(figures, dict)
    assert set(figures) == {"gap", "topic"}
    assert all(each["accepted"] + sum(each["refused"].values()) == 300 for each in figures.values())


def test_an_input_is_replayed_from_options_and_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirage.bench.fuzz.command.clip_packets", tuple)  # encoding it takes seconds
    assert run_replay(["gap"], "000901").results["outcome"] == "accepted"
    monkeypatch.setattr(sys, "stdin", io.StringIO("0009\n"))
    assert run_replay(["gap"], "-").results["outcome"] == "refused: GapError"


@pytest.mark.parametrize(
    ("names", "text", "said"),
    [([], "00", "one --target"), (["gap", "packet"], "00", "one --target"), (["gap"], "0g", "no hex")],
)
def test_a_replay_that_cannot_be_is_refused(names: list[str], text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        run_replay(names, text)


def test_an_unknown_target_is_named_beside_those_that_exist(targets: Mapping[str, Target]) -> None:
    with pytest.raises(InputError, match=r"--target pakcet: .*packet, header"):
        choose(targets, ["pakcet"])
