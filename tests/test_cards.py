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
    verdict: same direction
    paper_value: 2
    effect: ratio
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
    ("verdict: same direction", "verdict: sort of", "claims[0]: field 'verdict' must be one of"),
    ("effect: ratio", "effect: factor", "claims[0]: field 'effect' must be one of ratio, difference"),
    ("    effect: ratio\n", "", "claims[0]: fields 'paper_value' and 'effect' go together"),
    ("paper_value: 2", "paper_value: two", "claims[0]: field 'paper_value' must be a Real, found 'two'"),
    ("paper_value: 2", "paper_value: 1.0", "claims[0]: field 'paper_value': 1.0 is no effect as a ratio"),
    ("paper_value: 2\n    effect: ratio", "paper_value: 0\n    effect: difference", "0 is no effect as a difference"),
    ("same direction\n    paper_value: 2\n    effect: ratio", "reproduced", "'reproduced' needs the paper's number"),
    ("same direction", "our control", "a control of ours has no number in the paper"),
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


@pytest.mark.parametrize("effect, paper, value, verdicts", [
    ("ratio", 4, 2, ("reproduced",)), ("ratio", 4, 16, ("reproduced",)), ("ratio", 4, 1.99, ("same direction", "not at toy scale")),
    ("ratio", 4, 16.1, ("same direction", "not at toy scale")), ("ratio", 4, 0.9, ("not at toy scale",)),
    ("ratio", 4, 0, ("not at toy scale",)), ("ratio", 0.25, 0.5, ("reproduced",)), ("ratio", 0.25, 2, ("not at toy scale",)),
    ("difference", 10, 5, ("reproduced",)), ("difference", 10, 4.9, ("same direction", "not at toy scale")),
    ("difference", -10, -20, ("reproduced",)), ("difference", 10, -1, ("not at toy scale",)),
    (None, None, 3, ("same direction", "not at toy scale")),
])
def test_reproduced_is_earned_by_half_to_twice_the_papers_effect(effect, paper, value, verdicts):
    claim = cards.Claim("a", "b", "c", cards.Threshold.parse("> 0"), "same direction", paper, effect, "why")
    assert claim.earned(value) == verdicts


@pytest.mark.parametrize("verdict", ["by construction", "our control"])
def test_what_the_paper_does_not_measure_is_never_reproduced(verdict):
    assert cards.Claim("a", "b", "c", cards.Threshold.parse("> 0"), verdict, why="d").earned(1) == (verdict,)
