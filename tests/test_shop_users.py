"""Users of the SHOP: their pairs, questions and conversations mean what their labels say."""
import numpy as np

from data.shop import FollowUp, Shop
from data.shop import users as people

SHOP = Shop(1, line_names=0.1)


def drawn(stream=0):
    rng = np.random.default_rng(stream)
    return rng, people.User.draw(rng)


def test_a_user_keeps_to_their_topics():
    rng, user = drawn()
    assert len(user.types) == 8 and len(user.intents) == 4
    assert len(user.topics(rng)) == 8 * 4 * 6 and all(map(user.asks, user.topics(rng)))
    everything = people.User().topics(rng)
    assert len(everything) == 1152 and sum(map(user.asks, everything)) == 8 * 4 * 6


def test_labels_of_pairs_are_true_and_texts_differ():
    rng, user = drawn()
    pairs = people.labelled_pairs(SHOP, rng, user, 100)
    assert sum(y for *_, y in pairs) == 50 and sum(isinstance(a.meaning, FollowUp) for a, *_ in pairs) == 20
    for a, b, y in pairs:
        assert (a.meaning == b.meaning) == bool(y) and a.text != b.text and user.asks(a.meaning) and user.asks(b.meaning)


def test_a_question_set_holds_the_share_of_repeats_it_says():
    rng, user = drawn()
    cached, asked = people.question_set(SHOP, rng, user, 100, 50, repeats=0.3)
    known = {said.meaning for said in cached}
    assert len(known) == 100 and [said.meaning in known for said in asked] == [True] * 15 + [False] * 35


def test_conversations_that_must_miss_differ_in_the_parent_or_in_the_question():
    rng, user = drawn()
    cached, asked = people.conversation_set(SHOP, rng, user)
    known = {last.meaning for _, last in cached}
    assert [last.meaning in known for _, last in asked] == [True] * 20 + [False] * 20
    assert all(last.meaning.parent == first.meaning for first, last in cached + asked)


def test_a_stream_repeats_about_as_often_as_asked():
    rng, user = drawn()
    talks = [tuple(turn.meaning for turn in talk) for talk in people.stream(SHOP, rng, user, n=400)]
    assert 0.25 < sum(talk in talks[:i] for i, talk in enumerate(talks)) / 400 < 0.65
