"""The wire benchmark: real measurements on real tables, in the form that scripts read."""

import json

import pytest

from export.tables import text_tables, token_tables
from mirage.bench import wire
from mirage.bench.report import Gate, Report, print_report, to_json
from tests.wire.sample import CAPTIONS, changed_tokens, smooth_tokens
from wire.text import TextModel
from wire.tokens import TokenModel


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SECONDS", 0.01)


def test_captions_to_code_are_of_many_kinds() -> None:
    captions = wire.CAPTIONS.read_text("utf-8").splitlines()
    assert len(set(captions)) == len(captions) >= 80
    assert all(caption == caption.strip().lower() for caption in captions)


def test_captions_are_measured_beside_zstd() -> None:
    model = TextModel.from_arrays(text_tables(CAPTIONS))
    gates, results = wire.caption_figures(
        model, ["a black dog runs to the right", "a grey cat sits on a chair"]
    )
    assert [gate.name for gate in gates] == ["caption_bits"]
    zstd = results["zstd_dictionary_bits_per_character"]
    assert isinstance(zstd, float)
    assert 0 < gates[0].value < zstd < 20


def test_drawn_tokens_cost_what_the_tables_say() -> None:
    model = TokenModel.from_arrays(token_tables(smooth_tokens(200, seed=6), 8, 2))
    gates, results = wire.token_figures(model, wire.drawn_tokens(model, 6), 6)
    assert gates[0].ok
    assert 1 <= gates[0].value <= 1.03
    assert results["keyframes"] == 6


def test_keyframes_of_a_scene_cost_less_than_the_first() -> None:
    tokens = changed_tokens(40, seed=9)
    model = TokenModel.from_arrays(token_tables(tokens, 8, 2))
    frames = [tokens[0]] * wire.SEGMENT_SAMPLES + [tokens[40]] * 4
    after = wire.change_figures(model, frames, 6)["bytes_per_keyframe_after_another"]
    assert isinstance(after, float)
    assert 0 < after < len(model.encode_coarse(tokens[0])) + len(model.encode_detail(tokens[0], 6))
    assert wire.change_figures(model, frames[:2], 6) == {}


def test_framing_is_timed_sealed_and_unsealed() -> None:
    gates, results = wire.framing_figures({1: bytes(12), 4: bytes(90)})
    assert [gate.name for gate in gates] == ["framed", "parsed"]
    assert all(gate.value > 100 for gate in gates)
    assert results["sealed_frame_bytes"] == results["packet_bytes"] + 3 + 16  # type: ignore[operator]


def test_report_has_the_form_that_scripts_read() -> None:
    report = Report("wire", (Gate.at_least("framed", 3.0, "packets/s", 2.0),), {"x": {"y_ms": 1.5}})
    printed = json.loads(to_json(report))
    assert set(printed) == {"bench", "revision", "machine", "gates", "results"}
    assert set(printed["machine"]) == {"processor", "cores", "memory_gib", "accelerator"}
    assert printed["gates"] == [
        {"name": "framed", "value": 3.0, "unit": "packets/s", "target": 2.0, "ok": True}
    ]
    assert printed["results"] == {"x": {"y_ms": 1.5}}


def test_a_missed_gate_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("wire", (Gate.at_most("bits", 3.0, "bits", 2.0),), {"n": 3})
    print_report(report, as_json=False)
    shown = capsys.readouterr().out
    assert "MISSED" in shown
    assert "bits" in shown
