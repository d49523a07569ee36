"""The GRAMMAR world: rewriting rules, records and their reports; and the shipped reporter."""
import numpy as np
import pytest

from data import grammar
from utils.models import tiny
from utils.models.load import load

RECORD = grammar.Record("chess", ("ann", "bob", "eve"), (7, 4), "order3", (4, 2, 5, 0, 3, 1))


def test_a_record_reads_as_documented():
    report = "eve kept time , 11 points altogether , ann beat bob by 3 , ann moved first . <eos>"
    assert RECORD.prompt == "<bos> chess order3 bscore 4 arbiter eve won white white ann wscore 7 black bob :"
    assert RECORD.report == report and RECORD.prompt in grammar.__doc__ and report in grammar.__doc__
    assert RECORD.slots == {"first": "ann", "judge": "eve", "winner": "ann", "loser": "bob", "margin": 3, "total": 11}


def test_the_second_side_may_win():
    record = grammar.Record("auction", ("ann", "bob", "eve"), (2, 9))
    assert record.report == "bob outbid ann by 7 , ann opened bidding , eve held hammer , 11 coins offered . <eos>"


def test_reports_and_prompts_have_one_length_and_only_words_of_the_vocabulary():
    assert len(set(grammar.VOCABULARY)) == len(grammar.VOCABULARY)
    drawn = grammar.records(np.random.default_rng(0), 300)
    assert {record.domain for record in drawn} == set(grammar.DOMAINS) and {record.order for record in drawn} == set(grammar.ORDERS)
    for record in drawn:
        assert (len(record.prompt.split()), len(record.report.split())) == (16, 19)
        assert set(f"{record.prompt} {record.report}".split()) <= set(grammar.VOCABULARY)
    assert drawn == grammar.records(np.random.default_rng(0), 300) != grammar.records(np.random.default_rng(1), 300)
    assert {record.order for record in grammar.records(np.random.default_rng(0), 20, ["fishing"], ["order2"])} == {"order2"}


def test_each_order_writes_the_same_clauses():
    reports = {order: grammar.Record("fishing", ("ann", "bob", "eve"), (7, 4), order).report for order in grammar.ORDERS}
    assert len(set(reports.values())) == 6
    assert len({frozenset(report[:-len(" . <eos>")].split(" , ")) for report in reports.values()}) == 1


def test_a_grammar_draws_expansions_by_their_weights():
    toy = grammar.Grammar({"S": {"{who} VERB": 3, "nobody VERB": 1}, "VERB": {"sings": 1}})
    texts = [toy.expand(np.random.default_rng(seed), "S", who="ann") for seed in range(400)]
    assert set(texts) == {"ann sings", "nobody sings"} and 270 < texts.count("ann sings") < 330
    assert toy.words == ["nobody", "sings"]
    rng = np.random.default_rng(0)
    drawn = {grammar.DOMAINS["chess"].grammar.expand(rng, "REPORT", **RECORD.slots) for _ in range(60)}
    assert len(drawn) == 6 and RECORD.report.removesuffix(" <eos>") in drawn


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="S expands to VERB, which has no rule"):
        grammar.Grammar({"S": {"ann VERB": 1}})
    with pytest.raises(ValueError, match="positive weights"):
        grammar.Grammar({"S": {"ann": 0}})
    with pytest.raises(ValueError, match="the domains are chess"):
        grammar.Record("tennis", ("ann", "bob", "eve"), (7, 4))
    with pytest.raises(ValueError, match="three different people"):
        grammar.Record("chess", ("ann", "ann", "eve"), (7, 4))


def test_the_shipped_reporter_writes_right_reports():
    model, tokenizer = load("grammar/reporter")
    drawn = grammar.records(np.random.default_rng(7), 60)
    written = tiny.sample(model, tokenizer, [record.prompt for record in drawn], 19, temperature=0).texts
    assert sum(text == record.report for text, record in zip(written, drawn)) >= 58
