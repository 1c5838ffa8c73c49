"""Manifest and index have one form each, and say nothing that must not be."""

import hashlib
from typing import Any

import msgspec
import pytest

from wire.release import Entry, Index, Manifest, Pack, ReleaseError
from wire.release.documents import EMPTY_SHA256, canonical, parse

A = hashlib.sha256(b"a").hexdigest()
GOLDEN = (
    b'{"kind":"agent","name":"mirage","version":"1.2.0","platform":"arm64","entries":['
    b'{"path":"bin/mirage","size":1,"sha256":"' + A.encode() + b'","executable":true},'
    b'{"path":"bin/python","link":"/usr/bin/python3"},{"path":"lib/empty"}],"python":"3.11"}'
)


def written(**changes: Any) -> bytes:  # noqa: ANN401 -- any field of the document
    return msgspec.json.encode({**msgspec.json.decode(GOLDEN), **changes})


def test_a_manifest_has_one_form_and_one_id() -> None:
    manifest = parse(GOLDEN, Manifest)
    assert canonical(manifest) == GOLDEN
    assert manifest.id == hashlib.sha256(GOLDEN).hexdigest()[:16]
    assert manifest.entries[0].mode == 0o755
    assert [entry.path for entry in manifest.files()] == ["bin/mirage", "lib/empty"]
    assert manifest.size == 1


@pytest.mark.parametrize(
    "data",
    [
        GOLDEN.replace(b'"3.11"}', b'"3.11", "x": 1}'),
        GOLDEN.replace(b":", b": ", 1),
        GOLDEN + b"\n",
        GOLDEN.replace(b'"python":"3.11"', b'"python":"3.11","schema":1'),
        GOLDEN.replace(b'"python":"3.11"', b'"python":"3.10","python":"3.11"'),
        GOLDEN.replace(b'{"path":"lib/empty"}', b'{"path":"lib/empty","size":0}'),
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(ReleaseError):
        parse(data, Manifest)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": 2}, "schema"),
        ({"kind": "firmware"}, "kind"),
        ({"name": "../x"}, "name"),
        ({"version": "1/2"}, "version"),
        ({"platform": "any"}, "platform 'any' is not for kind 'agent'"),
        ({"python": None}, "an agent needs python"),
        ({"python": "3.11/../.."}, "python"),
        ({"kind": "bundle"}, "an agent needs python, nothing else has it"),
        ({"bundle_sha256": A}, "a bundle needs bundle_sha256, nothing else"),
        ({"entries": []}, "entries"),
        ({"entries": [{"path": "../a"}]}, "no plain relative path"),
        ({"entries": [{"path": "b"}, {"path": "a"}]}, "not sorted"),
        ({"entries": [{"path": "a", "link": "/etc"}]}, "leads to no file"),
        ({"entries": [{"path": "a", "link": "b", "size": 1, "sha256": A}, {"path": "b"}]}, "at once"),
        ({"entries": [{"path": "a", "link": "b"}, {"path": "a/c"}, {"path": "b"}]}, "where another one is"),
        ({"entries": [{"path": "a", "size": 1}]}, "is not that of its sha256"),
        ({"entries": [{"path": "a", "size": 0, "sha256": A}]}, "is not that of its sha256"),
        ({"entries": [{"path": "a", "size": -1, "sha256": A}]}, "size"),
        ({"entries": [{"path": "a", "size": 2**40, "sha256": A}]}, "size"),
        ({"entries": [{"path": x, "size": 2**33, "sha256": A} for x in "abc"]}, "are more than"),
        ({"entries": [{"path": "a", "sha256": A.upper(), "size": 1}]}, "sha256"),
        ({"entries": [{"path": "release.json"}]}, "where the manifest lies"),
        ({"entries": [{"path": "Release.JSON"}]}, "where the manifest lies"),
    ],
)
def test_what_must_not_be_is_refused_by_name(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ReleaseError, match=reason):
        parse(written(**changes), Manifest)


def test_a_bundle_is_for_any_platform_and_no_python() -> None:
    entry = Entry("bundle.toml", 1, A)
    bundle = Manifest("bundle", "tiny", "1", "any", (entry,), bundle_sha256=A)
    assert parse(canonical(bundle), Manifest) == bundle


def test_an_index_gives_the_pack_for_who_asks() -> None:
    whole, small = Pack(9, A), Pack(2, A, "0" * 16)
    index = Index("1" * 16, "agent", "mirage", "1", "arm64", 10, (whole, small), python="3.11")
    assert parse(canonical(index), Index) == index
    assert (index.pack("0" * 16), index.pack("2" * 16), index.pack(None)) == (small, whole, whole)
    assert (whole.name, small.name) == ("whole", "0" * 16)


@pytest.mark.parametrize("packs", [(Pack(2, A, "0" * 16),), (Pack(9, A), Pack(8, A)), ()])
def test_an_index_has_a_whole_pack_and_each_base_once(packs: tuple[Pack, ...]) -> None:
    index = {"release": "1" * 16, "kind": "agent", "name": "mirage", "version": "1", "platform": "arm64"}
    data = msgspec.json.encode({**index, "size": 10, "packs": packs, "python": "3.11"})
    with pytest.raises(ReleaseError, match="packs"):
        parse(data, Index)


def test_the_empty_file_is_what_it_is() -> None:
    assert Entry("a").sha256 == EMPTY_SHA256 == hashlib.sha256(b"").hexdigest()
