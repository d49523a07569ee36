"""Layouts of lesson 24's models, one kind of feed-forward part per layer, and untrained weights for them."""
from __future__ import annotations

import re

import torch

from data import domains

D, HIDDEN, HEADS = 48, 96, 4  # width of the model, of an MLP or expert; attention heads


def spec(kind: str) -> tuple[int, int, int]:
    """What a layer's feed-forward part is: (width of the MLP in units of HIDDEN, experts, experts per token).

    `F` is an MLP, `F3` one three times as wide, `16` a mixture of 16 experts, `16t2` one with top-2 gating, `R16` an MLP
    and a mixture of 16 side by side. Raises ValueError for anything else.
    """
    parts = re.fullmatch(r"F([1-9]\d*)?|(R?)([1-9]\d*)(?:t([12]))?", kind)
    if parts is None:
        raise ValueError(f"{kind!r} is no kind of layer; kinds look like F, F3, 16, 16t2 or R16")
    width, residual, count, k = parts.groups()
    if kind[0] == "F":
        return int(width or 1), 0, 0
    if int(count) < int(k or 1):
        raise ValueError(f"{kind!r} asks for more experts per token than it has")
    return int(residual == "R"), int(count), int(k or 1)


def fresh(layout: str, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Untrained weights of `layout`, one kind per layer, separated by spaces."""
    def normal(*shape, scale=1.0):
        return torch.randn(*shape, generator=generator) * scale / shape[-2] ** 0.5

    kinds, words = layout.split(), len(domains.WORDS)
    small = (2 * len(kinds)) ** -0.5
    P = {"embed": 0.3 * torch.randn(len(domains.VOCABULARY), D, generator=generator),
         "place": 0.1 * torch.randn(domains.LENGTH, D, generator=generator), "norm": torch.ones(D), "head": normal(D, words)}
    for l, kind in enumerate(kinds):
        mlp, count, _ = spec(kind)
        P |= {f"{l}.norms": torch.ones(2, D), f"{l}.qkv": normal(D, 3 * D), f"{l}.out": normal(D, D, scale=small)}
        if mlp:
            P |= {f"{l}.up": normal(D, mlp * HIDDEN), f"{l}.down": normal(mlp * HIDDEN, D, scale=small)}
        if count:
            P |= {f"{l}.gate": normal(D, count), f"{l}.ups": normal(count, D, HIDDEN),
                  f"{l}.downs": normal(count, HIDDEN, D, scale=small)}
    return P
