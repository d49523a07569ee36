"""Lesson: claims, exercises, scorecard, seeds, and what each says about bad input."""
import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from utils import Lesson, cards
from utils.lesson import ClaimFailed, approx
from utils.settings import CourseError


@pytest.fixture
def lesson(monkeypatch):
    """A lesson with two claims of its own, independent of any real card."""
    threshold = cards.Threshold.parse
    claims = (cards.Claim("saves", "half", "share saved", threshold(">= 0.5"), "reproduced", 0.6, "difference"),
              cards.Claim("exact", "equal", "elements that differ", threshold("== 0"), "by construction", why="Counted."))
    values = {**vars(cards.load(1)), "claims": claims}
    monkeypatch.setattr(cards, "load", lambda number: cards.Card(**values))
    return Lesson(1)


def test_a_claim_prints_exact_types_bare_and_floats_masked(lesson, capsys):
    lesson.claim("saves", 0.75)
    lesson.claim("exact", 0)
    lesson.claim("saves", Fraction(3, 4))
    lesson.claim("saves", torch.tensor(0.75))
    assert capsys.readouterr().out.splitlines() == [
        "✔ saves = ≈0.75 (holds >= 0.5) · reproduced", "✔ exact = 0 (holds == 0) · by construction",
        "✔ saves = 0.75 (holds >= 0.5) · reproduced", "✔ saves = ≈0.75 (holds >= 0.5) · reproduced"]


def test_a_claim_that_does_not_hold_says_value_threshold_and_where_to_look(lesson):
    with pytest.raises(ClaimFailed, match=r"saves = ≈0.25 \(holds >= 0.5\)\. Measured: share saved\. Look at"):
        lesson.claim("saves", 0.25)


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float64("nan"), torch.tensor(math.nan)])
def test_a_claim_refuses_what_is_not_finite(lesson, value):
    with pytest.raises(ValueError, match="claim 'saves': the measured value is"):
        lesson.claim("saves", value)


@pytest.mark.parametrize("value", ["0.7", None, [0.7], np.ones(2), 1j])
def test_a_claim_refuses_what_is_not_a_number(lesson, value):
    with pytest.raises(TypeError, match="claim 'saves' takes one real number"):
        lesson.claim("saves", value)


def test_an_unknown_claim_is_named_with_the_known_ones(lesson):
    with pytest.raises(CourseError, match="has no claim 'speed'; its claims are: saves, exact"):
        lesson.claim("speed", 1)


def test_the_scorecard_refuses_an_unchecked_claim(lesson):
    lesson.claim("saves", 0.75)
    with pytest.raises(CourseError, match="not checked: exact.*run the lesson from the top"):
        lesson.scorecard()


def test_the_scorecard_lists_every_claim(lesson):
    lesson.claim("saves", 0.75)
    lesson.claim("exact", 0)
    table = lesson.scorecard()
    assert repr(table).splitlines() == ["saves: paper 0.6, here ≈0.75 (holds >= 0.5) · reproduced", "exact: 0 (holds == 0) · by construction"]
    page = table._repr_html_()
    assert "<b>0.6</b></td><td style='text-align:left;vertical-align:top'><b>≈0.75</b></td>" in page and "&gt;= 0.5" in page and "Counted." in page


def test_exercises_are_graded_three_ways(lesson, capsys):
    @lesson.grader("ex1")
    def _(answer):
        if answer(2) != 4:
            raise AssertionError("Try the square.")

    def stub(x):
        raise NotImplementedError

    for answer in (None, ..., stub, lambda x: x + 1, lambda x: x / 0, lambda x: x * x):
        lesson.check("ex1", answer)
    lines = capsys.readouterr().out.splitlines()
    assert [line[0] for line in lines] == ["○", "○", "○", "✘", "✘", "✔"]
    assert "Try the square." in lines[3] and "ZeroDivisionError" in lines[4]


def test_an_unknown_exercise_is_named(lesson):
    with pytest.raises(CourseError, match="no exercise 'ex9'"):
        lesson.check("ex9", 1)


def test_the_card_is_drawn_and_escaped():
    lesson = Lesson(36)
    lesson.card = dataclasses.replace(lesson.card, idea="a < b & c")
    page = lesson._repr_html_()
    assert "https://arxiv.org/abs/2404.14527" in page and "a &lt; b &amp; c" in page and "Mélange" in repr(lesson)


def test_course_seed_shifts_every_generator(monkeypatch):
    def draws():
        lesson = Lesson(1)
        return (lesson.seed, float(torch.rand(1)), np.random.rand(), lesson.rng().random(), lesson.rng(1).random(),
                torch.rand(1, generator=lesson.generator()).item())
    first, again = draws(), draws()
    monkeypatch.setenv("COURSE_SEED", "2")
    shifted = draws()
    assert first == again and shifted[0] == first[0] + 2000
    assert all(a != b for a, b in zip(first, shifted))
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("value", ["abc", "-1", "1.5", "١", "10000000"])
@pytest.mark.parametrize("variable", ["COURSE_SEED", "COURSE_THREADS"])
def test_nonsense_settings_are_refused(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(CourseError, match=f"{variable}='{value}' is not usable: set it to a whole number"):
        Lesson(1)


def test_an_empty_seed_is_the_default(monkeypatch):
    monkeypatch.setenv("COURSE_SEED", "")
    assert Lesson(1).seed == cards.load(1).seed


def test_approx():
    assert [approx(0.41234), approx(2.7, "×"), approx(123456.7)] == ["≈0.412", "≈2.7×", "≈123457"]
