"""Real processes for a lesson: start `size` ranks, join them in one gloo group, collect what each returns, leave none behind."""
from __future__ import annotations

import inspect
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from utils.settings import ROOT

# What each rank runs before and after the lesson's own functions. Ranks meet through a file: no port to be taken by others.
# Its standard input stays open as long as the parent lives; when it ends, so does the rank.
HEAD = """import datetime, os, sys, threading, time
rank, size, folder, seconds = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(4)), daemon=True).start()
import torch
import torch.distributed as dist
import torch.nn.functional as F
torch.set_num_threads(1)
"""
TAIL = """
if __name__ == "__main__":
    store = dist.FileStore(os.path.join(folder, "meeting"), size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=datetime.timedelta(seconds=seconds))
    try:
        result = main(rank, size, *torch.load(os.path.join(folder, "arguments.pt")))
        torch.save(result, os.path.join(folder, f"result_{rank}.pt"))
        dist.barrier()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(1)
    os._exit(0)
"""
INTERFACE = {"linux": "lo", "darwin": "lo0"}  # processes of one machine talk through its loopback


class RankError(RuntimeError):
    """A rank failed, or the ranks did not finish in time; the message says which, and what it wrote last."""


def _source(functions) -> str:
    return "\n\n".join(part if isinstance(part, str) else inspect.getsource(part) for part in functions)


def run(functions, size: int, *arguments, seconds: float = 60.0) -> list:
    """Start `size` processes that call `main(rank, size, *arguments)`; return what each returned, in the order of ranks.

    `functions` are functions written in a notebook or a module, or Python text, and all that `main` needs: they are written to a
    script, below imports of torch, torch.distributed as dist and torch.nn.functional as F. `arguments` and results are what
    torch.load takes with its safe defaults: tensors, numbers, strings, and lists, tuples or dicts of them. Raises ValueError for
    a size that is no positive whole number or for functions without a `main`; RankError if a rank fails, or when `seconds` have
    passed. Whatever happens, and if this process is interrupted, all ranks are ended before it returns.
    """
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ValueError(f"the number of ranks is a whole number from 1; found {size!r}")
    source = _source(functions)
    if "def main(" not in source:
        raise ValueError("none of the functions is called main: the ranks would not know where to begin")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    if sys.platform in INTERFACE:
        environment.setdefault("GLOO_SOCKET_IFNAME", INTERFACE[sys.platform])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, ranks = Path(name), []
        script = folder / "rank.py"
        script.write_text(HEAD + "\n" + source + TAIL, encoding="utf-8")
        torch.save(arguments, folder / "arguments.pt")
        logs = [folder / f"log_{rank}.txt" for rank in range(size)]
        try:
            for rank in range(size):
                with logs[rank].open("wb") as log:
                    ranks.append(subprocess.Popen([sys.executable, str(script), str(rank), str(size), name, str(seconds)],
                                                  stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment))
            _wait(ranks, logs, seconds)
            return [torch.load(folder / f"result_{rank}.pt") for rank in range(size)]
        finally:
            for process in ranks:
                process.kill()
            for process in ranks:
                process.wait()
                process.stdin.close()


def _wait(ranks, logs, seconds: float) -> None:
    """Return when all ranks have ended well; RankError when one has failed or time is up."""
    until = time.monotonic() + seconds
    while True:
        codes = [process.poll() for process in ranks]
        if None not in codes or any(codes):
            break
        if time.monotonic() > until:
            raise RankError(f"ranks {[rank for rank, code in enumerate(codes) if code is None]} were still running after "
                            f"{seconds:g} seconds and were ended. Does every rank take part in every exchange?")
        time.sleep(0.02)
    if any(codes):
        time.sleep(0.3)  # a rank that fails makes others fail: let them finish their messages, then look for the first cause
        codes = [process.poll() for process in ranks]
        last = [(log.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"])[-1] for log in logs]
        failed = [rank for rank, code in enumerate(codes) if code]
        first = min(failed, key=lambda rank: (codes[rank] > 0, "gloo" in last[rank]))
        how = f"was killed by signal {-codes[first]}" if codes[first] < 0 else f"failed with exit code {codes[first]}"
        raise RankError(f"rank {first} of {len(ranks)} {how}; its last line: {last[first]}. All ranks were ended.")
