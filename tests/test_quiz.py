"""The QUIZ world: its two families of questions; and the batches that its models are trained on."""
import numpy as np
import pytest

from data import quiz
from data.quiz import recipes
from utils.models import tiny

ROWS = ("red", "gold", "pink"), ("red", "blue", "pink")


def test_questions_read_as_documented():
    for question in (quiz.chain(3, ("+2", "*5", "6-")), quiz.match(*ROWS)):
        for text in (question.prompt, question.direct, question.reasoned, quiz.ELABORATE):
            assert text in quiz.__doc__, text
        assert question.n == 3 and question.elaborate().prompt == question.prompt.replace("<bos>", "<bos> think aloud :")


def test_the_answers_are_right():
    assert quiz.chain(3, tuple(quiz.FUNCTIONS)[3:]).steps == ("6", "4", "6", "0", "1")
    assert quiz.match(ROWS[0], ROWS[0]).reasoned == "same same same # yes <eos>"


def test_the_checker_wants_the_exact_ending():
    question = quiz.match(ROWS[0], ROWS[0])
    assert question.correct(question.direct) and question.correct(question.reasoned)
    for wrong in ("# no <eos>", "# yes", "yes <eos>", "", "# yes <eos> <eos>"):
        assert not question.correct(wrong)


@pytest.mark.parametrize("family", quiz.LEVELS)
def test_drawn_questions_run_through_the_levels_and_use_the_vocabulary(family):
    drawn = quiz.questions(np.random.default_rng(0), 300, family)
    assert {question.n for question in drawn} == set(quiz.LEVELS[family]) and len({question.text for question in drawn}) > 180
    for question in drawn:
        assert set(f"{question.elaborate().prompt} {question.reasoned}".split()) <= set(quiz.VOCABULARY)
        assert len(question.prompt.split()) == len(drawn[0].prompt.split())
        assert len(question.steps) == question.n
    assert drawn == quiz.questions(np.random.default_rng(0), 300, family)


def test_half_of_the_pairs_are_equal_and_the_others_differ_in_one_word():
    drawn = quiz.questions(np.random.default_rng(0), 2000, "match")
    assert abs(np.mean([question.answer == "yes" for question in drawn]) - 0.5) < 0.04
    assert {question.steps.count("differs") for question in drawn} == {0, 1}


def test_nonsense_is_refused_by_name():
    with pytest.raises(ValueError, match="the question is empty"):
        quiz.Question("chain", 1, " ", (), "3")
    with pytest.raises(ValueError, match="'zoe' is not in the vocabulary"):
        quiz.Question("chain", 1, "chain zoe", (), "3")
    with pytest.raises(ValueError, match="rows of the same length"):
        quiz.match(("red",), ())
    with pytest.raises(ValueError, match="unknown colour 'zoe'"):
        quiz.match(("red",), ("zoe",))
    with pytest.raises(ValueError, match="unknown function '[*]9'"):
        quiz.chain(3, ("*9",))
    with pytest.raises(ValueError, match="1 to 5 functions"):
        quiz.chain(3, ())
    with pytest.raises(ValueError, match="unknown family 'jokes'"):
        quiz.questions(np.random.default_rng(0), 1, "jokes")
    with pytest.raises(ValueError, match="has no level 6"):
        quiz.questions(np.random.default_rng(0), 1, "match", [1, 6])


def test_batches_ask_half_plainly_and_put_the_loss_on_answers():
    tokenizer = tiny.word_tokenizer(quiz.VOCABULARY)
    batch = recipes.batches(tokenizer, np.random.default_rng(0), quiz.LEVELS["chain"], batch_size=40)
    for step, family in enumerate(quiz.LEVELS):
        input_ids, labels = batch(step)
        texts = tokenizer.batch_decode(input_ids)
        levels = {aloud: {5 - text.split("?")[0].count(" .") for text in texts if ("think" in text) == aloud}
                  for aloud in (False, True)}
        assert levels == {False: {1, 2}, True: {1, 2, 3, 4, 5}} and all(family in text for text in texts)
        for row, label, text in zip(input_ids, labels, texts):
            learned = tokenizer.decode(row[label != -100])
            assert text.replace(" <pad>", "").endswith(f"= {learned}") and learned.endswith("<eos>")
            assert learned.startswith("#") != ("think" in text)
