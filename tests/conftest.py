"""Fixtures that several test files share."""
import ast

import nbformat
import pytest

from utils.course import notebook


@pytest.fixture
def lesson_definitions():
    """What a lesson's notebook defines, for tests that hold recipes to what the lesson writes out."""
    def definitions(number, *names):
        """Names -> objects, defined by running just the definitions of `names` and the imports of a lesson's notebook."""
        cells = nbformat.read(notebook.find(number), as_version=4).cells
        nodes = [node for cell in cells if cell.cell_type == "code" for node in ast.parse(cell.source).body]
        wanted, found = [], {}
        for node in nodes:
            targets = [getattr(node, "name", None)] + [name.id for target in getattr(node, "targets", [])
                                                       for name in ast.walk(target) if isinstance(name, ast.Name)]
            first = [name for name in targets if name in names and name not in found]
            if isinstance(node, (ast.Import, ast.ImportFrom)) or first:
                wanted.append(node)
                found.update(dict.fromkeys(first))
        assert set(found) == set(names), f"lesson {number} no longer defines {set(names) - set(found)}"
        space = {}
        exec(compile(ast.Module(wanted, []), f"lesson {number}", "exec"), space)  # noqa: S102
        return space
    return definitions
