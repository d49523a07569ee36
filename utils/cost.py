"""Measuring cost: interleaved timing, FLOPs, bytes, and a ledger from tokens and FLOPs to joules and dollars."""
from __future__ import annotations

import timeit
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.utils import benchmark
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Constant:
    """A number taken from elsewhere, with its unit and its source."""

    value: float
    unit: str
    source: str


# What one accelerator does and costs. These turn counted work into joules and dollars; they measure nothing themselves.
H100_FLOPS = Constant(989e12, "FLOP/s", "NVIDIA H100 SXM data sheet, dense BF16 peak")
H100_BANDWIDTH = Constant(3.35e12, "B/s", "NVIDIA H100 SXM data sheet, HBM3")
H100_POWER = Constant(700.0, "W", "NVIDIA H100 SXM data sheet, maximum thermal design power")
H100_PRICE = Constant(7.516, "$/h", "assumption that fits the single-type costs which Mélange charts (arXiv 2404.14527)")
UTILISATION = Constant(0.40, "of peak FLOP/s", "assumption; PaLM trained at 46 % model FLOPs utilisation (arXiv 2204.02311)")


@dataclass
class Race:
    """Seconds per call of several functions, measured in turn; row = round, column = function."""

    names: list[str]
    seconds: np.ndarray  # (rounds, functions)

    def median(self, name: str) -> float:
        """Median seconds per call of the function `name`."""
        return float(np.median(self.seconds[:, self.names.index(name)]))

    def ratios(self, slow: str, fast: str) -> np.ndarray:
        """Seconds of `slow` over seconds of `fast`, round by round, so that machine noise shared by a round cancels."""
        return self.seconds[:, self.names.index(slow)] / self.seconds[:, self.names.index(fast)]

    def ratio(self, slow: str, fast: str) -> float:
        """Median over rounds of `ratios(slow, fast)`: how many times faster `fast` is."""
        return float(np.median(self.ratios(slow, fast)))

    def spread(self, slow: str, fast: str) -> tuple[float, float]:
        """First and third quartile of `ratios(slow, fast)`."""
        low, high = np.percentile(self.ratios(slow, fast), [25, 75])
        return float(low), float(high)


def compare(*functions, names: list[str] | None = None, rounds: int = 9, min_seconds: float = 0.01) -> Race:
    """Time zero-argument `functions` against each other: warm up, then `rounds` rounds in which each runs once in turn.

    Every measurement repeats its call until about `min_seconds` pass and waits for an accelerator to finish
    (`torch.utils.benchmark.timer`); the order rotates from round to round, and each call must leave its inputs as it
    found them. `names` default to the functions' names. Raises ValueError for fewer than two functions or for names
    that are not one per function and distinct.
    """
    names = names or [function.__name__ for function in functions]
    if len(functions) < 2 or len(names) != len(functions) or len(set(names)) != len(names):
        raise ValueError(f"compare takes two or more functions with distinct names, got {len(functions)} named {names}")
    timers = [timeit.Timer(run, timer=benchmark.timer) for run in functions]
    once = [min(timer.repeat(2, number=1)) for timer in timers]
    calls = [max(1, int(np.ceil(min_seconds / seconds))) for seconds in once]
    seconds = np.empty((rounds, len(functions)))
    for i in range(rounds):
        for j in np.roll(np.arange(len(functions)), i):
            seconds[i, j] = timers[j].timeit(calls[j]) / calls[j]
    return Race(names, seconds)


def _attention_flops(query, key, value, *args, out_shape=None, **kwargs) -> int:
    """FLOPs of one scaled-dot-product attention from its operands' shapes (batch, heads, length, d_head); masks save nothing."""
    batch, heads, n_query, d_head = query
    return 2 * batch * heads * n_query * key[2] * (d_head + value[3])


def count_flops(function, *args, **kwargs) -> int:
    """Floating-point operations of the matrix products in one call `function(*args, **kwargs)`.

    A multiply-add counts as 2. Counted by `torch.utils.flop_counter` from the shapes of matmul, convolution and
    attention calls; element-wise work (norms, activations, softmax) is not counted.
    """
    cpu_attention = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
    with FlopCounterMode(display=False, custom_mapping=cpu_attention) as counter, torch.no_grad():
        function(*args, **kwargs)
    return counter.get_total_flops()


def nbytes(thing) -> int:
    """Bytes held by a tensor, array, `nn.Module` (parameters and buffers), `transformers` cache, or a nest of these.

    A tensor met twice counts once (tied weights); tensors on the meta device count what they would hold. Raises
    TypeError for anything else.
    """
    seen: dict[int, int] = {}
    states = ("keys", "values", "_quantized_keys", "_quantized_values", "conv_states", "recurrent_states")

    def visit(item):
        if isinstance(item, torch.Tensor):
            key = item.data_ptr() or id(item)
            seen[key] = max(seen.get(key, 0), item.nbytes)
        elif isinstance(item, np.ndarray):
            seen[item.ctypes.data] = item.nbytes
        elif isinstance(item, torch.nn.Module):
            visit([*item.parameters(), *item.buffers()])
        elif hasattr(item, "layers"):
            held = [getattr(layer, name, None) for layer in item.layers for name in states]
            parts = [part for state in held for part in (state.values() if isinstance(state, dict) else [state])]
            visit([part for part in parts if part is not None])
        elif hasattr(item, "self_attention_cache"):
            visit([item.self_attention_cache, item.cross_attention_cache])
        elif isinstance(item, dict):
            visit(list(item.values()))
        elif isinstance(item, (list, tuple)):
            for part in item:
                visit(part)
        else:
            raise TypeError(f"nbytes counts tensors, arrays, modules and caches, not {type(item).__name__}")

    visit(thing)
    return sum(seen.values())


def n_params(module: torch.nn.Module) -> int:
    """Number of parameters of `module`; tied weights count once."""
    return sum(parameter.numel() for parameter in module.parameters())


def joules(flops: float) -> float:
    """Energy in joules of `flops` on an H100: peak power over the FLOP/s it sustains (`H100_POWER`, `UTILISATION`)."""
    return flops * H100_POWER.value / (H100_FLOPS.value * UTILISATION.value)


def dollars(flops: float) -> float:
    """Rent in dollars of `flops` on an H100 at `H100_PRICE` per hour and `UTILISATION` of its peak."""
    return flops / (H100_FLOPS.value * UTILISATION.value) / 3600 * H100_PRICE.value


@dataclass
class Ledger:
    """What a pipeline spent, entry by entry: model calls, tokens read and written, FLOPs.

    Joules and dollars follow from FLOPs through the module's sourced constants, so they are estimates for an H100 that
    is busy with arithmetic; decoding small batches waits for memory and costs more (lesson 01).
    """

    entries: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, name: str, calls: int = 1, tokens_in: int = 0, tokens_out: int = 0, flops: float = 0) -> None:
        """Add a cost under `name` (a model, a stage); repeated names accumulate. Raises ValueError for a negative cost."""
        cost = {"calls": calls, "tokens_in": tokens_in, "tokens_out": tokens_out, "flops": flops}
        if negative := [key for key, value in cost.items() if value < 0]:
            raise ValueError(f"the ledger takes costs of zero or more; {negative[0]} of {name!r} is {cost[negative[0]]}")
        entry = self.entries.setdefault(name, dict.fromkeys(cost, 0))
        for key, value in cost.items():
            entry[key] += value

    def total(self, key: str) -> float:
        """Sum over all entries of `key`: calls, tokens_in, tokens_out, flops, joules or dollars."""
        if key in ("joules", "dollars"):
            return (joules if key == "joules" else dollars)(self.total("flops"))
        return sum(entry[key] for entry in self.entries.values())

    def __repr__(self) -> str:
        rows = [f"{'':16}{'calls':>8}{'tokens in':>12}{'tokens out':>12}{'GFLOP':>12}{'J':>11}{'$':>11}"]
        total = {key: self.total(key) for key in ("calls", "tokens_in", "tokens_out", "flops")}
        for name, entry in [*self.entries.items(), ("total", total)]:
            rows.append(f"{name:16}{entry['calls']:8,.0f}{entry['tokens_in']:12,.0f}{entry['tokens_out']:12,.0f}"
                        f"{entry['flops'] / 1e9:12,.3f}{joules(entry['flops']):11.3g}{dollars(entry['flops']):11.3g}")
        return "\n".join(rows)
