"""The SLEEP world: its grammar, its traffic, its training texts; and the shipped note takers."""
import math

import numpy as np
import pytest

from data import sleep
from data.sleep import recipes
from utils.models.load import load
from utils.settings import ROOT

CONTEXT = sleep.Context(("c", "a", "f", "b"), (None, "c", "a", "a"), ("4", "+3", "*7", "+9"))  # values 4 7 9 6
QUERY = sleep.Query("f", ("+2",))


def words(text):
    return set(text.split())


def test_a_context_reads_as_documented():
    assert CONTEXT.text == "<bos> c: = 4 a: c +3 f: a *7 b: a +9"
    assert CONTEXT.values == {"c": 4, "a": 7, "f": 9, "b": 6} and CONTEXT.askable == ["a", "b", "f"]
    assert str(CONTEXT) == "c = 4\na = c +3\nf = a ×7\nb = a +9"
    assert QUERY.text == "? f +2 :" and str(QUERY) == "f +2 = ?" and CONTEXT.answer(QUERY) == 1


def test_notes_and_responses_are_those_of_the_module_text():
    assert CONTEXT.notes() == "c: = 4 c 4 a: c 4 +3 a 7 f: a 7 *7 f 9 b: a 7 +9 b 6 <eos>"
    assert CONTEXT.notes(1) == "c: = 4 c 4 <eos>"
    response = lambda noted=(): f"{CONTEXT.thought(QUERY, noted)} {CONTEXT.final(QUERY)}"  # noqa: E731
    assert response() == "f: a *7 a: c +3 c: = 4 c 4 +3 a 7 *7 f 9 +2 1 # f 1 <eos>"
    assert response(noted=("c", "a")) == "f: a *7 a 7 *7 f 9 +2 1 # f 1 <eos>"
    assert response(noted=CONTEXT.names) == "f 9 +2 1 # f 1 <eos>"
    for term in (CONTEXT.notes(), response(), response(("c", "a")), response(CONTEXT.names)):
        assert term in sleep.__doc__, term
    assert CONTEXT.thought(sleep.Query("f"), CONTEXT.names) == ""


def test_the_checker_wants_the_exact_ending():
    assert CONTEXT.correct(QUERY, "f 9 +2 1 # f 1 <eos>") and CONTEXT.correct(QUERY, "# f 1 <eos>")
    for wrong in ("# f 2 <eos>", "# a 1 <eos>", "# f 1", "", "# f 1 <eos> <eos>"):
        assert not CONTEXT.correct(QUERY, wrong)


def test_notes_are_read_back_line_by_line():
    assert sleep.noted_values(CONTEXT, CONTEXT.notes()) == CONTEXT.values
    assert sleep.noted_values(CONTEXT, CONTEXT.notes(2)) == {"c": 4, "a": 7, "f": None, "b": None}
    assert sleep.noted_values(CONTEXT, CONTEXT.notes(values=CONTEXT.values | {"f": 0}))["f"] == 0
    assert sleep.noted_values(CONTEXT, "c: = 4 c 4 a: c 4 +3 f: a 7 *7 b 9 h: a 1 +1 h 2") == {
        "c": 4, "a": None, "f": None, "b": None}
    assert set(sleep.noted_values(CONTEXT, "").values()) == {None}


def test_contexts_use_the_vocabulary_and_build_on_earlier_lines():
    for context in sleep.contexts(np.random.default_rng(0), 200):
        assert len(set(context.names)) == 6 and len(context.text.split()) == 19 and len(context.notes().split()) == 36
        assert all(context.names.index(parent) < i for i, parent in enumerate(context.parents) if i)
        for query in sleep.queries(np.random.default_rng(1), context, 3):
            for noted in ((), context.names[:3], context.names):
                assert words(f"{context.text} <notes> {context.notes()} {query.text} {context.thought(query, noted)} "
                             f"{context.final(query)}") <= set(sleep.VOCABULARY)
    with pytest.raises(ValueError, match="2 to 8 variables; found 9"):
        sleep.contexts(np.random.default_rng(0), 1, variables=9)


def test_the_probability_of_a_query_is_how_often_it_is_drawn():
    drawn = sleep.queries(np.random.default_rng(0), CONTEXT, 20_000)
    for query in (sleep.Query("a"), sleep.Query("b"), sleep.Query("f", ("*7",))):
        assert drawn.count(query) / len(drawn) == pytest.approx(math.exp(sleep.log_probability(CONTEXT, query)), abs=0.01)
    assert {len(query.operations) for query in sleep.queries(np.random.default_rng(0), CONTEXT, 50, extra=2)} == {2}
    assert sum(sleep.popularity(CONTEXT).values()) == pytest.approx(1) and "c" not in sleep.popularity(CONTEXT)


def test_training_texts_teach_what_is_right_and_not_to_hurry():
    rng = np.random.default_rng(0)
    for context in sleep.contexts(rng, 300):
        pieces = sleep.training_text(rng, context)
        assert pieces[0] == (context.text, False) and pieces[-1][1] and pieces[-1][0].endswith("<eos>")
        texts = [text for text, _ in pieces]
        count = 0
        if "<notes>" in texts:
            notes, end = pieces[2], pieces[3]
            count = sum(value is not None for value in sleep.noted_values(context, notes[0]).values())
            assert notes == (context.notes(count).rsplit(" ", 1)[0], True) and end == ("<eos>", count == 6)
        _, name, *operations, _ = texts[-4].split()
        query = sleep.Query(name, tuple(operations))
        whole = context.thought(query, context.names[:count])
        assert whole.startswith(texts[-3]) and pieces[-2] == ("#", texts[-3] == whole)
        assert context.correct(query, " ".join(texts))


def test_batches_learn_what_they_should():
    model, tokenizer = load("sleep/reasoner")
    input_ids, labels = recipes.batches(tokenizer, np.random.default_rng(0), 16)(0)
    assert input_ids.shape == labels.shape == (16, input_ids.shape[1]) and (labels[:, :19] == -100).all()
    assert ((labels == input_ids) | (labels == -100)).all() and (labels != tokenizer.pad_token_id).all()


@pytest.mark.parametrize("name", ["sleep/reasoner", "sleep/reasoner_early"])
def test_a_shipped_note_taker_loads_and_has_a_card(name):
    model, tokenizer = load(name)
    assert type(model).__name__ == "Lfm2ForCausalLM" and model.num_parameters() == 204_672
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == list(sleep.VOCABULARY)
    assert "204,672 parameters" in (ROOT / "data" / name / "README.md").read_text()
