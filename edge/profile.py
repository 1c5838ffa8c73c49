"""Which input shapes a TensorRT engine is built for: least, best and most, of every input.

    batch     sentences or pictures at once; beams need as many
    grid      pixels of the frame grid's side
    tokens    tokens of a caption so far, the one that is fed included

All other sizes are the manifest's, or what the vision encoder gives. Text form: `batch=1:4:4 tokens=1:12:24`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge.decoder import HIDDEN
from edge.graph import Graph, Port
from wire.bundle import Manifest, Precision

_TEXT = re.compile(r"(batch|grid|tokens)=(\d+):(\d+):(\d+)")
_PAST, _PRESENT = "past_key_values.", "present."
WORKSPACE_BYTES = 1 << 30


class ProfileError(ValueError):
    """A profile cannot be used; the message names the part of it, or the input."""


@dataclass(frozen=True, slots=True)
class Range:
    """A size that varies. Least <= best <= most."""

    least: int
    best: int
    most: int

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.best <= self.most:
            raise ProfileError(f"{self.least}:{self.best}:{self.most} is not least:best:most")

    def plus(self, more: int) -> "Range":
        """Shift it."""
        return Range(self.least + more, self.best + more, self.most + more)

    def at_least(self, least: int) -> "Range":
        """Cut off what is smaller."""
        return Range(*(max(size, least) for size in (self.least, self.best, self.most)))

    def including(self, size: int) -> "Range":
        """Widen it."""
        return Range(min(self.least, size), self.best, max(self.most, size))


@dataclass(frozen=True, slots=True)
class Sizes:
    """What varies. `grid` is None where only the manifest's is wanted."""

    batch: Range
    tokens: Range
    grid: Range | None = None

    @classmethod
    def of(cls, manifest: Manifest, texts: Iterable[str] = ()) -> "Sizes":
        """Take what the manifest says, and then what texts like `batch=1:4:4` say, or raise ProfileError."""
        limit = manifest.captioner.max_tokens
        sizes = cls(Range(1, 1, 1), Range(1, (limit + 1) // 2, limit))
        for text in texts:
            found = _TEXT.fullmatch(text)
            if found is None:
                raise ProfileError(f"profile {text!r} is not batch, grid or tokens with least:best:most")
            try:
                size = Range(*map(int, found.groups()[1:])).at_least(1)
            except ProfileError as error:
                raise ProfileError(f"profile {text!r}: {error}") from error
            if found[1] == "tokens" and not (size.least == 1 and size.most >= limit):
                needed = f"captions have 1 to {limit} tokens (captioner.max_tokens)"
                raise ProfileError(f"profile {text!r}: {needed}, and all of these lengths must run")
            sizes = replace(sizes, **{found[1]: size})
        return sizes


@dataclass(frozen=True, slots=True)
class InputShapes:
    """The shapes of one input, an axis at a time."""

    name: str
    axes: tuple[Range, ...]

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Least, best and most, as TensorRT takes them."""
        return tuple(tuple(getattr(axis, which) for axis in self.axes) for which in ("least", "best", "most"))


@dataclass(frozen=True, slots=True)
class Plan:
    """How to build an engine; `timing_cache` is a file that makes the next build quicker."""

    precision: Precision
    inputs: tuple[InputShapes, ...]
    workspace_bytes: int = WORKSPACE_BYTES
    timing_cache: Path | None = None

    def text(self) -> str:
        """Give the profile for the engine's key: two plans that allow other shapes differ in it."""
        return " ".join(
            f"{each.name}=" + "x".join(f"{axis.least}:{axis.best}:{axis.most}" for axis in each.axes)
            for each in self.inputs
        )


@dataclass(frozen=True, slots=True)
class Measures:
    """What the axes of a bundle's graphs depend on. `seen` are the shapes that the vision encoder gives."""

    sizes: Sizes
    manifest: Manifest
    seen: Mapping[str, Sequence[int]]

    def inputs(self, name: str, graph: Graph) -> tuple[InputShapes, ...]:
        """Find the shapes of all inputs of the graph `name`, or raise ProfileError."""
        decoder = name == self.manifest.captioner.decoder
        wanted = self._decoder(graph) if decoder else self._picture(name, graph)
        return tuple(
            InputShapes(port.name, tuple(_axis(port, at, wanted) for at in range(len(port.shape or ()))))
            for port in graph.inputs.values()
        )

    def _picture(self, name: str, graph: Graph) -> dict[str, Sequence[Range | None]]:
        info, manifest = self.manifest.captioner, self.manifest
        if name == info.encoder:
            pixels = info.tile_px * round(len(info.layout) ** 0.5)
            side = self.sizes.grid or Range(pixels, pixels, pixels)
        else:
            encoders = [each for each in (manifest.appearance, manifest.vector) if each is not None]
            pixels = next(each.input_px for each in encoders if each.encoder == name)
            side = Range(pixels, pixels, pixels)
        return {port: (self.sizes.batch, Range(3, 3, 3), side, side) for port in graph.inputs}

    def _decoder(self, graph: Graph) -> dict[str, Sequence[Range | None]]:
        batch, tokens, one = self.sizes.batch, self.sizes.tokens, Range(1, 1, 1)
        cached = any(name.startswith(_PAST) and ".encoder." not in name for name in graph.inputs)
        attended = _fixed(self._attended())
        wanted: dict[str, Sequence[Range | None]] = {
            "input_ids": (batch, one if cached else tokens),
            "position_ids": (batch, one),
            "encoder_hidden_states": (batch, attended, None),
            "encoder_attention_mask": (batch, attended),
            "use_cache_branch": (one,),
        }
        prefix = 0
        for name in (name for name in graph.inputs if name.startswith(_PAST)):
            begun = self.seen.get(name.replace(_PAST, _PRESENT))
            if ".encoder." in name:
                length = attended
            else:
                prefix = 0 if begun is None else begun[2]
                length = tokens.plus(prefix - 1)
            # A merged graph is given a cache of length 1 at the first step, which it does not read.
            least = 1 if "use_cache_branch" in graph.inputs else 0
            wanted[name] = (batch, None, None if length is None else length.at_least(least), None)
        wanted["attention_mask"] = (batch, tokens.plus(prefix))
        return wanted

    def _attended(self) -> int | None:
        if HIDDEN in self.seen:
            return self.seen[HIDDEN][1]
        return next((shape[2] for name, shape in self.seen.items() if ".encoder." in name), None)


def including(inputs: Iterable[InputShapes], shapes: Mapping[str, Sequence[int]]) -> tuple[InputShapes, ...]:
    """Widen what is planned by shapes that must pass too."""
    return tuple(
        InputShapes(
            each.name,
            tuple(
                axis.including(size)
                for axis, size in zip(
                    each.axes, shapes.get(each.name, [a.best for a in each.axes]), strict=True
                )
            ),
        )
        for each in inputs
    )


def _fixed(size: int | None) -> Range | None:
    return None if size is None else Range(size, size, size)


def _axis(port: Port, at: int, wanted: Mapping[str, Sequence[Range | None]]) -> Range:
    declared = (port.shape or ())[at]
    if declared is not None:
        return Range(declared, declared, declared)
    axes = wanted.get(port.name, ())
    found = axes[at] if at < len(axes) else None
    if found is None:
        raise ProfileError(f"input {port.name}: nothing says how long its axis {at} is")
    return found
