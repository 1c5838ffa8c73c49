"""`mirage cloud verify`: whether a clip is what its cloud signed, and what it says of itself."""

from pathlib import Path

from cloud.provenance.checking import Checked, ForgedError, check, told
from cloud.provenance.content import ContentError, Manifest, read_manifest
from cloud.provenance.signing import SigningKeyError, from_pem
from mirage.errors import InputError
from mirage.output import as_json, print_line, read_input


def verify(path: Path, key: Path, document: Path | None, *, json: bool) -> None:
    """Check, and say what was in force. Raises InputError, and ForgedError for what is not genuine."""
    try:
        keys = from_pem(read_input(key))
    except SigningKeyError as error:
        raise InputError(f"{key}: {error}") from error
    try:
        found = check(read_input(path), keys, None if document is None else read_input(document))
    except ForgedError as error:
        raise ForgedError(f"{path}: {error}") from error
    manifest = _manifest(path) if found.film_compared else None
    if json:
        print_line(as_json(_report(found, manifest)))
        return
    print_line(f"{path}: genuine, signed with key {found.key}")
    if not found.film_compared:
        print_line("  only the document was checked: the film itself was not looked at")
    for line in told(found.document):
        print_line(f"  {line}")
    if isinstance(manifest, Manifest):
        failed = f" ({', '.join(manifest.failures)})" if manifest.failures else ""
        print_line(f"  C2PA: {manifest.state}{failed}, {manifest.source_type}")
    elif manifest is not None:
        print_line(f"  C2PA: {manifest}")


def _report(found: Checked, manifest: Manifest | str | None) -> dict[str, object]:
    return {
        "key": found.key,
        "film_compared": found.film_compared,
        "c2pa": manifest,
        "document": found.document,
    }


def _manifest(path: Path) -> Manifest | str | None:
    """Read the C2PA manifest; or say why that cannot be looked at."""
    try:
        return read_manifest(path)
    except ModuleNotFoundError:
        return "not looked at: pip install 'mirage-video[c2pa]'" if b"c2pa" in read_input(path) else None
    except ContentError as error:
        raise ForgedError(str(error)) from error
