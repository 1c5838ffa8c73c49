"""Makes a damaged input out of valid ones: the same seed gives the same bytes.

    a valid input --1 to 6 edits--> an input          one in fifty stays as it is, one in fifty is noise

Edits are of bytes, for every kind; a text is also edited as JSON or TOML, and an archive of arrays member
by member, so that its check sums are right again.
"""

import io
import re
import zipfile
from collections.abc import Sequence
from random import Random
from typing import Literal

from wire import varint

Kind = Literal["binary", "json", "toml", "arrays"]

LONGEST = 70_000  # bytes: more than any limit on packets and documents
_SMALL = (0, 1, 2, 127, 128, 255, 256, 16383, 16384, 65535, 65536)
NUMBERS = (*_SMALL, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**48, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
_WORDS = (
    "nan", "inf", "-inf", "-0.0", "1e999", "1e-999", "true", "null", "{}", "[]", '""', "-1", "1_000",
    "0x" + "f" * 5000, "9" * 25, "9" * 400, "9" * 5000, "9" * 400 + ".0", "2024-02-30", "23:59:60",
    "1979-05-27T00:32:00-07:00",
)  # fmt: skip
_STRINGS = (
    '""', '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"', '"\\U00110000"', '"\\x00"', '"\0"', '"../../etc"',
    '"/dev/null"', '"."', '".."', '"' + "a" * 300 + '"', '"' + "a/" * 2500 + '"', '"\\n"', '"\u202e"',
    '"\U0001f600"', '"é"', '"NaN"', '"+"', '"#"', '"birth"',
)  # fmt: skip
_BAD = ("\0", "\udcff", "\udcc0\udc80", "\udced\udca0\udc80", "\ufeff", "\r", "\x1b", "\\", '"')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_STRING = re.compile(r'"[^"\n]*"')
_DTYPES = ("<f4", "<f8", "|u1", "|b1", "<i4", ">i8", "<c8", "|O", "|S4", "<U2", "|V8", "<f1")
_DEEP = (20, 200, 2000, 30_000)


def mutate(chance: Random, valid: Sequence[bytes], kind: Kind) -> bytes:
    """Draw an input of this kind; `valid` are those to begin with."""
    draw = chance.random()
    if draw < 0.02:
        return chance.choice(valid)
    if draw < 0.04:
        return chance.randbytes(chance.choice((0, 1, 3, 12, 60, 400)))
    data = chance.choice(valid)
    if kind == "arrays" and chance.random() < 0.9:
        return rebuilt(chance, data)
    for _ in range(1 + min(int(chance.expovariate(0.8)), 5)):
        if kind in ("json", "toml") and chance.random() < 0.7:
            edit = chance.choice(_TEXT_EDITS[kind])
            data = edit(chance, data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        elif chance.random() < 0.1:
            data = _spliced(chance, data, chance.choice(valid))
        else:
            data = chance.choice(_BYTE_EDITS)(chance, data)
    return data[:LONGEST]


def rebuilt(chance: Random, data: bytes) -> bytes:
    """Edit some members of an archive, their bytes or their names, and pack it again."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as target:
        names = archive.namelist()
        hurt = chance.choice(names)
        for name in names:
            content = archive.read(name)
            if name == hurt:
                draw = chance.random()
                if draw < 0.2:
                    continue
                if draw < 0.4:
                    content = archive.read(chance.choice(names))
                elif draw < 0.7:
                    content = _header_changed(chance, content)
                else:
                    content = chance.choice(_BYTE_EDITS)(chance, content)
            target.writestr(zipfile.ZipInfo(name), content)  # with no time of day in it
    return out.getvalue()


def _header_changed(chance: Random, content: bytes) -> bytes:
    """Change dtype, order or a number of the shape, in a header of the same length."""
    head, rest = content[:128].decode("latin-1"), content[128:]
    draw = chance.random()
    if draw < 0.4:
        head = re.sub(r"'[<>|]\w+'", f"'{chance.choice(_DTYPES)}'", head, count=1)
    elif draw < 0.5:
        head = head.replace("False", "True", 1)
    else:
        number = str(chance.choice(NUMBERS))
        found = list(re.finditer(r"\d+", head[head.find("shape") :]))
        at = head.find("shape")
        spot = chance.choice(found) if found else None
        if spot is not None:
            head = head[: at + spot.start()] + number + head[at + spot.end() :]
    return head.rstrip(" \n").ljust(127)[:127].encode("latin-1") + b"\n" + rest


def _flip(chance: Random, data: bytes) -> bytes:
    if not data:
        return b"\xff"
    at = chance.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]


def _set(chance: Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    byte = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))
    return data[:at] + bytes((byte,)) + data[at + 1 :]


def _insert(chance: Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.choice((1, 1, 2, 4, 16, 200))) + data[at:]


def _delete(chance: Random, data: bytes) -> bytes:
    start, stop = _range(chance, data)
    return data[:start] + data[stop:]


def _duplicate(chance: Random, data: bytes) -> bytes:
    start, stop = _range(chance, data)
    times = chance.choice((1, 1, 1, 2, 8, 300)) if stop - start < 200 else 1
    return data[:stop] + data[start:stop] * times + data[stop:]


def _truncate(chance: Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _enlarge(chance: Random, data: bytes) -> bytes:
    """Fill up to a limit: with zeros, ones, or what is there already."""
    size = chance.choice((1000, 4096, 65508, 65509, 65536, 65537, 69_000))
    if chance.random() < 0.9:  # large inputs take long
        size = chance.choice((64, 128, 256, 300))
    fill = chance.choice((b"\0", b"\xff", b"\x80", data or b"\0"))
    return data + (fill * (size // len(fill) + 1))[: max(size - len(data), 0)]


def _varint(chance: Random, data: bytes) -> bytes:
    """Put a number at a limit, sometimes in a form that is too long, where a varint may be."""
    at = chance.randrange(len(data) + 1)
    end = at
    while end < len(data) and data[end] & 0x80 and end < at + 9:
        end += 1
    number = varint.encode(min(max(chance.choice(NUMBERS) + chance.randrange(-1, 2), 0), varint.MAX_VALUE))
    if chance.random() < 0.1:
        number = number[:-1] + bytes((number[-1] | 0x80, 0))
    return data[:at] + number + data[end + 1 :]


def _fixed(chance: Random, data: bytes) -> bytes:
    """Put a number at a limit over 1, 2, 4 or 8 bytes."""
    width = chance.choice((1, 2, 4, 8))
    at = chance.randrange(len(data) + 1)
    number = chance.choice(NUMBERS) % (1 << 8 * width)
    return data[:at] + number.to_bytes(width, chance.choice(("little", "big"))) + data[at + width :]


def _spliced(chance: Random, data: bytes, other: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


def _range(chance: Random, data: bytes) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(start + chance.choice((1, 1, 2, 4, 16, 100)), len(data))


def _other_number(chance: Random, text: str) -> str:
    number = str(chance.choice(NUMBERS)) if chance.random() < 0.5 else chance.choice(_WORDS)
    return _replaced(chance, text, _NUMBER, number)


def _other_string(chance: Random, text: str) -> str:
    word = chance.choice(_STRINGS) if chance.random() < 0.7 else chance.choice(_WORDS)
    return _replaced(chance, text, _STRING, word)


def _swapped_string(chance: Random, text: str) -> str:
    """Put one string of the text in place of another."""
    found = _STRING.findall(text)
    return _replaced(chance, text, _STRING, chance.choice(found)) if found else text


def _deep_json(chance: Random, text: str) -> str:
    deep = chance.choice(_DEEP)
    opened = chance.choice(('{"a":', "[", "[[],"))
    return _replaced(chance, text, chance.choice((_NUMBER, _STRING)), opened * deep)


def _deep_toml(chance: Random, text: str) -> str:
    deep = chance.choice(_DEEP)
    key = "a" + ".a" * deep
    nested = "{a=" * deep + "1" + "}" * deep
    line = chance.choice(
        (f"{key} = 1", f"[{key}]", f"[[{key}]]", f"a = {{{key} = 1}}", f"a = {nested}", "a = " + "[" * deep)
    )
    return _inserted_line(chance, text, f"{line}\n")


def _long_run(chance: Random, text: str) -> str:
    """Put in one character many times over, which reveals time that grows with the square of it."""
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(" \t\n.,'\"\\[{9a-_=#:") * chance.choice(_DEEP) + text[at:]


def _bad_text(chance: Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(_BAD) + text[at:]


def _line_again(chance: Random, text: str) -> str:
    """Repeat a line: a key that is there twice."""
    lines = text.splitlines(keepends=True) or [text]
    return _inserted_line(chance, text, chance.choice(lines))


def _line_gone(chance: Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    if lines:
        del lines[chance.randrange(len(lines))]
    return "".join(lines)


def _inserted_line(chance: Random, text: str, line: str) -> str:
    lines = text.splitlines(keepends=True)
    lines.insert(chance.randrange(len(lines) + 1), line)
    return "".join(lines)


def _member_again(chance: Random, text: str) -> str:
    """Repeat what stands between two commas: a key that is there twice, or an element too many."""
    parts = text.split(",")
    parts.insert(chance.randrange(len(parts) + 1), chance.choice(parts))
    return ",".join(parts)


def _member_gone(chance: Random, text: str) -> str:
    parts = text.split(",")
    del parts[chance.randrange(len(parts))]
    return ",".join(parts)


def _replaced(chance: Random, text: str, pattern: "re.Pattern[str]", new: str) -> str:
    found = list(pattern.finditer(text))
    if not found:
        return text + new
    spot = chance.choice(found)
    return text[: spot.start()] + new + text[spot.end() :]


_BYTE_EDITS = (
    _flip,
    _flip,
    _set,
    _insert,
    _delete,
    _duplicate,
    _truncate,
    _enlarge,
    _varint,
    _varint,
    _fixed,
)
_ALIKE = (_other_number, _other_number, _other_string, _other_string, _swapped_string, _bad_text, _long_run)
_TEXT_EDITS = {
    "json": (*_ALIKE, _deep_json, _member_again, _member_gone),
    "toml": (*_ALIKE, _deep_toml, _line_again, _line_gone, _member_gone),
}
