"""Tokenizer, training loop and sampler of the tiny models, on the shipped reasoner and on fresh weights."""
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, PreTrainedTokenizerFast

from data import chains
from utils.models import tiny
from utils.models.load import load

WORDS = ("<pad>", "<bos>", "<eos>", "x", "y", ".")
PROBLEMS = chains.problems(np.random.default_rng(0), 20)
PROMPTS = [problem.prompt for problem in PROBLEMS]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def reasoner():
    return load("chains/imperfect")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_tokenizer_is_a_real_one_and_survives_saving(tmp_path):
    tokenizer = tiny.word_tokenizer(WORDS)
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert tiny.encode(again, ["<bos> x . y <eos>", "y"]) == [[1, 3, 5, 4, 2], [4]]
    assert again.decode([1, 3, 5, 4, 2]) == "<bos> x . y <eos>"


def test_encode_names_what_it_cannot_read():
    tokenizer = tiny.word_tokenizer(WORDS)
    with pytest.raises(ValueError, match="'z' in 'x z' is not in the vocabulary of 6 words"):
        tiny.encode(tokenizer, ["x", "x z"])
    with pytest.raises(ValueError, match="a text to encode is empty"):
        tiny.encode(tokenizer, ["x", " "])
    with pytest.raises(ValueError, match="each word once"):
        tiny.word_tokenizer(["<pad>", "<bos>", "<eos>", "x", "x"])


def test_pack_labels_responses_only():
    input_ids, labels = tiny.pack(tiny.word_tokenizer(WORDS), ["<bos> x", "<bos>"], ["y <eos>", "<eos>"])
    assert input_ids.tolist() == [[1, 3, 4, 2], [1, 2, 0, 0]]
    assert labels.tolist() == [[-100, -100, 4, 2], [-100, 2, -100, -100]]


@pytest.mark.parametrize("sizes", [{}, {"config_class": GPT2Config, "n_embd": 32, "n_layer": 1, "n_head": 2}])
def test_training_learns_and_is_deterministic(sizes):
    tokenizer = tiny.word_tokenizer(WORDS)

    def run():
        model = tiny.causal_lm(tokenizer, seed=1, **sizes)
        losses = tiny.fit(model, lambda step: tiny.pack(tokenizer, ["<bos> x"] * 4, ["y . <eos>"] * 4), 30, warmup=3)
        return model, losses
    before = torch.random.get_rng_state()
    (model, losses), (_, again) = run(), run()
    assert losses == again and losses[-1] < 0.2 * losses[0]
    assert torch.equal(before, torch.random.get_rng_state())  # fresh weights leave the global generator alone
    assert tiny.sample(model, tokenizer, ["<bos> x"], 5, temperature=0).texts == ["y . <eos>"]


def test_a_loss_of_ones_own():
    tokenizer = tiny.word_tokenizer(WORDS)
    model = tiny.causal_lm(tokenizer, seed=1)
    batch = tiny.pack(tokenizer, ["<bos>"], ["x <eos>"])
    doubled = tiny.fit(model, lambda step: batch, 1, loss=lambda *parts: 2 * tiny.lm_loss(*parts))
    assert doubled[0] == pytest.approx(2 * tiny.lm_loss(tiny.causal_lm(tokenizer, seed=1), *batch).item(), rel=1e-5)


def test_the_schedule_is_the_documented_one():
    steps, lr, decay = 10, 0.5, 0.2  # without a gradient AdamW only decays: each step multiplies by 1 - rate * decay
    idle = lambda model: 0 * model.weight.sum()  # noqa: E731

    def left(**options):
        model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(model.weight)
        tiny.fit(model, lambda step: (), steps, lr, warmup=2, loss=idle, **options)
        return model.weight.item()

    cosine = lambda share: 0.1 + 0.9 * (1 + np.cos(np.pi * share)) / 2  # noqa: E731
    whole = [min(1, (step + 1) / 2) * cosine(step / steps) for step in range(steps)]
    late = [min(1, (step + 1) / 2) * cosine(max(0, step - 5) / 5) for step in range(steps)]
    for decay_from, factors in ((0.0, whole), (0.5, late)):
        expected = np.prod([1 - lr * factor * decay for factor in factors])
        assert left(weight_decay=decay, decay_from=decay_from, floor=0.1) == pytest.approx(expected, rel=1e-5)
    assert left() == 1
    with pytest.raises(ValueError, match="decay_from = 1"):
        left(decay_from=1.0)


def test_greedy_sampling_agrees_with_generate(reasoner):
    model, tokenizer = reasoner
    rollouts = tiny.sample(model, tokenizer, PROMPTS, 60, temperature=0)
    for i, prompt in enumerate(PROMPTS[:7]):  # one by one: no padding, no dropped rows
        ids = torch.tensor(tiny.encode(tokenizer, [prompt]))
        expected = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=60, do_sample=False)
        assert rollouts.texts[i] == tokenizer.decode(expected[0, ids.shape[1]:])
        assert rollouts.prompts[i] == ids[0].tolist()


def test_rollouts_are_consistent_and_their_log_probs_are_those_of_a_fresh_pass(reasoner):
    model, tokenizer = reasoner
    rollouts = tiny.sample(model, tokenizer, PROMPTS, 60, generator=seeded())
    again = tiny.sample(model, tokenizer, PROMPTS, 60, generator=seeded())
    assert rollouts.texts == again.texts and rollouts.texts != tiny.sample(model, tokenizer, PROMPTS, 60, generator=seeded(1)).texts
    assert rollouts.lengths.tolist() == [len(text.split()) for text in rollouts.texts]
    assert rollouts.ended.tolist() == [text.endswith("<eos>") for text in rollouts.texts]
    written = torch.arange(rollouts.tokens.shape[1]) < rollouts.lengths[:, None]
    assert (rollouts.tokens[~written] == tokenizer.pad_token_id).all() and (rollouts.log_probs[~written] == 0).all()

    rows = rollouts.lengths.argsort()[5:]
    logits = tiny.response_logits(model, rollouts, rows).detach()
    logits[:, :, model.generation_config.suppress_tokens] = -torch.inf
    taken = torch.log_softmax(logits, -1).gather(2, rollouts.tokens[rows, :logits.shape[1], None])[:, :, 0]
    assert torch.allclose(taken[written[rows, :logits.shape[1]]], rollouts.log_probs[rows][written[rows]], atol=1e-4)


def test_first_and_banned_words(reasoner):
    model, tokenizer = reasoner
    for style, words in chains.FIRST_WORDS.items():
        assert all(text.split()[0] in words for text in tiny.sample(
            model, tokenizer, PROMPTS, 4, generator=seeded(), first=words).texts)
    hot = tiny.sample(model, tokenizer, PROMPTS * 5, 40, temperature=8.0, generator=seeded(), banned=("so",))
    used = set(" ".join(hot.texts).split())
    assert "we" in used and not used & {"so", "<pad>", "<bos>", *chains.RESERVED}


def test_hooks_see_the_sampler_and_can_steer_it(reasoner):
    model, tokenizer = reasoner
    shapes = []

    def hook(module, inputs, output):
        shapes.append(tuple(output.shape))
        return torch.zeros_like(output)
    handle = model.model.layers[-1].register_forward_hook(hook)
    steered = tiny.sample(model, tokenizer, PROMPTS, 6, generator=seeded())
    handle.remove()
    assert shapes[:2] == [(20, 14, 64), (20, 1, 64)] and len(shapes) == 6
    assert steered.texts != tiny.sample(model, tokenizer, PROMPTS, 6, generator=seeded()).texts


@pytest.mark.parametrize("arguments, message", [
    (dict(prompts=[]), "there are no prompts"),
    (dict(prompts=["<bos> a= 1", ""]), "a text to encode is empty"),
    (dict(prompts=["<bos> a= eleven"]), "'eleven' in '<bos> a= eleven' is not in the vocabulary of 108 words"),
    (dict(prompts=PROMPTS, max_new_tokens=120), "a prompt of 14 tokens and 120 new ones need 134 positions; the model has 128"),
    (dict(prompts=PROMPTS, temperature=-1), "a temperature is zero .greedy. or positive; found -1"),
    (dict(prompts=PROMPTS, first=("eleven",)), "'eleven' is not a token of the vocabulary"),
    (dict(prompts=PROMPTS, first=("so",), banned=("so",)), "every word that may come first is banned: so"),
])
def test_the_sampler_names_bad_input(reasoner, arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny.sample(*reasoner, **arguments)
