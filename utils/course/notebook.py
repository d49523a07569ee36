"""Finding, executing and storing notebooks. `python -m utils.course.notebook NN` re-executes one and stores clean outputs."""
from __future__ import annotations

import argparse
import copy
import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from utils import cards
from utils.course import run_command
from utils.progress import progress
from utils.settings import ROOT, CourseError, course_folder, course_seed

CELL_SECONDS = 300
CODE = ROOT  # kernels run the code of this clone, whichever clone is installed


def find(number: int) -> Path:
    """Return the path of lesson `number`'s notebook; raises CourseError for an unknown or still planned lesson."""
    card = cards.load(number)
    paths = list(course_folder("notebooks").glob(f"*/{card.name}.ipynb"))
    if len(paths) != 1:
        raise CourseError(f"lesson {card.name} has {len(paths) or 'no'} notebooks in notebooks/{card.part}_*/"
                          + ("" if paths else ": it is planned. CONTRIBUTING.md says how to write it."))
    return paths[0]


def all_paths() -> list[Path]:
    """Return the notebooks of the course, in the order of their numbers."""
    return sorted(course_folder("notebooks").glob("[0-9]_*/[0-9][0-9]_*.ipynb"))


def execute(path: Path, on_cell=None, keep_going: bool = False, extra_source: str | None = None):
    """Run the notebook at `path` top to bottom in a fresh kernel and return it with its new outputs; the file stays as is.

    `on_cell(cell, index)` is called after each cell; `keep_going` runs on after a failing cell; `extra_source` is run
    as one more cell at the end. Raises CourseError naming the cell that failed.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    if extra_source:
        notebook.cells.append(nbformat.v4.new_code_cell(extra_source))
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(CODE), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]))
    client = NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3", allow_errors=keep_going,
                            record_timing=True, coalesce_streams=True, resources={"metadata": {"path": str(path.parent)}},
                            extra_arguments=["--IPKernelApp.log_level=ERROR"])
    if on_cell:
        client.on_cell_complete = lambda cell, cell_index: on_cell(cell, cell_index)
    try:
        client.execute()
    except CellExecutionError as error:
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        raise CourseError(f"{path.relative_to(ROOT)} failed and was left as it was:\n{text}") from None
    return notebook


def clean(notebook) -> None:
    """Strip from an executed notebook, in place, whatever would differ between two runs for no reason a reader cares about."""
    notebook.metadata = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
                         "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02d}"
        tags, collapsed = cell.metadata.get("tags", []), cell.metadata.get("jupyter", {})
        kept = {"source_hidden": collapsed.get("source_hidden"), "outputs_hidden": "solution" in tags}
        kept = {name: True for name, value in kept.items() if value}
        cell.metadata = {**({"tags": tags} if tags else {}), **({"jupyter": kept} if kept else {})}
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data.pop("application/vnd.jupyter.widget-view+json", None)


def _masked(cell) -> list:
    """What validation compares of a cell: its output in any order of MIME kinds, without pictures and measured values."""
    rules = re.findall(r"^regex: (.*)$\n^replace: (.*)$", (CODE / "tests/sanitize.cfg").read_text(encoding="utf-8"), re.MULTILINE)

    def mask(value):
        for pattern, replacement in rules:
            value = re.sub(pattern, replacement, value) if isinstance(value, str) else value
        return value

    return [(output.output_type, mask(output.get("text")), {kind: mask(data) for kind, data in output.get("data", {}).items()})
            for output in cell.get("outputs", [])]


def store(path: Path, notebook, fresh: bool = False) -> bool:
    """Clean `notebook` and write it to `path` in one step, so that an interruption leaves the old file; return if written.

    A cell whose output is as stored, but for pictures and masked values (`≈…`), keeps it unless `fresh`; so an unchanged
    lesson leaves an unchanged file. Raises CourseError when the file cannot be written.
    """
    notebook, stored = copy.deepcopy(notebook), nbformat.read(path, as_version=4)
    clean(notebook)
    known = {cell.source: cell for cell in stored.cells if cell.cell_type == "code" and not fresh}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source in known and _masked(cell) == _masked(known[cell.source]):
            cell.outputs = known[cell.source].outputs
    if notebook == stored:
        return False
    temporary = path.with_suffix(".ipynb.tmp")
    try:
        temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise CourseError(f"{path} cannot be written ({error.strerror}); it is as it was. Is the checkout read-only?") from None
    return True


def run(number: int, fresh: bool = False) -> None:
    """Execute lesson `number` from a fresh kernel and store its clean outputs, saying what was done."""
    if course_seed():
        raise CourseError("stored outputs are those of the default seed: unset COURSE_SEED, or use `make sweep` to try seeds")
    path = find(number)
    cells = len(nbformat.read(path, as_version=4).cells)
    with progress(description=path.stem, total=cells) as bar:
        notebook = execute(path, on_cell=lambda cell, index: bar.update())
        bar.update(cells - bar.n)
    written = store(path, notebook, fresh)
    print(f"{path.relative_to(ROOT)}: " + ("stored" if written else "as stored already; FRESH=1 also renews pictures and ≈ values"))


def main() -> None:
    """Command line of `make lesson`."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("number", type=int, help="the lesson's number, for example 36")
    parser.add_argument("--fresh", action="store_true", help="store new pictures and measured values even if nothing else changed")
    arguments = parser.parse_args()
    run(arguments.number, arguments.fresh)


if __name__ == "__main__":
    run_command(main)
