"""QUIZ: two families of questions, each with a short direct answer and a longer reasoned one.

    chain   <bos> chain 3 +2 *5 6- . . =          apply the functions in turn, modulo 7
            direct `# 2 <eos>`                    reasoned `5 4 2 # 2 <eos>`
    match   <bos> match red gold pink . . ? red blue pink . . =
            does the second row say the same as the first, word by word?
            direct `# no <eos>`                   reasoned `same differs same # no <eos>`

The level n (1 to 5) is the number of functions, or of words in a row; dots fill the prompt up. A blind guess is right once in
seven, or every other time: half of the pairs are equal, the others differ in one word. The elaborate prompt puts
`think aloud :` before the question.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

FUNCTIONS = {"+1": (1, 1), "+2": (1, 2), "+3": (1, 3), "*2": (2, 0), "*3": (3, 0), "*5": (5, 0), "6-": (6, 6), "*3+1": (3, 1)}
COLORS = ("red", "blue", "green", "gold", "pink")
LEVELS = {"chain": (1, 2, 3, 4, 5), "match": (1, 2, 3, 4, 5)}
ELABORATE = "think aloud :"
VOCABULARY = ("<pad>", "<bos>", "<eos>", "#", "=", "?", ".", ":", "think", "aloud", "chain", "match", "yes", "no", "same",
              "differs", *map(str, range(7)), *FUNCTIONS, *COLORS)


@dataclass(frozen=True)
class Question:
    """A question of level `n`: its `text`, the words of its reasoning, its `answer`, and the `instruction` put before it."""

    family: str
    n: int
    text: str
    steps: tuple[str, ...]
    answer: str
    instruction: str = ""

    def __post_init__(self):
        if not self.text.strip():
            raise ValueError("the question is empty; a prompt needs at least one word of a question")
        if unknown := [word for word in f"{self.instruction} {self.text}".split() if word not in VOCABULARY]:
            raise ValueError(f"{unknown[0]!r} is not in the vocabulary of the quiz")

    @property
    def prompt(self) -> str:
        """The question as a model reads it, after its instruction, if any."""
        return " ".join(["<bos>", *self.instruction.split(), self.text, "="])

    @property
    def direct(self) -> str:
        """The right answer and nothing else."""
        return f"# {self.answer} <eos>"

    @property
    def reasoned(self) -> str:
        """The right answer after the right reasoning."""
        return f"{' '.join(self.steps)} {self.direct}"

    def elaborate(self) -> Question:
        """The same question under the elaborate prompt, which asks for reasoning."""
        return replace(self, instruction=ELABORATE)

    def correct(self, response: str) -> bool:
        """Whether `response` ends with `# answer <eos>`, word by word."""
        return response.split()[-3:] == self.direct.split()


def chain(start: int, functions: tuple[str, ...]) -> Question:
    """The chain that applies `functions` (1 to 5 keys of FUNCTIONS) to `start` (0 to 6); ValueError for anything else."""
    if start not in range(7) or len(functions) not in LEVELS["chain"]:
        raise ValueError(f"a chain is a start from 0 to 6 and 1 to 5 functions; found {start!r} and {len(functions)}")
    if unknown := [word for word in functions if word not in FUNCTIONS]:
        raise ValueError(f"unknown function {unknown[0]!r}; the functions are {' '.join(FUNCTIONS)}")
    steps, value = [], start
    for factor, shift in map(FUNCTIONS.get, functions):
        value = (factor * value + shift) % 7
        steps.append(str(value))
    text = " ".join(["chain", str(start), *functions, *["."] * (5 - len(functions))])
    return Question("chain", len(functions), text, tuple(steps), steps[-1])


def match(first: tuple[str, ...], second: tuple[str, ...]) -> Question:
    """Do two rows of 1 to 5 COLORS say the same? ValueError for rows of other lengths or words."""
    if len(first) != len(second) or len(first) not in LEVELS["match"]:
        raise ValueError(f"a match compares two rows of the same length, 1 to 5; found {len(first)} and {len(second)}")
    if unknown := [word for word in (*first, *second) if word not in COLORS]:
        raise ValueError(f"unknown colour {unknown[0]!r}; the colours are {' '.join(COLORS)}")
    dots = ["."] * (5 - len(first))
    steps = tuple("same" if a == b else "differs" for a, b in zip(first, second))
    return Question("match", len(first), " ".join(["match", *first, *dots, "?", *second, *dots]), steps,
                    "no" if "differs" in steps else "yes")


def _draw_chain(rng: np.random.Generator, n: int) -> Question:
    words = list(FUNCTIONS)
    return chain(int(rng.integers(7)), tuple(words[i] for i in rng.integers(len(words), size=n)))


def _draw_match(rng: np.random.Generator, n: int) -> Question:
    first = rng.integers(len(COLORS), size=n)
    second = first.copy()
    if rng.random() < 0.5:
        second[rng.integers(n)] += rng.integers(1, len(COLORS))
    return match(*(tuple(COLORS[i % len(COLORS)] for i in row) for row in (first, second)))


def questions(rng: np.random.Generator, count: int, family: str, levels=None) -> list[Question]:
    """Draw `count` questions of `family` (chain or match); their levels run through `levels` (all when None) in turn."""
    if family not in LEVELS:
        raise ValueError(f"unknown family {family!r}; the families are {' and '.join(LEVELS)}")
    levels = LEVELS[family] if levels is None else tuple(levels)
    if unknown := set(levels) - set(LEVELS[family]):
        raise ValueError(f"{family} has no level {sorted(unknown)[0]}; its levels are {LEVELS[family]}")
    draw = {"chain": _draw_chain, "match": _draw_match}[family]
    return [draw(rng, levels[i % len(levels)]) for i in range(count)]
