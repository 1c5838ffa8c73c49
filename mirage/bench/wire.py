"""`mirage bench wire`: how fast packets are made and read, and how near the coders come to their limits."""

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage.bench.report import Gate, Report
from mirage.bundles import bundle_folder
from wire import motion
from wire.bundle import Bundle
from wire.envelope import KEY_BYTES, Envelope, PlainEnvelope, SealedEnvelope
from wire.memory import Keyframe, SceneCoder
from wire.motion import CameraMotion, Motion, ObjectMotion
from wire.packet import Layer, Packet
from wire.rangecoder import Decoder
from wire.text import TextError, TextModel
from wire.tokens import TokenModel

CAPTIONS = Path(__file__).parent / "captions.txt"
TOPIC = "mirage/v1/acme/site-a/jetson-0f3a91c2/cam0/sem"
ZSTD_DICTIONARY_BYTES = 112_640  # what the zstd command takes; smaller ones compress worse
ZSTD_SAMPLES = 4000
KEYFRAMES = 48
SEGMENT_SAMPLES = 16  # pictures that the camera gives in the 2 s of a segment

SECONDS = 0.4  # of each timing; the best of three counts
_MOTION = Motion(CameraMotion(0.11, -0.02, 0.1), (ObjectMotion(0.4, 0.6, 0.2, 0.3, 0.2, 0.0),) * 2)

Tokens = NDArray[np.uint8]


def run(bundle_path: Path | None = None) -> Report:
    """Measure with a bundle's tables (default: the shipped one). Raises BundleError, InputError."""
    bundle = Bundle.load(bundle_folder(bundle_path))
    text, tokens = bundle.text_model(), bundle.token_model()
    captions = CAPTIONS.read_text("utf-8").splitlines()
    caption_gates, caption_results = caption_figures(text, captions)
    gates, results = [*caption_gates], {"captions": caption_results}
    payloads: dict[int, bytes] = {
        Layer.CAPTION: text.encode(captions[0]),
        Layer.MOTION: motion.encode(_MOTION),
    }
    if tokens is not None and bundle.manifest.appearance is not None:
        planes = bundle.manifest.appearance.default_planes
        frames, source = keyframes(bundle, tokens)
        token_gates, token_results = token_figures(tokens, frames, planes)
        gates += token_gates
        results["tokens"] = token_results | {"source": source} | change_figures(tokens, frames, planes)
        payloads[Layer.APPEARANCE_TOKENS] = b"\0" + tokens.encode_coarse(frames[0])
        payloads[Layer.APPEARANCE_DETAIL] = tokens.encode_detail(frames[0], planes)
    framing_gates, results["framing"] = framing_figures(payloads)
    return Report("wire", (*framing_gates, *gates), results)


def framing_figures(payloads: dict[int, bytes]) -> tuple[list[Gate], dict[str, object]]:
    """Time packets with these layers, unsealed and sealed, on one core."""

    def made() -> bytes:
        return bytes(Packet(1234, 5_000_000, 2000, payloads))

    plain = _envelope_rates(PlainEnvelope(), made)
    sealed = _envelope_rates(SealedEnvelope(bytes(KEY_BYTES), 1), made)
    unit, target = "packets/s, unsealed, one core", 20_000
    gates = [Gate.at_least("framed", plain[0], unit, target), Gate.at_least("parsed", plain[1], unit, target)]
    return gates, {
        "sealed_per_s": sealed[0],
        "opened_per_s": sealed[1],
        "packet_bytes": len(made()),
        "unsealed_frame_bytes": len(PlainEnvelope().wrap(made(), TOPIC)),
        "sealed_frame_bytes": len(SealedEnvelope(bytes(KEY_BYTES), 1).wrap(made(), TOPIC)),
    }


def caption_figures(text: TextModel, captions: Sequence[str]) -> tuple[list[Gate], dict[str, object]]:
    """Code captions that the tables have not seen, beside zstd with a dictionary of the same kind."""
    coded = [text.encode(caption) for caption in captions]
    characters = sum(map(len, captions))
    bits = 8 * sum(map(len, coded)) / characters
    known = set(text.words)
    words = [word for caption in captions for word in caption.split(" ")]
    return [Gate.at_most("caption_bits", bits, "bits/character, unseen captions", 2.2)], {
        "captions": len(captions),
        "bytes_per_caption": sum(map(len, coded)) / len(captions),
        "characters_per_caption": characters / len(captions),
        "unknown_words": sum(word not in known for word in words) / len(words),
        "zstd_dictionary_bits_per_character": _zstd_bits(text, captions),
        "encode_ms": 1e3 / _rate([partial(text.encode, caption) for caption in captions]),
        "decode_ms": 1e3 / _rate([partial(text.decode, data) for data in coded]),
    }


def token_figures(
    model: TokenModel, frames: Sequence[Tokens], planes: int
) -> tuple[list[Gate], dict[str, object]]:
    """Code keyframes' tokens (D, h, w), and hold the bytes against the tables' own cross-entropy."""
    coded = [_encoded(model, frame, planes) for frame in frames]
    size = sum(len(coarse) + len(detail) for coarse, detail in coded)
    ideal = sum(model.ideal_bits(frame, planes) for frame in frames) / 8
    gate = Gate.at_most("token_overhead", size / ideal, "coded bytes / cross-entropy of the tables", 1.03)
    fixed = planes * model.height * model.width * np.log2(model.levels) / 8
    return [gate], {
        "keyframes": len(frames),
        "planes": planes,
        "bytes_per_keyframe": size / len(frames),
        "coarse_bytes_per_keyframe": sum(len(coarse) for coarse, _ in coded) / len(frames),
        "bytes_without_tables": float(fixed),
        "encode_ms": 1e3 / _rate([partial(_encoded, model, frame, planes) for frame in frames]),
        "decode_ms": 1e3 / _rate([partial(_decoded, model, coarse, detail) for coarse, detail in coded]),
    }


def change_figures(model: TokenModel, frames: Sequence[Tokens], planes: int) -> dict[str, object]:
    """Code keyframes as changes of those a segment's length before, where that takes fewer bytes."""
    if len(frames) <= SEGMENT_SAMPLES:
        return {}
    coder, sizes = SceneCoder(model), list[int]()
    for before, frame in zip(frames, frames[SEGMENT_SAMPLES:], strict=False):
        first = coder.layers(Keyframe(before, 0, 0), None, planes, None, rests=False)
        memory = coder.read(first, None, 0)
        second = coder.layers(Keyframe(frame, 0, 1), memory, planes, None, rests=False)
        sizes.append(sum(map(len, second.values())))
    return {"bytes_per_keyframe_after_another": sum(sizes) / len(sizes)}


def _encoded(model: TokenModel, frame: Tokens, planes: int) -> tuple[bytes, bytes]:
    return model.encode_coarse(frame), model.encode_detail(frame, planes)


def _decoded(model: TokenModel, coarse: bytes, detail: bytes) -> Tokens:
    return model.decode_detail(detail, model.decode_coarse(coarse))


def keyframes(bundle: Bundle, model: TokenModel) -> tuple[list[Tokens], str]:
    """Give tokens (D, h, w) of real pictures no table was built from, else some drawn from the tables."""
    from mirage.demo.source import bunny
    from mirage.errors import InputError

    try:
        from edge.appearance import AppearanceEncoder
        from edge.camera import open_camera

        clip = bunny()
    except (ImportError, InputError):
        return drawn_tokens(model, KEYFRAMES), "drawn from the tables: no clip or no encoder installed"
    encoder = AppearanceEncoder(bundle)
    return [encoder.encode(frame.rgb) for frame in open_camera(str(clip))], clip.name


def drawn_tokens(model: TokenModel, count: int) -> list[Tokens]:
    """Decode random bytes: by the nature of a range coder that draws from the tables."""
    chance = random.Random(0)  # noqa: S311 -- a benchmark, not a secret
    most = model.planes * model.height * model.width * 2  # bytes; a symbol takes 16 bits at most
    return [model.read(Decoder(chance.randbytes(most)), model.planes) for _ in range(count)]


def drawn_captions(text: TextModel, count: int) -> list[str]:
    """Draw captions such as those that the tables were built from."""
    chance, drawn = random.Random(0), list[str]()  # noqa: S311 -- a benchmark, not a secret
    while len(drawn) < count:
        with contextlib.suppress(TextError):  # a spelling that is no UTF-8
            drawn.append(text.read(Decoder(chance.randbytes(512))))
    return drawn


def _zstd_bits(text: TextModel, captions: Sequence[str]) -> float | str:
    try:
        import zstandard
    except ImportError:
        return "zstandard is not installed: pip install '.[test]'"
    samples: list[bytes | bytearray | memoryview] = [
        caption.encode() for caption in drawn_captions(text, ZSTD_SAMPLES)
    ]
    dictionary = zstandard.train_dictionary(ZSTD_DICTIONARY_BYTES, samples)
    bare = zstandard.ZstdCompressionParameters.from_level(
        19, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False, write_dict_id=False
    )
    compressor = zstandard.ZstdCompressor(dict_data=dictionary, compression_params=bare)
    size = sum(len(compressor.compress(caption.encode())) for caption in captions)
    return 8 * size / sum(map(len, captions))


def _envelope_rates(envelope: Envelope, made: Callable[[], bytes]) -> tuple[float, float]:
    frame = envelope.wrap(made(), TOPIC)
    wrapping = _rate([lambda: envelope.wrap(made(), TOPIC)])
    return wrapping, _rate([lambda: Packet.parse(envelope.unwrap(frame, TOPIC))])


def _rate(actions: Sequence[Callable[[], object]]) -> float:
    """Give how many of `actions` are done a second, the best of three runs."""
    best, passes = 0.0, 1 + 16 // len(actions)  # so that reading the clock costs next to nothing
    for _ in range(3):
        done, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < SECONDS:
            for _ in range(passes):
                for action in actions:
                    action()
            done += passes * len(actions)
        best = max(best, done / spent)
    return best
