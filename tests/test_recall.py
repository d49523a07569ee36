"""The RECALL world: its facts, queries and dialogues, what it refuses; and the shipped reader."""
from collections import Counter

import numpy as np
import pytest
import torch

from data import recall
from data.recall import recipes
from utils.models import tiny
from utils.models.load import load
from utils.settings import ROOT

CONTEXT = recall.Context((("m11", "k03"), ("v2", "m04"), ("m04", "k07"), ("v2", "m11")), ((), (), (), ("w1", "w8"), ()))
ONE, TWO, MOST = recall.Query("one hop", "k07"), recall.Query("two hops", "k07"), recall.Query("majority")


@pytest.fixture(scope="module")
def reader():
    return load("recall/reader")


def test_a_context_reads_as_documented():
    assert CONTEXT.text == "<bos> m11 k03 v2 m04 m04 k07 w1 w8 v2 m11" and CONTEXT.text in recall.__doc__
    assert [query.text for query in (ONE, TWO, MOST)] == ["next k07", "last k07", "most of"]
    assert [CONTEXT.answer(query) for query in (ONE, TWO, MOST)] == ["m04", "v2", "v2"]
    assert CONTEXT.answer(recall.Query("one hop", "m04")) == "v2"
    text = recall.dialogue(CONTEXT, [TWO, recall.Query("one hop", "k03"), MOST])
    assert text == CONTEXT.text + " last k07 v2 next k03 m11 most of v2" and text.split(" w8 ")[1] in recall.__doc__


def test_the_evidence_is_where_the_facts_end():
    words = CONTEXT.words
    assert [words[i] for i in CONTEXT.evidence(TWO)] == ["k07", "m04"] and CONTEXT.evidence(ONE) == [6]
    assert CONTEXT.evidence(MOST) == [4, 10] and CONTEXT.path(TWO) == [("m04", "k07"), ("v2", "m04")]
    assert CONTEXT.evidence(TWO)[1] == 4  # the fact that owns the value, not the word of the other fact


@pytest.mark.parametrize("keys, length", [(2, None), (5, 40), (16, None), (48, 300)])
def test_contexts_are_whole_and_have_a_clear_majority(keys, length):
    for context in recall.contexts(np.random.default_rng(0), 30, keys, length):
        assert len(context.words) == (length or 1 + 4 * keys) and set(context.words) <= set(recall.VOCABULARY)
        assert len(context.facts) == len({owner for _, owner in context.facts}) == 2 * keys
        counts = Counter(owned for owned, _ in context.facts if owned in recall.VALUES).most_common(2)
        assert counts[0] == (context.majority, max(2, round(0.3 * keys)))
        assert len(counts) == 1 or counts[0][1] - counts[1][1] >= (1 if keys < 12 else 2)
        for query in recall.queries(np.random.default_rng(1), context, min(keys, 8)):
            assert [context.words[i] for i in context.evidence(query)] == [owner for _, owner in context.path(query)]


def test_queries_are_drawn_by_kind_and_not_twice():
    context = recall.contexts(np.random.default_rng(0), 1, 16)[0]
    for kind, most in (("one hop", 32), ("two hops", 16), ("majority", 40)):
        drawn = recall.queries(np.random.default_rng(1), context, most, kind)
        assert {query.kind for query in drawn} == {kind} and (kind == "majority" or len(set(drawn)) == most)
    drawn = [query.kind for i in range(200) for query in recall.queries(np.random.default_rng(i), context, 16)]
    assert [drawn.count(kind) / len(drawn) for kind in recall.KINDS] == pytest.approx(recall.CHANCE, abs=0.03)


def test_nonsense_is_refused_by_name():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="2 to 48 keys; found 49"):
        recall.contexts(rng, 1, 49)
    with pytest.raises(ValueError, match="16 keys takes 65 words; found length 64"):
        recall.contexts(rng, 1, 16, 64)
    with pytest.raises(ValueError, match="one hop, two hops, majority; found 'three hops'"):
        recall.queries(rng, CONTEXT, 1, "three hops")
    with pytest.raises(ValueError, match="2 different queries to draw from; found 3"):
        recall.queries(rng, CONTEXT, 3)
    with pytest.raises(ValueError, match="no query of kind two hops asks about 'm04'"):
        recall.Query("two hops", "m04")
    with pytest.raises(ValueError, match="found 'two'"):
        recall.Query("two", "k07")
    with pytest.raises(ValueError, match="no fact on k08"):
        CONTEXT.answer(recall.Query("one hop", "k08"))


def test_texts_that_do_not_fit_are_refused(reader):
    model, tokenizer = reader
    long = [context.text for context in recall.contexts(np.random.default_rng(0), 1, 48, 300)]
    with pytest.raises(ValueError, match="300 words does not fit the model's 256 positions"):
        recall.encode(model, tokenizer, long)
    with pytest.raises(ValueError, match="need 301 positions; the model has 256"):
        tiny.sample(model, tokenizer, long, max_new_tokens=1)
    for texts, message in (([], "no texts"), (["<bos>", " "], "is empty"), (["<bos>", "<bos> k03"], "1 to 2 words"),
                           (["<bos> k99"], "'k99'")):
        with pytest.raises(ValueError, match=message):
            recall.encode(model, tokenizer, texts)


def test_batches_learn_the_answers(reader):
    model, tokenizer = reader
    input_ids, labels, links = recipes.recall_batch(model, tokenizer, np.random.default_rng(0), 4, keys=6, count=5)
    assert input_ids.shape == labels.shape == (4, 25 + 15) and links.shape == (4, 5)
    learned = labels != -100
    assert learned.nonzero()[:, 1].tolist() == [27, 30, 33, 36, 39] * 4
    assert torch.equal(labels[learned], input_ids[learned])
    assert set(tokenizer.convert_ids_to_tokens(labels[learned].tolist())) <= set(recall.LINKS + recall.VALUES)
    two = links != -100
    assert torch.equal(two, input_ids[:, 25::3] == tokenizer.convert_tokens_to_ids("last")) and two.any()
    assert set(tokenizer.convert_ids_to_tokens(links[two].tolist())) <= set(recall.LINKS)


def test_the_shipped_reader_answers_and_has_a_card(reader):
    model, tokenizer = reader
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == list(recall.VOCABULARY)
    assert f"{model.num_parameters():,} parameters" in (ROOT / "data" / "recall/reader" / "README.md").read_text()
    rng = np.random.default_rng(0)
    for kind in recall.KINDS:
        contexts = recall.contexts(rng, 30, 16)
        asked = [recall.queries(rng, context, 1, kind)[0] for context in contexts]
        done = tiny.sample(model, tokenizer, [f"{context.text} {query.text}" for context, query in zip(contexts, asked)],
                           max_new_tokens=1, temperature=0)
        assert np.mean([text == context.answer(query) for text, context, query in zip(done.texts, contexts, asked)]) > 0.9
