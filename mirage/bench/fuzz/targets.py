"""What is fuzzed: every parser that reads bytes from outside, and the exceptions that are its boundary's own.

A parser may refuse an input, by one of those. If it takes it, what it made must be fit for use: where a value
has one form in bytes, it must be written as those bytes; numbers of settings must be numbers.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import numpy as np
from cryptography.utils import CryptographyDeprecationWarning

import cloud.config
import edge.config
from cloud.certificate import AuthorityError, identity_of
from edge.engine import INDEX, EngineCache, EngineError
from export.recipe import RECIPE, RecipeError, load_recipe
from mirage.bench.fuzz import releases, samples, sealing, settings
from mirage.bench.fuzz.archives import golden_archives, table_archives
from mirage.bench.fuzz.mutate import Kind
from mirage.bench.fuzz.samples import TOPIC, Scenes
from mirage.bundles import bundle_folder
from mirage.deploy import fleet
from mirage.deploy.fleet import FleetError
from wire import arrays, documents, envelope, gap, motion, recording, toml, topics
from wire.arrays import ArraysError
from wire.bundle import MANIFEST, Bundle, BundleError
from wire.documents import Document, DocumentError
from wire.envelope import KEY_BYTES, EnvelopeError, PlainEnvelope, SealedEnvelope
from wire.gap import GapError
from wire.golden import Golden, GoldenError
from wire.motion import MotionError
from wire.packet import Layer, Packet, PacketError
from wire.policy import BindingError, PolicyError, UnknownConstraintError, binding
from wire.policy.reading import parse_tables
from wire.recording import RecordingError
from wire.release import ReleaseError
from wire.text import TextModel
from wire.tokens import TokenModel
from wire.topics import DeviceTopics, TopicError
from wire.vector import VectorModel

Parse = Callable[[bytes], None]
Errors = tuple[type[Exception], ...]
_SIX = np.zeros((1, 6))  # what a graph may give, of which some elements are picked


class OracleError(AssertionError):
    """A parser took what it should have refused: the value cannot be used, or not be written again."""


@dataclass(frozen=True, slots=True)
class Target:
    """One parser. `errors` are its boundary's own; `share` is how many of a million inputs it gets.

    A call may take `limit_s` of processor time and `limit_bytes` of memory.
    """

    name: str
    parse: Parse
    errors: Errors
    valid: tuple[bytes, ...]
    share: int
    kind: Kind = "binary"
    limit_s: float = 0.5
    limit_bytes: int = 64 << 20


def make_targets(real: Sequence[bytes], folder: Path) -> dict[str, Target]:
    """Make all targets with the shipped bundle; `real` are bodies of a clip's packets under it.

    `folder` is for scratch files.
    """
    scenes = samples.scenes(Bundle.load(bundle_folder(None)), real)
    made = (
        *_frames(scenes), *_documents(), *_sealing(), *_layers(scenes), *_files(scenes, folder), *_archives(),
        *_releases(),
    )  # fmt: skip
    return {target.name: target for target in made}


def _frames(scenes: Scenes) -> list[Target]:
    bodies = samples.bodies(scenes.packets)
    plain, sealed = PlainEnvelope(), SealedEnvelope(bytes(KEY_BYTES), 1)
    opened = PlainEnvelope(), SealedEnvelope(bytes(KEY_BYTES), 1)
    clear = tuple(plain.wrap(body, TOPIC) for body in bodies)
    secret = tuple(sealed.wrap(body, TOPIC) for body in bodies)

    def packet(data: bytes) -> None:
        _same(bytes(Packet.parse(data)), data)

    def header(data: bytes) -> None:
        if envelope.read_header(data).size > len(data):
            raise OracleError("header is longer than its frame")

    def unsealed(data: bytes) -> None:
        packet(opened[0].unwrap(data, TOPIC))

    def unsealed_by_key(data: bytes) -> None:
        packet(opened[1].unwrap(data, TOPIC))

    def lost(data: bytes) -> None:
        _same(gap.encode(gap.decode(data)), data)

    def topic(data: bytes) -> None:
        name = data.decode("utf-8", "surrogateescape")
        found = topics.parse(name)
        root = DeviceTopics(found.tenant, found.site, found.device).root
        middle = found.camera or ("cmd" if found.verb else None)
        parts = (root, *((middle,) if middle else ()), found.verb or found.leaf)
        _same("/".join(parts), name)

    names = tuple(name.encode() for name in samples.TOPICS)
    refused = (PacketError,)
    return [
        Target("packet", packet, refused, bodies, 110_000),
        Target("header", header, (EnvelopeError,), clear + secret, 50_000),
        Target("plain-envelope", unsealed, refused, clear, 70_000),
        Target("sealed-envelope", unsealed_by_key, refused, secret, 50_000),
        Target("gap", lost, (GapError,), samples.gaps(), 40_000),
        Target("topic", topic, (TopicError,), names, 40_000),
    ]


def _documents() -> list[Target]:
    def again(read: Callable[[bytes], Document]) -> Parse:
        def parse(data: bytes) -> None:
            document = read(data)
            _same(read(documents.encode(document)), document)

        return parse

    refused = (DocumentError,)
    return [
        Target("birth", again(documents.decode_birth), refused, samples.births(), 70_000, "json"),
        Target("state", again(documents.decode_state), refused, samples.states(), 40_000, "json"),
        Target("ack", again(documents.decode_ack), refused, samples.acks(), 50_000, "json"),
        Target("command", again(documents.decode_command), refused, sealing.commands(), 30_000, "json"),
        Target("reply", again(documents.decode_reply), refused, sealing.replies(), 30_000, "json"),
    ]


def _sealing() -> list[Target]:
    def held(claim: Callable[[bytes], bool]) -> Parse:
        def parse(data: bytes) -> None:
            _same(claim(data), True)  # noqa: FBT003 -- what is found, what is wanted

        return parse

    signed, wrapped, acked = sealing.Verified(), sealing.Unwrapped(), sealing.OpenedAck()
    telemetry = held(sealing.telemetry)
    papers = (settings.CERTIFICATE, settings.REQUEST)
    return [
        Target("telemetry", telemetry, sealing.TELEMETRY_ERRORS, sealing.records(), 60_000),
        Target("signature", held(signed), signed.errors, signed.valid, 30_000, "json"),
        Target("wrapped-key", held(wrapped), wrapped.errors, wrapped.valid, 30_000),
        Target("certificate", _identity, (AuthorityError,), papers, 30_000),
        Target("sealed-ack", held(acked), acked.errors, acked.valid, 30_000),
    ]


def _layers(scenes: Scenes) -> list[Target]:
    codec, packets = scenes.codec, scenes.packets[:256]

    def resolve(stage: int, layers: Mapping[int, bytes]) -> None:
        stage %= len(packets)
        codec.resolve(replace(packets[stage], layers=layers), scenes.before[stage])

    def moves(data: bytes) -> None:
        _same(motion.encode(motion.decode(data)), data)

    def segment(data: bytes) -> None:
        before = scenes.before[data[0] % len(scenes.before)] if data else None
        codec.resolve(Packet.parse(data[1:]), before)

    def caption(data: bytes) -> None:
        text = codec.resolve(Packet(0, 0, 2000, {Layer.CAPTION: data}), None).caption
        _ignore(None if text is None else text.encode())

    def detail(data: bytes) -> None:
        stage = data[0] % len(packets) if data else 0
        coarse = packets[stage].layers.get(Layer.APPEARANCE_TOKENS)
        below = {} if coarse is None else {int(Layer.APPEARANCE_TOKENS): coarse}
        resolve(stage, {**below, Layer.APPEARANCE_DETAIL: data[1:]})

    def one(layer: Layer) -> Parse:
        return lambda data: resolve(data[0] if data else 0, {layer: data[1:]})

    def staged(layer: Layer) -> tuple[bytes, ...]:
        sent = [(at, packet.layers[layer]) for at, packet in enumerate(packets) if layer in packet.layers]
        return tuple(bytes((at,)) + payload for at, payload in sent)

    def binds(data: bytes) -> None:
        demands = binding.decode(data)
        if not any(byte & 64 for byte in data[1:]):  # else something in it may have been skipped
            _same(binding.encode(demands), data)

    moving = samples.payloads(packets, Layer.MOTION)
    whole = tuple(bytes((at,)) + bytes(packet) for at, packet in enumerate(packets))
    words = tuple(filter(None, samples.payloads(packets, Layer.CAPTION)))  # none that says: as before
    refused = (PacketError,)
    return [
        Target("motion", moves, (MotionError,), moving, 80_000),
        Target("segment", segment, refused, whole, 40_000),
        Target("caption", caption, refused, words, 40_000),
        Target("tokens", one(Layer.APPEARANCE_TOKENS), refused, staged(Layer.APPEARANCE_TOKENS), 30_000),
        Target("token-detail", detail, refused, staged(Layer.APPEARANCE_DETAIL), 20_000),
        Target("policy-layer", binds, (BindingError, UnknownConstraintError), samples.bindings(), 30_000),
        Target("vector", one(Layer.APPEARANCE_VECTOR), refused, staged(Layer.APPEARANCE_VECTOR), 30_000),
    ]


def _files(scenes: Scenes, folder: Path) -> list[Target]:
    settings.write_files(folder)
    cache = EngineCache(folder)

    def in_file(name: str, read: Callable[[Path], object]) -> Parse:
        def parse(data: bytes) -> None:
            (folder / name).write_bytes(data)
            _usable(read(folder))

        return parse

    def engines(data: bytes) -> None:
        (folder / INDEX).write_bytes(data)
        for sha256 in cache.index().engines:
            cache.find(sha256, settings.HOST)

    def clouded(data: bytes) -> None:
        _usable(cloud.config.parse(data, folder / "cloud.toml"))

    def tabled(data: bytes) -> None:
        _usable(parse_tables(data, "policy.toml"))

    manifest, engine_index = settings.manifest(), settings.engine_index()
    tomls = (settings.EDGE, settings.CLOUD, settings.RECIPE, manifest)
    edge_file = in_file("edge.toml", lambda at: edge.config.load(at / "edge.toml"))
    fleet_file = in_file("fleet.toml", lambda at: fleet.load(at / "fleet.toml"))
    recorded = samples.recordings(scenes.packets)
    return [
        Target("recording", lambda data: _ignore(recording.parse(data)), (RecordingError,), recorded, 50_000),
        Target("toml", lambda data: _ignore(toml.parse(data, "x")), (toml.TomlError,), tomls, 20_000, "toml"),
        Target("manifest", in_file(MANIFEST, Bundle.load), (BundleError,), (manifest,), 20_000, "toml"),
        Target("recipe", in_file(RECIPE, load_recipe), (RecipeError,), (settings.RECIPE,), 20_000, "toml"),
        Target("edge-config", edge_file, (edge.config.ConfigError,), (settings.EDGE,), 20_000, "toml"),
        Target("cloud-config", clouded, (cloud.config.ConfigError,), (settings.CLOUD,), 20_000, "toml"),
        Target("fleet", fleet_file, (FleetError,), (settings.FLEET,), 20_000, "toml"),
        Target("policy", clouded, (cloud.config.ConfigError,), (settings.POLICY,), 20_000, "toml"),
        Target("tables-of-three", tabled, (PolicyError,), (settings.TABLES,), 20_000, "toml"),
        Target("engines", engines, (EngineError,), (engine_index,), 30_000, "json"),
    ]


def _archives() -> list[Target]:
    def golden(data: bytes) -> None:
        found = Golden(arrays.parse(data))
        for graph in found.graphs():
            for sample in found.samples(graph):
                sample.agreement({**sample.results, **dict.fromkeys(sample.picks, _SIX)})
        found.grids()
        found.tokens()

    def tables(data: bytes) -> None:
        found = arrays.parse(data)
        text = TextModel.from_arrays(found).decode if "words" in found else None
        tokens = TokenModel.from_arrays(found).decode_coarse if "shape" in found else None
        for decode in (text, tokens, VectorModel.from_arrays(found).decode if "mean" in found else None):
            if decode is not None:
                with suppress(PacketError):  # tables may be sound under which these bytes are not
                    decode(b"abcdefgh")

    return [
        Target("tables", tables, (ArraysError, PacketError), table_archives(), 20_000, "arrays"),
        Target("golden", golden, (ArraysError, GoldenError), golden_archives(), 40_000, "arrays"),
    ]


def _releases() -> list[Target]:
    def unpacked(data: bytes) -> None:
        _same(releases.read_pack(data), releases.brought(data))

    def again(read: Callable[[bytes], bytes]) -> Parse:
        return lambda data: _same(read(data), data)

    refused, manifests, indices = (ReleaseError,), releases.manifests(), releases.indices()
    return [
        Target("release", again(releases.read_manifest), refused, manifests, 20_000, "json"),
        Target("release-index", again(releases.read_index), refused, indices, 20_000, "json"),
        Target("release-pack", unpacked, refused, releases.packs(), 30_000),
    ]


def _identity(data: bytes) -> None:
    with warnings.catch_warnings():  # of serial numbers that are not positive: here they are made so
        warnings.filterwarnings("ignore", "Parsed a serial number", CryptographyDeprecationWarning)
        identity_of(data)


def _ignore(_value: object) -> None:
    """Nothing more is asked of this one."""


def _same(found: object, wanted: object) -> None:
    if found != wanted:
        raise OracleError(f"was read, but is written as {str(found)[:200]}")


def _usable(value: object) -> None:
    """Refuse, anywhere in a value, what no setting can be: a number that is none, a name with a NUL."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, float) and not isfinite(each):
            raise OracleError(f"took the number {each}")
        if isinstance(each, str) and "\0" in each:
            raise OracleError(f"took the text {each[:80]!r}")
        if isinstance(each, Mapping):
            waiting += (*each.keys(), *each.values())
        elif isinstance(each, (tuple, list)):
            waiting += each
        elif hasattr(each, "__struct_fields__"):
            waiting += (getattr(each, name) for name in each.__struct_fields__)
        elif isinstance(each, Bundle):
            waiting.append(each.manifest)
