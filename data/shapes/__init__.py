"""SHAPES: coloured shapes on boards, for language about images, and one at a time, for generation.

A board is a grid of squares of 16 x 16 pixels, named as on a chess board (a1 is bottom left), each empty or with one object:
a circle, square, triangle or cross in red, green, blue or yellow. Pixels of boards lie in [0, 1]. What is said about a
board is made of words, one token each. Captions name the objects row by row from the top left; questions have four words:

    describe                 b3 red circle d1 blue square <eos>    three words per object: square, colour, shape
    what is at b3            red circle <eos>                      or none
    color of the circle      red <eos>                             asked when there is one circle
    shape of the red         circle <eos>                          asked when there is one red object
    where is red circle      b3 <eos>                              asked when there is one red circle
    how many are red         1 <eos>                               or a shape: how many are circle

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


# ---- language about boards -------------------------------------------------------------------------------------------

VOCABULARY = ("<pad>", "<bos>", "<eos>", "describe", "what", "is", "at", "color", "of", "the", "shape", "where", "how", "many",
              "are", "left_of", "right_of", "above", "below", "explain", "find", "so", "none", *COLORS, *SHAPES,
              *map(str, range(17)), *(f"{column}{row}" for row in range(1, 9) for column in "abcdefgh"))
WORDS = {word: i for i, word in enumerate(VOCABULARY)}  # word -> its token id
PAD, EOS = WORDS["<pad>"], WORDS["<eos>"]
KINDS = {"what": "what is at", "color": "color of the", "shape": "shape of the", "where": "where is",
         "count": "how many are"}             # kind of question -> its first words
COLOR_IDS, SHAPE_IDS = (np.array([WORDS[word] for word in words]) for words in (COLORS, SHAPES))
LABEL_IDS = np.array([[WORDS["none"], EOS], *([WORDS[color], WORDS[shape]] for color, shape in LABELS[1:])])  # [17, 2]


def side_of(labels: np.ndarray) -> int:
    """Squares along a side of the boards `labels` [n, side * side]; ValueError for anything but boards of 1 to 8 a side."""
    labels = np.asarray(labels)
    side = int(round(np.sqrt(labels.shape[1]))) if labels.ndim == 2 else 0
    if not 1 <= side <= 8 or side * side != labels.shape[1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"scenes are integers [n, side * side], side 1 to 8; found {labels.dtype} {list(labels.shape)}")
    if labels.size and (labels.min() < 0 or labels.max() >= len(LABELS)):
        raise ValueError(f"labels are 0 to {len(LABELS) - 1}; found {labels.min()} to {labels.max()}")
    return side


def square_names(side: int) -> tuple[str, ...]:
    """Names of the squares of a board in the order of its labels: row by row from the top left."""
    return tuple(f"{column}{row}" for row in range(side, 0, -1) for column in "abcdefgh"[:side])


def ids(text: str) -> list[int]:
    """Token ids of `text`, a row of words; ValueError for a word that is not in VOCABULARY."""
    if unknown := [word for word in text.split() if word not in WORDS]:
        raise ValueError(f"{unknown[0]!r} in {text!r} is not in the vocabulary of SHAPES")
    return [WORDS[word] for word in text.split()]


def words(tokens) -> str:
    """The words of token ids [length], without padding."""
    return " ".join(VOCABULARY[int(token)] for token in tokens if token != PAD)


def captions(labels: np.ndarray, objects: int | None = None) -> np.ndarray:
    """Token ids [n, 3 * objects + 1] of the captions of boards [n, side * side], closed by <eos> and padded after it.

    `objects`: how many there is room for; by default as many as the fullest board holds, which is the least allowed.
    """
    names, filled = np.array(ids(" ".join(square_names(side_of(labels))))), labels > 0
    most = int(filled.sum(1).max(initial=0))
    if objects is not None and objects < most:
        raise ValueError(f"captions with room for {objects} objects cannot hold the {most} of the fullest board")
    tokens = np.full((len(labels), 3 * (most if objects is None else objects) + 1), PAD)
    board, square = np.nonzero(filled)
    place = 3 * (filled.cumsum(1) - 1)[board, square]
    for offset, word in enumerate((names[square], *LABEL_IDS[labels[board, square]].T)):
        tokens[board, place + offset] = word
    tokens[np.arange(len(labels)), 3 * filled.sum(1)] = EOS
    return tokens


def mentions(caption: str, side: int) -> list[tuple[int, int]]:
    """(square, label) of each object that `caption` names: a square of the board, a colour and a shape in a row.

    Other words are passed over, so that a model's own text can be read; a square may be named twice.
    """
    row, squares, found, i = caption.split(), square_names(side), [], 0
    while i + 2 < len(row):
        named = row[i] in squares and (row[i + 1], row[i + 2]) in LABELS
        if named:
            found.append((squares.index(row[i]), LABELS.index((row[i + 1], row[i + 2]))))
        i += 3 if named else 1
    return found


def questions(rng: np.random.Generator, labels: np.ndarray, count: int, shares: dict[str, float]):
    """`count` questions about each board [n, side * side]: (questions [n, count, 4], answers [n, count, 3], kinds [n, count]).

    Questions and answers are token ids, answers closed by <eos> and padded after it; `kinds` index KINDS and are drawn
    with the weights `shares` (kind -> weight). Where a board allows no unambiguous question of the kind drawn, the kind
    is `what` instead. Questions of the kind `what` name an empty square with probability 0.12.
    """
    side, many = side_of(labels), (len(labels), count)
    if unknown := set(shares) - set(KINDS):
        raise ValueError(f"unknown kind of question {sorted(unknown)[0]!r}; the kinds are {', '.join(KINDS)}")
    names, board = np.array(ids(" ".join(square_names(side)))), np.arange(len(labels))[:, None]
    color, shape = np.where(labels > 0, (labels - 1) // 4, -1), np.where(labels > 0, (labels - 1) % 4, -1)

    def pick(valid):
        """A random column of `valid` [n, options] for each question [n, count], and whether there was one to pick."""
        return (rng.random((*many, valid.shape[1])) * valid[:, None]).argmax(-1), np.broadcast_to(valid.any(1)[:, None], many)

    def once(values, options):
        """Which of `options` values occur once in `values` [n, squares], as [n, options], and the squares where they do."""
        same = values[:, None] == np.arange(options)[:, None]
        return same.sum(2) == 1, same.argmax(2)

    def what():
        (full, some), (empty, gap) = pick(labels > 0), pick(labels == 0)
        square = np.where(gap & ((rng.random(many) < 0.12) | ~some), empty, full)
        return names[square][..., None], LABEL_IDS[labels[board, square]], np.full(many, True)

    def attribute(values, value_ids, answer_ids, other):
        single, where = once(values, 4)
        chosen, possible = pick(single)
        answer = answer_ids[other[board, where[board, chosen]]]
        return value_ids[chosen][..., None], np.stack([answer, np.full(many, EOS)], -1), possible

    def place():
        single, where = once(labels - 1, 16)
        chosen, possible = pick(single)
        answer = names[where[board, chosen]]
        return LABEL_IDS[chosen + 1], np.stack([answer, np.full(many, EOS)], -1), possible

    def number():
        chosen = rng.integers(0, 8, many)
        found = np.concatenate([(values[:, :, None] == np.arange(4)).sum(1) for values in (color, shape)], 1)[board, chosen]
        key = np.concatenate([COLOR_IDS, SHAPE_IDS])[chosen]
        return key[..., None], np.stack([WORDS["0"] + found, np.full(many, EOS)], -1), found <= 16

    kinds = rng.choice(len(KINDS), many, p=np.array([shares.get(kind, 0.0) for kind in KINDS]) / sum(shares.values()))
    asked, answers, drawn = np.full((*many, 4), PAD), np.full((*many, 3), PAD), np.zeros(many, int)
    makers = (what, lambda: attribute(shape, SHAPE_IDS, COLOR_IDS, color),
              lambda: attribute(color, COLOR_IDS, SHAPE_IDS, shape), place, number)
    for kind, (start, make) in enumerate(zip(KINDS.values(), makers)):
        if kind and not (kinds == kind).any():
            continue
        key, answer, possible = make()
        here = (kinds == kind) & possible if kind else np.full(many, True)  # `what` first, as a fallback for the others
        question = np.concatenate([np.broadcast_to(ids(start), (*many, len(ids(start)))), key], -1)
        asked[here], answers[here, :2], drawn[here] = question[here], answer[here], kind
    answers[..., 2] = np.where(answers[..., 1] == EOS, PAD, EOS)
    return asked, answers, drawn


def answer(labels: np.ndarray, question: str) -> str:
    """The answer to `question` about one board, `labels` [side * side], without <eos>.

    Raises ValueError for a question outside the grammar, about a square off the board, or with more than one answer.
    """
    squares, row = square_names(side_of(np.asarray(labels)[None])), question.split()
    kind = next((kind for kind, start in KINDS.items() if len(row) == 4 and row[:len(start.split())] == start.split()), None)
    objects = [LABELS[label] for label in labels]
    if kind == "what" and row[3] in squares:
        return " ".join(objects[squares.index(row[3])] or ("none",))
    if kind == "count" and row[3] in (*COLORS, *SHAPES):
        return str(sum(row[3] in (pair or ()) for pair in objects))
    if kind == "where" and tuple(row[2:]) in LABELS:
        found = [name for name, pair in zip(squares, objects) if pair == tuple(row[2:])]
    elif kind in ("color", "shape") and row[3] in (SHAPES if kind == "color" else COLORS):
        found = [pair[kind == "shape"] for pair in objects if pair and row[3] in pair]
    else:
        raise ValueError(f"{question!r} is no question about a board of {len(squares)} squares; questions begin with "
                         f"{', '.join(KINDS.values())} and have four words")
    if len(found) != 1:
        raise ValueError(f"{question!r} has {len(found)} answers on this board; it needs one")
    return found[0]


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
