"""The CHAINS world: its grammar, its checker, its annotations."""
import numpy as np
import pytest

from data import chains

PROBLEM = chains.Problem(6, ("+2", "*7", "+9"))  # values 6 8 6 5


def test_a_problem_reads_as_documented():
    assert PROBLEM.prompt == "<bos> a= 6 b=a +2 c=b *7 d=c +9 d?"
    assert PROBLEM.values == (6, 8, 6, 5) and PROBLEM.answer == 5 and PROBLEM.n == 3
    assert str(PROBLEM) == "a = 6\nb = a + 2\nc = b × 7\nd = c + 9\nd = ?   (modulo 10)"
    assert PROBLEM.with_cue("<r1>").prompt == PROBLEM.prompt + " <r1>" and PROBLEM.with_cue("<r1>").with_cue("") == PROBLEM


def test_each_style_has_its_length_and_is_right():
    drawn = chains.problems(np.random.default_rng(0), 60, chains.DIFFICULTIES)
    for problem in drawn:
        assert len(problem.prompt.split()) == 4 + 2 * problem.n
        for style, length in (("verbose", 9 * problem.n + 3), ("concise", 4 * problem.n + 3), ("direct", 3)):
            solution = problem.solution(style)
            assert len(solution.split()) == length and problem.correct(solution)
            assert chains.style_of(problem, solution) == style
            assert set(solution.split()) | set(problem.prompt.split()) <= set(chains.VOCABULARY)
    assert PROBLEM.solution(["verbose", "skipped", "concise"]) == "so we know ok . 6 b=a +2 8 6 d=c +9 5 # 5 <eos>"


def test_every_operation_permutes_the_digits():
    for operation in chains.OPERATIONS:
        assert sorted(chains.apply(operation, value) for value in range(10)) == list(range(10))


def test_the_checker_wants_the_exact_ending():
    assert PROBLEM.correct("# 5 <eos>")
    for wrong in ("# 4 <eos>", "# 5", "5 <eos>", "", "# 5 <eos> <eos>", "# 15 <eos>"):
        assert not PROBLEM.correct(wrong)


def test_annotations_find_steps_and_judge_them():
    steps = chains.annotate(PROBLEM, "so we know ok . 6 b=a +2 8 know 8 c=b +7 5 6 d=c +9 5 # 5 <eos>")
    assert [(step.index, step.style, step.start, step.stop, step.right) for step in steps] == [
        (1, "verbose", 0, 9, True), (2, "concise", 10, 14, False), (3, "concise", 14, 18, True)]
    assert chains.annotate(PROBLEM, "4 f=e +1 5 # 5 <eos>")[0].right is False  # a variable the problem does not have
    assert chains.style_of(PROBLEM, "6 b=a +2 8 # 5 <eos>") == "mixed"


def test_generation_is_seeded_balanced_and_follows_the_mix():
    drawn = chains.problems(np.random.default_rng(3), 100, [1, 2, 5, 5])
    assert drawn == chains.problems(np.random.default_rng(3), 100, [1, 2, 5, 5])
    assert chains.histogram(drawn) == {1: 25, 2: 25, 5: 50}
    rng = np.random.default_rng(1)
    problems = chains.problems(rng, 1000, 4)
    share = np.mean([word[0] == "+" for problem in problems for word in problem.operations])
    assert abs(share - 0.6) < 0.03
    texts = [chains.write(rng, problem, {"verbose": 3, "direct": 1, "mixed": 4}) for problem in problems]
    styles = [chains.style_of(problem, text) for problem, text in zip(problems, texts)]
    assert all(problem.correct(text) and all(step.right for step in chains.annotate(problem, text))
               for problem, text in zip(problems, texts))
    assert set(styles) == {"verbose", "concise", "direct", "mixed"}  # a mixed draw may come out pure
    assert 0.35 < styles.count("verbose") / 1000 < 0.5


@pytest.mark.parametrize("make, message", [
    (lambda: chains.problems(np.random.default_rng(0), 3, 7), "unknown difficulty 7: a chain has 1 to 6 steps"),
    (lambda: chains.problems(np.random.default_rng(0), 3, [1, 0]), "unknown difficulty 0"),
    (lambda: chains.Problem(12, ("+1",)), "starts with a digit, 0 to 9; found 12"),
    (lambda: chains.Problem(1, ("*2",)), r"unknown operation '\*2'"),
    (lambda: PROBLEM.with_cue("<r64>"), "'<r64>', which is not in the vocabulary"),
    (lambda: PROBLEM.solution("terse"), "a step is verbose, concise, skipped; found 'terse'"),
    (lambda: PROBLEM.solution(["verbose"]), "a chain of 3 steps takes 3 step styles; found 1"),
    (lambda: chains.write(np.random.default_rng(0), PROBLEM, {"terse": 1}), "unknown style 'terse'"),
])
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
