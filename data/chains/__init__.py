"""CHAINS: arithmetic chains modulo 10 that a tiny model can solve in long steps, in short steps, or at once.

A problem of difficulty n sets one variable and derives n more, each from the one before:

    <bos> a= 6 b=a +2 c=b *7 c?

Each answer is a row of steps, one per derived variable, closed by `# value <eos>`. A step has one of three styles:

    verbose   so we know ok . 6 b=a +2 8      9 tokens: five of filler, then operand, statement, operation, value
    concise   6 b=a +2 8                      4 tokens
    skipped                                   0 tokens; an answer that skips every step is `direct`

So an answer takes 9n + 3, 4n + 3 or 3 tokens. Every operation permutes the digits: a wrong value never repairs itself,
and a blind guess is right once in ten. Each written step ends with its value, whatever its style.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

NAMES = "abcdefg"
DIFFICULTIES = (1, 2, 3, 4, 5, 6)  # the shipped models train on 1 to 5; 6 shows extrapolation
OPERATIONS = tuple(f"+{k}" for k in range(1, 10)) + ("*3", "*7", "*9")
FILLER = ("so", "we", "know", "ok", ".")
STEP_STYLES = ("verbose", "concise", "skipped")
STYLES = ("verbose", "concise", "direct", "mixed")
RESERVED = tuple(f"<r{i}>" for i in range(64))  # never occur in a text; lessons give them a meaning
VOCABULARY = ("<pad>", "<bos>", "<eos>", "#", *FILLER, *map(str, range(10)), "a=",
              *(f"{new}={old}" for old, new in zip(NAMES, NAMES[1:])), *(f"{name}?" for name in NAMES[1:]),
              *OPERATIONS, *RESERVED)
# What an answer in each style begins with.
FIRST_WORDS = {"verbose": ("so",), "concise": tuple(map(str, range(10))), "direct": ("#",)}


@dataclass(frozen=True)
class Problem:
    """A chain: `start` (a digit), `operations` (one per derived variable), and a `cue` appended to the prompt, if any."""

    start: int
    operations: tuple[str, ...]
    cue: str = ""

    def __post_init__(self):
        _check_difficulty(len(self.operations))
        if self.start not in range(10):
            raise ValueError(f"a chain starts with a digit, 0 to 9; found {self.start!r}")
        if unknown := [word for word in self.operations if word not in OPERATIONS]:
            raise ValueError(f"unknown operation {unknown[0]!r}; the operations are {' '.join(OPERATIONS)}")
        if unknown := [word for word in self.cue.split() if word not in VOCABULARY]:
            raise ValueError(f"the cue {self.cue!r} holds {unknown[0]!r}, which is not in the vocabulary of chains")

    @property
    def n(self) -> int:
        """Difficulty: the number of derived variables."""
        return len(self.operations)

    @property
    def values(self) -> tuple[int, ...]:
        """The n + 1 values of a, b, c, ..."""
        values = [self.start]
        for operation in self.operations:
            values.append(apply(operation, values[-1]))
        return tuple(values)

    @property
    def answer(self) -> int:
        """The value of the last variable."""
        return self.values[-1]

    @property
    def prompt(self) -> str:
        """The problem as the model reads it: 4 + 2n words, and the cue's."""
        lines = [f"{new}={old} {operation}" for old, new, operation in zip(NAMES, NAMES[1:], self.operations)]
        return " ".join(["<bos> a=", str(self.start), *lines, f"{NAMES[self.n]}?", *self.cue.split()])

    def with_cue(self, cue: str) -> Problem:
        """The same problem with `cue` (words of the vocabulary, such as `<r0>`) appended to its prompt."""
        return replace(self, cue=cue)

    def step(self, i: int, style: str) -> str:
        """The text of step `i` (1..n) in `style` (verbose, concise or skipped)."""
        if style not in STEP_STYLES:
            raise ValueError(f"a step is {', '.join(STEP_STYLES)}; found {style!r}")
        values, filler = self.values, " ".join(FILLER) + " " if style == "verbose" else ""
        statement = f"{values[i - 1]} {NAMES[i]}={NAMES[i - 1]} {self.operations[i - 1]} {values[i]}"
        return "" if style == "skipped" else filler + statement

    def solution(self, style: str | list[str] = "concise") -> str:
        """A right answer: `style` is verbose, concise or direct for all steps, or a list of n step styles."""
        if isinstance(style, str):
            style = ["skipped" if style == "direct" else style] * self.n
        if len(style) != self.n:
            raise ValueError(f"a chain of {self.n} steps takes {self.n} step styles; found {len(style)}")
        steps = [self.step(i, name) for i, name in enumerate(style, start=1)]
        return " ".join([step for step in steps if step] + ["#", str(self.answer), "<eos>"])

    def correct(self, response: str) -> bool:
        """Whether `response` ends with `# answer <eos>`, word by word."""
        return response.split()[-3:] == ["#", str(self.answer), "<eos>"]

    def __str__(self) -> str:
        lines = [f"{new} = {old} {operation[0].replace('*', '×')} {operation[1:]}"
                 for old, new, operation in zip(NAMES, NAMES[1:], self.operations)]
        return "\n".join([f"a = {self.start}", *lines, f"{NAMES[self.n]} = ?   (modulo 10)"])


@dataclass(frozen=True)
class Step:
    """One written step of a response: which derived variable (1..n), its style, its words, and whether it is right."""

    index: int
    style: str  # verbose or concise
    start: int  # the step is words[start:stop] of the response; words[stop - 1] is its value
    stop: int
    right: bool  # operand, operation and value are those of the problem


def _check_difficulty(n) -> None:
    if n not in DIFFICULTIES:
        raise ValueError(f"unknown difficulty {n!r}: a chain has {DIFFICULTIES[0]} to {DIFFICULTIES[-1]} steps")


def apply(operation: str, value: int) -> int:
    """The value of `operation` (such as `+4` or `*7`) applied to the digit `value`, modulo 10."""
    number = int(operation[1:])
    return (value + number if operation[0] == "+" else value * number) % 10


def problems(rng: np.random.Generator, count: int, n: int | list[int] = (1, 2, 3, 4, 5)) -> list[Problem]:
    """Draw `count` problems; their difficulties run through `n` (one number or several, repeats allowed) in turn.

    Start values are uniform, operations +k with probability 0.6 and *k with 0.4. Raises ValueError for a difficulty
    outside 1..6.
    """
    levels = [n] if isinstance(n, (int, np.integer)) else list(n)
    for level in levels:
        _check_difficulty(level)
    chance = [0.6 / 9] * 9 + [0.4 / 3] * 3
    drawn = []
    for i in range(count):
        chosen = rng.choice(len(OPERATIONS), size=levels[i % len(levels)], p=chance)
        drawn.append(Problem(int(rng.integers(10)), tuple(OPERATIONS[j] for j in chosen)))
    return drawn


def write(rng: np.random.Generator, problem: Problem, mix: dict[str, float]) -> str:
    """Write a right answer in a style drawn from `mix` (style -> weight; styles verbose, concise, direct, mixed).

    A mixed answer draws each step's style on its own, from weights that differ from answer to answer.
    """
    if unknown := set(mix) - set(STYLES):
        raise ValueError(f"unknown style {sorted(unknown)[0]!r}; an answer is {', '.join(STYLES)}")
    weights = np.array([mix.get(style, 0.0) for style in STYLES])
    style = STYLES[rng.choice(len(STYLES), p=weights / weights.sum())]
    if style != "mixed":
        return problem.solution(style)
    weights = rng.random(3) ** 2
    return problem.solution([STEP_STYLES[j] for j in rng.choice(3, size=problem.n, p=weights / weights.sum())])


def annotate(problem: Problem, response: str) -> list[Step]:
    """The steps that `response` writes, in order; words that form no step are passed over."""
    words, values, steps, i = response.split(), problem.values, [], 0
    derived = {f"{new}={old}": index for index, (old, new) in enumerate(zip(NAMES, NAMES[1:]), start=1)}
    while i + 4 <= len(words):
        operand, statement, operation, value = words[i:i + 4]
        index = derived.get(statement)
        if index is None or not (operand.isdigit() and value.isdigit() and operation in OPERATIONS):
            i += 1
            continue
        verbose = tuple(words[max(i - 5, 0):i]) == FILLER
        right = index <= problem.n and (operand, operation, value) == (
            str(values[index - 1]), problem.operations[index - 1], str(values[index]))
        steps.append(Step(index, "verbose" if verbose else "concise", i - 5 * verbose, i + 4, right))
        i += 4
    return steps


def style_of(problem: Problem, response: str) -> str:
    """The style of `response` as a whole: verbose, concise, direct (no step written) or mixed (anything else)."""
    steps = annotate(problem, response)
    if not steps:
        return "direct"
    complete = [step.index for step in steps] == list(range(1, problem.n + 1))
    return steps[0].style if complete and len({step.style for step in steps}) == 1 else "mixed"


def histogram(drawn: list[Problem]) -> dict[int, int]:
    """Difficulty n -> number of problems, in ascending order of n."""
    return dict(sorted(Counter(problem.n for problem in drawn).items()))
