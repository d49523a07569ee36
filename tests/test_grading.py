"""Grading: a right answer of any kind passes; a wrong one is told why, and nothing it does stops or harms the lesson."""
import os
import subprocess
import sys
import textwrap

import nbformat
import numpy as np
import pytest
import torch

from utils import Lesson, grading
from utils.course import notebook
from utils.settings import ROOT


def function(source):
    """The function `answer` that a learner would define in a cell of their own."""
    space, name = {"np": np}, f"/tmp/ipykernel_1/{abs(hash(source))}.py"
    grading.traceback.linecache.cache[name] = (len(source), None, textwrap.dedent(source).splitlines(True), name)
    exec(compile(textwrap.dedent(source), name, "exec"), space)  # noqa: S102
    return space["answer"]


def squares(answer):
    """A grader: four squares from a function, or their list."""
    found = [answer(i) for i in range(4)] if callable(answer) else list(answer)
    if any(abs(a - b) > 1e-6 for a, b in zip(found, (0, 1, 4, 9))) or len(found) != 4:
        raise AssertionError("Multiply the number by itself.")


def grade(answer, **options):
    return grading.grade("ex1", squares, answer, **options)


@pytest.mark.parametrize("answer", [
    [0, 1, 4, 9], (0.0, 1.0, 4.0, 9.0), np.arange(4) ** 2, torch.arange(4.0) ** 2, lambda x: x * x, lambda x: np.square(x)])
def test_any_right_answer_passes(answer):
    assert grade(answer) == grading.Result(True, "✔ ex1: right.")


@pytest.mark.parametrize("answer", [None, ..., function("def answer(x):\n    raise NotImplementedError")])
def test_an_untouched_stub_is_not_attempted(answer):
    result = grade(answer)
    assert not result and result.line.startswith("○ ex1: not attempted")


@pytest.mark.parametrize("answer, message", [
    ([0, 1, 4, 8], "Multiply the number by itself."),
    (function("def answer(x):\n    y = [1]\n    return y[x]"), "Your code raised IndexError: list index out of range, in line 3: return y[x]"),
    (function("def answer(x):\n    return np.ones(2) @ np.ones(3)"), "in line 2: return np.ones(2) @ np.ones(3)"),
    (function("def answer(x):\n    x * x"), "Your function returned None (type NoneType). Does every path end in `return ...`?"),
    (function("def answer(x):\n    return f'{x}%'"), "Your function returned '3%' (type str). The check cannot read that (TypeError"),
    ("57%", "Your answer is '57%' (type str). The check cannot read that"),
    (9, "Your answer is 9 (type int). The check cannot read that"),
])
def test_a_wrong_answer_is_told_why(answer, message):
    result = grade(answer)
    assert not result and result.line.startswith("✘ ex1: not yet. ") and message in result.line


def test_an_endless_loop_is_stopped():
    result = grade(function("def answer(x):\n    while True:\n        x += 1"), seconds=0.2)
    assert not result and "Stopped after 0.2 s: does a loop of your answer ever end?" in result.line
    assert grade(lambda x: x * x, seconds=0.2), "the timer of an answer that is done must not fire later"


def test_ctrl_c_is_not_taken_for_the_time_limit():
    with pytest.raises(KeyboardInterrupt):
        grade(function("def answer(x):\n    raise KeyboardInterrupt"))


def test_a_kernel_survives_an_endless_loop(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "ROOT", tmp_path)
    cells = ["from utils import Lesson, grading\nlesson = Lesson(1)\ngrading.grade.__defaults__ = (0.3,)",
             "@lesson.grader('ex1')\ndef _(answer):\n    if answer() != 1:\n        raise AssertionError('One.')",
             "def answer():\n    while True:\n        pass\nprint(bool(lesson.check('ex1', answer)))",
             "lesson.check('ex1', lambda: [][0])\nlesson.check('ex1', lambda: 1)"]
    path = tmp_path / "loop.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    done = notebook.execute(path)
    assert done.cells[2].outputs[0].text == "✘ ex1: not yet. Stopped after 0.3 s: does a loop of your answer ever end?\nFalse\n"
    shown, = done.cells[3].outputs
    assert "in line 1: lesson.check('ex1', lambda: [][0])\n✔ ex1: right.\n" in shown.text, "and the result itself shows nothing"


def test_check_says_and_returns_whether_an_answer_is_right(capsys):
    lesson = Lesson(1)
    lesson.grader("ex1")(squares)
    assert [bool(lesson.check("ex1", answer)) for answer in ([0, 1, 4, 9], [1], None)] == [True, False, False]
    assert [line[0] for line in capsys.readouterr().out.splitlines()] == ["✔", "✘", "○"]


def test_without_asserts_nothing_is_graded():
    done = subprocess.run([sys.executable, "-c", "from utils import Lesson; Lesson(1)"], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONOPTIMIZE": "1"})
    assert done.returncode != 0 and "Unset PYTHONOPTIMIZE and restart the kernel" in done.stderr
    done = subprocess.run([sys.executable, "-m", "pytest", "-n0", "tests/test_cards.py"], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONOPTIMIZE": "1"})
    assert done.returncode != 0 and "PYTHONOPTIMIZE" in done.stdout + done.stderr
