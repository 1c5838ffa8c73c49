"""Files of arrays: what NumPy wrote is read, and what does not add up is refused."""

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wire import arrays
from wire.arrays import Arrays, ArraysError

HEADER = b"\x93NUMPY\x01\x00"


def saved(**found: np.ndarray[tuple[int, ...], np.dtype]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **found)
    return out.getvalue()


def packed(content: bytes, names: tuple[str, ...] = ("a.npy",), method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name twice
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


def member(descr: str = "'|u1'", order: str = "False", shape: str = "(3,)", data: bytes = b"abc") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return HEADER + len(text).to_bytes(2, "little") + text + data


def test_what_numpy_wrote_is_read() -> None:
    wanted: Arrays = {
        "b": np.array([True, False]),
        "i": np.array(-7),
        "u": np.arange(6, dtype=np.uint16).reshape(2, 3),
        "f": np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4)),
        "h": np.array([0.5], np.float16),
        "big": np.array([1, 2], ">i4"),
        "none": np.zeros((0, 5)),
        "name|with|bars/and.npy": np.ones(1),
    }
    found = arrays.parse(saved(**wanted))
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)
        assert found[name].flags.writeable


def test_the_shipped_tables_are_read_as_numpy_reads_them(tiny: Path) -> None:
    for path in tiny.rglob("*.npz"):
        found = arrays.parse(path.read_bytes())
        with np.load(path) as archive:
            assert list(found) == archive.files
            assert all(np.array_equal(found[name], archive[name]) for name in archive.files)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "no archive", id="empty"),
        pytest.param(saved(a=np.ones(9))[:-9], "no archive", id="cut off"),
        pytest.param(packed(b""), "begins with b''", id="no header"),
        pytest.param(packed(member("'|O'")), "no array of numbers", id="objects"),
        pytest.param(packed(member("'<U3'")), "no array of numbers", id="texts"),
        pytest.param(packed(member("[('a', '|u1')]")), "no array of numbers", id="records"),
        pytest.param(packed(member("'<f1'")), "a", id="no such type"),
        pytest.param(packed(member("__import__('os')")), "no array of numbers", id="code"),
        pytest.param(packed(member(shape="(" * 9000)), "no array of numbers", id="nested"),
        pytest.param(packed(member(shape="(-3,)")), "no array of numbers", id="negative"),
        pytest.param(packed(member(shape="(4,)")), "but has 3 bytes", id="too short"),
        pytest.param(packed(member(shape="(9999999999, 9999999999,)")), "but has 3 bytes", id="huge"),
        pytest.param(packed(member(shape="(" + "1," * 40 + "3,)")), "but has 3 bytes", id="many dimensions"),
        pytest.param(
            packed(member(shape="(0, 9999999999, 9999999999)", data=b"")), "no archive", id="empty, huge"
        ),
        pytest.param(packed(member(), ("a.npy", "a.npy")), "'a' is there twice", id="twice"),
        pytest.param(
            packed(member(), ("a", "a.npy")), "'a' is there twice", id="twice, once without its suffix"
        ),
        pytest.param(packed(member(), method=zipfile.ZIP_BZIP2), "packed by method 12", id="other packing"),
    ],
)
def test_what_does_not_add_up_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ArraysError, match=reason):
        arrays.parse(data)


def test_more_than_the_limit_is_refused_before_it_is_unpacked() -> None:
    data = bytearray(packed(member()))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (arrays.MAX_BYTES + 1).to_bytes(4, "little")
    with pytest.raises(ArraysError, match=f"1 arrays of {arrays.MAX_BYTES + 1} bytes"):
        arrays.parse(bytes(data))


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(packed(member()))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + flags] |= 1
    with pytest.raises(ArraysError, match="encrypted"):
        arrays.parse(bytes(data))
