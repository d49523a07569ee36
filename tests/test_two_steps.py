"""The fixed split of the two-step problems of CHAINS."""
import pytest

from data.chains import recipes, two_steps
from utils.settings import ROOT


def test_the_split_covers_every_problem_of_two_steps_once_and_never_changes():
    train, test = two_steps.split()
    assert (len(train), len(test)) == (1040, two_steps.HELD_OUT) and len(set(train) | set(test)) == 10 * 12 ** 2
    assert {problem.n for problem in train + test} == {2} and (train, test) == two_steps.split()


@pytest.mark.parametrize("name", ["direct", "pause", "values", "deep"])
def test_every_rival_was_trained_as_its_recipe_says(name):
    card = (ROOT / "data" / "chains" / f"two_{name}" / "README.md").read_text()
    assert "{steps} steps of {batch} problems, learning rate {lr:g}".format(**recipes.TWO_STEPS_FIT) in card
