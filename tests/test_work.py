"""work/: learners' copies follow the lessons and never lose what a learner wrote."""
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from utils.course import notebook, work


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one lesson; returns a function that writes it."""
    path = tmp_path / "notebooks/1_part/11_lesson.ipynb"
    path.parent.mkdir(parents=True)
    monkeypatch.setattr(work, "ROOT", tmp_path)
    monkeypatch.setattr(notebook, "course_folder", lambda name: tmp_path / name)

    def write(source, where=path):
        nbformat.write(new_notebook(cells=[new_code_cell(source)]), where)
    write("first")
    return tmp_path, write


def texts(folder):
    return {path.name: nbformat.read(path, as_version=4).cells[0].source for path in sorted((folder / "work/1_part").iterdir())}


def test_a_copy_is_made_once_and_follows_an_updated_lesson(course):
    root, write = course
    assert work.copy() == [] and texts(root) == {"11_lesson.ipynb": "first"}
    mine = root / "work/1_part/11_lesson.ipynb"
    opened = nbformat.read(mine, as_version=4)
    opened.metadata["language_info"] = {"name": "python", "version": "3.12"}  # what JupyterLab fills in by itself
    nbformat.write(opened, mine)
    before = mine.read_bytes()
    assert work.copy() == [] and mine.read_bytes() == before
    write("second")
    assert work.copy() == [] and texts(root) == {"11_lesson.ipynb": "second"}


def test_what_a_learner_wrote_is_kept_beside_the_update(course):
    root, write = course
    work.copy()
    for i in (1, 2):
        write(f"mine {i}", root / "work/1_part/11_lesson.ipynb")
        assert work.copy() == [], "nothing to do while the lesson is the same"
        write(f"update {i}")
        assert work.copy() == [f"1_part/11_lesson.ipynb has changed: yours is now 11_lesson.mine-{i}.ipynb, beside the new one"]
    assert texts(root) == {"11_lesson.ipynb": "update 2", "11_lesson.mine-1.ipynb": "mine 1", "11_lesson.mine-2.ipynb": "mine 2"}
