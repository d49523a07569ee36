"""RULEBOOK: chains of four steps, each of which chooses a rule (knowledge) and then carries it out (routine).

A problem names one of ten modes, some far more frequent than others, and a start value modulo 24. In each step the
rule that applies is looked up in a fixed random table by mode and current value; it adds its constant to the value:

    <bos> rule-first m3 17 :      C so well now 17 +7 = 0 ;      ...three more steps...      # 5 <eos>

A step is the rule, a connective, none to three filler words, the sum, and a semicolon. Connective and fillers are
style: they are drawn at random and mean nothing. In the format `style-first` the connective stands before the rule.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MODES, VALUES, STEPS = 10, 24, 4
FORMATS = ("rule-first", "style-first")
ADDS = {"A": 1, "B": 4, "C": 7, "D": 11, "E": 14, "F": 19}  # rule -> what it adds
RULES = tuple(ADDS)
CONNECTIVES = ("so", "then", "thus", "hence")
FILLERS = ("well", "now", "just", "simply", "clearly", "again")
FREQUENCY = np.arange(1, MODES + 1) ** -1.2 / np.sum(np.arange(1, MODES + 1) ** -1.2)
RULEBOOK = np.random.default_rng(0).integers(len(RULES), size=(MODES, VALUES))  # (mode, value) -> index of the rule
VOCABULARY = ("<pad>", "<bos>", "<eos>", "#", ":", ";", "=", *FORMATS, *(f"m{m}" for m in range(MODES)), *RULES, *CONNECTIVES,
              *FILLERS, *(f"+{add}" for add in ADDS.values()), *map(str, range(VALUES)))


@dataclass(frozen=True)
class Problem:
    """A mode (0..9, 0 the most frequent), a start value (0..23), and the format in which the steps are written."""

    mode: int
    start: int
    format: str = "rule-first"

    def __post_init__(self):
        if self.mode not in range(MODES) or self.start not in range(VALUES):
            raise ValueError(f"modes run from 0 to {MODES - 1}, values to {VALUES - 1}; found {self.mode} and {self.start}")
        if self.format not in FORMATS:
            raise ValueError(f"a format is {' or '.join(FORMATS)}; found {self.format!r}")

    @property
    def prompt(self) -> str:
        """The problem as a model reads it."""
        return f"<bos> {self.format} m{self.mode} {self.start} :"

    @property
    def values(self) -> tuple[int, ...]:
        """The five values of the chain: the start and one per step."""
        values = [self.start]
        for _ in range(STEPS):
            values.append((values[-1] + ADDS[self.rule(values[-1])]) % VALUES)
        return tuple(values)

    @property
    def answer(self) -> int:
        """The last value."""
        return self.values[-1]

    def rule(self, value: int) -> str:
        """The rule that the book prescribes at `value`."""
        return RULES[RULEBOOK[self.mode, value]]

    def step(self, rng: np.random.Generator, value: int) -> str:
        """A right step from `value`, its style drawn from `rng`."""
        rule, connective = self.rule(value), CONNECTIVES[rng.integers(len(CONNECTIVES))]
        head = [rule, connective] if self.format == "rule-first" else [connective, rule]
        fillers = [FILLERS[i] for i in rng.integers(len(FILLERS), size=rng.integers(4))]
        return " ".join([*head, *fillers, str(value), f"+{ADDS[rule]}", "=", str((value + ADDS[rule]) % VALUES), ";"])

    def solution(self, rng: np.random.Generator) -> str:
        """A right thought of four steps and the answer, its style drawn from `rng`."""
        return " ".join([*(self.step(rng, value) for value in self.values[:-1]), "#", str(self.answer), "<eos>"])

    def step_right(self, value: int, step: str) -> bool:
        """Whether `step` applies the book's rule to `value` and carries it out without a slip."""
        words, rule = step.split(), self.rule(value)
        rules = [word for word in words if word in ADDS]
        ending = [str(value), f"+{ADDS[rule]}", "=", str((value + ADDS[rule]) % VALUES), ";"]
        return rules == [rule] and words[-5:] == ending

    def __str__(self) -> str:
        return f"mode {self.mode}, start at {self.start} (modulo {VALUES})"


def last_value(text: str) -> int | None:
    """The value that stands last in `text`, None if there is none."""
    return next((int(word) for word in reversed(text.split()) if word.isdigit()), None)


def problems(rng: np.random.Generator, count: int, format: str = "rule-first") -> list[Problem]:
    """Draw `count` problems in `format`: modes with probabilities `FREQUENCY`, start values uniformly."""
    modes, starts = rng.choice(MODES, size=count, p=FREQUENCY), rng.integers(VALUES, size=count)
    return [Problem(int(mode), int(start), format) for mode, start in zip(modes, starts)]
