"""Cost meters against numbers that can be worked out by hand."""
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from utils import cost


def test_flops_of_a_matrix_product_and_of_attention():
    a, b = torch.zeros(3, 5), torch.zeros(5, 7)
    assert cost.count_flops(lambda: a @ b) == 2 * 3 * 5 * 7
    q = torch.zeros(2, 4, 16, 8)
    assert cost.count_flops(F.scaled_dot_product_attention, q, q, q) == 2 * 2 * (2 * 4 * 16 * 16 * 8)
    k = torch.zeros(2, 4, 24, 8)
    assert cost.count_flops(F.scaled_dot_product_attention, q, k, k) == 2 * 2 * (2 * 4 * 16 * 24 * 8)


def test_bytes_count_shared_tensors_once():
    layer = torch.nn.Linear(4, 4, bias=False)
    tied = torch.nn.ModuleList([layer, layer])
    assert cost.nbytes(tied) == 64 and cost.n_params(tied) == 16
    both = torch.zeros(2, 8)
    assert cost.nbytes([both[0], both[1]]) == 64
    assert cost.nbytes({"a": np.zeros(3), "b": (torch.zeros(2),)}) == 24 + 8
    assert cost.nbytes(torch.nn.Linear(8, 4, device="meta")) == 4 * (8 * 4 + 4), "the meta device holds no data, but has sizes"
    with pytest.raises(TypeError, match="not str"):
        cost.nbytes(["text"])


def test_bytes_of_a_cache():
    from transformers import LlamaConfig, LlamaForCausalLM
    model = LlamaForCausalLM(LlamaConfig(vocab_size=11, hidden_size=16, num_hidden_layers=3, num_attention_heads=4,
                                         num_key_value_heads=2, intermediate_size=8))
    cache = model(torch.zeros(5, 7, dtype=torch.long), use_cache=True).past_key_values
    assert cost.nbytes(cache) == 2 * 3 * 5 * 7 * (2 * 4) * 4  # k and v, layers, batch, length, kv heads * d_head, float32


def test_compare_sees_a_threefold_difference():
    race = cost.compare(lambda: time.sleep(0.006), lambda: time.sleep(0.002), names=["slow", "fast"], rounds=5)
    low, high = race.spread("slow", "fast")
    assert low <= race.ratio("slow", "fast") <= high and 1.5 < race.ratio("slow", "fast") < 4
    assert race.median("slow") > race.median("fast") and race.seconds.shape == (5, 2)
    with pytest.raises(ValueError, match="two or more functions with distinct names"):
        cost.compare(time.time, names=["alone"])


def test_ledger_adds_up():
    ledger = cost.Ledger()
    ledger.add("small", tokens_in=100, tokens_out=10, flops=1e9)
    ledger.add("small", tokens_in=50, flops=1e9)
    ledger.add("large", calls=2, tokens_out=5, flops=4e9)
    assert [ledger.total(key) for key in ("calls", "tokens_in", "tokens_out", "flops")] == [4, 150, 15, 6e9]
    assert ledger.total("joules") == pytest.approx(6e9 * 700 / (989e12 * 0.4))
    assert ledger.total("dollars") == pytest.approx(6e9 / (989e12 * 0.4) / 3600 * 7.516)
    assert repr(ledger).splitlines()[-1].startswith("total")
    with pytest.raises(ValueError, match="tokens_in of 'small' is -1"):
        ledger.add("small", tokens_in=-1)
