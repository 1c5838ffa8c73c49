"""Tables as people write them: unknown keys and contradictions are errors that say what to do."""

import pytest

from wire.policy import Demands, PolicyError, Sender
from wire.policy.hours import are_open, minutes
from wire.policy.presets import PRESETS
from wire.policy.reading import parse_tables
from wire.policy.tables import LAYERS


def read(text: str) -> object:
    return parse_tables(text.encode(), "policy.toml")


def test_three_tables_are_read() -> None:
    found = parse_tables(
        b"""
        [sender]
        faces = "redact"
        zones = [{ box = [0.5, 0.0, 1.0, 0.5] }, { see = "only", points = [[0, 0], [1, 0], [1, 1]] }]
        hours = ["22:00-06:00"]
        [sender.receiver]
        anchors = "places"
        [network]
        bytes_per_s = 62.5
        [receiver]
        style_prompt = "oil painting"
        """,
        "policy.toml",
    )
    assert found.sender.faces == "redact"
    assert found.sender.zones[0].corners == ((0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5))
    assert found.sender.receiver == Demands(anchors="places")
    assert found.network.bytes_per_s == 62.5
    assert found.receiver.style_prompt == "oil painting"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sender]\nfacse = 'redact'", r"policy\.toml: \[sender\] has no key 'facse': did you mean faces"),
        ("[sender.receiver]\nstile = false", r"\[sender\.receiver\] has no key 'stile': did you mean style"),
        ("[network]\nzebra = 1", r"\[network\] has no key 'zebra': it has bytes_per_s"),
        ("[reciever]\n", "has no key 'reciever': did you mean receiver"),
        ("[sender]\nfaces = 'blur'", r"\[sender\] Invalid enum value 'blur' - at `sender\.faces`"),
        ("[sender]\nlayers = []", r"layers is empty, so nothing could be sent: name some of caption"),
        ("[sender]\nlayers = ['appearance-detail']", "without appearance-tokens, which it refines: add them"),
        (
            "[sender]\nplanes = 0\nlayers = ['appearance-tokens', 'appearance-detail']",
            "leave one of them out",
        ),
        ("[sender]\nhours = ['6-7']", r"hours '6-7' are not as in 22:00-06:00"),
        ("[sender]\nhours = ['06:00-06:00']", r"hours '06:00-06:00' are empty .* leave hours out"),
        ("[sender]\nhours = ['06:00-24:01']", r"end after 24:00"),
        ("[network]\nsend_hours = ['6']", r"\[network\] hours '6' are not as in"),
        ("[sender]\nzones = [{ see = 'never' }]", "a zone has either points or a box"),
        ("[sender]\nzones = [{ box = [0.5, 0.0, 0.5, 1.0] }]", "left, top, right, bottom"),
        ("[sender]\nzones = [{ points = [[0, 0], [1, 1]] }]", "a polygon takes 3 or more"),
        ("[sender]\nzones = [{ box = [0.0, 0.0, 640, 480] }]", "<= 1"),
        ("[sender]\npreset = 'secret'", "Invalid enum value 'secret'"),
        ("sender = 3", r"sender is a int: write it as a table \[sender\]"),
        ("[receiver]\nsteps = 0", r"at `receiver\.steps`"),
        ("x", "policy.toml"),
    ],
)
def test_what_cannot_be_meant_is_named(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        read(text)


def test_a_preset_gives_way_to_the_keys_beside_it() -> None:
    text = "[sender]\npreset = 'private'\nplanes = 8\n[sender.receiver]\nkeep_days = 3"
    found = parse_tables(text.encode(), "policy.toml").sender
    preset = PRESETS["private"].sender
    assert (found.planes, found.receiver.keep_days) == (8, 3)
    assert (found.faces, found.words) == (preset.faces, preset.words)
    assert found.receiver.viewers == preset.receiver.viewers


def test_presets_go_from_strict_to_open() -> None:
    private, balanced, faithful = (PRESETS[name].sender for name in ("private", "balanced", "faithful"))
    assert set(private.layers) < set(balanced.layers) == set(faithful.layers) == set(LAYERS)
    assert set(private.words) > set(balanced.words) > set(faithful.words)
    assert private.receiver.with_strictest(balanced.receiver) == private.receiver
    assert faithful == Sender(preset="faithful")


def test_hours_may_pass_midnight() -> None:
    assert minutes("22:00-06:00") == (1320, 360)
    spans = ("22:00-06:00", "12:00-12:30")
    assert [are_open(spans, minute) for minute in (1319, 1320, 0, 359, 360, 720, 749, 750)] == [
        *(False, True, True, True, False),
        *(True, True, False),
    ]
    assert are_open((), 0)
    assert are_open(("00:00-24:00",), 1439)
