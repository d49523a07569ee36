"""Notebook runner, scoreboard and sweep on small notebooks: storing, interruption, comparison, claims read back."""
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from utils import cards
from utils.course import bench, notebook, scoreboard
from utils.settings import ROOT, CourseError


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/sanitize.cfg").write_text((cards.course_folder("seeds").parent / "tests/sanitize.cfg").read_text())
    return tmp_path / "36_melange.ipynb"


def make(path, *sources):
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A"), *(new_code_cell(source) for source in sources)]), path)


CLOCK = "import time; print(f'exact 3, ≈{time.time()}s')"


def test_an_unchanged_notebook_stays_the_same_file(path):
    make(path, CLOCK)
    assert notebook.store(path, notebook.execute(path))
    first = path.read_bytes()
    assert not notebook.store(path, notebook.execute(path)) and path.read_bytes() == first
    assert notebook.store(path, notebook.execute(path), fresh=True) and path.read_bytes() != first
    stored = nbformat.read(path, as_version=4)
    assert [cell.id for cell in stored.cells] == ["cell-01", "cell-02"] and stored.cells[1].execution_count == 1
    assert dict(stored.cells[1].metadata) == {} and set(stored.metadata) == {"kernelspec", "language_info"}


HTML = """from IPython.display import display
import time
display({"text/plain": "t", "text/html": f'<b>≈{time.time()} </b><img alt="a" src="data:image/png;base64,{time.time_ns()}">'}, raw=True)
class Table:
    def __repr__(self): return "text"
    def _repr_html_(self): return "<p>3</p>"
Table()"""


def test_an_unchanged_notebook_with_html_stays_the_same_file(path):
    make(path, HTML)
    notebook.store(path, notebook.execute(path))
    first, done = path.read_bytes(), notebook.execute(path)
    for output in done.cells[1].outputs:  # a fresh kernel and a stored file list the kinds in different orders
        output.data = nbformat.from_dict(dict(reversed(output.data.items())))
    assert not notebook.store(path, done) and path.read_bytes() == first
    assert notebook.store(path, done, fresh=True) and path.read_bytes() != first


def test_a_change_in_one_cell_leaves_the_pictures_of_the_others(path):
    make(path, HTML, "print('old')")
    notebook.store(path, notebook.execute(path))
    before = nbformat.read(path, as_version=4).cells[1].outputs
    changed = nbformat.read(path, as_version=4)
    changed.cells[2].source = "print('new')"
    nbformat.write(changed, path)
    assert notebook.store(path, notebook.execute(path))
    after = nbformat.read(path, as_version=4)
    assert after.cells[1].outputs == before and after.cells[2].outputs[0].text == "new\n"


def test_solutions_are_stored_with_source_and_outputs_collapsed(path):
    solution = new_code_cell("print(42)", metadata={"tags": ["solution"], "jupyter": {"source_hidden": True}})
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A"), solution]), path)
    notebook.store(path, notebook.execute(path))
    assert nbformat.read(path, as_version=4).cells[1].metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}


def test_a_read_only_checkout_is_named(path, monkeypatch):
    make(path, "print(1)")
    done = notebook.execute(path)
    monkeypatch.setattr(notebook.Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    with pytest.raises(CourseError, match=r"cannot be written \(Permission denied\); it is as it was. Is the checkout read-only"):
        notebook.store(path, done)


def test_runs_print_nothing_of_third_parties(path, capfd):
    make(path, "print(1)")
    notebook.execute(path)
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


@pytest.mark.parametrize("command", ["bench", "build", "notebook", "scoreboard", "sweep", "work"])
def test_every_command_says_what_it_does_and_does_nothing_else(command):
    done = subprocess.run([sys.executable, "-m", f"utils.course.{command}", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("usage: ") and done.stderr == ""


def test_the_bench_measures_memory_without_the_unix_module(path):
    make(path, "print(1)")
    without = "import sys\nsys.modules['resource'] = None\nsys.platform = 'win32'\n" + bench.PEAK_MEMORY.replace("peak_wset", "rss")
    assert int(notebook.execute(path, extra_source=without).cells[-1].outputs[0].text) > 10e6


def test_the_bench_measures_the_others_when_one_lesson_fails(path, monkeypatch, capsys):
    broken = path.with_name("35_broken.ipynb")
    make(path, "print(1)")
    make(broken, "1 / 0")
    monkeypatch.setattr(notebook, "all_paths", lambda: [broken, path])
    monkeypatch.setattr(sys, "argv", ["bench"])
    monkeypatch.setattr(bench.os, "sched_setaffinity", lambda *_: None, raising=False)
    with pytest.raises(SystemExit, match="(?s)35_broken.ipynb failed.*ZeroDivisionError"):
        bench.main()
    printed = capsys.readouterr().out
    assert "35_broken" in printed and "failed" in printed and "36_melange" in printed and "cell 2" in printed


def test_a_changed_exact_number_is_stored(path):
    make(path, "print('exact', 3)")
    notebook.store(path, notebook.execute(path))
    changed = notebook.execute(path)
    changed.cells[1].outputs[0].text = "exact 4\n"
    assert notebook.store(path, changed) and "exact 4" in path.read_text()


def test_a_failing_notebook_is_left_as_it_was(path):
    make(path, "1 / 0")
    before = path.read_bytes()
    with pytest.raises(CourseError, match="(?s)36_melange.ipynb failed and was left as it was.*ZeroDivisionError"):
        notebook.store(path, notebook.execute(path))
    assert path.read_bytes() == before and list(path.parent.glob("*.tmp")) == []


def test_an_interruption_while_writing_leaves_the_old_file(path, monkeypatch):
    make(path, "print(1)")
    done, before = notebook.execute(path), path.read_bytes()
    monkeypatch.setattr(notebook.os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        notebook.store(path, done)
    assert path.read_bytes() == before


def test_progress_bars_are_stored_as_their_last_line(path):
    make(path, "from utils import progress\nfor _ in progress(range(3), 'training'): pass")
    notebook.store(path, notebook.execute(path))
    text = nbformat.read(path, as_version=4).cells[1].outputs[0].text
    assert text.startswith("training 3/3 |") and "\r" not in text and "≈" in text


def test_an_unknown_or_planned_lesson_has_no_notebook(monkeypatch, tmp_path):
    with pytest.raises(CourseError, match="there is no lesson 99"):
        notebook.find(99)
    monkeypatch.setattr(notebook, "course_folder", lambda name: tmp_path)
    with pytest.raises(CourseError, match="it is planned"):
        notebook.find(36)


def test_claims_are_read_back_from_outputs():
    cell = new_code_cell("", outputs=[
        new_output("stream", text="✔ saves = ≈0.75 (holds >= 0.5) · reproduced\nx\n✔ small = ≈1.2e-06 (holds <= 1e-5) · reproduced\n"),
        new_output("error", ename="ClaimFailed", evalue="✘ fast = ≈-3 (holds > 0). Measured: a. Look", traceback=[])])
    refused = new_code_cell("", metadata={"tags": ["solution"]}, outputs=[new_output("stream", text="✘ ex1: not yet. Hint\n")])
    done = new_notebook(cells=[cell, refused])
    assert scoreboard.claim_values(done) == {"saves": 0.75, "small": 1.2e-06, "fast": -3.0}
    assert scoreboard.errors(done) == ["cell 1: ClaimFailed: ✘ fast = ≈-3 (holds > 0). Measured: a. Look",
                                       "cell 2: ✘ ex1: not yet. Hint"]


def test_the_readme_keeps_its_text_around_the_board():
    text = f"before {scoreboard.BEGIN} old {scoreboard.END} after"
    assert scoreboard.renewed(text).startswith("before ") and scoreboard.renewed(text).endswith(" after")
    assert " old " not in scoreboard.renewed(text)
    with pytest.raises(CourseError, match="has lost the comments"):
        scoreboard.renewed("no marks")
