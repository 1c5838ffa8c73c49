"""A bundle: the two halves of one model, named in bundle.toml with the SHA-256 of every file.

The only module of this folder that reads files. No file is used before its hash was checked.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from msgspec import Meta, Struct

from wire import arrays, toml
from wire.arrays import Arrays, ArraysError
from wire.golden import Golden
from wire.segment import Codec
from wire.text import TextError, TextModel
from wire.tokens import TokenError, TokenModel
from wire.vector import VectorError, VectorModel

MANIFEST = "bundle.toml"
QUANTISED = "mirage.quantised"  # metadata of a graph that multiplies in 8 bits

Half = Literal["edge", "cloud", "both"]
Scalar = str | int | float | bool
Count = Annotated[int, Meta(ge=1, le=65536)]
Token = Annotated[int, Meta(ge=0)]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Rgb = tuple[float, float, float]
Precision = Literal["fp32", "fp16", "int8"]

_PART = 1 << 20  # bytes that are hashed at once
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class BundleError(ValueError):
    """The bundle is incomplete, damaged or not understood; the message names the file."""


class ModelSource(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a pre-trained model is: a hub id at a pinned commit, or a folder.

    A folder is absolute or begins with a dot: then it lies below the bundle. `weights` names one file of it,
    for what is no model folder by itself (an IP-Adapter).
    """

    model: str
    revision: str | None = None
    subfolder: str = ""
    weights: str | None = None

    def __post_init__(self) -> None:
        if self.is_local:
            if self.revision is not None:
                raise ValueError(f"model {self.model!r} is a folder, so it has no revision")
            return
        if not _HUB_ID.fullmatch(self.model):
            raise ValueError(f"model {self.model!r} is neither a hub id (owner/name) nor a folder (./name)")
        if self.revision is None or not _COMMIT.fullmatch(self.revision):
            raise ValueError(f"model {self.model!r} needs its revision, a commit of 40 hex digits")

    @property
    def is_local(self) -> bool:
        return self.model.startswith((".", "/"))

    def place(self, root: Path) -> str:
        """Give what `from_pretrained` takes: the hub id, or the folder as seen from the bundle `root`."""
        return str(root / self.model) if self.is_local else self.model


class CaptionerInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """How a frame grid becomes a caption. `mean` and `std` are of RGB in 0..1.

    `motion_words`: the captioner names content only, and the device adds what it measured of the camera.
    """

    encoder: str
    decoder: str
    tokenizer: str
    max_tokens: Count
    start_token: Token
    end_token: Token
    tile_px: Count
    mean: Rgb
    std: Rgb
    layout: tuple[Literal["frame", "flow"], ...]
    motion_words: bool = False


class AppearanceInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """How a keyframe becomes tokens (planes, grid[0], grid[1]), each below `levels`."""

    encoder: str
    tables: str
    input_px: Count
    grid: tuple[Count, Count]
    levels: Annotated[int, Meta(ge=2, le=255)]
    planes: Annotated[int, Meta(ge=1, le=255)]
    coarse_planes: Count
    default_planes: Count

    def __post_init__(self) -> None:
        if not self.coarse_planes <= self.default_planes <= self.planes:
            raise ValueError("needs coarse_planes <= default_planes <= planes")


class VectorInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """How a keyframe becomes an embedding of `size` dimensions; the whole frame is squeezed into a square.

    One whose cosine to the last that was sent is `hold` or more is not sent again.
    """

    encoder: str
    tables: str
    input_px: Count
    size: Annotated[int, Meta(ge=1, le=4096)]
    mean: Rgb
    std: Rgb
    hold: Annotated[float, Meta(gt=0, le=1)] = 0.95


class DetectorInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """What finds things that the sender redacts: image (1, 3, input_px, input_px) in 0..1, RGB, squeezed.

    It gives `boxes` (N, 4): left, top, right, bottom as shares of the picture, and `scores` (N,). What has
    `threshold` or more is masked, with `margin` of its side on each side.
    """

    model: str
    input_px: Count
    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.3
    margin: Annotated[float, Meta(ge=0, le=2)] = 0.15


class TextInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the caption coder's tables are."""

    tables: str


class RendererInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """What makes video of packets; `options` are the backend's own. A refiner is never needed.

    `models` are what a backend loads beside the bundle's files, by the backend's names for them.
    """

    backend: str
    decoder: str | None = None
    denoiser: str | None = None
    refiner: str | None = None
    models: dict[str, ModelSource] = {}
    options: dict[str, Scalar] = {}


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """bundle.toml. `files` maps relative paths to the SHA-256 of their content.

    `precision` is that of the sender's graphs, but for those that `precisions` names; `golden` holds what all
    graphs must give (`wire.golden`). `detectors` are for what the sender redacts.
    """

    schema: Annotated[int, Meta(ge=1, le=1)]
    name: Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,32}\Z")]
    licence: str
    captioner: CaptionerInfo
    text: TextInfo
    renderer: RendererInfo
    files: dict[str, Sha256]
    appearance: AppearanceInfo | None = None
    vector: VectorInfo | None = None
    detectors: dict[Literal["faces", "text", "people", "plates"], DetectorInfo] = {}
    precision: Precision = "fp32"
    precisions: dict[str, Precision] = {}
    golden: str | None = None
    training: dict[str, Scalar] = {}
    quality: dict[str, Scalar] = {}

    def __post_init__(self) -> None:
        for name in self.files:
            if PurePosixPath(name).is_absolute() or "\\" in name or ".." in PurePosixPath(name).parts:
                raise ValueError(f"file {name!r} is not inside the bundle")
        golden = set() if self.golden is None else {self.golden}
        for name in self.edge_files() | self.cloud_files() | golden:
            if name not in self.files:
                raise ValueError(f"file {name!r} is named but has no hash under [files]")

    def edge_files(self) -> frozenset[str]:
        """Files that the sender reads."""
        sender = [self.captioner.encoder, self.captioner.decoder, self.captioner.tokenizer, self.text.tables]
        if self.appearance is not None:
            sender += [self.appearance.encoder, self.appearance.tables]
        if self.vector is not None:
            sender += [self.vector.encoder, self.vector.tables]
        sender += [info.model for info in self.detectors.values()]
        beside = {f"{name}.data" for name in sender} & self.files.keys()  # weights of more than 2 GiB
        return frozenset(sender) | beside

    def precision_of(self, graph: str) -> Precision:
        """Say in what precision a graph computes: the receiver's in fp32, the sender's as the bundle says.

        But in int8 a token encoder stays in fp32: what it gives is the code itself.
        """
        if graph in self.precisions:
            return self.precisions[graph]
        if graph not in self.edge_graphs():
            return "fp32"
        exact = self.appearance is not None and graph == self.appearance.encoder
        return "fp32" if exact and self.precision == "int8" else self.precision

    def edge_graphs(self) -> tuple[str, ...]:
        """Name the sender's ONNX graphs."""
        graphs = [self.captioner.encoder, self.captioner.decoder]
        graphs += [info.encoder for info in (self.appearance, self.vector) if info is not None]
        return tuple(graphs)

    def cloud_files(self) -> frozenset[str]:
        """Files that the receiver reads: tables, tokenizer, and whatever the sender does not read."""
        shared = {self.text.tables, self.captioner.tokenizer}
        shared |= {info.tables for info in (self.appearance, self.vector) if info is not None}
        named = {self.renderer.decoder, self.renderer.denoiser, self.renderer.refiner} - {None}
        others = self.files.keys() - self.edge_files() - {self.golden}
        return frozenset(shared | named | others)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose `half` was checked against its hashes; `sha256` is the manifest's own."""

    root: Path
    manifest: Manifest
    sha256: str
    half: Half = "both"

    @classmethod
    def load(cls, path: Path, half: Half = "both") -> "Bundle":
        """Read the manifest in folder `path` and check the files of `half`, or raise BundleError."""
        data = _read(path / MANIFEST)
        try:
            manifest = toml.parse_as(data, Manifest, str(path / MANIFEST))
        except toml.TomlError as error:
            raise BundleError(str(error)) from error
        bundle = cls(path, manifest, hashlib.sha256(data).hexdigest(), half)
        for name in sorted(bundle.files()):
            bundle.check(name)
        return bundle

    def check(self, name: str) -> None:
        """Raise BundleError unless a file is what its hash says."""
        found, expected = file_sha256(self.root / name), self.manifest.files[name]
        if found != expected:
            raise BundleError(f"{self.root / name}: SHA-256 is {found}, {MANIFEST} says {expected}")

    @property
    def short_sha256(self) -> str:
        """What a birth carries: 16 hex digits."""
        return self.sha256[:16]

    def files(self) -> frozenset[str]:
        """Names of the files that were checked."""
        if self.half == "edge":
            return self.manifest.edge_files()
        if self.half == "cloud":
            return self.manifest.cloud_files()
        return frozenset(self.manifest.files.keys() - {self.manifest.golden})

    def path(self, name: str) -> Path:
        """Where the checked file `name` lies, or BundleError."""
        if name not in self.files():
            raise BundleError(f"{self.root / name}: not among the files of the {self.half} half")
        return self.root / name

    def text_model(self) -> TextModel:
        """Read the caption coder's tables."""
        name = self.manifest.text.tables
        try:
            return TextModel.from_arrays(self.arrays(name))
        except TextError as error:
            raise BundleError(f"{self.root / name}: {error}") from error

    def token_model(self) -> TokenModel | None:
        """Read the token coder's tables, if the bundle has any; they must fit the manifest."""
        info = self.manifest.appearance
        if info is None:
            return None
        path = self.root / info.tables
        try:
            model = TokenModel.from_arrays(self.arrays(info.tables))
        except TokenError as error:
            raise BundleError(f"{path}: {error}") from error
        found = (model.levels, model.planes, model.height, model.width, model.coarse_planes)
        if found != (info.levels, info.planes, *info.grid, info.coarse_planes):
            raise BundleError(f"{path}: levels, planes, grid, coarse planes are {found}: not the manifest's")
        return model

    def vector_model(self) -> VectorModel | None:
        """Read the embedding coder's tables, if the bundle has any; they must fit the manifest."""
        info = self.manifest.vector
        if info is None:
            return None
        path = self.root / info.tables
        try:
            model = VectorModel.from_arrays(self.arrays(info.tables))
        except VectorError as error:
            raise BundleError(f"{path}: {error}") from error
        if model.size != info.size:
            raise BundleError(f"{path}: has {model.size} dimensions, {MANIFEST} says size = {info.size}")
        return model

    def codec(self) -> Codec:
        """Read all tables that turn segments into layers and back."""
        info = self.manifest.vector
        hold = 1.0 if info is None else info.hold
        return Codec(self.text_model(), self.token_model(), self.vector_model(), hold)

    def golden(self) -> Golden:
        """Read what the graphs must give; raises BundleError for a bundle that does not say.

        Neither half needs it in use, so it is checked here and not when a half is loaded.
        """
        name = self.manifest.golden
        if name is None:
            raise BundleError(f"{self.root}: {MANIFEST} names no golden file, so nothing can be compared")
        self.check(name)
        return Golden(self._arrays(self.root / name))

    def arrays(self, name: str) -> Arrays:
        """Read the checked table file `name` (npz)."""
        return self._arrays(self.path(name))

    def _arrays(self, path: Path) -> Arrays:
        try:
            return arrays.parse(_read(path))
        except ArraysError as error:
            raise BundleError(f"{path}: no table file: {error}") from error


def file_sha256(path: Path) -> str:
    """Hash a file's content (hex), or raise BundleError; graphs may be larger than memory."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(_PART):
                digest.update(part)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
