"""GRAMMAR: text from weighted rewriting rules in several domains; and records that a model turns into reports.

A record describes a contest in six fields: who held either side, who judged, what each side scored, which side won. Its
report has four clauses, in the one of six orders that the prompt asks for:

    <bos> chess order3 bscore 4 arbiter eve won white white ann wscore 7 black bob :
    eve kept time , 11 points altogether , ann beat bob by 3 , ann moved first . <eos>

Prompts have 16 words and reports 19, in every domain. Some words of a report come from the rules alone (`kept time`),
two are copied from a field (`eve`), four are derived from several: winner, loser, margin, total. All three people come
from one set of names and both scores from one set of numbers, so a value does not show which field it belongs to.
"""
from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

NAMES = ("ann", "bob", "cleo", "dan", "eve", "finn", "gus", "hana")
SCORES = tuple(range(1, 8))


class Grammar:
    """Weighted rewriting rules: `rules` maps a symbol, a word in capitals, to its expansions and their weights.

    An expansion is words, symbols and {slots}, separated by spaces. Raises ValueError for an expansion that names a symbol
    without a rule, and for weights that are not positive.
    """

    def __init__(self, rules: dict[str, dict[str, float]]):
        self.rules = rules
        for symbol, expansions in rules.items():
            if not expansions or min(expansions.values()) <= 0:
                raise ValueError(f"the expansions of {symbol} need positive weights")
            if unknown := [word for text in expansions for word in text.split() if word.isupper() and word not in rules]:
                raise ValueError(f"{symbol} expands to {unknown[0]}, which has no rule")

    def expand(self, rng: np.random.Generator, symbol: str, **slots) -> str:
        """Draw a text from `symbol`: symbols are rewritten by their weights, each {slot} becomes its value in `slots`."""
        texts, weights = list(self.rules[symbol]), np.array(list(self.rules[symbol].values()), dtype=float)
        chosen = texts[rng.choice(len(texts), p=weights / weights.sum())]
        return " ".join(self.expand(rng, word, **slots) if word in self.rules else word.format(**slots)
                        for word in chosen.split())

    @property
    def words(self) -> list[str]:
        """The words that the rules themselves can write, in the order of first appearance; slots are left out."""
        written = chain.from_iterable(text.split() for expansions in self.rules.values() for text in expansions)
        return list(dict.fromkeys(word for word in written if word not in self.rules and "{" not in word))


@dataclass(frozen=True)
class Domain:
    """A kind of contest: the `keys` of a record's fields (first, second, judge, score1, score2, won), the grammar of reports."""

    keys: tuple[str, ...]
    grammar: Grammar


ORDERS = {"order1": "RESULT , FIRST , JUDGE , TOTAL .", "order2": "FIRST , RESULT , TOTAL , JUDGE .",
          "order3": "JUDGE , TOTAL , RESULT , FIRST .", "order4": "TOTAL , JUDGE , FIRST , RESULT .",
          "order5": "FIRST , JUDGE , RESULT , TOTAL .", "order6": "TOTAL , RESULT , JUDGE , FIRST ."}


def _domain(keys: str, result: str, first: str, judge: str, total: str) -> Domain:
    clauses = {"RESULT": f"{{winner}} {result} {{loser}} by {{margin}}", "FIRST": f"{{first}} {first}",
               "JUDGE": f"{{judge}} {judge}", "TOTAL": f"{{total}} {total}"}
    rules = {symbol: {text: 1.0} for symbol, text in {**{k.upper(): v for k, v in ORDERS.items()}, **clauses}.items()}
    return Domain((*keys.split(), "won"), Grammar({"REPORT": dict.fromkeys(map(str.upper, ORDERS), 1.0), **rules}))


DOMAINS = {
    "chess": _domain("white black arbiter wscore bscore", "beat", "moved first", "kept time", "points altogether"),
    "auction": _domain("opener rival auctioneer obid rbid", "outbid", "opened bidding", "held hammer", "coins offered"),
    "election": _domain("mayor challenger clerk mvotes cvotes", "defeated", "held office", "counted ballots", "votes cast"),
    "fishing": _domain("north south warden ncatch scatch", "surpassed", "fished north", "weighed everything", "fish caught")}
VOCABULARY = ("<pad>", "<bos>", "<eos>", ":", *DOMAINS, *ORDERS, *dict.fromkeys(chain.from_iterable(
    (*domain.keys, *domain.grammar.words) for domain in DOMAINS.values())), *NAMES, *map(str, range(1, 2 * max(SCORES))))


@dataclass(frozen=True)
class Record:
    """One contest: `people` (first, second, judge) and `scores` of the first two, to be reported in clause order `order`.

    `layout`: the order in which the prompt lists the fields, a permutation of 0 to 5 (people, scores, the side that won).
    """

    domain: str
    people: tuple[str, str, str]
    scores: tuple[int, int]
    order: str = "order1"
    layout: tuple[int, ...] = (0, 1, 2, 3, 4, 5)

    def __post_init__(self):
        if self.domain not in DOMAINS or self.order not in ORDERS:
            raise ValueError(f"no domain {self.domain!r} or no {self.order!r}; the domains are {', '.join(DOMAINS)}, "
                             f"the orders {', '.join(ORDERS)}")
        if len(set(self.people)) != 3 or len(set(self.scores)) != 2:
            raise ValueError(f"a record needs three different people and two different scores; found {self.people}, {self.scores}")

    @property
    def prompt(self) -> str:
        """The record as the model reads it."""
        keys = DOMAINS[self.domain].keys
        pairs = list(zip(keys, (*self.people, *self.scores, keys[int(self.scores[0] < self.scores[1])])))
        return " ".join(["<bos>", self.domain, self.order, *(f"{pairs[i][0]} {pairs[i][1]}" for i in self.layout), ":"])

    @property
    def slots(self) -> dict[str, str | int]:
        """What the report says: the copied fields first and judge, the derived winner, loser, margin and total."""
        (first, second, judge), (score1, score2) = self.people, self.scores
        winner, loser = (first, second) if score1 > score2 else (second, first)
        return {"first": first, "judge": judge, "winner": winner, "loser": loser,
                "margin": abs(score1 - score2), "total": score1 + score2}

    @property
    def report(self) -> str:
        """The one right report in the clause order asked for."""
        text = DOMAINS[self.domain].grammar.expand(np.random.default_rng(0), self.order.upper(), **self.slots)
        return f"{text} <eos>"


def records(rng: np.random.Generator, count: int, domains=tuple(DOMAINS), orders=tuple(ORDERS)) -> list[Record]:
    """Draw `count` records: domain, clause order, people, scores and layout all uniformly."""
    drawn = []
    for _ in range(count):
        people = tuple(NAMES[i] for i in rng.choice(len(NAMES), 3, replace=False))
        scores = tuple(int(score) for score in rng.choice(SCORES, 2, replace=False))
        drawn.append(Record(domains[rng.integers(len(domains))], people, scores, orders[rng.integers(len(orders))],
                            tuple(int(i) for i in rng.permutation(6))))
    return drawn
