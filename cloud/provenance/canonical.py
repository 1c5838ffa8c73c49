"""JSON as the bytes that are signed: RFC 8785, so that a verifier in any language gets the same. Pure.

    {"seed": 0, "fps": 25.0, "a": "é"}  -->  {"a":"é","fps":25,"seed":0}

Keys are sorted by UTF-16 code units, numbers written as ECMAScript does, nothing is escaped that need not be.
"""

import json
import math
from collections.abc import Mapping

_MOST = 2**53  # beyond, a double cannot tell whole numbers apart


class CanonicalError(ValueError):
    """A value has no canonical form; the message names it."""


def canonical(value: object) -> bytes:
    """Write a JSON value. Raises CanonicalError for what JSON, or a double, cannot hold."""
    try:
        return _text(value).encode()
    except UnicodeEncodeError as error:
        raise CanonicalError(f"half a character in {error.object!r}") from error


def _text(value: object) -> str:
    match value:
        case None | bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case int():
            return _whole(value)
        case float():
            return _number(value)
        case Mapping():
            return "{" + ",".join(f"{_text(key)}:{_text(value[key])}" for key in _sorted(value)) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_text, value)) + "]"
    raise CanonicalError(f"{type(value).__name__} {value!r} is nothing that JSON has")


def _sorted(members: Mapping[object, object]) -> list[str]:
    names: list[str] = []
    for name in members:
        if not isinstance(name, str):
            raise CanonicalError(f"the name {name!r} is no text")
        names.append(name)
    return sorted(names, key=lambda name: name.encode("utf-16-be", "surrogatepass"))


def _whole(value: int) -> str:
    if abs(value) <= _MOST:
        return str(value)
    try:
        text = _number(float(value))
    except OverflowError:
        text = ""
    if text != str(value):  # as JSON readers give back a large double that was written so
        raise CanonicalError(f"{value} is beyond 2^53")
    return text


def _number(value: float) -> str:
    """Write a double as ECMAScript's Number::toString: the digits are Python's, the dot is elsewhere."""
    if not math.isfinite(value):
        raise CanonicalError(f"{value} is no number")
    if value == 0:
        return "0"  # of -0, too
    sign, (digits, exponent) = "-" if value < 0 else "", _shortest(abs(value))
    count, point = len(digits), exponent + 1  # the dot is after so many digits
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{rest}e{exponent:+d}"


def _shortest(value: float) -> tuple[str, int]:
    """Give the shortest digits that read back as `value`, and the power of ten of the first."""
    mantissa, _, power = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole) - 1 if whole.strip("0") else -(len(fraction) - len(fraction.lstrip("0"))) - 1
    return digits.rstrip("0"), leading + int(power or 0)
