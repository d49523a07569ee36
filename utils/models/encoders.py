"""Small text encoders: words to ids, a weighted bag of words, contrastive training, exact search, and the metrics."""
from __future__ import annotations

import math
import re

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def words(text: str) -> list[str]:
    """The words of `text` in order: runs of letters, digits and underscores, in lower case. ValueError if it has none."""
    found = re.findall(r"\w+", text.lower())
    if not found:
        raise ValueError(f"{text!r} holds no word; a query or document needs at least one")
    return found


class Vocabulary:
    """The words of `texts`, numbered from 1 in order of appearance; 0 is padding."""

    def __init__(self, texts):
        self.words = ["<pad>", *dict.fromkeys(word for text in texts for word in words(text))]
        self.ids = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def __call__(self, texts: list[str]) -> torch.Tensor:
        """Ids (texts, longest), padded with 0 on the right; unknown words are left out. ValueError for a text of none other."""
        rows = [[self.ids[word] for word in words(text) if word in self.ids] for text in texts]
        for text, row in zip(texts, rows):
            if not row:
                raise ValueError(f"no word of {text!r} is in the vocabulary of {len(self)} words")
        ids = np.zeros((len(rows), max(map(len, rows), default=0)), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, :len(row)] = row
        return torch.from_numpy(ids)


class BagEncoder(nn.Module):
    """Ids (n, length) -> unit vectors (n, d): a mean of word vectors weighted by one learned salience per word, then
    optionally a linear map to `out` dimensions and a residual MLP of `hidden` units. Fresh weights from `seed`."""

    def __init__(self, vocabulary: int, d: int, hidden: int = 0, out: int | None = None, seed: int = 0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.vectors = nn.Embedding(vocabulary, d)
            self.salience = nn.Embedding(vocabulary, 1)
            self.linear = nn.Linear(d, out) if out else nn.Identity()
            self.mlp = nn.Sequential(nn.Linear(out or d, hidden), nn.GELU(), nn.Linear(hidden, out or d)) if hidden else None
        nn.init.zeros_(self.salience.weight)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Unit vectors (n, d) of padded `ids` (n, length)."""
        counts = torch.zeros(len(ids), self.vectors.num_embeddings).scatter_add_(1, ids, (ids > 0).float())
        weight = self.salience.weight.exp()                                              # (vocabulary, 1)
        z = self.linear(counts @ (weight * self.vectors.weight) / (counts @ weight))     # (n, d)
        return F.normalize(z if self.mlp is None else z + self.mlp(z), dim=-1)

    def multiply_adds(self, length: int) -> int:
        """Multiply-adds to encode a text of `length` words: one per word and dimension, and those of the linear layers."""
        linear = [layer for layer in self.modules() if isinstance(layer, nn.Linear)]
        return length * self.vectors.embedding_dim + sum(layer.weight.numel() for layer in linear)


@torch.no_grad()
def encode(model: nn.Module, ids: torch.Tensor) -> np.ndarray:
    """The vectors (n, d) of padded `ids`, as a float32 array."""
    return model(ids).float().numpy()


def info_nce(a: torch.Tensor, b: torch.Tensor, meanings: torch.Tensor, temperature: float = 0.1) -> torch.Tensor:
    """InfoNCE in nats: each a_i (n, d) must find its b_i (n, d) among those b_j that mean something else.

    `meanings` (n,): pairs with equal numbers mean the same and are never each other's negatives.
    """
    logits = a @ b.T / temperature
    same = meanings[:, None] == meanings[None, :]
    same.fill_diagonal_(False)
    return F.cross_entropy(logits.masked_fill(same, -math.inf), torch.arange(len(a)))


def contrastive(model: nn.Module, a: torch.Tensor, b: torch.Tensor, meanings: torch.Tensor) -> torch.Tensor:
    """`info_nce` of the texts with padded ids `a` and `b`: the loss to give to `tiny.fit`."""
    return info_nce(model(a), model(b), meanings)


class FlatIndex:
    """An exact inner-product index over `vectors` (n, d): one matrix product per search."""

    def __init__(self, vectors: np.ndarray):
        self.vectors = np.asarray(vectors, dtype=np.float32)

    def __len__(self) -> int:
        return len(self.vectors)

    def add(self, vectors: np.ndarray) -> None:
        """Append `vectors` (m, d) as the last rows."""
        self.vectors = np.concatenate([self.vectors, np.asarray(vectors, dtype=np.float32)])

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and row numbers, both (queries, min(k, n)), of the best rows for each of `queries` (m, d), best first.

        Rows of equal score come in the order of their numbers. Raises ValueError unless k is at least 1.
        """
        if k < 1:
            raise ValueError(f"a search asks for 1 or more rows; found k = {k}")
        scores = np.asarray(queries, dtype=np.float32) @ self.vectors.T
        rows = np.arange(len(self)) + np.zeros_like(scores, dtype=np.int64)
        if k < len(self):  # keep what reaches the k-th best score, then sort only that
            rows = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
        best = np.take_along_axis(scores, rows, axis=1)
        order = np.argsort(-best, axis=1, kind="stable")
        return np.take_along_axis(best, order, axis=1), np.take_along_axis(rows, order, axis=1)


def ndcg(hits: np.ndarray, relevant: int) -> np.ndarray:
    """nDCG@k of each query: `hits` (queries, k) says of each result, best first, if it is one of the `relevant` ones."""
    if relevant < 1:
        raise ValueError(f"nDCG needs at least one relevant document; found {relevant}")
    hits = np.asarray(hits, dtype=float)
    discount = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    return hits @ discount / discount[:relevant].sum()


def f_beta(precision: float, recall: float, beta: float = 1.0) -> float:
    """The F-score, in which recall weighs `beta` times as much as precision; 0 when both are 0."""
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall) if precision + recall else 0.0
