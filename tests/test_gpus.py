"""The GPUS world: the roofline's formulas at a point worked out by hand, its limits, and the replay against it."""
import numpy as np
import pytest

from data import gpus

ENGINE = gpus.Engine(small=0.5, large=0.5, bandwidth=0.8, overhead=1e-4)


def test_one_request_alone_takes_its_prefill_and_its_steps():
    reading, per_token, computing = (term[1] for term in gpus.step_terms(ENGINE))   # the A10G
    tpots, waits = gpus.serve(1, [3.0], np.array([[100, 50]]), ENGINE)
    steps = [max(reading + per_token * (100 + done), computing) + ENGINE.overhead for done in range(50)]
    assert waits[0] == pytest.approx(steps[0] + 100 * computing)
    assert tpots[0] == pytest.approx(np.mean(steps[1:]))


def test_throughput_never_falls_when_the_objective_loosens_and_is_zero_where_it_cannot_be_met():
    by_objective = np.stack([gpus.max_throughput(250, 250, tpot, ENGINE) for tpot in (0.001, 0.04, 0.08, 0.16, np.inf)])
    assert (by_objective[0] == 0).all() and (np.diff(by_objective, axis=0) >= 0).all() and (by_objective[-1] > 0).all()
    assert (gpus.max_throughput(14_000, 1_000, np.inf, ENGINE) > 0).tolist() == [False, False, True, True]  # memory


def test_an_overloaded_gpu_falls_behind():
    requests, capacity = np.tile([100, 250], (600, 1)), gpus.max_throughput(100, 250, 0.120, ENGINE)[1]
    kept_up, behind = (gpus.serve(1, np.arange(600) / (share * capacity), requests, ENGINE)[1].max() for share in (0.9, 3.0))
    assert kept_up < 2 < 10 < behind


def test_requests_are_drawn_by_kind():
    mixed = gpus.sample_requests("mixed", 1000, np.random.default_rng(0))
    assert mixed.shape == (1000, 2) and mixed.min() >= 1 and mixed[:, 0].max() <= gpus.KINDS["long"].input_max
    with pytest.raises(ValueError, match="short, long or mixed; found 'chat'"):
        gpus.sample_requests("chat", 10, np.random.default_rng(0))
