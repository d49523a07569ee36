"""SPELLING: two codes hidden in noise stand for two words, and the answer spells one of them twice, then the other.

A prompt has P = 20 tokens: `<bos>`, then noise with two codes at random places. One code stands for a number, the other for a
colour, so there are 64 pairs of words. The answer has G = 21 slots: a word takes six (`_` fills it up), `+` stands between words
and a full stop at the end. **Which word comes first is free**: every prompt has two answers that are equally good.

    three_+three_+silver.   or   silver+silver+three_.

Models of this world: `ar` (autoregressive, two layers) and `dlm_0` to `dlm_2`, three trainings of a masked diffusion language
model that begins as such an AR.
"""
from __future__ import annotations

import numpy as np
import torch

from utils.models import tiny

WORDS = ("three seven eleven twelve twenty thirty eighty ninety "
         "yellow purple orange silver bronze golden violet indigo").split()
VOCABULARY = ["<pad>", "<bos>", "<eos>", "<mask>", "+", ".", "_", *(f"#{i}" for i in range(16)),
              *(f"w{i}" for i in range(8)), *sorted(set("".join(WORDS)))]
MASK, PLUS, DOT, CODE, NOISE = map(VOCABULARY.index, ("<mask>", "+", ".", "#0", "w0"))
SPELLED = torch.tensor([[VOCABULARY.index(letter) for letter in word.ljust(6, "_")] for word in WORDS])     # (16, 6)
P, G = 20, 21
tokenizer = tiny.word_tokenizer(VOCABULARY)


def answer_ids(pairs: torch.Tensor) -> torch.Tensor:
    """The answers (n, G) that spell the first word of each pair (n, 2) twice, then the second."""
    first, second = SPELLED[pairs].unbind(1)
    plus, dot = torch.full((len(pairs), 1), PLUS), torch.full((len(pairs), 1), DOT)
    return torch.cat([first, plus, first, plus, second, dot], dim=1)


def draw(rng: np.random.Generator, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts (n, P) with two codes at random places, and the two words (n, 2) they stand for, in random order."""
    codes = rng.integers(0, 8, size=(n, 2)) + (0, 8)
    places = rng.permuted(np.tile(np.arange(1, P), (n, 1)), axis=1)[:, :2]
    prompts = rng.integers(NOISE, NOISE + 8, size=(n, P))
    prompts[:, 0] = tokenizer.bos_token_id
    np.put_along_axis(prompts, places, CODE + codes, axis=1)
    return torch.from_numpy(prompts), torch.from_numpy(rng.permuted(codes, axis=1))


def right(answers: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Which answers (n, G) are one of the two good ones of their `pairs` (n, 2): (n,) booleans."""
    return (answers == answer_ids(pairs)).all(1) | (answers == answer_ids(pairs.flip(1))).all(1)


def text(ids) -> str:
    """An answer as text, masks as dots."""
    return "".join("·" if i == MASK else VOCABULARY[i] for i in ids)
