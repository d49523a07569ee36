"""Small text encoders: vocabulary, the weighted bag, InfoNCE, search, metrics."""
import math

import numpy as np
import pytest
import torch

from utils import cost
from utils.models import encoders, tiny

TEXTS = ["my jacket leaks", "the jacket , red", "my kettle"]


def test_a_vocabulary_pads_and_leaves_unknown_words_out():
    vocabulary = encoders.Vocabulary(TEXTS)
    assert len(vocabulary) == 7 and vocabulary.words[0] == "<pad>"
    assert vocabulary(["My KETTLE!", "the new jacket leaks"]).tolist() == [[1, 6, 0], [4, 2, 3]]


@pytest.mark.parametrize("text", ["", " ?! ", "\n"])
def test_a_query_without_words_is_refused(text):
    with pytest.raises(ValueError, match="holds no word"):
        encoders.Vocabulary(TEXTS)([text])


def test_a_query_of_unknown_words_is_refused():
    with pytest.raises(ValueError, match="no word of 'hello there' is in the vocabulary"):
        encoders.Vocabulary(TEXTS)(["my jacket", "hello there"])


@pytest.mark.parametrize("sizes", [{}, {"hidden": 8}, {"hidden": 8, "out": 12}])
def test_the_bag_encoder_ignores_order_and_padding(sizes):
    model, again = (encoders.BagEncoder(7, 4, seed=1, **sizes) for _ in range(2))
    e = encoders.encode(model, torch.tensor([[1, 2, 3], [3, 1, 2], [1, 0, 0]]))
    assert e.shape == (3, sizes.get("out", 4)) and e.dtype == np.float32
    assert np.allclose(e[0], e[1], atol=1e-6) and np.allclose(np.linalg.norm(e, axis=1), 1, atol=1e-6)
    assert np.allclose(e[2], encoders.encode(again, torch.tensor([[1]]))[0], atol=1e-6)


def test_multiply_adds_are_those_of_the_layers():
    assert encoders.BagEncoder(7, 4).multiply_adds(5) == 20
    model = encoders.BagEncoder(7, 4, hidden=8, out=12)
    linear = cost.count_flops(model.mlp, model.linear(torch.zeros(1, 4))) // 2 + 4 * 12
    assert model.multiply_adds(5) == 20 + linear


def test_info_nce_masks_pairs_of_the_same_meaning():
    a = torch.eye(3)
    b = torch.eye(3)[[0, 1, 0]]
    masked = encoders.info_nce(a[[0, 1, 0]], b, torch.tensor([5, 6, 5]), temperature=1.0)
    by_hand = np.mean([-math.log(math.e / (math.e + 1)), -math.log(math.e / (math.e + 2)), -math.log(math.e / (math.e + 1))])
    assert masked.item() == pytest.approx(by_hand, abs=1e-6)
    assert encoders.info_nce(a[[0, 1, 0]], b, torch.tensor([5, 6, 7]), temperature=1.0) > masked


def test_contrastive_training_brings_meanings_together():
    rng = np.random.default_rng(0)
    model = encoders.BagEncoder(21, 8)

    def batch(step):  # words 1..10 mean what words 11..20 mean
        meaning = torch.from_numpy(rng.integers(1, 11, 32))
        return meaning[:, None], meaning[:, None] + 10, meaning

    losses = tiny.fit(model, batch, 60, lr=5e-2, warmup=1, loss=encoders.contrastive)
    assert losses[-1] < 0.2 < losses[0]
    ids = torch.arange(1, 21)[:, None]
    vectors = encoders.encode(model, ids)
    found = encoders.FlatIndex(vectors[10:]).search(vectors[:10], 1)[1][:, 0]
    assert found.tolist() == list(range(10))


def test_metrics_by_hand():
    hits = np.array([[True, False, True], [False, False, False]])
    assert encoders.ndcg(hits, 2).tolist() == pytest.approx([1.5 / (1 + 1 / math.log2(3)), 0])
    assert encoders.ndcg(np.ones((1, 3)), 10)[0] == pytest.approx(1)
    assert encoders.f_beta(0.73, 0.61) == pytest.approx(0.665, abs=1e-3)
    assert encoders.f_beta(0.73, 0.61, 0.5) == pytest.approx(0.702, abs=1e-3) and encoders.f_beta(0, 0) == 0
    with pytest.raises(ValueError, match="at least one relevant"):
        encoders.ndcg(hits, 0)


def test_the_flat_index_finds_what_sorting_finds_and_grows():
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(7, 4)).astype(np.float32)
    index = encoders.FlatIndex(vectors[:0])
    assert index.search(queries, 3)[1].shape == (7, 0)
    index.add(vectors[:20])
    index.add(vectors[20:])
    expected = np.argsort(-(queries @ vectors.T), axis=1)
    for k in (1, 10, 50, 80):
        scores, rows = index.search(queries, k)
        assert (rows == expected[:, :k]).all() and np.allclose(scores, np.take_along_axis(queries @ vectors.T, rows, 1))
    assert encoders.FlatIndex(np.ones((4, 2))).search(np.ones((1, 2)), 4)[1].tolist() == [[0, 1, 2, 3]]
    with pytest.raises(ValueError, match="1 or more rows"):
        index.search(queries, 0)
