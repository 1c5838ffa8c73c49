"""C2PA manifests in clips: what players and platforms look for. The extra `c2pa` brings the library.

    film --Builder, certificate and key--> film with a manifest: c2pa.created, digitalSourceType,
                                           and `org.mirage.provenance`: what the film was made from

The library signs nothing that it does not find valid itself, so a certificate that will not do is found when
it is tried. Whether others trust it is theirs to say: one of your own authority is on no public list.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloud.config import ConfigError
from cloud.render.jpeg import COMPOSITE, GENERATED

if TYPE_CHECKING:
    import c2pa

ASSERTION = "org.mirage.provenance"
_VIDEO = "video/mp4"


class ContentError(RuntimeError):
    """A manifest cannot be made or read; the message says why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the library found: `state` is Trusted, Valid or Invalid, `failures` are its codes."""

    state: str
    failures: tuple[str, ...]
    source_type: str | None
    statement: Mapping[str, object] | None


class ContentSigner:
    """Puts manifests into films, with a certificate chain and its key (P-256), both in PEM.

    Raises ConfigError where the package is not installed.
    """

    def __init__(self, certificate: bytes, key: bytes) -> None:
        self._certificate = certificate
        self._key = key
        try:
            import c2pa  # 23 MB that few need
        except ModuleNotFoundError as error:
            raise ConfigError(
                "provenance.c2pa_certificate: c2pa-python is not installed: pip install 'mirage-video[c2pa]'"
            ) from error
        self._c2pa = c2pa

    def sign(self, film: Path, title: str, statement: Mapping[str, object]) -> None:
        """Replace a film by one with a manifest. Raises ContentError."""
        lib, signed = self._c2pa, film.with_name(f".{film.name}.signed")
        info = lib.C2paSignerInfo(b"es256", self._certificate, self._key, None)
        try:
            with (
                lib.Signer.from_info(info) as signer,
                lib.Builder(json.dumps(_definition(title, statement))) as builder,
                film.open("rb") as source,
                signed.open("w+b") as target,
            ):
                builder.sign(signer, _VIDEO, source, target)
            signed.replace(film)
        except (lib.C2paError, OSError) as error:
            raise ContentError(f"C2PA: {_first_line(error)}") from error
        finally:
            signed.unlink(missing_ok=True)


def read_manifest(clip: Path, anchors: bytes | None = None) -> Manifest | None:
    """Read and check a clip's manifest; None for one without. `anchors` are authorities to trust, in PEM.

    Raises ContentError, ModuleNotFoundError without the package.
    """
    import c2pa

    trust: dict[str, object] = {} if anchors is None else {"trust": {"user_anchors": anchors.decode()}}
    try:
        with (
            c2pa.Settings.from_dict(trust) as settings,
            c2pa.Context(settings) as context,
            clip.open("rb") as source,
            c2pa.Reader(_VIDEO, source, context=context) as reader,
        ):
            return _manifest(reader)
    except c2pa.C2paError.ManifestNotFound:
        return None
    except (c2pa.C2paError, OSError) as error:
        raise ContentError(f"{clip}: C2PA: {_first_line(error)}") from error


def _manifest(reader: "c2pa.Reader") -> Manifest:
    results = (reader.get_validation_results() or {}).get("activeManifest", {})
    found = (reader.get_active_manifest() or {}).get("assertions", [])
    by_label = {each["label"]: each["data"] for each in found}
    actions = by_label.get("c2pa.actions.v2", {}).get("actions", [])
    return Manifest(
        state=str(reader.get_validation_state()),
        failures=tuple(each["code"] for each in results.get("failure", [])),
        source_type=actions[0].get("digitalSourceType") if actions else None,
        statement=by_label.get(ASSERTION),
    )


def _definition(title: str, statement: Mapping[str, object]) -> dict[str, object]:
    policy = statement.get("policy")
    anchored = isinstance(policy, Mapping) and bool(policy.get("anchors"))
    created = {
        "action": "c2pa.created",
        # Pictures of real places that a renderer was given are in it, beside what it made up.
        "digitalSourceType": COMPOSITE if anchored else GENERATED,
        "softwareAgent": {"name": str(statement.get("renderer", "mirage"))},
    }
    return {
        "claim_generator_info": [{"name": "mirage"}],
        "title": title,
        "format": _VIDEO,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": ASSERTION, "kind": "Json", "data": _shown(statement)},
        ],
    }


def _shown(statement: Mapping[str, object]) -> dict[str, object]:
    """Write lists of numbers as text: the library shows those of small ones as base64, which nobody reads."""
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        for name, value in statement.items()
    }


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())
