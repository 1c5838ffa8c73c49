"""Says in words what a segment shows: frame grid, vision encoder, text decoder."""

import math
from functools import partial

import numpy as np
import structlog
from numpy.typing import NDArray

from edge.decoder import Decoder, Speech
from edge.graph import Graph
from edge.phrase import with_motion
from edge.pixels import PixelTable
from edge.privacy.ban import TokenBan
from edge.privacy.words import Forbidden
from edge.runtime import Runtime
from edge.vocabulary import Vocabulary
from wire.bundle import Bundle, CaptionerInfo
from wire.grid import frame_grid
from wire.motion import Motion

log = structlog.get_logger()


class Captioner:
    """The bundle's captioner; not for two threads at once. `seen` are the shapes that its encoder gives."""

    def __init__(self, bundle: Bundle, runtime: Runtime | None = None, beams: int = 1) -> None:
        runtime = runtime or Runtime()
        info = bundle.manifest.captioner
        self._info = info
        self._table = PixelTable(info.mean, info.std)
        blank = self._table.normalise(np.zeros((_side(info), _side(info), 3), np.uint8))
        self._encoder = runtime.open(bundle.path(info.encoder), partial(_warm_encoder, info, blank))
        seen = self._encoder.values({"pixel_values": blank})
        speech = Speech(info.start_token, info.end_token, info.max_tokens, beams)

        def warm_decoder(graph: Graph) -> None:
            Decoder(graph, speech, seen).warm_up(seen)

        graph = runtime.open(bundle.path(info.decoder), warm_decoder)
        self._decoder = Decoder(graph, speech, seen)
        self._vocabulary = Vocabulary.from_file(bundle.path(info.tokenizer))
        self._forbidden = Forbidden(())
        self.seen = {name: tuple(value.shape()) for name, value in seen.items()}
        self.graphs = {info.encoder: self._encoder, info.decoder: graph}

    def describe(
        self, frames: NDArray[np.uint8], motion: Motion | None = None, *, still: bool = False
    ) -> str:
        """Caption frames (N, h, w, 3); the same frames always give the same words.

        Where the bundle's captioner leaves the camera to the device (`motion_words`), its motion is put
        into words as measured; `still` says that nothing moves. Not told either, only content is named.
        """
        ids = self.tokens(frame_grid(frames, self._info.tile_px, self._info.layout))
        caption = " ".join(self._vocabulary.decode(ids).split())
        said = with_motion(caption, motion, still=still) if self._info.motion_words else caption
        return self._sayable(said)

    def forbid(self, forbidden: Forbidden) -> None:
        """Say nothing of this from the next caption on: neither in the beam nor in the text."""
        self._forbidden = forbidden
        self._decoder.ban = TokenBan(forbidden, self._vocabulary.pieces()).after if forbidden else None

    def _sayable(self, caption: str) -> str:
        """Check the words themselves; empty where nothing that may be said is left."""
        found = self._forbidden.found_in(caption)
        if not found:
            return caption
        log.warning("left words out of a caption", words=len(found))  # which, a log need not know either
        return self._forbidden.without(caption) or ""

    def tokens(self, grid: NDArray[np.uint8]) -> list[int]:
        """Token ids for a frame grid (S, S, 3), without start and end."""
        return self._decoder.decode(self._encoder.values({"pixel_values": self._table.normalise(grid)}))


def _side(info: CaptionerInfo) -> int:
    return info.tile_px * math.isqrt(len(info.layout))


def _warm_encoder(info: CaptionerInfo, blank: NDArray[np.float32], graph: Graph) -> None:
    because = f"captioner.tile_px = {info.tile_px} x {math.isqrt(len(info.layout))} tiles"
    graph.takes({"pixel_values": blank.shape}, because)
    graph.run({"pixel_values": blank})
