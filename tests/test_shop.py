"""The SHOP world: its database, its texts and their meanings."""
import re

import numpy as np
import pytest

from data import shop
from data.shop import FollowUp, Meaning


@pytest.fixture(scope="module")
def company():
    return shop.Shop(0)


def names_in(text, surface):
    """The keys of `surface` (key -> surface forms) of which a form occurs in `text`, as whole words."""
    padded = f" {text} "
    return {key for key, forms in surface.items() if any(f" {form} " in padded for form in forms)}


def surfaces(company, side):
    return ({type: row[side] + company.lines[type] for type, row in shop.TYPES.items()},
            {problem: row[side - 1] for problem, row in shop.PROBLEMS.items()})


def test_sizes_are_as_documented(company):
    count = lambda table: company.sql(f"SELECT count(*) FROM {table}")[0][0]  # noqa: E731
    assert len(shop.TYPES) * len(shop.PROBLEMS) == 288 and count("pages") == 288 * 5 and count("lines") == 24 * 8
    assert [count(t) for t in ("products", "users", "orders", "policies", "tools")] == [240, 60, 600, 20, 29]
    assert company.sql("SELECT DISTINCT count(*) FROM pages GROUP BY type, problem, kind") == [(1,)]
    assert company.sql("SELECT count(DISTINCT type || colour) FROM products") == [(144,)]
    assert company.sql("SELECT * FROM orders JOIN products USING (pid) WHERE total != qty * price") == []
    assert all(len(catalogue) == len(shopper) == 4 and len(parts) == 3 for _, catalogue, shopper, parts in shop.TYPES.values())


def test_the_seed_decides_everything(company):
    dump = lambda s: list(s.db.iterdump())  # noqa: E731
    again, other = shop.Shop(0), shop.Shop(1)
    assert dump(company) == dump(again) and dump(company) != dump(other)
    texts = [s.ask(np.random.default_rng(3), "tent", "leak") for s in (company, again)]
    assert texts[0] == texts[1]


def test_pages_and_questions_hold_their_topic_and_no_other(company):
    types, problems = surfaces(company, 1)
    for type, problem, text in company.sql("SELECT type, problem, text FROM pages"):
        assert names_in(text, types) == {type} and names_in(text, problems) == {problem}, text
    types, problems = surfaces(company, 2)
    rng = np.random.default_rng(1)
    for type in shop.TYPES:
        for problem in shop.PROBLEMS:
            text = company.ask(rng, type, problem)
            assert names_in(text, types) == {type} and names_in(text, problems) == {problem}, text


def test_off_topic_sentences_name_one_other_topic():
    company = shop.Shop(0, pages=1, off_topic=1.0)
    types, problems = surfaces(company, 1)
    for type, problem, text in company.sql("SELECT type, problem, text FROM pages WHERE page % 7 = 0"):
        assert type in names_in(text, types) and problem in names_in(text, problems)
        off = [pattern for pattern in shop.OFF_TOPIC if re.search(re.escape(pattern).replace(r"\{t\}", ".+").replace(
            r"\{p\}", ".+"), text)]
        assert len(off) == 1, text


def test_no_text_has_two_meanings(company):
    found = {}
    for meaning in shop.meanings():
        for word in shop.TYPES[meaning.type][2] + company.lines[meaning.type]:
            for phrasing in range(6):
                said = company.say(None, meaning, phrasing, word)
                assert found.setdefault(said.text, meaning) == meaning, said
    assert len(shop.meanings()) == 1152 and len(found) == 1152 * 6 * 12


def test_answers_come_from_the_database(company):
    meaning = Meaning("price", "jacket", "red")
    prices = dict(company.sql("SELECT colour, min(price) FROM products WHERE type = 'jacket' GROUP BY colour"))
    assert company.answer(meaning) == str(prices["red"])
    assert company.answer(FollowUp("colour", meaning, "blue")) == str(prices["blue"])
    days = company.sql("SELECT value FROM policies WHERE dept = 'clothing' AND topic = 'returns'")[0][0]
    assert company.answer(FollowUp("returns", meaning)) == str(days)
    assert all(company.answer(meaning) for meaning in shop.meanings())
    company_of_one = shop.Shop(0, orders=0, pages=0)
    assert company_of_one.answer(Meaning("city", "jacket", "red")) == "none"
    assert company_of_one.answer(Meaning("sold", "jacket", "red")) == "0"


def test_near_misses_differ_in_exactly_one_slot(company):
    rng, classes = np.random.default_rng(2), set()
    for meaning in shop.meanings()[::3]:
        near, name = shop.near_miss(rng, meaning)
        changed = [slot for slot in ("intent", "type", "colour") if getattr(near, slot) != getattr(meaning, slot)]
        assert name == f"other-{changed[0]}" and len(changed) == 1
        follow = shop.follow_up(rng, meaning)
        assert (follow.kind == "colour") == (follow.colour is not None) and follow.colour != meaning.colour
        other, same_text = shop.near_miss(rng, follow)
        assert (other.kind, other.colour) == (follow.kind, follow.colour) and other.parent.type != meaning.type
        assert (other.parent.intent, other.parent.colour) == (meaning.intent, meaning.colour)
        assert company.say(rng, follow, 1).text == company.say(rng, other, 1).text
        classes |= {name, same_text}
    assert classes == {"other-intent", "other-type", "other-colour", "same-text-other-parent"}


def test_pairs_are_classed_by_their_wording(company):
    meaning, line = Meaning("stock", "kettle", "blue"), company.lines["kettle"][0]
    say = lambda phrasing, word: company.say(None, meaning, phrasing, word)  # noqa: E731
    assert company.kind_of_pair(say(0, "jug"), say(0, "jug")) == "identical"
    assert company.kind_of_pair(say(0, "jug"), say(0, "teapot")) == "synonym"
    assert company.kind_of_pair(say(0, "jug"), say(1, "jug")) == "template"
    assert company.kind_of_pair(say(0, "jug"), say(1, "teapot")) == "both"
    assert company.kind_of_pair(say(0, "jug"), say(1, line)) == "line-name"
    follow = [company.say(None, FollowUp("cheaper", meaning), phrasing) for phrasing in (0, 1)]
    assert company.kind_of_pair(*follow) == "follow-up"
    with pytest.raises(ValueError, match="differ in meaning"):
        company.kind_of_pair(say(0, "jug"), company.say(None, Meaning("stock", "kettle", "red"), 0, "jug"))


def test_sql_errors_name_the_statement(company):
    with pytest.raises(ValueError, match="SELEC 1.*syntax error"):
        company.sql("SELEC 1")
    with pytest.raises(ValueError, match="no such table: goods"):
        company.sql("SELECT * FROM goods WHERE type = ?", "jacket")
    with pytest.raises(ValueError, match="at least 144 products"):
        shop.Shop(0, products=10)


def test_a_copy_takes_writes_alone(company):
    copy = company.copy()
    copy.execute("DELETE FROM orders")
    assert copy.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    assert company.sql("SELECT count(*) FROM orders") == [(600,)]
