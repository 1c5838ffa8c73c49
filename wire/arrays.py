"""Arrays in a file (npz), read without trust in what the file says of itself.

A member is its header and then exactly as many bytes as dtype and shape take. NumPy's own reader evaluates
headers as Python text and makes room for whatever shape they name; this one takes numbers and truth values
of fixed size, and nothing that does not add up.
"""

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 256 << 20  # of all arrays of a file
MAX_MEMBERS = 4096

Arrays = dict[str, NDArray[np.generic]]

_MAGIC = re.compile(rb"\x93NUMPY\x01\x00(..)", re.DOTALL)
_HEADER = re.compile(
    rb"\{'descr': '([<>|][biuf][1248])', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,10}, ?)*(?:\d{1,10})?)\),? \} *\n"
)
# What zipfile lets escape for archives that are damaged, encrypted, or packed in ways it does not know.
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError)


class ArraysError(ValueError):
    """The bytes are no file of arrays; the message names the member."""


def parse(data: bytes) -> Arrays:
    """Read all arrays by name, or raise ArraysError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _members(archive)
    except ArraysError:
        raise
    except _DAMAGED as error:
        raise ArraysError(f"no archive of arrays: {error}") from error


def whole_numbers(tables: Mapping[str, NDArray[np.generic]], name: str, ndim: int = 1) -> NDArray[np.int64]:
    """Give table `name`, whole numbers in so many dimensions; raises KeyError, or ValueError for another."""
    array = tables[name]
    if array.dtype.kind not in "iu" or array.ndim != ndim:
        raise ValueError(
            f"{name} is {array.dtype} {array.shape}, expected whole numbers in {ndim} dimensions"
        )
    return array.astype(np.int64)


def _members(archive: zipfile.ZipFile) -> Arrays:
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or size > MAX_BYTES:
        raise ArraysError(f"{len(members)} arrays of {size} bytes, limits are {MAX_MEMBERS} and {MAX_BYTES}")
    arrays: Arrays = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name in arrays:
            raise ArraysError(f"{name!r} is there twice")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArraysError(f"{name!r} is packed by method {member.compress_type}")
        arrays[name] = _array(name, archive.read(member))
    return arrays


def _array(name: str, content: bytes) -> NDArray[np.generic]:
    magic = _MAGIC.match(content)
    start = 10 + int.from_bytes(magic[1], "little") if magic else 0
    header = _HEADER.fullmatch(content[10:start])
    if header is None:
        raise ArraysError(f"{name!r} is no array of numbers: begins with {content[:100]!r}")
    shape = tuple(int(number) for number in header[3].split(b",") if number.strip())
    try:
        dtype = np.dtype(header[1].decode())
    except TypeError as error:
        raise ArraysError(f"{name!r}: {error}") from error
    if math.prod(shape) * dtype.itemsize != len(content) - start or len(shape) > 16:
        raise ArraysError(f"{name!r} is {dtype} {shape}, but has {len(content) - start} bytes")
    order: str = "F" if header[2] == b"True" else "C"
    flat = np.frombuffer(content, dtype, offset=start)
    return flat.reshape(shape, order=order).copy()  # type: ignore[call-overload,no-any-return]
