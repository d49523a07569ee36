"""The 1,440 problems of two steps, split once and for all: those a lesson may train on, and those held out to test on.

With ten starts and twelve operations there are 10 · 12² different problems of two steps. The shipped reasoners imperfect,
strong and verbose met them in their own training, mostly with written steps; what a lesson trains further may keep to
`split()[0]`. Many of the held-out have a twin in training: two operations swapped, where that changes nothing.
"""
from __future__ import annotations

import itertools

import numpy as np

from data.chains import OPERATIONS, Problem

HELD_OUT = 400
EXAMPLE = Problem(6, ("+2", "*7"))  # values 6 8 6


def split() -> tuple[list[Problem], list[Problem]]:
    """(train, test): 1,040 problems to train on and 400 held out, in a fixed random order."""
    every = [Problem(start, pair) for start in range(10) for pair in itertools.product(OPERATIONS, repeat=2)]
    order = np.random.default_rng(42).permutation(len(every))
    return [every[i] for i in order[HELD_OUT:]], [every[i] for i in order[:HELD_OUT]]
