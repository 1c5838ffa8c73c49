"""The settings of what clips are made like: [render]."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloud.render.anchors import Anchors
from wire.policy import Policy, Receiver


class Render(Struct, frozen=True, forbid_unknown_fields=True):
    """How clips are made, and whether all are or only those that someone looks at.

    What `wire.policy.Policy` says of each; what is None is left to the bundle. `anchors` are picture files
    of places and things, `people_anchors` of people. Where a sender allows less, that is what is made.
    `workers` render at the same time, each with a renderer of its own and `threads`: in this process, or as
    many at least on a Ray cluster.
    """

    long_side_px: int = 256
    steps: int | None = None
    fps: float | None = None
    frames: int | None = None
    guidance: float | None = None
    style_prompt: str = ""
    negative_prompt: str = ""
    anchors: tuple[str, ...] = ()
    people_anchors: tuple[str, ...] = ()
    policy: Literal["all", "on-demand"] = "on-demand"
    threads: Annotated[int, Meta(ge=1, le=256)] = 1
    engine: Literal["local", "ray"] = "local"
    workers: Annotated[int, Meta(ge=1, le=256)] = 1

    def constraints(self, anchors: Anchors) -> Policy:
        """Give what is asked of each clip; `anchors` are those read from the files. Raises PolicyError."""
        return Policy(
            self.long_side_px, self.steps, self.fps, self.frames, self.guidance,
            self.style_prompt, self.negative_prompt, anchors.sha256s,
        )  # fmt: skip

    def receiver(self, keep_days: float | None) -> Receiver:
        """Give that as the receiver's table."""
        return Receiver(
            self.long_side_px, self.steps, self.fps, self.frames, self.guidance,
            style_prompt=self.style_prompt, negative_prompt=self.negative_prompt,
            anchors=self.anchors, people_anchors=self.people_anchors,
            keep_days=None if keep_days is None else max(round(keep_days), 1),
        )  # fmt: skip
