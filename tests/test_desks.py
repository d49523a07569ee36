"""The DESKS world: requests, tools that fail, and the judge that reads the database."""
import numpy as np
import pytest

from data import desks


@pytest.fixture(scope="module")
def company():
    return desks.Company(71)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_scenarios_are_the_19_of_the_benchmark(company):
    runs = company.scenarios(rng())
    assert [run.kind for run in runs] == ["refund"] * 7 + ["trip"] * 6 + ["post"] * 6
    assert runs[4].down == {"Stripe", "Razorpay"} and not runs[4].firm and runs[0].down == {"-"}
    assert [run.text for run in company.scenarios(rng())] == [run.text for run in runs]
    assert all(run.total < company.limit for run in runs)


def test_a_tool_leaves_its_effects_and_a_broken_one_leaves_none(company):
    run, other = company.requests(rng(), [("refund", True, {"Stripe", "ImageMod"}), ("refund", True, set())])
    assert desks.attempt(run, "CRM") and not desks.attempt(run, "Stripe") and not desks.attempt(run, "Fax")
    assert not desks.attempt(run, "text/ImageMod") and desks.attempt(run, "Concierge")
    assert run.steps == [("CRM", "OK"), ("Stripe", "FAIL"), ("Fax", "FAIL"), ("text/ImageMod", "FAIL"), ("Concierge", "OK")]
    assert desks.judge(run) == "ok" and desks.judge(other) == "SILENT"


def test_late_answers_and_flaky_services(company):
    run, = company.requests(rng(), [("refund", False, set())])
    run.late, run.flaky = {"Stripe"}, {"CRM": 2}
    assert [desks.attempt(run, tool) for tool in ("CRM", "CRM", "CRM", "Stripe", "Razorpay")] == [False, False, True, False, True]
    assert desks.judge(run) == "DOUBLE"


@pytest.mark.parametrize("tools, firm, outcome", [
    ("CRM Stripe Email", True, "ok"), ("CRM StoreCredit", False, "demoted"), ("CRM StoreCredit", True, "SILENT"),
    ("CRM Stripe Letter", False, "demoted"), ("CRM Letter", False, "SILENT"), ("CRM Stripe StoreCredit", False, "DOUBLE"),
    ("CRM Stripe Stripe Email", False, "DOUBLE"), ("", False, "SILENT")])
def test_the_judge_reads_rows(company, tools, firm, outcome):
    run, = company.requests(rng(), [("refund", firm, set())])
    assert all(desks.attempt(run, tool) for tool in tools.split())
    assert desks.judge(run) == outcome
    if outcome != "DOUBLE":
        desks.escalate(run, "why not")
        assert desks.judge(run) == "escalated" and run.log == [("escalate", "why not")]


@pytest.mark.parametrize("kind, firm, down, outcome", [
    ("refund", True, {"Stripe", "Email"}, "ok"), ("refund", False, {"Stripe", "Razorpay"}, "demoted"),
    ("refund", False, {"CRM"}, "escalated"), ("refund", False, {"Email", "SMS", "StoreCredit"}, "demoted"),
    ("refund", False, {"Email", "SMS", "StoreCredit", "Letter"}, "escalated"), ("trip", False, {"Payment"}, "demoted"),
    ("trip", False, {"FlightAPI", "TrainAPI"}, "escalated"), ("trip", True, {"Payment"}, "escalated"),
    ("post", False, {"ImageMod", "VideoMod"}, "demoted"), ("post", False, {"ToxicityScorer", "HumanQueue"}, "escalated")])
def test_the_best_outcome_follows_from_what_is_down(company, kind, firm, down, outcome):
    run, = company.requests(rng(), [(kind, firm, down)])
    assert desks.best(run) == outcome


def test_random_runs_break_services_at_their_rates(company):
    runs = company.random_runs(rng(), 900, 0.1, 0.3)
    shares = [np.mean([len(run.down) / len(desks.SERVICES) for run in runs[i::2]]) for i in range(2)]
    assert shares == pytest.approx([0.1, 0.3], abs=0.02) and {run.kind for run in runs} == set(desks.STEPS)
