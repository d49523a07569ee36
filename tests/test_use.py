"""Faults that people met while using the course: other folders, other clones, an unwritable home, a first `make`."""
import os
import re
import subprocess
import sys

import nbformat
import pytest

from utils import Lesson
from utils.course import notebook
from utils.settings import ROOT

START = ROOT / "notebooks/0_foundations/00_start_here.ipynb"


def run(*command, cwd=ROOT, **environment):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment})


def test_pytest_runs_from_another_folder(tmp_path):
    done = run(sys.executable, "-m", "pytest", "-n0", "-q", str(START), cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_notebook_of_another_clone_is_named_in_its_first_cell(tmp_path):
    (tmp_path / "seeds").mkdir()
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils/lesson.py").touch()
    (tmp_path / "notebooks").mkdir()
    done = run(sys.executable, "-c", "from utils import Lesson; Lesson(1)", cwd=tmp_path / "notebooks", PYTHONPATH=str(ROOT))
    assert done.returncode != 0
    assert f"this notebook lies in {tmp_path}, but this environment runs the course's code from {ROOT}" in done.stderr


def test_the_first_cell_is_silent_where_home_cannot_be_written(tmp_path, monkeypatch):
    for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # no font cache of an earlier run
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    first = notebook.execute(START).cells[1]
    assert [output.output_type for output in first.outputs] == ["execute_result"]


def test_commands_run_the_code_of_their_own_clone(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    done = notebook.execute(START, extra_source="import utils; print(utils.__file__)")
    assert done.cells[-1].outputs[0].text.strip() == str(ROOT / "utils/__init__.py")


def test_the_card_adds_no_heading_and_folds_what_will_be_checked():
    lesson = Lesson(36)
    before, folded = lesson._repr_html_().split("<details>")
    assert "<h" not in before + folded and lesson.card.claims
    for claim in lesson.card.claims:
        assert f"<code>{claim.id}</code>" not in before and f"<code>{claim.id}</code>" in folded.split("</details>")[0]


def test_links_between_lessons_lead_somewhere():
    for path in notebook.all_paths():
        prose = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", "\n".join(prose)):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_an_exported_page_keeps_alt_text_and_folds_graders_and_solutions(tmp_path):
    done = run(sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", str(tmp_path), str(START),
               JUPYTER_CONFIG_PATH=str(ROOT / "utils/course/jupyter"))
    page = (tmp_path / "00_start_here.html").read_text(encoding="utf-8")
    assert done.returncode == 0 and "Alternative text is missing" not in done.stderr
    assert page.count("<summary>Grader</summary>") == page.count("<summary>Solution</summary>") == 1
    assert page.count('<img alt="') == page.count("<img ") == 2


needs_make = pytest.mark.skipif(os.name == "nt", reason="the Makefile needs a Unix shell")


@needs_make
def test_an_environment_that_cannot_be_written_is_named():
    done = run("make", "VENV=/dev/null/environment", "work")
    assert done.returncode != 0 and "cannot be written; name a place for the environment: make VENV=" in done.stdout


@needs_make
def test_a_machine_without_gpu_asks_for_the_cpu_build_first_and_falls_back():
    recipe = run("make", "--dry-run", "VENV=elsewhere", "work").stdout
    assert recipe.index("nvidia-smi") < recipe.index("--index-url") < recipe.index("--requirement requirements.lock")
    assert "--timeout 4 --retries 0" in recipe and "did not answer" in recipe
