"""Sentences that the caption coder's tables are counted on: what devices are likely to say."""

from collections.abc import Sequence

import numpy as np

from export.data.phrases import CAMERA_PHRASES
from export.grammar import Grammar

SCENE_CAPTIONS = 3000  # sentences of the grammar beside those that are given
MOVING_CAPTIONS = 0.3  # share of captions that end in what the camera does


def sayable(given: Sequence[str], *, motion_words: bool = True) -> list[str]:
    """Give captions as devices send them: given ones and sentences of the grammar.

    With `motion_words` some of them end in what the camera does, as the device adds it.
    """
    random, grammar = np.random.default_rng(0), Grammar.shipped()
    texts = [*given, *(grammar.draw(random) for _ in range(SCENE_CAPTIONS))]
    if not motion_words:
        return texts
    phrases = [phrase for phrase in CAMERA_PHRASES if phrase and phrase != "camera static"]
    moving = random.random(len(texts)) < MOVING_CAPTIONS
    return [f"{t} {random.choice(phrases)}" if moves else t for t, moves in zip(texts, moving, strict=True)]
