"""Finishes a film: a C2PA manifest if that is wished, then what it was made from, signed, behind it.

    film --C2PA--> film --SHA-256--> statement, clip, confidence --sign--> document --> film + document

The same film, statement and key give the same document: Ed25519 is deterministic, and no clock is in it. A
C2PA manifest is another one each time.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud.provenance.attached import attach
from cloud.provenance.content import ContentError, ContentSigner
from cloud.provenance.signing import Signatory
from cloud.render.mp4 import OutputError

_PART = 1 << 20


@dataclass(frozen=True, slots=True)
class Notary:
    """Without a `signatory` documents are not signed, without `content` films have no C2PA manifest."""

    signatory: Signatory | None = None
    content: ContentSigner | None = None

    def finish(
        self, film: Path, title: str, statement: Mapping[str, object], confidence: Mapping[str, object]
    ) -> str:
        """Finish a film where it lies; give the document that it carries now. Raises OutputError."""
        try:
            if self.content is not None:
                self.content.sign(film, title, statement)
            clip = {"sha256": _sha256(film), "bytes": film.stat().st_size}
            document: dict[str, object] = {**statement, "clip": clip, "confidence": confidence}
            if self.signatory is not None:
                document = self.signatory.sign(document)
            text = json.dumps(document, separators=(",", ":"))
            with film.open("ab") as file:
                file.write(attach(text.encode()))
        except OSError as error:
            raise OutputError(f"{film}: {error.strerror or error}") from error
        except ContentError as error:
            raise OutputError(str(error)) from error
        return text


UNSIGNED = Notary()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()
