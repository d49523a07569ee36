"""DIALOGUES: a user asks for facts stated in earlier turns, and then states the next one, which may replace an old one.

A turn is seven words: the question (three), its answer, and the statement that the user adds:

    ask k5 is unknown set k3 v1
    ask k3 is v1 set k7 v4
    ask k3 is v1 set k3 v6
    ask k7 is v4 set k0 v4

The first turn asks about a key of which nothing is known; from the second on, one of the keys stated so far is asked for,
each as likely as any other. So a system that remembers nothing can only guess one of eight values.
"""
from __future__ import annotations

import numpy as np
import torch

KEYS = tuple(f"k{i}" for i in range(8))
VALUES = tuple(f"v{i}" for i in range(8))
VOCABULARY = ("ask", "is", "set", "unknown", *KEYS, *VALUES)
ID = {word: i for i, word in enumerate(VOCABULARY)}
QUESTION, ANSWER, TURN = 3, 3, 7  # words of a question; index of the answer; words of a turn
FORM = "a turn reads `ask k3 is v5 set k1 v2`"


def draw(rng: np.random.Generator, count: int, turns: int) -> torch.Tensor:
    """Token ids of `count` dialogues of `turns` turns: (count, turns, 7)."""
    if count < 1 or turns < 1:
        raise ValueError(f"draw takes one dialogue and one turn or more; found {count} dialogues of {turns} turns")
    ids = np.empty((count, turns, TURN), dtype=np.int64)
    ids[:, :, [0, 2, 4]] = [ID["ask"], ID["is"], ID["set"]]
    known, rows = np.full((count, len(KEYS)), -1), np.arange(count)
    for t in range(turns):
        chance = rng.random((count, len(KEYS))) + (known >= 0)  # the largest wins: a stated key, if there is one
        asked = chance.argmax(1)
        value = known[rows, asked]
        ids[:, t, 1] = ID["k0"] + asked
        ids[:, t, ANSWER] = np.where(value < 0, ID["unknown"], ID["v0"] + value)
        key, new = rng.integers(len(KEYS), size=count), rng.integers(len(VALUES), size=count)
        ids[:, t, 5], ids[:, t, 6] = ID["k0"] + key, ID["v0"] + new
        known[rows, key] = new
    return torch.from_numpy(ids)


def text(turn) -> str:
    """The words of token ids, in one line: a turn, a question, or any part of one."""
    return " ".join(VOCABULARY[int(i)] for i in turn)


def read(lines: list[str]) -> torch.Tensor:
    """Token ids (turns, 7) of a dialogue written down turn by turn.

    Raises ValueError for no turn, a word outside the vocabulary, a turn without a question, and any other form.
    """
    if not lines:
        raise ValueError(f"there are no turns to read; {FORM}")
    return torch.tensor([_turn(line, f"turn {t}") for t, line in enumerate(lines, 1)])


def question(line: str) -> torch.Tensor:
    """Token ids (3,) of a question such as `ask k3 is`; raises ValueError for anything else."""
    words = _known(line, "the question")
    if len(words) != QUESTION or words[0] != "ask" or words[1] not in KEYS or words[2] != "is":
        raise ValueError(f"a question reads `ask k3 is`; found {line!r}")
    return torch.tensor([ID[word] for word in words])


def _known(line: str, where: str) -> list[str]:
    words = line.split()
    if unknown := [word for word in words if word not in ID]:
        raise ValueError(f"{where}: {unknown[0]!r} is not one of the {len(VOCABULARY)} words of the vocabulary; {FORM}")
    return words


def _turn(line: str, where: str) -> list[int]:
    words = _known(line, where)
    if not words or words[0] != "ask":
        raise ValueError(f"{where} has no question; {FORM}, found {line!r}")
    key, value = words[1::4], words[ANSWER::3]  # where keys and values stand
    if (len(words) != TURN or [words[0], words[2], words[4]] != ["ask", "is", "set"] or not {*key} <= {*KEYS}
            or not {*value} <= {*VALUES, "unknown"} or value[1] == "unknown"):
        raise ValueError(f"{where} is incomplete or out of order; {FORM}, found {line!r}")
    return [ID[word] for word in words]


def age(ids: torch.Tensor, answers: bool = False) -> torch.Tensor:
    """How many turns ago the fact asked for was last stated, 1 for the turn before, 0 for never: (dialogues, turns).

    With `answers`, a right answer in an earlier turn counts as a mention as well.
    """
    found = torch.zeros(ids.shape[:2], dtype=torch.long)
    last = torch.full((len(ids), len(KEYS)), -1)
    rows = torch.arange(len(ids))
    for t in range(ids.shape[1]):
        asked, stated = ids[:, t, 1] - ID["k0"], ids[:, t, 5] - ID["k0"]
        found[:, t] = torch.where(last[rows, asked] < 0, 0, t - last[rows, asked])
        if answers:
            last[rows, asked] = torch.where(last[rows, asked] < 0, -1, t)
        last[rows, stated] = t
    return found


def ceiling(ids: torch.Tensor, window: int) -> float:
    """The best accuracy on the answers from the second turn on that a system can reach which sees `window` turns back."""
    seen = age(ids, answers=True)[:, 1:] <= window
    return float(seen.float().mean() + (~seen).float().mean() / len(VALUES))
