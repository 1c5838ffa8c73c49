"""Clips and documents are checked; each way to forge one is found and named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.provenance.attached import MAX_DOCUMENT, attach, detach
from cloud.provenance.checking import ForgedError, check, told
from cloud.provenance.notary import UNSIGNED, Notary
from cloud.provenance.signing import key_id
from cloud.render.mp4 import OutputError
from tests.cloud.provenance.films import CONFIDENCE, OURS, STATEMENT, THEIRS, write_film

KEYS = [OURS.public]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "clip.mp4")


@pytest.fixture
def clip(film: Path) -> bytes:
    Notary(OURS).finish(film, "gate", STATEMENT, CONFIDENCE)
    return film.read_bytes()


def document_of(clip: bytes) -> bytes:
    _, document = detach(clip)
    assert document is not None
    return document


def test_a_clip_by_itself_a_document_by_itself_and_both_together_are_checked(clip: bytes) -> None:
    document = document_of(clip)
    for found in (check(clip, KEYS), check(clip, KEYS, document), check(detach(clip)[0], KEYS, document)):
        assert (found.key, found.film_compared) == (key_id(OURS.public), True)
        assert found.document == json.loads(document)
    assert check(document, KEYS).film_compared is False


def test_the_statement_is_in_the_document_word_for_word(clip: bytes) -> None:
    document = json.loads(document_of(clip))
    assert {name: document[name] for name in STATEMENT} == STATEMENT
    assert document["clip"]["bytes"] == len(detach(clip)[0])


def test_the_same_film_and_key_give_the_same_bytes(film: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(film.read_bytes())
    for path in (film, other):
        Notary(OURS).finish(path, "gate", STATEMENT, CONFIDENCE)
    assert film.read_bytes() == other.read_bytes()


def _changed_film(clip: bytes) -> bytes:
    at = clip.index(b"mdat") + 100
    return clip[:at] + bytes([clip[at] ^ 1]) + clip[at + 1 :]


def _changed_document(clip: bytes) -> bytes:
    return clip.replace(b'"seed":0', b'"seed":7')


def _longer(clip: bytes) -> bytes:
    film, document = detach(clip)
    return film + b"\0\0\0\x08free" + attach(document or b"")


def _of_another(clip: bytes) -> bytes:
    film, document = detach(clip)
    return film + attach(json.dumps(THEIRS.sign(json.loads(document or b""))).encode())


def _unsigned(clip: bytes) -> bytes:
    film, document = detach(clip)
    left = {name: value for name, value in json.loads(document or b"").items() if name != "signature"}
    return film + attach(json.dumps(left).encode())


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (_changed_film, "the film was changed since it was signed"),
        (_changed_document, "its document is changed since it was signed"),
        (_longer, "the film was changed"),
        (_of_another, "none of those that are trusted here"),
        (_unsigned, "its document is not signed"),
        (lambda clip: detach(clip)[0], "carries no document"),
        (lambda clip: clip[:-1], "carries no document"),
        (lambda clip: detach(clip)[0] + attach(b"{"), "its document is damaged"),
        (lambda clip: detach(clip)[0] + attach(b"[]"), "no JSON object"),
        (lambda clip: document_of(clip).replace(b'"seed":0', b'"seed":7'), "changed since it was signed"),
        (lambda _clip: b"{", "its document is damaged"),
    ],
)
def test_what_is_forged_is_said(clip: bytes, forge: Callable[[bytes], bytes], why: str) -> None:
    with pytest.raises(ForgedError, match=why):
        check(forge(clip), KEYS)


def test_a_clip_with_the_document_of_another_is_found_out(clip: bytes, tmp_path: Path) -> None:
    other = write_film(tmp_path / "other.mp4", {"other": True})
    Notary(OURS).finish(other, "gate", STATEMENT, CONFIDENCE)
    with pytest.raises(ForgedError, match="the film was changed"):
        check(clip, KEYS, document_of(other.read_bytes()))


def test_a_signed_document_that_names_no_film_vouches_for_none(clip: bytes) -> None:
    document = json.dumps(OURS.sign(STATEMENT)).encode()
    assert check(document, KEYS).key == key_id(OURS.public)
    with pytest.raises(ForgedError, match="does not say of which film"):
        check(clip, KEYS, document)


def test_without_a_key_a_film_has_its_document_unsigned(film: Path) -> None:
    text = UNSIGNED.finish(film, "gate", STATEMENT, CONFIDENCE)
    assert "signature" not in json.loads(text)
    assert detach(film.read_bytes())[1] == text.encode()


def test_a_film_that_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"gone\.mp4: No such file"):
        UNSIGNED.finish(tmp_path / "gone.mp4", "gate", STATEMENT, CONFIDENCE)


def test_what_was_in_force_is_said_in_plain_words() -> None:
    document = {**STATEMENT, "confidence": CONFIDENCE}
    assert list(told(document)) == [
        "AI-reconstructed from a description; not a recording",
        "camera acme/north/jetson-1/gate, segment 3",
        "made from 3 packets, 412 bytes",
        f"renderer preview tiny, bundle {'5b' * 32}, seed 0",
        "in force: long_side_px 64, limited by the sender (the sender allows 64)",
        "confidence 0.93",
    ]


@pytest.mark.parametrize(
    ("confidence", "said"),
    [
        ({"score": 0.2}, "confidence 0.20, LOW: the picture may not show what was received"),
        ({"score": None, "why": "no code was received"}, "confidence unknown: no code was received"),
        (None, "confidence unknown: not measured"),
    ],
)
def test_how_sure_it_is_is_never_made_up(confidence: object, said: str) -> None:
    assert list(told({"confidence": confidence}))[-1] == said


def test_a_document_too_long_to_be_ours_is_film() -> None:
    clip = b"film" + attach(b" " * (MAX_DOCUMENT + 1))
    assert detach(clip) == (clip, None)
