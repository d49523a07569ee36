"""RECALL: a long context of small facts; questions whose answers need one fact, two facts in a row, or all of them.

A fact is two words, the second of which owns the first: a key owns a link, or a link owns a value. A context shuffles
the facts of `keys` keys and of as many links. Filler words between the facts make it as long as wanted:

    <bos> m11 k03 v2 m04 m04 k07 w1 w8 v2 m11

A query asks for what a name owns, for the value at the end of the row, or for the most frequent value:

    next k07      m04    one hop:   k07 owns m04 (`next m04` is v2)
    last k07      v2     two hops:  k07 owns m04, m04 owns v2
    most of       v2     majority:  more links own v2 than any other value

A dialogue is a context and some queries with their answers: `... v2 m11 last k07 v2 next k03 m11 most of v2`. Three
links in ten own the same value, so a guess that knows the majority is right on that share of the two hops.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch

from utils.models import tiny

KEYS = tuple(f"k{i:02}" for i in range(48))
LINKS = tuple(f"m{i:02}" for i in range(48))
VALUES = tuple(f"v{i}" for i in range(10))
FILLER = tuple(f"w{i}" for i in range(10))
KINDS = ("one hop", "two hops", "majority")
CHANCE = (0.35, 0.5, 0.15)  # probability of each kind where a kind is not asked for
VOCABULARY = ("<pad>", "<bos>", "<eos>", "next", "last", "most", "of", *KEYS, *LINKS, *VALUES, *FILLER)


@dataclass(frozen=True)
class Query:
    """A question of one of KINDS about a `name`: a key or a link for one hop, a key for two hops, `of` for the majority."""

    kind: str
    name: str = "of"

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"a query is of kind {', '.join(KINDS)}; found {self.kind!r}")
        if self.name not in {"one hop": KEYS + LINKS, "two hops": KEYS, "majority": ("of",)}[self.kind]:
            raise ValueError(f"no query of kind {self.kind} asks about {self.name!r}")

    @property
    def text(self) -> str:
        """The query as the model reads it, two words."""
        return f"{dict(zip(KINDS, ('next', 'last', 'most')))[self.kind]} {self.name}"


@dataclass(frozen=True)
class Context:
    """The facts in reading order, as (owned, owner), and the filler words before each of them and at the end."""

    facts: tuple[tuple[str, str], ...]
    filler: tuple[tuple[str, ...], ...]

    @property
    def words(self) -> list[str]:
        """What the model reads, word by word."""
        words = ["<bos>"]
        for before, fact in zip(self.filler, self.facts):
            words += [*before, *fact]
        return [*words, *self.filler[-1]]

    @property
    def text(self) -> str:
        """The context as the model reads it."""
        return " ".join(self.words)

    @property
    def majority(self) -> str:
        """The value that most links own."""
        return Counter(owned for owned, _ in self.facts if owned in VALUES).most_common(1)[0][0]

    def path(self, query: Query) -> list[tuple[str, str]]:
        """The facts that lead to the answer of `query`: one, two, or all that own the majority."""
        fact_of = {owner: (owned, owner) for owned, owner in self.facts}
        if query.kind == "majority":
            return [fact for fact in self.facts if fact[0] == self.majority]
        if query.name not in fact_of:
            raise ValueError(f"the context has no fact on {query.name}")
        first = fact_of[query.name]
        return [first] if query.kind == "one hop" else [first, fact_of[first[0]]]

    def answer(self, query: Query) -> str:
        """The word that answers `query`."""
        return self.path(query)[-1][0]

    def evidence(self, query: Query) -> list[int]:
        """Where in `words` the facts of `path` end, fact by fact."""
        words = self.words
        return [next(i for i in range(1, len(words)) if words[i - 1:i + 1] == [*fact]) for fact in self.path(query)]


def contexts(rng: np.random.Generator, count: int, keys: int = 16, length: int | None = None) -> list[Context]:
    """Draw `count` contexts of `keys` keys and as many links, 1 + 4 `keys` words, filled up to `length` words if given."""
    if not 2 <= keys <= len(KEYS):
        raise ValueError(f"a context has 2 to {len(KEYS)} keys; found {keys}")
    room = 0 if length is None else length - (1 + 4 * keys)
    if room < 0:
        raise ValueError(f"a context of {keys} keys takes {1 + 4 * keys} words; found length {length}")
    top = max(2, round(0.3 * keys))  # links that own the majority; any other value has at least two fewer where it can
    drawn = []
    for _ in range(count):
        favourite, *others = rng.permutation(VALUES).tolist()
        rest = rng.permutation(others * max(1, top - 2))[:keys - top].tolist()
        values = rng.permutation([favourite] * top + rest).tolist()
        names = [KEYS[i] for i in rng.permutation(len(KEYS))[:keys]]
        links = [LINKS[i] for i in rng.permutation(len(LINKS))[:keys]]
        facts = [*zip(links, names), *zip(values, links)]
        facts = [facts[i] for i in rng.permutation(len(facts))]
        gaps = np.bincount(rng.integers(len(facts) + 1, size=room), minlength=len(facts) + 1)
        drawn.append(Context(tuple(facts), tuple(tuple(rng.choice(FILLER, size=gap).tolist()) for gap in gaps)))
    return drawn


def queries(rng: np.random.Generator, context: Context, count: int, kind: str | None = None) -> list[Query]:
    """Draw `count` queries to `context`, all of one `kind` or of kinds by CHANCE; only the majority is asked for twice."""
    names = [owner for _, owner in context.facts]
    left = {"one hop": names, "two hops": [name for name in names if name in KEYS], "majority": ["of"] * count}
    if kind not in (None, *KINDS):
        raise ValueError(f"a query is of kind {', '.join(KINDS)}; found {kind!r}")
    if count > len(left[kind or "two hops"]):
        raise ValueError(f"the context has {len(left[kind or 'two hops'])} different queries to draw from; found {count}")
    left = {each: iter(rng.permutation(names).tolist()) for each, names in left.items()}
    kinds = [kind] * count if kind else rng.choice(KINDS, size=count, p=CHANCE).tolist()
    return [Query(each, next(left[each])) for each in kinds]


def dialogue(context: Context, asked: list[Query]) -> str:
    """`context`, then each query of `asked` with its answer: three words a query."""
    return " ".join([context.text, *(f"{query.text} {context.answer(query)}" for query in asked)])


def encode(model, tokenizer, texts: list[str]) -> torch.Tensor:
    """Token ids of `texts`, all of the same length: (texts, length).

    Raises ValueError for no text, an empty one, lengths that differ, an unknown word, or more tokens than the model has
    positions.
    """
    if not texts:
        raise ValueError("there are no texts to encode")
    ids = tiny.encode(tokenizer, texts)
    if len({len(row) for row in ids}) > 1:
        raise ValueError(f"the texts have {min(map(len, ids))} to {max(map(len, ids))} words; give texts of one length")
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions and len(ids[0]) > positions:
        raise ValueError(f"a text of {len(ids[0])} words does not fit the model's {positions} positions; "
                         "draw contexts with fewer keys or a smaller length")
    return torch.tensor(ids)
