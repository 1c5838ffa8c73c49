"""What the cloud may ask of the sender's table by `set-policy`, and what is answered: flat values.

Words and layers are one text, with commas.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from wire.documents import Value
from wire.policy import Effective, PolicyError, Sender
from wire.policy.tables import Redaction

_MOST = 1024  # characters of a value
_PICTURE = Annotated[int, Meta(ge=4, le=4096)]
_NOISE = Annotated[float, Meta(ge=0, le=128)]


class AskedOfSender(Struct, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    off: bool | UnsetType = UNSET
    on_motion: bool | UnsetType = UNSET
    faces: Redaction | UnsetType = UNSET
    text: Redaction | UnsetType = UNSET
    people: Redaction | UnsetType = UNSET
    plates: Redaction | UnsetType = UNSET
    words: str | UnsetType = UNSET
    layers: str | UnsetType = UNSET
    picture_px: _PICTURE | UnsetType | None = UNSET
    noise: _NOISE | UnsetType = UNSET

    def of(self, sender: Sender) -> Sender:
        """Give the table that is asked for, where `sender` is what holds. Raises PolicyError."""
        asked = {
            name: value
            for name in AskedOfSender.__struct_fields__
            if (value := getattr(self, name)) is not UNSET
        }
        for name in ("words", "layers"):
            if name in asked:
                asked[name] = tuple(part for each in str(asked[name]).split(",") if (part := each.strip()))
        changed = structs.asdict(sender) | asked
        try:
            return msgspec.convert(changed, Sender)
        except msgspec.ValidationError as error:
            raise PolicyError(f"sender: {error}") from error


def told(allowed: Effective) -> dict[str, Value]:
    """Say what holds of the sender's table."""
    return {name: _short(_flat(allowed[name])) for name in AskedOfSender.__struct_fields__}


def stated(sender: Sender) -> dict[str, Value]:
    """Give a table as it would be asked for, however long its texts are."""
    return {name: _flat(getattr(sender, name)) for name in AskedOfSender.__struct_fields__}


def _flat(value: bool | float | str | tuple[str, ...] | None) -> Value:  # noqa: FBT001 -- a value
    return ",".join(value) if isinstance(value, tuple) else value


def _short(value: Value) -> Value:
    return f"{value[: _MOST - 1]}…" if isinstance(value, str) and len(value) > _MOST else value
