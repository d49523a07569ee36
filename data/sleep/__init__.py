"""SLEEP: contexts known before their questions; one grammar for taking notes, for thinking and for answering.

A context defines variables, a line each. The first line gives a digit; every other line applies one operation to the
value of an earlier variable, modulo 10. A query names a variable and up to two operations that the context never
mentions:

    <bos> c: = 4 a: c +3 f: a *7 b: a +9      ? f +2 :

A reasoner writes two kinds of text:

    notes     c: = 4 c 4 a: c 4 +3 a 7 f: a 7 *7 f 9 b: a 7 +9 b 6 <eos>
              after `<notes>`, before any query exists: every line again, with the values filled in
    response  f: a *7 a: c +3 c: = 4 c 4 +3 a 7 *7 f 9 +2 1 # f 1 <eos>
              after a query: back from the variable asked for, line by line, to the first value at hand; forward again
              with values; the query's own operations; then `#` and the answer. Other lines are left out.

Notes put values at hand. If they hold the line of f, the response is `f 9 +2 1 # f 1 <eos>`, and `# f 9 <eos>` for
`? f :`. If they end after the line of a, it is `f: a *7 a 7 *7 f 9 +2 1 # f 1 <eos>`.

The operations are those of `chains`: they permute the digits, so a blind guess is right once in ten.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from data.chains import OPERATIONS, apply

LETTERS = "abcdefgh"
VARIABLES = 6  # lines of a context in the training of the shipped models
CHAIN = 0.7  # probability that a line builds on the line just before it; otherwise on any earlier one
OPERATION_CHANCE = dict(zip(OPERATIONS, [0.6 / 9] * 9 + [0.4 / 3] * 3))
EXTRA_CHANCE = (0.7, 0.2, 0.1)  # probability that a query carries 0, 1, 2 operations of its own
VOCABULARY = ("<pad>", "<bos>", "<eos>", "<notes>", "?", ":", "#", "=", *map(str, range(10)),
              *(f"{letter}:" for letter in LETTERS), *LETTERS, *OPERATIONS)


@dataclass(frozen=True)
class Query:
    """A question about `name`, to whose value `operations` (none to two) are applied."""

    name: str
    operations: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The query as the model reads it."""
        return " ".join(["?", self.name, *self.operations, ":"])

    def __str__(self) -> str:
        return " ".join([self.name, *(operation.replace("*", "×") for operation in self.operations)]) + " = ?"


@dataclass(frozen=True)
class Context:
    """Definitions in order: `names`, the `parents` they build on (None for the first), `operations` (a digit for the first)."""

    names: tuple[str, ...]
    parents: tuple[str | None, ...]
    operations: tuple[str, ...]

    @property
    def lines(self) -> dict[str, str]:
        """Name -> its definition as the model reads it, three words."""
        return {name: f"{name}: {parent or '='} {operation}"
                for name, parent, operation in zip(self.names, self.parents, self.operations)}

    @property
    def text(self) -> str:
        """The context as the model reads it: <bos> and three words a line."""
        return " ".join(["<bos>", *self.lines.values()])

    @property
    def values(self) -> dict[str, int]:
        """Name -> value."""
        values = {}
        for name, parent, operation in zip(self.names, self.parents, self.operations):
            values[name] = int(operation) if parent is None else apply(operation, values[parent])
        return values

    @property
    def askable(self) -> list[str]:
        """The variables that a query may name, the most popular first: all but the one whose value the context gives."""
        return sorted(self.names[1:])

    def notes(self, count: int | None = None, values: dict[str, int] | None = None) -> str:
        """The notes on the first `count` lines (all when None), closed by <eos>; `values` replace the right ones, if given."""
        values, words = values or self.values, []
        for name, parent, operation in list(zip(self.names, self.parents, self.operations))[:count]:
            known = [parent, str(values[parent])] if parent else ["="]
            words += [f"{name}:", *known, operation, name, str(values[name])]
        return " ".join([*words, "<eos>"])

    def answer(self, query: Query) -> int:
        """The right answer to `query`."""
        value = self.values[query.name]
        for operation in query.operations:
            value = apply(operation, value)
        return value

    def thought(self, query: Query, noted=()) -> str:
        """The thought that leads to the answer of `query`, which stays out, when the values of the names `noted` are at hand.

        Empty when the query asks for just such a value.
        """
        lines, values = self.lines, self.values
        above, operation_of = dict(zip(self.names, self.parents)), dict(zip(self.names, self.operations))
        path = [query.name]  # from the query to the first value at hand
        while path[-1] not in noted and above[path[-1]]:
            path.append(above[path[-1]])
        if query.name in noted and not query.operations:
            return ""
        words = [lines[name] for name in path if name not in noted] + [path[-1], str(values[path[-1]])]
        for name in path[-2::-1]:
            words += [operation_of[name], name, str(values[name])]
        value = values[query.name]
        for operation in query.operations:
            value = apply(operation, value)
            words += [operation, str(value)]
        return " ".join(words)

    def final(self, query: Query) -> str:
        """The closing words of a right response."""
        return f"# {query.name} {self.answer(query)} <eos>"

    def correct(self, query: Query, response: str) -> bool:
        """Whether `response` ends with the right answer, word by word."""
        return response.split()[-4:] == self.final(query).split()

    def __str__(self) -> str:
        return "\n".join(f"{name} = {parent + ' ' if parent else ''}{operation.replace('*', '×')}"
                         for name, parent, operation in zip(self.names, self.parents, self.operations))


def contexts(rng: np.random.Generator, count: int, variables: int = VARIABLES) -> list[Context]:
    """Draw `count` contexts of `variables` lines (2 to 8), named by distinct letters in random order."""
    if not 2 <= variables <= len(LETTERS):
        raise ValueError(f"a context has 2 to {len(LETTERS)} variables; found {variables}")
    drawn = []
    for _ in range(count):
        names = [LETTERS[i] for i in rng.permutation(len(LETTERS))[:variables]]
        operations = rng.choice(OPERATIONS, size=variables - 1, p=list(OPERATION_CHANCE.values()))
        before, other = rng.random(variables) < CHAIN, rng.random(variables)
        parents = [names[i - 1] if before[i] else names[int(other[i] * i)] for i in range(1, variables)]
        drawn.append(Context(tuple(names), (None, *parents), (str(rng.integers(10)), *map(str, operations))))
    return drawn


def popularity(context: Context) -> dict[str, float]:
    """Askable variable -> probability that a query names it: Zipf's law, 1/rank, over the alphabet."""
    weights = [1 / rank for rank in range(1, len(context.askable) + 1)]
    return {name: weight / sum(weights) for name, weight in zip(context.askable, weights)}


def queries(rng: np.random.Generator, context: Context, count: int, extra: int | None = None) -> list[Query]:
    """Draw `count` queries to `context`: names by `popularity`, numbers of operations by EXTRA_CHANCE (or always `extra`)."""
    chance = popularity(context)
    drawn = []
    for _ in range(count):
        name = rng.choice(list(chance), p=list(chance.values()))
        n = rng.choice(len(EXTRA_CHANCE), p=EXTRA_CHANCE) if extra is None else extra
        operations = rng.choice(OPERATIONS, size=n, p=list(OPERATION_CHANCE.values()))
        drawn.append(Query(str(name), tuple(map(str, operations))))
    return drawn


def log_probability(context: Context, query: Query) -> float:
    """log p(query | context) in nats, exactly as `queries` draws."""
    return (math.log(popularity(context)[query.name]) + math.log(EXTRA_CHANCE[len(query.operations)])
            + sum(math.log(OPERATION_CHANCE[operation]) for operation in query.operations))


def noted_values(context: Context, notes: str) -> dict[str, int | None]:
    """Variable -> the value that `notes` gives it at the end of its line, None where the line is missing or malformed."""
    words, found = notes.split(), dict.fromkeys(context.names)
    starts = [i for i, word in enumerate(words) if word.endswith(":")] + [len(words) - words.count("<eos>")]
    for start, stop in zip(starts, starts[1:]):
        name, line = words[start][:-1], words[start:stop]
        if len(line) in (5, 6) and line[-2] == name and line[-1].isdigit() and name in found:
            found[name] = int(line[-1])
    return found


def training_text(rng: np.random.Generator, context: Context) -> list[tuple[str, bool]]:
    """One training text on `context`, as (words, learned) pieces: notes or none, a query, its thought, the answer.

    Of ten texts, three have whole notes, three have notes on the first lines only, four have none. Queries name every
    askable variable equally often, with 0, 1 or 2 operations. In a quarter of the texts the thought is cut after a
    random number of words and the answer follows at once, to practise hurried answers. What hurries the reasoner, the
    early `<eos>` of the notes and the early `#`, is not learned: it should not hurry by itself.
    """
    lines = len(context.names)
    count = (lines if rng.random() < 0.5 else int(rng.integers(1, lines))) if rng.random() < 0.6 else 0
    name = context.askable[rng.integers(lines - 1)]
    operations = rng.choice(OPERATIONS, size=rng.integers(3), p=list(OPERATION_CHANCE.values()))
    query = Query(name, tuple(map(str, operations)))
    thought = context.thought(query, noted=context.names[:count]).split()
    kept = int(rng.integers(len(thought) + 1)) if rng.random() < 0.25 else len(thought)
    text = [(context.text, False)]
    if count:
        notes, end = context.notes(count).rsplit(" ", 1)
        text += [("<notes>", False), (notes, True), (end, count == lines)]
    opening, answer = context.final(query).split(" ", 1)
    return text + [(query.text, False), (" ".join(thought[:kept]), True), (opening, kept == len(thought)), (answer, True)]
