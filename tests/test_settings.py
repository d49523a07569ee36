"""The package says what is wrong when it is taken out of its repository."""
import shutil
import subprocess
import sys

from utils.settings import ROOT


def test_outside_the_repository_the_error_says_what_to_do(tmp_path):
    shutil.copytree(ROOT / "utils", tmp_path / "utils", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-c", "from utils import Lesson; Lesson(1)"], cwd=tmp_path, capture_output=True,
                          text=True, env={"PATH": "/usr/bin", "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)})
    assert done.returncode != 0
    assert "seeds does not exist: utils runs from inside a clone of the course" in done.stderr
