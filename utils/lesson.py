"""`Lesson(NN)`: the object every notebook starts with. Draws the paper's card, checks claims, grades exercises, keeps score."""
from __future__ import annotations

import html
import math
import numbers
import random

import numpy as np
import torch

from utils import cards, grading, plots
from utils.settings import CourseError, check_clone, course_seed, course_threads


class ClaimFailed(AssertionError):
    """A measured value lies outside the interval that its claim must meet."""


def approx(value: float, unit: str = "") -> str:
    """Format a measured number for printing: `≈0.412`, `≈2.7×`. Validation skips whatever follows the `≈`."""
    return f"≈{value:.3g}{unit}" if abs(value) < 1000 else f"≈{value:.0f}{unit}"


def _exact(value) -> bool:
    return isinstance(value, (numbers.Rational, np.integer, np.bool_))


def _show(value) -> str:
    """Exact types (int, bool, Fraction) print bare and are validated to the last digit; floats print after a `≈`."""
    if not _exact(value):
        return f"≈{float(value):.4g}"
    return str(int(value)) if float(value).is_integer() else f"{float(value):.6g}"


class Lesson:
    """One lesson of the course.

    `Lesson(36)` reads seeds/36_*.yaml, seeds Python, NumPy and torch with `lesson.seed` (the card's seed plus
    1000 * COURSE_SEED), limits torch to COURSE_THREADS threads (1 by default) and sets the plot style. As a cell's
    last line it draws the paper's card. Raises CourseError for an unknown number, a bad card, a nonsense setting, a Python
    that skips asserts, or a notebook that lies in another clone of the course than this code.
    """

    def __init__(self, number: int):
        self.card = cards.load(number)
        check_clone()
        self.seed = self.card.seed + 1000 * course_seed()
        random.seed(self.seed)
        np.random.seed(self.seed)
        torch.manual_seed(self.seed)
        torch.set_num_threads(course_threads())
        plots.set_style()
        self._measured: dict[str, float] = {}
        self._graders = {}

    def rng(self, stream: int = 0) -> np.random.Generator:
        """Return a fresh NumPy generator for this lesson; different `stream` numbers give independent streams."""
        return np.random.default_rng([self.seed, stream])

    def generator(self, stream: int = 0) -> torch.Generator:
        """Return a fresh CPU torch generator for this lesson; different `stream` numbers give independent streams."""
        return torch.Generator().manual_seed(int(self.rng(stream).integers(2**62)))

    def claim(self, id: str, value: float) -> None:
        """Check the measured `value` (a number, in the unit the card's claim names) against the card's claim `id`.

        Prints one line when it holds. Integers, booleans and Fractions are exact and print bare; floats print after
        a `≈`. Raises ClaimFailed with value, threshold and what to look at when it does not hold; CourseError for an id
        the card lacks; TypeError for a value that is not one number; ValueError for NaN or infinity.
        """
        claim = next((claim for claim in self.card.claims if claim.id == id), None)
        if claim is None:
            known = ", ".join(claim.id for claim in self.card.claims) or "none yet"
            raise CourseError(f"seeds/{self.card.name}.yaml has no claim {id!r}; its claims are: {known}")
        if isinstance(value, (torch.Tensor, np.ndarray)) and value.ndim == 0:
            value = value.item()
        if not isinstance(value, (numbers.Real, np.number, np.bool_)):
            raise TypeError(f"claim {id!r} takes one real number, found {type(value).__name__}: {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"claim {id!r}: the measured value is {value}; look for an empty mean or a division by zero")
        if value not in claim.holds:
            raise ClaimFailed(f"✘ {id} = {_show(value)} (holds {claim.holds.text}). Measured: {claim.toy}. "
                              "Look at the cells that compute this value and at what changed there: the seed, the "
                              "amount of training, the number of samples.")
        self._measured[id] = value
        print(f"✔ {id} = {_show(value)} (holds {claim.holds.text}) · {claim.verdict}")

    def grader(self, exercise: str):
        """Decorator: register a function `grade(answer)` for `exercise`; it asserts, with a hint as the assert's message."""
        def register(grade):
            self._graders[exercise] = grade
            return grade
        return register

    def check(self, exercise: str, answer) -> grading.Result:
        """Grade `answer` to `exercise`, print one of: not attempted, right, not yet (and why); the result is true if it is right.

        Not attempted are None, ... and a function that raises NotImplementedError. An answer may take
        `grading.ANSWER_SECONDS`. Raises CourseError when no grader is registered for `exercise`.
        """
        if exercise not in self._graders:
            known = ", ".join(self._graders) or "none yet"
            raise CourseError(f"lesson {self.card.name} has no exercise {exercise!r}; its exercises are: {known}. After a "
                              "restart, run the lesson from the top (Run > Run All Above Selected Cell).")
        result = grading.grade(exercise, self._graders[exercise], answer)
        print(result.line)
        return result

    def scorecard(self) -> Scorecard:
        """Return the closing table paper / toy / verdict; raises CourseError if a claim of the card was not checked."""
        if missing := [claim.id for claim in self.card.claims if claim.id not in self._measured]:
            raise CourseError(f"these claims of seeds/{self.card.name}.yaml were not checked: {', '.join(missing)}. The scorecard "
                              "stands at the end of a whole run: run the lesson from the top (Run > Run All Cells).")
        return Scorecard([(claim, self._measured[claim.id]) for claim in self.card.claims])

    def __repr__(self) -> str:
        card = self.card
        lines = [f"{card.number:02d} · {card.title}", *([f"{card.authors}, {card.date}, {card.link}"] if card.arxiv else []),
                 card.idea, *(f"- {line.number} ({line.setting})" for line in card.headline),
                 *(f"? {claim.id}: {claim.toy} {claim.holds.text}" for claim in card.claims)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        card, text = self.card, html.escape
        rows = [f"<div style='font-size:1.25em;font-weight:bold;margin:0 0 .3em'>{text(card.title)}</div>"]
        if card.arxiv:
            rows.append(f"<div>{text(card.authors)} · {card.date:%d %B %Y} · <a href='{card.link}'>arXiv {card.arxiv}</a></div>")
        rows.append(f"<p style='font-size:1.1em'>{text(card.idea)}</p>")
        if card.headline:
            rows.append("<b>The paper reports</b><ul>" + "".join(
                f"<li><b>{text(line.number)}</b> — {text(line.setting)}</li>" for line in card.headline) + "</ul>")
        if card.claims:
            rows.append(f"<details><summary><b>This lesson checks</b> {len(card.claims)} claims</summary><ul>" + "".join(
                f"<li><code>{claim.id}</code>: {text(claim.toy)}, must be <b>{text(claim.holds.text)}</b></li>"
                for claim in card.claims) + "</ul></details>")
        before = ", ".join(f"{other.number:02d} {text(other.short)}" for other in map(cards.load, card.prerequisites)) or "nothing"
        rows.append(f"<div>Read before: {before} · about {card.minutes} minutes</div>")
        return ("<div style='border:1px solid #8888;border-left:6px solid #0072B2;border-radius:4px;"
                "padding:.8em 1.2em;max-width:60em'>" + "".join(rows) + "</div>")


class Scorecard:
    """The table that closes a lesson; draws itself as HTML or text."""

    def __init__(self, rows: list[tuple[cards.Claim, float]]):
        self.rows = rows

    def __repr__(self) -> str:
        if not self.rows:
            return "This lesson makes no claims."
        paper = lambda claim: "" if claim.paper_value is None else f"paper {claim.paper_value:g}, here "  # noqa: E731
        return "\n".join(f"{claim.id}: {paper(claim)}{_show(value)} (holds {claim.holds.text}) · {claim.verdict}"
                         for claim, value in self.rows)

    def _repr_html_(self) -> str:
        if not self.rows:
            return "<p>This lesson makes no claims.</p>"
        names = ("The paper says", "Paper", "Here", "Measured here, at toy scale", "Holds if", "Verdict")
        cells = ["<tr>" + "".join(f"<th style='text-align:left'>{name}</th>" for name in names) + "</tr>"]
        for claim, value in self.rows:
            verdict = f"<b>{claim.verdict}</b>" + (f"<br><small>{html.escape(claim.why)}</small>" if claim.why else "")
            number = "–" if claim.paper_value is None else f"<b>{claim.paper_value:g}</b>"
            cells.append("<tr>" + "".join(f"<td style='text-align:left;vertical-align:top'>{cell}</td>" for cell in (
                html.escape(claim.paper), number, f"<b>{_show(value)}</b>", html.escape(claim.toy),
                html.escape(claim.holds.text), verdict)) + "</tr>")
        return "<table>" + "".join(cells) + "</table>"
