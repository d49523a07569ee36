"""The fixed split of the two-step problems of CHAINS."""
from data.chains import two_steps


def test_the_split_covers_every_problem_of_two_steps_once_and_never_changes():
    train, test = two_steps.split()
    assert (len(train), len(test)) == (1040, two_steps.HELD_OUT) and len(set(train) | set(test)) == 10 * 12 ** 2
    assert {problem.n for problem in train + test} == {2} and (train, test) == two_steps.split()
