"""SHAPES: coloured shapes on boards, for language about images, and one at a time, for generation.

A board is a grid of squares of 16 x 16 pixels, named as on a chess board (a1 is bottom left), each empty or with one object:
a circle, square, triangle or cross in red, green, blue or yellow. Pixels of boards lie in [0, 1].

A free shape is a circle, square or triangle in red, green or blue anywhere on a small dark image. Its pixels lie in
[-1, 1], as diffusion models expect. Both are drawn by `coverage`.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHAPES = ("circle", "square", "triangle", "cross")
COLORS = {"red": (0.90, 0.15, 0.15), "green": (0.15, 0.75, 0.25), "blue": (0.20, 0.35, 0.95), "yellow": (0.95, 0.85, 0.15)}
PIXELS = 16                                   # side of a square of a board
LABELS = (None, *((color, shape) for color in COLORS for shape in SHAPES))  # label of a square -> (colour, shape)
CLASSES = tuple((shape, color) for shape in SHAPES[:3] for color in tuple(COLORS)[:3])  # class of a free shape
BACKGROUND = (-0.8, -0.8, -0.7)               # of free shapes


def coverage(shape: int, x: np.ndarray, y: np.ndarray, radius, pixel: float) -> np.ndarray:
    """Opacity in [0, 1] of SHAPES[`shape`] at points (x, y), y downwards from its centre, with an edge one `pixel` wide.

    `x`, `y`, `radius` and `pixel` have the same unit; `radius` is that of the circle, or broadcasts against x and y.
    """
    x, y = np.abs(x), np.asarray(y)
    if shape == 0:
        distance = np.hypot(x, y) - radius
    elif shape == 1:
        distance = np.maximum(x, np.abs(y)) - 0.88 * radius
    elif shape == 2:
        distance = np.maximum(y - 0.8 * radius, 0.894 * x - 0.447 * y - 0.5 * radius)
    elif shape == 3:
        long, wide = 1.05 * radius, 0.36 * radius
        distance = np.minimum(np.maximum(x - long, np.abs(y) - wide), np.maximum(x - wide, np.abs(y) - long))
    else:
        raise ValueError(f"a shape is 0 to 3, an index of {SHAPES}; found {shape!r}")
    return np.clip(0.5 - distance / pixel, 0, 1)


# ---- boards ----------------------------------------------------------------------------------------------------------

def scenes(rng: np.random.Generator, count: int, side: int = 4, objects=range(1, 9)) -> np.ndarray:
    """Labels [count, side * side] of random boards, row by row from the top left: 0 is empty, others index LABELS.

    The number of objects is uniform over `objects`, their squares and labels are uniform.
    """
    numbers = np.asarray(list(objects))
    if numbers.min() < 0 or numbers.max() > side * side:
        raise ValueError(f"a board of {side} x {side} holds 0 to {side * side} objects; found {numbers.min()} to {numbers.max()}")
    order = rng.random((count, side * side)).argsort(1).argsort(1)
    labels = rng.integers(1, len(LABELS), (count, side * side))
    return np.where(order < rng.choice(numbers, (count, 1)), labels, 0)


def squares(rng: np.random.Generator, labels: np.ndarray, background: np.ndarray | None = None) -> np.ndarray:
    """Pixels [..., 16, 16, 3] in [0, 1], float32, of one square per entry of `labels` [...].

    Each object is shifted by up to a pixel and its brightness varies; `background` [..., 1, 1, 1] is a grey level
    (default: drawn for each square). Every pixel gets Gaussian noise of 0.02.
    """
    labels = np.asarray(labels)
    if labels.min() < 0 or labels.max() >= len(LABELS):
        raise ValueError(f"labels are 0 to {len(LABELS) - 1}; found {labels.min()} to {labels.max()}")
    flat = labels.ravel()
    if background is None:
        background = rng.uniform(0.35, 0.65, (*labels.shape, 1, 1, 1))
    grey = np.broadcast_to(background, (*labels.shape, 1, 1, 1)).reshape(-1, 1, 1, 1).astype(np.float32)
    shift = rng.integers(-1, 2, (2, flat.size, 1, 1))
    brightness = rng.uniform(0.8, 1.05, (flat.size, 1, 1, 1)).astype(np.float32)
    axis = np.arange(PIXELS) + 0.5 - PIXELS / 2
    paint = np.array([COLORS[label[0]] if label else (0, 0, 0) for label in LABELS], np.float32)[flat, None, None]
    kind = np.array([SHAPES.index(label[1]) if label else -1 for label in LABELS])[flat]
    opacity = np.zeros((flat.size, PIXELS, PIXELS, 1), np.float32)
    for shape in range(len(SHAPES)):
        here = np.flatnonzero(kind == shape)
        opacity[here, :, :, 0] = coverage(shape, axis - shift[0, here], axis[:, None] - shift[1, here], 5.5, 1)
    pixels = (1 - opacity) * grey + opacity * paint * brightness
    pixels += 0.02 * rng.standard_normal(pixels.shape, np.float32)
    return np.clip(pixels, 0, 1, out=pixels).reshape(*labels.shape, PIXELS, PIXELS, 3)


def boards(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Images [n, 16 side, 16 side, 3] in [0, 1], float32, of boards with `labels` [n, side * side]; one grey per image."""
    count, side = len(labels), int(round(np.sqrt(labels.shape[1])))
    if side * side != labels.shape[1]:
        raise ValueError(f"a board has side * side squares; found {labels.shape[1]}")
    pixels = squares(rng, labels, rng.uniform(0.35, 0.65, (count, 1, 1, 1, 1)))
    return pixels.reshape(count, side, side, PIXELS, PIXELS, 3).swapaxes(2, 3).reshape(count, side * PIXELS, side * PIXELS, 3)


def patches(images: np.ndarray) -> np.ndarray:
    """The squares [n, side * side, 16, 16, 3] of boards: images [n, 16 side, 16 side, 3] in [0, 1] cut row by row.

    Raises ValueError for an image of another shape, with a value outside [0, 1], or with a value that is not a number.
    """
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] != shape[2] or shape[1] % PIXELS or shape[3] != 3 or not shape[1]:
        raise ValueError(f"boards are images [n, {PIXELS} side, {PIXELS} side, 3]; found {list(shape)}")
    if not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"pixels of boards lie in [0, 1]; found {float(images.min()):.3g} to {float(images.max()):.3g}")
    side = shape[1] // PIXELS
    return images.reshape(shape[0], side, PIXELS, side, PIXELS, 3).swapaxes(2, 3).reshape(shape[0], side * side, PIXELS, PIXELS, 3)


# ---- free shapes -----------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Free:
    """Free shapes: `classes` [n] index CLASSES; `x`, `y` (centres) and `radius` [n] in units of a sixteenth of the image."""

    classes: np.ndarray
    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray


def free(rng: np.random.Generator, count: int, classes: np.ndarray | None = None) -> Free:
    """`count` free shapes: class uniform (or `classes` [count]), centre uniform in 5..11, radius uniform in 3..5."""
    drawn = rng.integers(0, len(CLASSES), count) if classes is None else np.asarray(classes)
    if drawn.shape != (count,) or (count and (drawn.min() < 0 or drawn.max() >= len(CLASSES))):
        raise ValueError(f"classes must be {count} integers, 0 to {len(CLASSES) - 1}")
    return Free(drawn, *rng.uniform(5, 11, (2, count)), rng.uniform(3, 5, count))


def draw(shapes: Free, size: int = 16) -> np.ndarray:
    """Images [n, 3, size, size] in [-1, 1], float32, of free shapes; the same shapes can be drawn at any size."""
    axis, pixel = (np.arange(size) + 0.5) * 16 / size, 16 / size
    paint = np.array([COLORS[color] for _, color in CLASSES])[shapes.classes] * 2 - 1
    x, y, radius = (value[:, None, None] for value in (shapes.x, shapes.y, shapes.radius))
    opacity = np.zeros((len(shapes.classes), size, size))
    for shape in range(3):
        here = np.flatnonzero(shapes.classes // 3 == shape)
        opacity[here] = coverage(shape, axis - x[here], axis[:, None] - y[here], radius[here], pixel)
    ground = np.array(BACKGROUND)[None, :, None, None]
    return (ground + opacity[:, None] * (paint[:, :, None, None] - ground)).astype(np.float32)
