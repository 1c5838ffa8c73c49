"""Whether a clip is what its cloud made: the signature of its document, and the film's own hash. Pure.

clip.mp4  = film + document     signature fits a trusted key, SHA-256 of the film is the document's
clip.json = document            signature fits; of the film nothing is known without it
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cloud.confidence.calibration import DOUBTFUL
from cloud.provenance.attached import detach
from cloud.provenance.signing import SignatureError, verify


class ForgedError(ValueError):
    """A clip or its document is not what its cloud signed; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A document whose signature fits, by which key, and whether the film was compared with it."""

    document: Mapping[str, object]
    key: str
    film_compared: bool


def check(data: bytes, keys: Iterable[bytes], document: bytes | None = None) -> Checked:
    """Check a clip, with the `document` that it carries or this one; or a document alone.

    Raises ForgedError.
    """
    if _is_document(data):
        return _checked(data, keys, None)
    film, carried = detach(data)
    if document is None and carried is None:
        raise ForgedError("carries no document at its end (cut off, or written anew), and none was given")
    return _checked(carried if document is None else document, keys, film)


def told(document: Mapping[str, object]) -> Iterator[str]:
    """Say in plain words what a document states: what was in force, what it was made of, how sure it is."""
    yield str(document.get("notice", "nothing says that it is AI-reconstructed"))
    yield f"camera {document.get('camera', '-')}, segment {document.get('segment', '-')}"
    match document.get("packets"):
        case [*packets]:
            noun = "packet" if len(packets) == 1 else "packets"
            yield f"made from {len(packets)} {noun}, {document.get('packets_bytes', '-')} bytes"
    yield f"renderer {document.get('renderer')}, bundle {document.get('bundle')}, seed {document.get('seed')}"
    if document.get("degraded"):
        yield f"falls short of what was asked for: {document['degraded']}"
    yield from _in_force(document)
    match document.get("confidence"):
        case {"score": int() | float() as score}:
            low = ", LOW: the picture may not show what was received" if score < DOUBTFUL else ""
            yield f"confidence {score:.2f}{low}"
        case {"why": str(why)}:
            yield f"confidence unknown: {why}"
        case _:
            yield "confidence unknown: not measured"


def _in_force(document: Mapping[str, object]) -> Iterator[str]:
    """Say field by field what was in force; what nobody asked for is left to the bundle."""
    constraints = document.get("constraints")
    for name, each in constraints.items() if isinstance(constraints, Mapping) else ():
        match each:
            case {"value": value, "by": by, "outcome": outcome, "why": why} if outcome != "default":
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                yield f"in force: {name} {text or 'none'}, {outcome} by the {by} ({why})"


def _checked(data: bytes | None, keys: Iterable[bytes], film: bytes | None) -> Checked:
    document = _parsed(data or b"")
    try:
        key = verify(document, keys)
    except SignatureError as error:
        raise ForgedError(f"its document is {error}") from error
    if film is not None:
        _compare(film, document)
    return Checked(document, key, film is not None)


def _compare(film: bytes, document: Mapping[str, object]) -> None:
    match document.get("clip"):
        case {"sha256": str(expected), "bytes": int(size)}:
            found = hashlib.sha256(film).hexdigest()
        case _:
            raise ForgedError("its document is signed, but does not say of which film it is")
    if found != expected:
        raise ForgedError(
            f"the film was changed since it was signed: SHA-256 of its {len(film)} bytes is {found}, signed "
            f"were {size} bytes with {expected}"
        )


def _is_document(data: bytes) -> bool:
    return data.lstrip()[:1] == b"{"


def _parsed(data: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ForgedError(f"its document is damaged: {error}") from error
    if not isinstance(document, dict):
        raise ForgedError("its document is damaged: no JSON object")
    return document
