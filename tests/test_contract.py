"""The contract of the course: cards, notebooks, README and dependency files say the same thing in the same shape."""
import ast
import copy
import os
import re
import sys
import tomllib

import nbformat
import pytest
import yaml

from utils import cards
from utils.course import notebook, scoreboard
from utils.settings import ROOT

SECTIONS = ["The problem", "The idea", "Build it", "Measure it", "What holds, and what doesn't", "Turn the knob",
            "Exercises", "Scale up"]
PATHS = notebook.all_paths()
LESSONS = [path for path in PATHS if path.stem != "00_start_here"]
PAPERS = [path for path in PATHS if int(path.stem[:2]) >= 10]


def name(path):
    return path.stem


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tagged(path, tag):
    return [cell for cell in code_cells(path) if tag in cell.metadata.get("tags", [])]


def test_there_is_a_card_for_every_paper():
    papers = [card for card in cards.load_all() if card.arxiv]
    assert len(papers) == 55 and len({card.arxiv for card in papers}) == 55
    assert len({card.short for card in papers}) == 55, "short names are the labels of the map"


def test_cards_make_claims_exactly_where_a_lesson_exists():
    written = {int(path.stem[:2]) for path in PATHS}
    for card in cards.load_all():
        if card.arxiv:
            assert bool(card.claims) == (card.number in written), card.name


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_notebook_is_where_its_card_says(path):
    card = cards.load(int(path.stem[:2]))
    assert path.stem == card.name and path.parent.name.startswith(f"{card.part}_")


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_notebook_is_stored_clean_and_executed_top_to_bottom(path):
    stored = read(path)
    cleaned = copy.deepcopy(stored)
    notebook.clean(cleaned)
    assert cleaned.cells == stored.cells, "store it with `make lesson`"
    code = code_cells(path)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not scoreboard.errors(stored)
    assert path.stat().st_size < 1_500_000


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_notebook_opens_with_its_card_and_closes_with_its_scorecard(path):
    cells, number = read(path).cells, int(path.stem[:2])
    assert re.match(rf"# {number:02d} · \S", cells[0].source)
    first, *_, last = code_cells(path)
    assert re.fullmatch(rf"from utils import Lesson\n+lesson = Lesson\({number}\)\nlesson", first.source)
    if path in LESSONS:
        assert last.source == "lesson.scorecard()"


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_cells_are_short_and_prose_explains(path):
    for cell in code_cells(path):
        lines = cell.source.splitlines()
        assert len(lines) <= 30, f"cell {cell.id} has {len(lines)} lines"
        assert max(map(len, lines)) <= 120, f"cell {cell.id} has a line over 120 characters"
    assert not re.search(r"TODO|FIXME|/root/|/home/|/tmp/", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_every_figure_has_alt_text(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            data = output.get("data", {})
            assert "image/png" not in data, f"cell {cell.id}: use plots.show(fig, alt=…), which keeps the alt text"
            if "<img" in data.get("text/html", ""):
                assert re.match(r'<img alt="[^"]{12,}" src="data:image/png;base64,', data["text/html"]), f"cell {cell.id}"


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_lesson_has_its_sections_in_order(path):
    prose = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    found = [title for title in re.findall(r"^## (.*)$", prose.replace("’", "'"), re.MULTILINE)]
    assert found == SECTIONS


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_lesson_has_three_exercises_with_stub_and_solution(path):
    graders = [re.findall(r'@lesson\.grader\("(\w+)"\)', cell.source) for cell in code_cells(path)]
    exercises = [exercise for found in graders for exercise in found]
    assert len(exercises) == len(set(exercises)) == 3
    order = [tag for cell in code_cells(path) for tag in cell.metadata.get("tags", []) if tag in ("exercise", "solution")]
    assert order == ["exercise"] * 3 + ["solution"] * 3, "solutions follow all exercises: Shift-Enter must not run into them"
    for tag in ("exercise", "solution"):
        checked = [re.findall(r'lesson\.check\("(\w+)"', cell.source) for cell in tagged(path, tag)]
        assert [one for found in checked for one in found] == exercises, tag
    for cell in tagged(path, "solution"):
        assert cell.metadata.get("jupyter") == {"source_hidden": True, "outputs_hidden": True}, f"cell {cell.id}: collapse it"
        assert cell.source.startswith("# Solution: click to open\n"), f"cell {cell.id}: a collapsed cell shows its first line"
        assert "✔" in "".join(output.get("text", "") for output in cell.outputs)
    for cell in tagged(path, "exercise"):
        assert "not attempted" in "".join(output.get("text", "") for output in cell.outputs)


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_lesson_checks_exactly_the_claims_of_its_card(path):
    card, stored = cards.load(int(path.stem[:2])), read(path)
    source = "\n".join(cell.source for cell in code_cells(path))
    ids = [claim.id for claim in card.claims]
    assert sorted(set(re.findall(r'lesson\.claim\("(\w+)"', source))) == sorted(ids)
    assert sorted(scoreboard.claim_values(stored)) == sorted(ids)


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_verdicts_are_those_that_the_stored_values_earn(path):
    values = scoreboard.claim_values(read(path))
    for claim in cards.load(int(path.stem[:2])).claims:
        earned = claim.earned(values[claim.id])
        assert claim.verdict in earned, f"{claim.id} = {values[claim.id]:g} earns {' or '.join(earned)}, not {claim.verdict}"


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_a_lesson_asks_to_read_before_it_only_lessons_that_exist(path):
    written = {int(path.stem[:2]) for path in PATHS}
    assert set(cards.load(int(path.stem[:2])).prerequisites) <= written


@pytest.mark.parametrize("path", PAPERS, ids=name)
def test_lesson_on_a_paper_reproduces_something_and_shows_it(path):
    card = cards.load(int(path.stem[:2]))
    assert len(card.claims) >= 3 and {claim.verdict for claim in card.claims} - {"by construction", "our control"}
    figures = sum("<img" in output.get("data", {}).get("text/html", "") for cell in code_cells(path) for output in cell.outputs)
    assert figures >= 4


def test_the_readme_shows_the_current_scoreboard():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert scoreboard.renewed(readme) == readme, "run `make scoreboard`"


def imports(path):
    """The full names that a source file, or the code cells of a notebook, import: "data.shapes.vlm", "numpy"."""
    cells = [cell.source for cell in code_cells(path)] if path.suffix == ".ipynb" else [path.read_text(encoding="utf-8")]
    nodes = [node for source in cells for node in ast.walk(ast.parse(source))]
    return ({alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            | {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)})


def test_the_three_floors_import_downwards_only():
    for floor, forbidden in (("utils", {"data", "notebooks", "tests"}), ("data", {"notebooks", "tests"})):
        for path in ROOT.glob(f"{floor}/**/*.py"):
            above = {module for module in imports(path) if module.split(".")[0] in forbidden}
            assert not above, f"{path.relative_to(ROOT)} imports {above}: {floor} may not know what stands on it"
    worlds = {path.parent.name for path in ROOT.glob("data/*/__init__.py")}
    for path in ROOT.glob("utils/**/*.py"):
        named = worlds & {node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                          if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        assert not named, f"{path.relative_to(ROOT)} names the world {named}; recipes are found by looking into data/"


def test_utils_stays_small():
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.glob("utils/**/*.py"))
    assert lines <= 2000, f"utils/ has {lines} lines; what one world or one lesson needs belongs there"


def test_dependencies_are_declared_alike_and_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split("[><=]", entry, maxsplit=1)[0]: entry
                for entry in project["dependencies"] + project["optional-dependencies"]["test"]}
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    expected = {entry.replace("torch>", "pytorch-cpu>", 1) if package == "torch" else entry for package, entry in declared.items()}
    assert set(conda) - {"python=3.12", "pip"} == expected, "a pip section would fetch packages that conda has brought already"
    assert "python=3.12" in conda, "repo2docker reads an exact version only"
    assert "--no-deps --editable ." in (ROOT / "postBuild").read_text(encoding="utf-8") and os.access(ROOT / "postBuild", os.X_OK)
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(declared) <= set(locked) and locked["torch"] == "2.13.0"


def test_every_import_is_a_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split("[><=]", entry, maxsplit=1)[0] for entry in project["dependencies"] + project["optional-dependencies"]["test"]}
    sources = [*ROOT.glob("utils/**/*.py"), *ROOT.glob("data/**/*.py"), *ROOT.glob("tests/*.py"), *PATHS]
    imported = {name.split(".")[0] for path in sources for name in imports(path)}
    known = {"yaml": "pyyaml", "IPython": "ipywidgets", "sklearn": "scikit-learn"}
    foreign = {known.get(module, module) for module in imported if module not in sys.stdlib_module_names} - {"utils", "data"}
    assert foreign <= declared, f"declare {foreign - declared} in pyproject.toml and environment.yml"
