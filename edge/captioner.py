"""Says in words what a segment shows: frame grid, vision encoder, text decoder."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.decoder import GreedyDecoder
from edge.phrase import with_motion
from edge.runtime import open_session
from edge.vocabulary import Vocabulary
from wire.bundle import Bundle
from wire.grid import frame_grid
from wire.motion import Motion


class Captioner:
    """The bundle's captioner; not for two threads at once."""

    def __init__(self, bundle: Bundle, threads: int = 1, engine_cache: Path | None = None) -> None:
        info = bundle.manifest.captioner
        self._info = info
        self._encoder = open_session(bundle.path(info.encoder), threads, engine_cache)
        decoder = open_session(bundle.path(info.decoder), threads, engine_cache)
        self._decoder = GreedyDecoder(decoder, info.start_token, info.end_token, info.max_tokens)
        self._vocabulary = Vocabulary.from_file(bundle.path(info.tokenizer))
        self._mean = np.array(info.mean, np.float32)
        self._deviation = np.array(info.std, np.float32)

    def describe(
        self, frames: NDArray[np.uint8], motion: Motion | None = None, *, still: bool = False
    ) -> str:
        """Caption frames (N, h, w, 3); the same frames always give the same words.

        Where the bundle's captioner leaves the camera to the device (`motion_words`), its motion is put
        into words as measured; `still` says that nothing moves. Not told either, only content is named.
        """
        ids = self.tokens(frame_grid(frames, self._info.tile_px, self._info.layout))
        caption = " ".join(self._vocabulary.decode(ids).split())
        return with_motion(caption, motion, still=still) if self._info.motion_words else caption

    def tokens(self, grid: NDArray[np.uint8]) -> list[int]:
        """Token ids for a frame grid (S, S, 3), without start and end."""
        pixels = (grid.astype(np.float32) / 255 - self._mean) / self._deviation
        hidden = self._encoder.run(None, {"pixel_values": pixels.transpose(2, 0, 1)[None]})[0]
        return self._decoder.decode(np.asarray(hidden, np.float32))
