"""Users who ask the SHOP's questions: each has topics of their own, pairs they labelled, conversations and a stream of traffic."""
from __future__ import annotations

from dataclasses import dataclass

from data.shop import COLOURS, INTENTS, TYPES, FollowUp, Meaning, Said, Shop, follow_up, meanings, near_miss, pick


@dataclass(frozen=True)
class User:
    """Somebody who asks about some product types and with some intents only; by default about all of them."""

    types: tuple[str, ...] = tuple(TYPES)
    intents: tuple[str, ...] = tuple(INTENTS)

    @classmethod
    def draw(cls, rng, types: int = 8, intents: int = 4) -> User:
        """A user of `types` random product types and `intents` random intents."""
        return cls(tuple(rng.permutation(list(TYPES))[:types].tolist()), tuple(rng.permutation(list(INTENTS))[:intents].tolist()))

    def asks(self, meaning: Meaning | FollowUp) -> bool:
        """Whether `meaning`, or the parent of a follow-up, is about this user's topics."""
        topic = meaning.parent if isinstance(meaning, FollowUp) else meaning
        return topic.type in self.types and topic.intent in self.intents

    def topics(self, rng) -> list[Meaning]:
        """Every meaning that this user may ask, in random order."""
        own = [meaning for meaning in meanings() if self.asks(meaning)]
        return [own[i] for i in rng.permutation(len(own))]

    def one(self, rng) -> Meaning:
        """One meaning that this user may ask."""
        return Meaning(pick(rng, self.intents), pick(rng, self.types), pick(rng, COLOURS))


def reword(shop: Shop, rng, said: Said) -> Said:
    """The meaning of `said` in another wording."""
    while (other := shop.say(rng, said.meaning)).text == said.text:
        pass
    return other


def different(rng, meaning: Meaning | FollowUp, user: User) -> Meaning | FollowUp:
    """A near miss of `meaning` among the user's own topics; of a follow-up, another follow-up to the same parent."""
    while True:
        other = follow_up(rng, meaning.parent) if isinstance(meaning, FollowUp) else near_miss(rng, meaning)[0]
        if other != meaning and user.asks(other):
            return other


def labelled_pairs(shop: Shop, rng, user: User, n: int) -> list[tuple[Said, Said, int]]:
    """n pairs (a, b, y): y = 1 for one meaning in two wordings, 0 for a near miss; every fifth pair is of follow-ups."""
    pairs = []
    for i in range(n):
        meaning = user.one(rng)
        a = shop.say(rng, follow_up(rng, meaning) if i % 5 == 4 else meaning)
        pairs.append((a, reword(shop, rng, a), 1) if i % 2 else (a, shop.say(rng, different(rng, a.meaning, user)), 0))
    return pairs


def question_set(shop: Shop, rng, user: User, n_cached: int, n_asked: int, repeats: float = 0.3) -> tuple[list[Said], list[Said]]:
    """Two lists of questions: those in the user's cache, and those asked now, of which the share `repeats` mean a cached one."""
    own = user.topics(rng)
    cached = [shop.say(rng, meaning) for meaning in own[:n_cached]]
    again = [shop.say(rng, pick(rng, cached).meaning) for _ in range(round(repeats * n_asked))]
    return cached, again + [shop.say(rng, pick(rng, own[n_cached:])) for _ in range(n_asked - len(again))]


def conversation_set(shop: Shop, rng, user: User) -> tuple[list[tuple[Said, Said]], list[tuple[Said, Said]]]:
    """25 conversations of an opener and a follow-up in the cache, and 40 asked now: 20 reword one, 20 must miss.

    Of those that must miss, half ask the same thing after another parent and half another thing after the same parent.
    """
    cached = [(shop.say(rng, opener), shop.say(rng, follow_up(rng, opener))) for opener in user.topics(rng)[:25]]
    asked = [(reword(shop, rng, first), reword(shop, rng, last)) for first, last in cached[:20]]
    known = {last.meaning for _, last in cached}
    while len(asked) < 40:
        present = pick(rng, cached)[-1].meaning
        now = different(rng, present, user) if len(asked) % 2 else near_miss(rng, present)[0]
        if now not in known and user.asks(now):
            asked.append((shop.say(rng, now.parent), shop.say(rng, now)))
    return cached, asked


def stream(shop: Shop, rng, user: User, n: int = 50, repeats: float = 0.31, follow_ups: float = 0.4) -> list[tuple[Said, ...]]:
    """`n` conversations in order, of one turn or two; with probability `repeats` one repeats an earlier one in other words."""
    talks = []
    for _ in range(n):
        if talks and rng.random() < repeats:
            talks.append(tuple(shop.say(rng, turn.meaning) for turn in pick(rng, talks)))
            continue
        meaning = user.one(rng)
        turns = (meaning, follow_up(rng, meaning)) if rng.random() < follow_ups else (meaning,)
        talks.append(tuple(shop.say(rng, turn) for turn in turns))
    return talks
