"""`python -m utils.course.bench [NN]`: seconds, peak memory and slowest cell of each lesson on one core, against the budget."""
from __future__ import annotations

import argparse
import datetime
import os
import sys

from utils.course import notebook, run_command
from utils.settings import CourseError

MAX_SECONDS, MAX_MEGABYTES, MAX_CELL_SECONDS = 60, 1500, 20
PEAK_MEMORY = """import sys
if sys.platform == "win32":
    print(__import__("psutil").Process().memory_info().peak_wset)
else:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))"""


def measure(path) -> dict:
    """Run the notebook at `path` once; return its seconds, peak resident megabytes (10^6 B), slowest cell and that cell's seconds."""
    done = notebook.execute(path, extra_source=PEAK_MEMORY)
    clock = lambda cell, event: datetime.datetime.fromisoformat(cell.metadata["execution"][event])  # noqa: E731
    code = [(i, cell) for i, cell in enumerate(done.cells, 1) if cell.cell_type == "code" and cell.source.strip()]
    spent = {i: (clock(cell, "shell.execute_reply") - clock(cell, "iopub.execute_input")).total_seconds() for i, cell in code}
    peak = code.pop()[0]
    del spent[peak]
    slowest = max(spent, key=spent.get)
    return {"seconds": sum(spent.values()), "megabytes": int(done.cells[peak - 1].outputs[0].text) / 1e6,
            "slowest": slowest, "slowest_seconds": spent[slowest]}


def main() -> None:
    """Print one line per lesson; leave with an error when one fails or is over its budget, after the others were measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, nargs="?", help="one lesson's number; all lessons when left out")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    paths = notebook.all_paths() if arguments.number is None else [notebook.find(arguments.number)]
    print(f"{'lesson':32}{'seconds':>9}{'peak MB':>9}  slowest cell")
    failed, over = [], []
    for path in paths:
        try:
            found = measure(path)
        except CourseError as error:
            failed.append(str(error))
            print(f"{path.stem:32}   failed", flush=True)
            continue
        late = found["seconds"] > MAX_SECONDS or found["megabytes"] > MAX_MEGABYTES or found["slowest_seconds"] > MAX_CELL_SECONDS
        over += [path.stem] * late
        print(f"{path.stem:32}{found['seconds']:9.1f}{found['megabytes']:9.0f}  cell {found['slowest']}: "
              f"{found['slowest_seconds']:.1f} s{'   OVER BUDGET' if late else ''}", flush=True)
    failed += [f"over the budget of {MAX_SECONDS} s, {MAX_MEGABYTES} MB, {MAX_CELL_SECONDS} s a cell: {', '.join(over)}"] * bool(over)
    sys.exit("\n".join(failed) or None)


if __name__ == "__main__":
    run_command(main)
