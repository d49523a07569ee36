"""Recipes of the DOMAINS world: mixtures of experts in several layouts, and distilled students, by the rule of lesson 24."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from data import domains, write_card
from data.domains.layouts import D, HEADS, HIDDEN, fresh, spec
from utils.models.load import shipped
from utils.progress import progress

STEPS, BATCH, LEARNING_RATE, BALANCE = 350, 64, 4e-3, 0.01
STAGED = 0.4  # share of the steps with a teacher
LAYOUTS = ("F F F F", "F3 F3 F3 F3", "F12 F12 F12 F12", "F 16 F 16", "16 16 F F", "F F 16 16", "F 16t2 F 16t2", "F R16 F R16",
           "F 11t2 F 11t2", "F 6t2 F 16t2", "F R10 F R10", "F R4 F R16")
TEACHER, STUDENT = "F R4 F R16", "F R4 R16"
ARMS = {"alone": 0.0, "staged": STAGED, "to the end": 1.0}


def run_experts(x, choice, ups, downs):
    """FFN of the chosen expert for each of the S tokens x, (S, D): sort by expert, run each expert once, sort back."""
    order = choice.argsort(stable=True)
    groups = x[order].split(torch.bincount(choice, minlength=len(ups)).tolist())
    done = torch.cat([F.gelu(group @ up) @ down for group, up, down in zip(groups, ups, downs)])
    return torch.zeros_like(x).index_copy(0, order, done)


def mixture(x, P, l, k, run=run_experts):
    """Output of the mixture in layer l for tokens x, (S, D); its balance loss; the share of tokens that chose each expert first."""
    p = (x @ P[f"{l}.gate"]).softmax(-1)                       # (S, E)
    weight, choice = p.topk(k)                                 # (S, k)
    if k > 1:
        weight = weight / weight.sum(-1, keepdim=True)
    y = run(x.repeat_interleave(k, 0), choice.flatten(), P[f"{l}.ups"], P[f"{l}.downs"])
    share = torch.bincount(choice[:, 0], minlength=p.shape[1]) / len(x)
    return (weight[..., None] * y.view(len(x), k, D)).sum(1), p.shape[1] * (share * p.mean(0)).sum(), share


def forward(P, tokens, layout, run=run_experts):
    """Logits (batch, length, words), the summed balance loss, and the share of tokens per expert of each mixture."""
    batch, length = tokens.shape
    x, balance, shares = P["embed"][tokens] + P["place"][:length], 0, []
    for l, kind in enumerate(layout.split()):
        mlp, count, k = spec(kind)
        h = F.rms_norm(x, (D,), P[f"{l}.norms"][0])
        q, key, v = (h @ P[f"{l}.qkv"]).view(batch, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, key, v, is_causal=True).transpose(1, 2).reshape(batch, length, D)
        x = x + mixed @ P[f"{l}.out"]
        h = F.rms_norm(x, (D,), P[f"{l}.norms"][1]).reshape(-1, D)
        y = F.gelu(h @ P[f"{l}.up"]) @ P[f"{l}.down"] if mlp else 0
        if count:
            extra, loss, share = mixture(h, P, l, k, run)
            y, balance, shares = y + extra, balance + loss, [*shares, share]
        x = x + y.view(batch, length, D)
    return F.rms_norm(x, (D,), P["norm"]) @ P["head"], balance, shares


@torch.no_grad()
def expected_loss(P, tokens, layout) -> float:
    """Cross-entropy (nats per word) against the true probabilities of the next word."""
    logits = forward(P, tokens, layout)[0][:, 1:-1]
    return -(domains.truth(tokens) * logits.log_softmax(-1)).sum(-1).mean().item()


def train(layout, seed, steps=STEPS, teacher=None, until=0.0, test=None):
    """Weights after `steps` steps of cross-entropy + BALANCE * balance loss, and the test loss after each tenth of the steps.

    With a `teacher` (weights, layout), KL(teacher || student) is added for the first share `until` of the steps.
    """
    P, rng, curve = fresh(layout, torch.Generator().manual_seed(seed)), np.random.default_rng([seed, 1]), []
    weights = [weight.requires_grad_() for weight in P.values()]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    for step in progress(range(steps), layout):
        tokens = domains.texts(rng, BATCH)
        logits, balance, _ = forward(P, tokens, layout)
        logits = logits[:, 1:-1].flatten(0, 1)
        loss = F.cross_entropy(logits, tokens[:, 2:].flatten()) + BALANCE * balance
        if teacher and step < until * steps:
            with torch.no_grad():
                soft = forward(teacher[0], tokens, teacher[1])[0][:, 1:-1].flatten(0, 1).log_softmax(-1)
            loss = loss + F.kl_div(logits.log_softmax(-1), soft, log_target=True, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if test is not None and (step + 1) % (steps // 10) == 0:
            curve.append(round(expected_loss(P, test, layout), 4))
    return {name: weight.detach() for name, weight in P.items()}, curve


def _record(P, curve, layout, test) -> dict:
    return {"layout": layout, "loss": round(expected_loss(P, test, layout), 4), "curve": curve}


def _runs(folder: Path, run: int, keep: bool) -> None:
    curve_test, test = (domains.texts(np.random.default_rng([run, stream]), count) for stream, count in ((2, 128), (3, 512)))
    record, trained = {}, {}
    for layout in LAYOUTS:
        trained[layout], curve = train(layout, run, test=curve_test)
        record[layout] = _record(trained[layout], curve, layout, test)
    for arm, until in ARMS.items():
        P, curve = train(STUDENT, run, teacher=(trained[TEACHER], TEACHER), until=until, test=curve_test)
        trained[f"student {arm}"], record[f"student {arm}"] = P, _record(P, curve, STUDENT, test)
    (folder / "runs.json").write_text(json.dumps(record, indent=1) + "\n")
    if keep:
        for name, P in trained.items():
            save_file({key: weight.half() for key, weight in P.items()}, folder / f"{name.replace(' ', '_')}.safetensors")
    rows = [f"| {name} | {sum(weight.numel() for weight in trained[name].values()):,} | {entry['loss']:.3f} |"
            for name, entry in record.items()]
    write_card(folder, [
        f"Transformers of 4 layers (students: 3), width {D}, trained from fresh weights (seed {run}) on the DOMAINS world "
        f"(`data/domains`) for {STEPS} steps of {BATCH} texts, by the rule that lesson 24 writes out. A layout names the "
        f"feed-forward part of each layer: F an MLP of width {HIDDEN} (F3: three times as wide), 16 a mixture of 16 such experts with "
        "top-1 gating, 16t2 with top-2 gating, R16 an MLP beside a mixture. The students have the layout "
        f"{STUDENT} and the teacher {TEACHER} of this run: never, for the first {STAGED:.0%} of the steps, or to the end.", "",
        "`runs.json` holds per model its layout, its test loss on 512 fresh texts, and its loss on 128 others after each tenth of the "
        f"steps. {'The weights are stored in half precision, one file a model.' if keep else 'No weights.'} The test loss is the "
        f"cross-entropy with the true probabilities of the next word, in nats; no model can be below {domains.FLOOR:.4f}.", "",
        "| model | parameters | test loss |", "|---|---|---|", *rows], library="")


def run_0(folder: Path) -> None:
    """Every layout and student once, with weights."""
    _runs(folder, 0, keep=True)


def run_1(folder: Path) -> None:
    """A second training run of every layout and student: losses only."""
    _runs(folder, 1, keep=False)


def run_2(folder: Path) -> None:
    """A third training run of every layout and student: losses only."""
    _runs(folder, 2, keep=False)


def longer(folder: Path) -> None:
    """Students that train twice as long as their teacher, two runs: losses only."""
    P = {name: weight.float() for name, weight in load_file(shipped("domains/run_0") / "F_R4_F_R16.safetensors").items()}
    curve_test, test = (domains.texts(np.random.default_rng([0, stream]), count) for stream, count in ((2, 128), (3, 512)))
    record = {}
    for run in (10, 11):
        for arm, until in ARMS.items():
            student, curve = train(STUDENT, run, 2 * STEPS, (P, TEACHER), until, curve_test)
            record[f"student {arm}, run {run - 10}"] = _record(student, curve, STUDENT, test)
    (folder / "runs.json").write_text(json.dumps(record, indent=1) + "\n")
    write_card(folder, [
        f"Students of the layout {STUDENT} whose teacher is `domains/run_0`'s {TEACHER}, which trained for {STEPS} steps; they train "
        f"for {2 * STEPS}, with the teacher never, for the first {STAGED:.0%} of the steps, or to the end; two runs of each. "
        "Otherwise as `domains/run_0`, by the rule of lesson 24. `runs.json` is as there; no weights.", "",
        "| model | test loss |", "|---|---|", *[f"| {name} | {entry['loss']:.3f} |" for name, entry in record.items()]], library="")


RECIPES = [run_0, run_1, run_2, longer]
