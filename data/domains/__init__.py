"""DOMAINS: texts in 32 subjects, each with its own law of which word may follow which: much to know, little to work out.

A text names its subject, then runs through words. In each subject, a word is followed by one of four others, with the
probabilities of `CHANCES`; which four is drawn anew for every subject and word. So a model of these texts must hold 32 tables
of 48 words, and the best that any model can do is known exactly:

    <law> ba ku te ...
"""
from __future__ import annotations

from functools import cache

import numpy as np
import torch

SUBJECTS = ("law", "tax", "chess", "opera", "rugby", "bread", "honey", "tea", "steel", "glass", "paper", "roads", "ships", "kites",
            "moons", "tides", "storms", "bees", "owls", "wolves", "roses", "oaks", "moss", "salt", "gold", "clay", "drums", "flutes",
            "poems", "maps", "locks", "clocks")
WORDS = tuple(first + second for first in "bdfgklmnprst" for second in "aeiu")
CHANCES = (0.70, 0.15, 0.10, 0.05)
LENGTH = 24
VOCABULARY = (*WORDS, *(f"<{subject}>" for subject in SUBJECTS))
FLOOR = float(-np.dot(CHANCES, np.log(CHANCES)))   # nats per word that nobody can predict


@cache
def successors() -> np.ndarray:
    """Which words may follow: (subject, word, 4) word ids, likeliest first. The same in every run of the course."""
    rng = np.random.default_rng(24)
    return np.stack([[rng.permutation(len(WORDS))[:len(CHANCES)] for _ in WORDS] for _ in SUBJECTS])


def texts(rng: np.random.Generator, count: int) -> torch.Tensor:
    """Draw `count` texts as token ids, (count, LENGTH): a subject, a first word (both uniform), then words by the subject's law.

    Ids are positions in VOCABULARY. Raises ValueError for a count that is not positive.
    """
    if count < 1:
        raise ValueError(f"texts draws one text or more; found count = {count}")
    subject, word = rng.integers(len(SUBJECTS), size=count), rng.integers(len(WORDS), size=count)
    tokens = [len(WORDS) + subject, word]
    for _ in range(LENGTH - 2):
        word = successors()[subject, word, rng.choice(len(CHANCES), size=count, p=CHANCES)]
        tokens.append(word)
    return torch.from_numpy(np.stack(tokens, axis=1))


def truth(tokens: torch.Tensor) -> torch.Tensor:
    """The true probabilities of the words that follow words 1 to LENGTH - 2: (count, LENGTH - 2, words).

    Position t belongs to the token at place t + 2. Raises ValueError for tokens that do not begin with a subject.
    """
    subject, before = tokens[:, :1] - len(WORDS), tokens[:, 1:-1]
    if subject.min() < 0 or before.max() >= len(WORDS):
        raise ValueError("a text is one subject, then words; use the ids that texts() draws")
    chances = torch.zeros(*before.shape, len(WORDS))
    chance = torch.tensor(CHANCES).expand(*before.shape, -1)
    return chances.scatter_(2, torch.from_numpy(successors())[subject, before], chance)


def read(tokens) -> str:
    """The words of one text."""
    return " ".join(VOCABULARY[int(token)] for token in tokens)
