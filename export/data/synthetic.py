"""Synthetic motion: real photographs under a moving camera, cut-outs of others moving before them.

    texture --camera(t)--> frame <--sprite(t)-- cut-out        exact captions, camera motion and flow

Coordinates are fractions of the frame: (0, 0) is its top left corner, (1, 1) its bottom right one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
_SLOW = 0.12  # displacement per segment, in frames, below which motion is called slow
_STILL = 0.015


@dataclass(frozen=True, slots=True)
class Texture:
    """A picture with what it shows."""

    rgb: NDArray[np.uint8]
    caption: str


@dataclass(frozen=True, slots=True)
class Camera:
    """Content motion over the whole segment, as in wire.motion.CameraMotion."""

    pan_x: float
    pan_y: float
    zoom: float  # log2 of the content's scale
    roll: float  # degrees

    def matrix(self, time: float) -> Float:
        """Map content at time 0 to where it is at `time` (0..1): 3x3, in frame fractions."""
        scale = 2.0 ** (self.zoom * time)
        angle = np.deg2rad(self.roll * time)
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        x, y = 0.5 + self.pan_x * time, 0.5 + self.pan_y * time
        return np.array(
            [[cos, -sin, x - 0.5 * cos + 0.5 * sin], [sin, cos, y - 0.5 * sin - 0.5 * cos], [0, 0, 1]],
            np.float32,
        )


@dataclass(frozen=True, slots=True)
class Sprite:
    """A soft ellipse cut out of a texture, moving in a straight line."""

    texture: Texture
    x: float
    y: float
    width: float
    height: float
    dx: float
    dy: float

    def matrix(self, time: float) -> Float:
        """Map the unit square of the cut-out to the frame at `time`."""
        left = self.x + self.dx * time - self.width / 2
        top = self.y + self.dy * time - self.height / 2
        return np.array([[self.width, 0, left], [0, self.height, top], [0, 0, 1]], np.float32)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that determines a clip."""

    texture: Texture
    window: Float  # 3x3: frame at time 0 to texture, both as fractions
    camera: Camera
    sprites: tuple[Sprite, ...]

    def caption(self) -> str:
        """Say what is seen and how it moves, in the words of the written captions."""
        parts = [self.texture.caption]
        if self.sprites:
            largest = max(self.sprites, key=lambda sprite: sprite.width * sprite.height)
            direction = describe_direction(largest.dx, largest.dy)
            speed = _speed(float(np.hypot(largest.dx, largest.dy)))
            parts.append(f"a small piece moves {direction} {speed}")
        parts.append(describe_camera(self.camera, objects_move=bool(self.sprites)))
        return " ".join(parts)

    def frame(self, time: float, side: int) -> NDArray[np.uint8]:
        """Render the frame (side, side, 3) at `time` 0..1."""
        to_texture = self.window @ np.linalg.inv(self.camera.matrix(time))
        picture = _sample(self.texture.rgb, to_texture, side).astype(np.float32)
        for sprite in self.sprites:
            inverse = np.linalg.inv(sprite.matrix(time))
            mask = ellipse(inverse, side)[..., None]
            picture += mask * (_sample(sprite.texture.rgb, inverse, side) - picture)
        return picture.astype(np.uint8)

    def flow(self, time: float, key: float, side: int) -> tuple[Float, Float]:
        """Backward flow (side, side, 2) from the frame at `time` to the one at `key`, in frame fractions.

        Beside it visibility (side, side): whether that content is seen at `key`.
        """
        grid = unit_grid(side)
        where = _apply(self.camera.matrix(key) @ np.linalg.inv(self.camera.matrix(time)), grid)
        hidden = np.zeros((side, side), np.float32)
        for sprite in self.sprites:
            hidden = np.maximum(hidden, _ellipse_at(_apply(np.linalg.inv(sprite.matrix(key)), where)))
        for number, sprite in enumerate(self.sprites):
            here = _ellipse_at(_apply(np.linalg.inv(sprite.matrix(time)), grid)) > 0.5
            moved = _apply(sprite.matrix(key) @ np.linalg.inv(sprite.matrix(time)), grid)
            where = np.where(here[..., None], moved, where)
            over = np.zeros((side, side), np.float32)
            for later in self.sprites[number + 1 :]:
                over = np.maximum(over, _ellipse_at(_apply(np.linalg.inv(later.matrix(key)), moved)))
            hidden = np.where(here, over, hidden)
        inside = ((where > 0) & (where < 1)).all(-1)
        return (where - grid).astype(np.float32), (inside & (hidden < 0.5)).astype(np.float32)


def draw_scene(random: np.random.Generator, textures: Sequence[Texture]) -> Scene:
    """Draw a scene: a third static, a third with a moving camera, a third with moving objects, some both."""
    texture = textures[int(random.integers(len(textures)))]
    kind = random.random()
    camera = Camera(0, 0, 0, 0) if kind < 0.25 or kind > 0.75 else _draw_camera(random)
    count = 0 if kind < 0.1 or 0.25 <= kind < 0.6 else int(random.integers(1, 3))
    sprites = tuple(_draw_sprite(random, textures) for _ in range(count))
    size = random.uniform(0.45, 0.8)
    left, top = random.uniform(0, 1 - size, 2)
    window = np.array([[size, 0, left], [0, size, top], [0, 0, 1]], np.float32)
    return Scene(texture, window, camera, sprites)


def _draw_camera(random: np.random.Generator) -> Camera:
    kind = random.random()
    jitter = random.normal(0, 0.01, 2)
    speed = float(np.exp(random.uniform(np.log(0.03), np.log(0.6))))
    if kind < 0.5:
        angle = random.choice(4) * np.pi / 2 if random.random() < 0.7 else random.uniform(0, 2 * np.pi)
        return Camera(speed * np.cos(angle), speed * np.sin(angle), jitter[0], 0)
    if kind < 0.85:
        return Camera(
            jitter[0], jitter[1], float(random.choice([-1, 1])) * (0.1 + speed), random.normal(0, 1)
        )
    return Camera(
        jitter[0], jitter[1], 0.1 * random.normal(), float(random.choice([-1, 1])) * (4 + 40 * speed)
    )


def _draw_sprite(random: np.random.Generator, textures: Sequence[Texture]) -> Sprite:
    width, height = random.uniform(0.12, 0.45, 2)
    speed = float(np.exp(random.uniform(np.log(0.05), np.log(0.8))))
    angle = random.choice(8) * np.pi / 4 + random.normal(0, 0.1)
    x, y = random.uniform(0.2, 0.8, 2)
    dx, dy = speed * np.cos(angle), speed * np.sin(angle)
    return Sprite(
        textures[int(random.integers(len(textures)))],
        x - dx / 2,
        y - dy / 2,
        width,
        height,
        float(dx),
        float(dy),
    )


def describe_camera(camera: Camera, *, objects_move: bool) -> str:
    """Name the camera's own motion: content that slides right means that the camera pans left."""
    pan = float(np.hypot(camera.pan_x, camera.pan_y))
    if max(pan, abs(camera.zoom), abs(camera.roll) / 45) < _STILL * 2:
        return "camera static" if objects_move else "nothing moves"
    if abs(camera.zoom) > max(pan, abs(camera.roll) / 45):
        word = "moves forward" if camera.zoom > 0 else "moves backward"
        return f"camera {word} {_speed(abs(camera.zoom) / 2)}"
    if abs(camera.roll) / 45 > pan:
        return f"camera turns {'left' if camera.roll > 0 else 'right'} {_speed(abs(camera.roll) / 90)}"
    if abs(camera.pan_x) > abs(camera.pan_y):
        return f"camera pans {'left' if camera.pan_x > 0 else 'right'} {_speed(pan)}"
    return f"camera tilts {'up' if camera.pan_y > 0 else 'down'} {_speed(pan)}"


def describe_direction(dx: float, dy: float) -> str:
    """Name the direction of a displacement in the picture, "down and left"."""
    words = []
    if abs(dy) > 0.38 * abs(dx):
        words.append("down" if dy > 0 else "up")
    if abs(dx) > 0.38 * abs(dy):
        words.append("right" if dx > 0 else "left")
    return " and ".join(words)


def _speed(displacement: float) -> str:
    return "slowly" if displacement < _SLOW else "quickly"


def unit_grid(side: int) -> Float:
    """Pixel centres (side, side, 2) as (x, y) fractions."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    return np.stack(np.meshgrid(centres, centres), axis=-1)


def ellipse(to_unit: Float, side: int) -> Float:
    """Soft mask (side, side) of the ellipse inscribed in the unit square that `to_unit` maps to."""
    return _ellipse_at(_apply(to_unit, unit_grid(side)))


def _ellipse_at(points: Float) -> Float:
    radius = np.hypot(points[..., 0] - 0.5, points[..., 1] - 0.5) * 2
    return np.clip((1 - radius) * 8 + 0.5, 0, 1).astype(np.float32)


def _apply(matrix: Float, points: Float) -> Float:
    return (points @ matrix[:2, :2].T + matrix[:2, 2]).astype(np.float32)


def _sample(rgb: NDArray[np.uint8], to_texture: Float, side: int) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    pixels = np.diag([width, height, 1]).astype(np.float32) @ to_texture @ np.diag([1 / side, 1 / side, 1])
    return np.asarray(
        cv2.warpAffine(
            rgb, pixels[:2].astype(np.float64), (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101,
        ),
        np.uint8,
    )  # fmt: skip
