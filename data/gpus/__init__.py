"""GPUS: four types of GPU that serve Llama-2-7B, simulated by a roofline, and the traffic that they serve.

    T = max_throughput(100, 250, 0.120, engine)             # (4,) requests/s of 100 + 250 tokens within 120 ms a token
    requests = sample_requests("mixed", 1000, rng)          # (1000, 2) input and output lengths
    tpots, waits = serve(1, arrivals, requests, engine)     # replay on one A10G, request by request

A step makes one token for each of the b requests in the batch. It reads the weights (W bytes) and the cache (kv bytes for each
of i + o/2 tokens, the average over a request's life) and computes 2P FLOPs per token; the slower sets the pace. Each sequence
adds h seconds. While a request makes its o tokens, each of the b - 1 other places is refilled once, and a refill stops everybody
for a prefill of i tokens. With data-sheet peaks BW and F and efficiencies eta_b and eta_f:

    prefill = 2 P i / (eta_f F)
    TPOT(b) = max((W + b (i + o/2) kv) / (eta_b BW), 2 P b / (eta_f F)) + h b + (b - 1) prefill / o
    T(b) = b / (o TPOT(b) + prefill)

T grows with b, so a GPU takes the largest batch that its memory and the objective allow. Every array over types is in the
order of `NAMES`. Speeds and memory: NVIDIA's data sheets. Prices of A10G and A100: `example.json` of
github.com/tyler-griggs/melange-release; those of L4 and H100 are inferred from its chart for short chats at 1 request/s, where
one L4 with one A10G is the cheapest, three L4 cost about 1.2 times as much and one H100 4.4 times. `PUBLISHED`, `BEST` and `BY_SLO`
are read off its figures a100-v-a10g-2.png, all-gpus-best-2.png and a100-v-a10g-slo-grid-2.png.
"""
from __future__ import annotations

import heapq
import itertools
from collections import namedtuple

import numpy as np

from utils import cost

NAMES = ["L4", "A10G", "A100", "H100"]
PRICE = np.array([0.70, 1.01, 3.67, cost.H100_PRICE.value])                     # $/h
BANDWIDTH = np.array([300e9, 600e9, 1935e9, cost.H100_BANDWIDTH.value])         # B/s
FLOPS = np.array([121e12, 70e12, 312e12, cost.H100_FLOPS.value])                # dense fp16 FLOP/s
MEMORY = np.array([24e9, 24e9, 80e9, 80e9])                                     # B
SMALL = MEMORY < 40e9

N_PARAMS, N_LAYERS, D_MODEL = 6.738e9, 32, 4096                                 # Llama-2-7B in fp16
WEIGHTS = 2 * N_PARAMS                                                          # B
KV = 2 * 2 * N_LAYERS * D_MODEL                                                 # B per cached token
CAPACITY = (0.9 * MEMORY - WEIGHTS - 1e9) / KV                                  # cached tokens; 1 GB for activations
MAX_BATCH = 256                                                                 # vLLM's default for max_num_seqs

LENGTHS = np.array([25, 100, 250, 500, 1000, 2000])                             # tokens, both axes of PUBLISHED
PUBLISHED = np.array([[72, 52, 20, 17, 13, 11],                                 # rows: output; columns: input length
                      [52, 25, 15, 1, -1, -4],                                  # +72: the A10G makes 72 % more tokens per $
                      [28, 11, 2, 1, -8, -13],                                  # -38: the A100 makes 38 % more
                      [12, 2, 1, -4, -17, -21],
                      [-6, -10, -11, -11, -18, -20],
                      [-8, -10, -13, -17, -18, -38]])
INPUTS = np.array([*LENGTHS, 4000, 8000, 12000, 16000])                         # columns of BEST; its rows are LENGTHS
BEST = np.array([["LGAH".index(letter) for letter in row] for row in            # most tokens per $; G: the A10G
                 "LGGGGGAAHH GGGGAAAHHH GGGGAAAHHH GGGAAAAHHH AAAAAAAHHH AAAAAAHHHH".split()])
SIZES, OBJECTIVES = np.array([25, 64, 100, 250, 500]), np.array([40, 60, 80, 100, 120, 140, 160])   # in = out; ms
BY_SLO = np.array([[-119, -11, 5, 27, 32, 44, 42], [-97, -11, 6, 21, 38, 46, 41], [-99, -8, 14, 20, 20, 19, 19],
                   [-91, -22, -26, -24, -24, -24, -24], [-109, -60, -61, -61, -61, -61, -61]])   # signs as in PUBLISHED

Engine = namedtuple("Engine", "small large bandwidth overhead")   # eta_f of 24 and 80 GB cards, eta_b, h in s
Lengths = namedtuple("Lengths", "input_mean input_sd output_mean output_sd input_max output_max")   # of the log-lengths
KINDS = {"short": Lengths(4.6, 1.1, 5.0, 0.8, 2000, 1000), "long": Lengths(8.0, 0.4, 5.2, 0.5, 8000, 2000)}


def step_terms(engine):
    """Seconds to read the weights, to read one cached token, to compute one token; each of shape (4,)."""
    flops = np.where(SMALL, engine.small, engine.large) * FLOPS
    return WEIGHTS / (engine.bandwidth * BANDWIDTH), KV / (engine.bandwidth * BANDWIDTH), 2 * N_PARAMS / flops


def max_throughput(input_len, output_len, tpot, engine):
    """T: the most requests/s of one size that one GPU sustains within `tpot` seconds per output token; (..., 4)."""
    i, o = (np.asarray(length, float)[..., None] for length in np.broadcast_arrays(input_len, output_len))
    read_weights, read_token, compute = step_terms(engine)
    prefill, context = compute * i, i + o / 2
    per_request = engine.overhead + prefill / o
    by_bandwidth = (tpot - read_weights + prefill / o) / (read_token * context + per_request)
    by_compute = (tpot + prefill / o) / (compute + per_request)
    batch = np.minimum.reduce([by_bandwidth, by_compute, CAPACITY / context, np.full(by_compute.shape, MAX_BATCH)])
    batch = np.where(i + o <= CAPACITY, np.floor(np.maximum(batch, 0)), 0)
    cycle = o * (np.maximum(read_weights + batch * context * read_token, batch * compute) + batch * per_request)
    return batch / cycle


def log_ratio(input_len, output_len, tpot, engine):
    """Log of tokens per dollar, A10G over A100; positive where the A10G is cheaper."""
    per_dollar = max_throughput(input_len, output_len, tpot, engine) / PRICE
    return np.log(per_dollar[..., 1] / per_dollar[..., 2])


def published_log(percent):
    """Percent as in PUBLISHED to a log ratio as in `log_ratio`: +72 and -72 are equally far from 0."""
    return np.sign(percent) * np.log1p(abs(percent) / 100)


def by_objective(engine):
    """Log ratios of the five sizes at the seven objectives of BY_SLO, (5, 7)."""
    return np.stack([log_ratio(SIZES, SIZES, ms / 1e3, engine) for ms in OBJECTIVES], axis=1)


def fit():
    """Every plausible engine, and the mean squared error of its log ratios on PUBLISHED (which states no objective)."""
    grid = [Engine(*values) for values in itertools.product(
        np.arange(3, 9) / 10, np.arange(2, 8) / 10, np.arange(60, 100, 5) / 100, np.arange(0, 11) / 1e4)]
    sizes, target = np.meshgrid(LENGTHS, LENGTHS), published_log(PUBLISHED)
    return grid, np.array([np.mean((log_ratio(*sizes, np.inf, engine) - target) ** 2) for engine in grid])


def sample_requests(kind, n, rng):
    """Return (n, 2) token counts, input and output: log-normal chats ("short"), documents ("long"), 80/20 of both ("mixed").

    Raises ValueError for another `kind`.
    """
    if kind not in (*KINDS, "mixed"):
        raise ValueError(f"requests are {', '.join(KINDS)} or mixed; found {kind!r}")
    if kind == "mixed":
        n_short = round(0.8 * n)
        parts = sample_requests("short", n_short, rng), sample_requests("long", n - n_short, rng)
        return rng.permutation(np.concatenate(parts))
    p = KINDS[kind]
    inputs = np.clip(rng.lognormal(p.input_mean, p.input_sd, n), 1, p.input_max)
    outputs = np.clip(rng.lognormal(p.output_mean, p.output_sd, n), 1, p.output_max)
    return np.ceil(np.stack([inputs, outputs], axis=1)).astype(int)


def serve(gpu, arrivals, requests, engine):
    """Run one GPU over its requests; return seconds per output token and seconds to the first token of each.

    A first-come queue: a request enters the batch when its average cache, i + o/2 tokens, fits, as `max_throughput` assumes.
    """
    read_weights, read_token, compute = (float(term[gpu]) for term in step_terms(engine))
    arrivals, inputs, outputs = np.asarray(arrivals).tolist(), requests[:, 0].tolist(), requests[:, 1].tolist()
    n, clock, step, k, context, reserved = len(arrivals), 0.0, 0, 0, 0, 0.0
    first, last, running = np.zeros(n), np.zeros(n), []          # running: heap of (step it ends at, request)
    while k < n or running:
        if not running:
            clock = max(clock, arrivals[k])
        admitted, prompt = k, 0
        while (k < n and arrivals[k] <= clock and len(running) < MAX_BATCH
               and reserved + inputs[k] + outputs[k] / 2 <= CAPACITY[gpu]):
            heapq.heappush(running, (step + outputs[k], k))
            reserved += inputs[k] + outputs[k] / 2
            prompt += inputs[k]
            k += 1
        context += prompt
        batch = len(running)
        clock += max(read_weights + read_token * context, compute * batch) + engine.overhead * batch + compute * prompt
        first[admitted:k] = clock
        context, step = context + batch, step + 1
        while running and running[0][0] <= step:
            _, done = heapq.heappop(running)
            last[done] = clock
            context -= inputs[done] + outputs[done]
            reserved -= inputs[done] + outputs[done] / 2
    return (last - first) / np.maximum(requests[:, 1] - 1, 1), first - np.array(arrivals)
