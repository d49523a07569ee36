"""Tiny language models over `transformers` classes: a word tokenizer, models from config classes, training, sampling."""
from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig, PreTrainedTokenizerFast

from utils.progress import progress


def word_tokenizer(words) -> PreTrainedTokenizerFast:
    """A `PreTrainedTokenizerFast` with one token per word, separated by spaces; ids follow the order of `words`.

    `words` must hold <pad>, <bos> and <eos>, each word once, or ValueError is raised.
    """
    words = list(words)
    ids = {word: i for i, word in enumerate(words)}
    if len(ids) != len(words) or not {"<pad>", "<bos>", "<eos>"} <= set(ids):
        raise ValueError("a vocabulary holds each word once, and <pad>, <bos> and <eos> among them")
    tokenizer = Tokenizer(models.WordLevel(ids))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>",
                                   padding_side="left", clean_up_tokenization_spaces=False)


def encode(tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, nothing added. Raises ValueError for an empty text or a word outside the vocabulary."""
    if not all(text.strip() for text in texts):
        raise ValueError("a text to encode is empty; a prompt needs at least one token")
    try:
        ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    except Exception:  # a word-level tokenizer without an unknown token raises; name the word
        vocabulary = tokenizer.get_vocab()
        for text in texts:
            if unknown := [word for word in text.split() if word not in vocabulary]:
                raise ValueError(f"{unknown[0]!r} in {text!r} is not in the vocabulary of {len(vocabulary)} words") from None
        raise
    return ids


def causal_lm(tokenizer, seed: int, config_class=LlamaConfig, **sizes):
    """A causal language model with fresh weights from `seed`, for the vocabulary of `tokenizer`, in eval mode.

    `config_class`: any `transformers` config of a causal LM; `sizes` are its arguments. For LlamaConfig they default
    to 3 layers, width 64, 4 heads, MLP width 176, 128 positions, tied embeddings.
    """
    if config_class is LlamaConfig:
        sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 176,
                 "max_position_embeddings": 128, "tie_word_embeddings": True, "initializer_range": 0.06} | sizes
    config = config_class(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id,
                          bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config).eval()


def pack(tokenizer, prompts: list[str], responses: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Training batch (input_ids, labels), both (batch, longest text), padded on the right; only responses carry labels.

    Under a causal mask padding on the right is never seen, so no attention mask is needed.
    """
    prompts, responses = encode(tokenizer, prompts), encode(tokenizer, responses)
    rows = [prompt + response for prompt, response in zip(prompts, responses, strict=True)]
    input_ids = torch.full((len(rows), max(map(len, rows))), tokenizer.pad_token_id)
    labels = torch.full_like(input_ids, -100)
    for i, (row, prompt) in enumerate(zip(rows, prompts)):
        input_ids[i, :len(row)] = torch.tensor(row)
        labels[i, len(prompt):len(row)] = input_ids[i, len(prompt):len(row)]
    return input_ids, labels


def lm_loss(model, input_ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy in nats of the next token, over the positions whose label is not -100; both are (batch, length)."""
    return model(input_ids=input_ids, labels=labels, use_cache=False).loss


def fit(model, batch, steps: int, lr: float = 3e-3, warmup: int = 30, loss=lm_loss, description: str = "training",
        weight_decay: float = 0.0, decay_from: float = 0.6, floor: float = 0.03) -> list[float]:
    """Train `model` in place on `loss(model, *batch(step))`, a scalar; returns the loss of each step.

    `batch(step)` returns a tuple, for `lm_loss` that of `pack`. AdamW, gradient norm clipped at 1; the learning rate rises
    over `warmup` steps, stays until the share `decay_from` of `steps`, then falls along a cosine to `floor` times `lr`.
    Dropout stays off if the model is in eval mode. Deterministic when `batch` is and torch runs on one thread. Raises
    ValueError for a `decay_from` outside [0, 1).
    """
    if not 0 <= decay_from < 1:
        raise ValueError(f"the decay starts at a share of the steps in [0, 1); found decay_from = {decay_from}")

    def factor(step):
        decay = min(1.0, max(0.0, (step - decay_from * steps) / ((1 - decay_from) * steps)))
        return min(1.0, (step + 1) / max(warmup, 1)) * (floor + (1 - floor) * (1 + math.cos(math.pi * decay)) / 2)

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    losses = []
    for step in (bar := progress(range(steps), description)):
        optimizer.zero_grad()
        value = loss(model, *batch(step))
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(value.item())
        bar.set_postfix_str(f"loss ≈{losses[-1]:.3f}", refresh=False)
    return losses


@dataclass
class Rollouts:
    """Sampled responses: B rows, at most R tokens each, padded with the pad id after the end."""

    prompts: list[list[int]]  # B lists of token ids
    tokens: torch.Tensor      # (B, R) response ids, <eos> included
    lengths: torch.Tensor     # (B,) tokens in each response, <eos> included
    log_probs: torch.Tensor   # (B, R) log-probability in nats of each token when it was drawn; 0 after the end
    ended: torch.Tensor       # (B,) whether the response ended with <eos> before the limit
    texts: list[str]          # B decoded responses, <eos> included


def _ids(tokenizer, words) -> list[int]:
    """The token id of each word; ValueError for a word that is no single token."""
    vocabulary = tokenizer.get_vocab() if words else {}
    if unknown := [word for word in words if word not in vocabulary]:
        raise ValueError(f"{unknown[0]!r} is not a token of the vocabulary")
    return [vocabulary[word] for word in words]


@torch.no_grad()
def sample(model, tokenizer, prompts: list[str], max_new_tokens: int = 64, temperature: float = 1.0,
           generator: torch.Generator | None = None, first=(), banned=()) -> Rollouts:
    """Continue each prompt until <eos> or `max_new_tokens`; all rows in one batch with a key-value cache.

    `temperature` 0 is greedy decoding, otherwise tokens are drawn with `generator`. `first`: words of which the first
    token must be one (any when empty). `banned`: words never to be drawn, besides `model.generation_config.suppress_tokens`.
    `log_probs` are those of the distribution drawn from (for greedy decoding: at temperature 1). Forward hooks on the
    model see (rows, positions, width): the prompts, padded on the left, once, then one position per call; rows that ended
    are dropped from later calls. Raises ValueError for no prompt or an empty one, a word outside the vocabulary, a negative
    temperature, a first token that is banned, or a prompt that leaves too few of the model's positions.
    """
    ids = encode(tokenizer, prompts)
    longest, rows = max(map(len, ids), default=0), len(ids)
    if not rows:
        raise ValueError("there are no prompts to continue")
    if temperature < 0:
        raise ValueError(f"a temperature is zero (greedy) or positive; found {temperature}")
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit and longest + max_new_tokens > limit:
        raise ValueError(f"a prompt of {longest} tokens and {max_new_tokens} new ones need {longest + max_new_tokens} "
                         f"positions; the model has {limit}")
    ban = torch.zeros(model.config.vocab_size)
    ban[[*(model.generation_config.suppress_tokens or ()), *_ids(tokenizer, banned)]] = -math.inf
    ban_first = ban
    if len(first):
        ban_first = torch.full_like(ban, -math.inf)
        ban_first[_ids(tokenizer, first)] = ban[_ids(tokenizer, first)]
        if not ban_first.isfinite().any():
            raise ValueError(f"every word that may come first is banned: {' '.join(first)}")

    pad = torch.tensor([longest - len(row) for row in ids])
    input_ids = torch.tensor([[tokenizer.pad_token_id] * (longest - len(row)) + row for row in ids])
    mask = (torch.arange(longest) >= pad[:, None]).long()
    positions = (torch.arange(longest) - pad[:, None]).clamp(min=0)
    tokens = torch.full((rows, max_new_tokens), tokenizer.pad_token_id)
    log_probs = torch.zeros(rows, max_new_tokens)
    ended = torch.zeros(rows, dtype=torch.bool)
    live, cache = torch.arange(rows), DynamicCache()
    for t in range(max_new_tokens):
        logits = model(input_ids=input_ids, attention_mask=mask, position_ids=positions, past_key_values=cache,
                       use_cache=True, logits_to_keep=1).logits[:, -1]
        logits = logits / (temperature or 1.0) + (ban if t else ban_first)  # (live, vocabulary)
        scores = torch.log_softmax(logits, dim=-1)
        chosen = torch.multinomial(scores.exp(), 1, generator=generator) if temperature else scores.argmax(-1, keepdim=True)
        tokens[live, t] = chosen[:, 0]
        log_probs[live, t] = scores.gather(1, chosen)[:, 0]
        going = chosen[:, 0] != tokenizer.eos_token_id
        ended[live[~going]] = True
        if not going.any():
            break
        positions = positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
        if not going.all():
            keep = going.nonzero()[:, 0]
            live, chosen, positions, mask = live[keep], chosen[keep], positions[keep], mask[keep]
            cache.batch_select_indices(keep)
        input_ids = chosen
    tokens, log_probs = tokens[:, :t + 1], log_probs[:, :t + 1]
    ends = tokens == tokenizer.eos_token_id
    lengths = torch.where(ended, ends.int().argmax(1) + 1, t + 1)
    texts = tokenizer.batch_decode([row[:length] for row, length in zip(tokens.tolist(), lengths.tolist())])
    return Rollouts(ids, tokens, lengths, log_probs, ended, texts)


def response_logits(model, rollouts: Rollouts, rows: torch.Tensor | None = None) -> torch.Tensor:
    """The logits that predict each response token, recomputed in one pass with gradients: (rows, longest response, vocabulary).

    `rows`: indices of the rollouts to take (all when None). Positions past a response's length hold no meaning.
    """
    rows = torch.arange(len(rollouts.prompts)) if rows is None else rows
    starts = torch.tensor([len(rollouts.prompts[i]) for i in rows.tolist()])
    lengths = rollouts.lengths[rows]
    longest = int(lengths.max())
    input_ids = torch.zeros(len(rows), int((starts + lengths).max()), dtype=torch.long)  # right padding is never seen
    for line, i, start, length in zip(input_ids, rows.tolist(), starts.tolist(), lengths.tolist()):
        line[:start + length] = torch.cat([torch.tensor(rollouts.prompts[i]), rollouts.tokens[i, :length]])
    logits = model(input_ids=input_ids, use_cache=False).logits
    where = (starts[:, None] - 1 + torch.arange(longest)).clamp(max=input_ids.shape[1] - 1)
    return logits.gather(1, where[:, :, None].expand(-1, -1, logits.shape[-1]))
