"""The RULEBOOK world: its grammar, its book, its checker; and the two shipped reasoners."""
import numpy as np
import pytest

from data import rulebook
from utils.models.load import load
from utils.models.tiny import sample

PROBLEM = rulebook.Problem(3, 17)


def test_a_problem_reads_as_documented():
    assert PROBLEM.prompt == "<bos> rule-first m3 17 :" and PROBLEM.prompt in rulebook.__doc__
    assert str(PROBLEM) == "mode 3, start at 17 (modulo 24)"
    assert len(PROBLEM.values) == rulebook.STEPS + 1 and PROBLEM.values[0] == 17 and PROBLEM.answer == PROBLEM.values[-1]
    for before, after in zip(PROBLEM.values, PROBLEM.values[1:]):
        assert after == (before + rulebook.ADDS[PROBLEM.rule(before)]) % rulebook.VALUES


@pytest.mark.parametrize("name, where", [("rule-first", 0), ("style-first", 1)])
def test_solutions_stay_in_the_vocabulary_and_are_right(name, where):
    rng = np.random.default_rng(0)
    for problem in rulebook.problems(rng, 100, name):
        words = problem.solution(rng).split()
        assert set(words) <= set(rulebook.VOCABULARY) and words[-3:] == ["#", str(problem.answer), "<eos>"]
        steps = " ".join(words[:-3]).split(" ;")[:-1]
        assert len(steps) == rulebook.STEPS
        for value, step in zip(problem.values, steps):
            assert step.split()[where] == problem.rule(value) and problem.step_right(value, step + " ;")
            assert 6 <= len(step.split()) <= 9


def test_the_checker_wants_the_rule_and_the_sum():
    rule = PROBLEM.rule(17)
    add = rulebook.ADDS[rule]
    ending = f"17 +{add} = {(17 + add) % 24} ;"
    other = next(name for name in rulebook.RULES if name != rule)
    assert PROBLEM.step_right(17, f"{rule} so well {ending}") and PROBLEM.step_right(17, f"so {rule} {ending}")
    for step in (f"{other} so {ending}", f"{rule} {other} {ending}", f"so {ending}", f"{rule} so 17 +{add} = 3 2 ;",
                 f"{rule} so {ending[:-2]}", "", f"{rule} so 16 +{add} = {(16 + add) % 24} ;"):
        assert not PROBLEM.step_right(17, step), step


def test_last_value():
    assert rulebook.last_value("so well now 17 +7 = 0 ;") == 0 and rulebook.last_value("so ;") is None


def test_frequent_modes_are_frequent():
    modes = [problem.mode for problem in rulebook.problems(np.random.default_rng(0), 4000)]
    counts = np.bincount(modes, minlength=rulebook.MODES) / len(modes)
    assert np.abs(counts - rulebook.FREQUENCY).max() < 0.03 and rulebook.FREQUENCY.sum() == pytest.approx(1)


@pytest.mark.parametrize("bad", [(10, 0), (0, 24), (-1, 0), (0, 0, "rule-last")])
def test_nonsense_is_refused(bad):
    with pytest.raises(ValueError):
        rulebook.Problem(*bad)


def test_the_large_reasoner_knows_the_book_and_the_small_one_does_not():
    right = {}
    problems = rulebook.problems(np.random.default_rng(5), 60)
    for name in ("rulebook/small", "rulebook/large"):
        model, tokenizer = load(name)
        texts = sample(model, tokenizer, [problem.prompt for problem in problems], 50, temperature=0).texts
        right[name] = np.mean([text.split()[-3:-1] == ["#", str(p.answer)] for p, text in zip(problems, texts)])
    assert right["rulebook/large"] > 0.95 and 0.2 < right["rulebook/small"] < 0.9
