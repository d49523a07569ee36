"""Cards: every way a card can be wrong is named by file and field, and thresholds mean what they say."""
import math

import pytest

from utils import cards

GOOD = """\
title: "A paper"
short: "A paper"
arxiv: "2404.14527"
date: 2024-04-22
authors: "One et al."
part: 3
seed: 39
minutes: 25
prerequisites: [1]
idea: "One sentence."
headline:
  - number: "2× faster"
    setting: "somewhere"
claims:
  - id: faster
    paper: "2× faster"
    toy: "seconds before over seconds after"
    holds: ">= 1.5"
    verdict: weaker
    why: "The toy is small."
"""


def write(tmp_path, text, name="39_paper.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_card_is_read(tmp_path):
    card = cards.read(write(tmp_path, GOOD))
    assert (card.number, card.slug, card.name, card.part) == (39, "paper", "39_paper", 3)
    assert card.link == "https://arxiv.org/abs/2404.14527"
    assert card.claims[0].holds.text == ">= 1.5" and card.headline[0].number == "2× faster"


@pytest.mark.parametrize("old, new, message", [
    ('title: "A paper"\n', "", "field 'title' is missing"),
    ("minutes: 25", "minutes: soon", "field 'minutes' must be a int, found 'soon'"),
    ("minutes: 25", "minutes: true", "field 'minutes' must be a int, found True"),
    ("seed: 39", "seed: -1", "field 'seed' must be a whole number"),
    ("seed: 39", "sed: 39", "unknown field 'sed'"),
    ('"2404.14527"', "2404.14527", "field 'arxiv' must be a str"),
    ('"2404.14527"', '"24.1"', "field 'arxiv' must look like"),
    ("2024-04-22", "last spring", "field 'date' must be a date"),
    ("part: 3", "part: 4", "field 'part' must be 3"),
    ("[1]", "[one]", "field 'prerequisites' must list other lessons' numbers, found 'one'"),
    ("[1]", "[39]", "field 'prerequisites' must list other lessons' numbers, found 39"),
    ('">= 1.5"', '"about 2"', "claims[0]: field 'holds': 'about 2' is not a threshold"),
    ('">= 1.5"', '"3 .. 1"', "claims[0]: field 'holds': '3 .. 1' is not a threshold"),
    ('    holds: ">= 1.5"\n', "", "claims[0]: field 'holds' is missing"),
    ("id: faster", "id: Faster!", "claims[0]: field 'id' must be lower_case_words"),
    ("verdict: weaker", "verdict: sort of", "claims[0]: field 'verdict' must be one of"),
    ('    why: "The toy is small."\n', "", "claims[0]: field 'why' is missing"),
    ("claims:\n", "claims:\n  - done\n", "claims[0]: expected fields"),
    ("    setting: ", "    where: ", "headline[0]: unknown field 'where'"),
    (GOOD, "- a list", "expected fields"),
    (GOOD, "title: [", "not readable as YAML"),
])
def test_a_bad_card_is_refused_by_file_and_field(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(cards.CardError) as error:
        cards.read(write(tmp_path, GOOD.replace(old, new, 1)))
    assert str(error.value).startswith("seeds/39_paper.yaml: ") and message in str(error.value)


def test_a_claim_id_may_not_repeat(tmp_path):
    claim = GOOD[GOOD.index("  - id"):]
    with pytest.raises(cards.CardError, match="two claims share the id 'faster'"):
        cards.read(write(tmp_path, GOOD + claim))


def test_a_card_needs_its_kind_of_name(tmp_path):
    with pytest.raises(cards.CardError, match="NN_slug.yaml"):
        cards.read(write(tmp_path, GOOD, "paper.yaml"))


def test_an_unknown_lesson_is_named_with_the_known_ones():
    with pytest.raises(cards.CardError, match=r"there is no lesson 99; the lessons are 00, 01"):
        cards.load(99)


@pytest.mark.parametrize("text, inside, outside", [
    (">= 0.9", [0.9, 1], [0.89]), ("> 0", [1e-9], [0, -1]), ("<= 5", [5, -3], [5.1]), ("< 5", [4.9], [5]),
    ("== 3", [3, 3.0], [3.01]), ("0.4 .. 0.6", [0.4, 0.5, 0.6], [0.39, 0.61]), ("<= 1e-5", [1e-6], [1e-4]),
])
def test_thresholds(text, inside, outside):
    threshold = cards.Threshold.parse(text)
    for value in inside:
        assert value in threshold and threshold.margin(value) >= 0
    for value in outside:
        assert value not in threshold and threshold.margin(value) <= 0
    assert math.nan not in threshold
