"""data/, its manifest and its recipes: what is shipped is whole, and damage is named."""
import json
import shutil

import pytest

from utils.course import build, run_command
from utils.course.build import RECIPES
from utils.models import load as loading
from utils.models.load import load
from utils.settings import ROOT, CourseError


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A copy of data/ with one small recipe `note`, built."""
    folder = tmp_path / "data"
    shutil.copytree(ROOT / "data", folder)
    for module in (loading, build):
        monkeypatch.setattr(module, "course_folder", lambda name: folder)
    monkeypatch.setitem(RECIPES, "notes/note", lambda folder: (folder / "text.txt").write_text("first"))
    build.build("notes/note")
    return folder


def test_what_data_ships_is_what_the_manifest_lists():
    assert build.check() == []


@pytest.mark.parametrize("name", ["chains/imperfect", "chains/strong"])
def test_a_shipped_reasoner_loads_and_has_a_card(name):
    model, tokenizer = load(name)
    assert not model.training and model.config.vocab_size == len(tokenizer) == 108
    assert model.num_parameters() == 157_888
    card = (ROOT / "data" / name / "README.md").read_text()
    assert card.count("| verbose |") == 1 and "157,888 parameters" in card


def test_loading_names_what_is_wrong(data, monkeypatch):
    with pytest.raises(CourseError, match="nothing called 'chains/weak'; it holds: .*chains/imperfect, .*chains/strong"):
        load("chains/weak")
    (data / "chains/strong" / "config.json").unlink()
    with pytest.raises(CourseError, match=r"config\.json is missing; .*`make data NAME=chains/strong`"):
        load("chains/strong")
    weights = data / "chains/imperfect" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(CourseError, match=r"model\.safetensors is not the file .* \(its SHA-256 differs\)"):
        load("chains/imperfect")
    with pytest.raises(CourseError, match="transformers could not load './nowhere'"):
        load("./nowhere")
    (data / "MANIFEST.json").write_text("{")
    with pytest.raises(CourseError, match="MANIFEST.json is not JSON"):
        load("chains/strong")
    (data / "MANIFEST.json").unlink()
    with pytest.raises(CourseError, match="MANIFEST.json is missing; .*make data"):
        load("chains/strong")


def test_a_folder_is_loaded_like_a_hugging_face_id():
    model, _ = load(str(ROOT / "data" / "chains/strong"))
    assert model.num_parameters() == 157_888


def test_check_names_every_difference(data, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["build", "--check"])
    assert build.main() == 0 and "manifest lists" in capsys.readouterr().out
    (data / "notes" / "note" / "text.txt").write_text("altered")
    (data / "chains/strong" / "config.json").unlink()
    (data / "stray.txt").write_text("")
    monkeypatch.setitem(RECIPES, "notes/unbuilt", lambda folder: None)
    assert build.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "data/chains/strong/config.json: missing", "data/notes/note/text.txt: altered (its SHA-256 is not the listed one)",
        "data/stray.txt: no recipe made this file", "data/notes/unbuilt: not built yet"]


def test_building_replaces_a_folder_and_its_entries(data, monkeypatch):
    monkeypatch.setitem(RECIPES, "notes/note", lambda folder: (folder / "other.txt").write_text("second"))
    build.build("notes/note")
    assert [path.name for path in (data / "notes" / "note").iterdir()] == ["other.txt"]
    listed = json.loads((data / "MANIFEST.json").read_text())
    assert set(listed["notes/note/other.txt"]) == {"sha256", "recipe", "seconds"} and "notes/note/text.txt" not in listed
    assert build.check() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_build_keeps_the_old_folder(data, monkeypatch, error):
    def fail(folder):
        (folder / "text.txt").write_text("half")
        raise error
    monkeypatch.setitem(RECIPES, "notes/note", fail)
    with pytest.raises(error):
        build.build("notes/note")
    assert (data / "notes" / "note" / "text.txt").read_text() == "first" and build.check() == []


def test_a_build_that_cannot_write_the_manifest_is_undone(data, monkeypatch):
    monkeypatch.setitem(RECIPES, "notes/note", lambda folder: (folder / "text.txt").write_text("second"))
    monkeypatch.setattr(build.os, "replace", lambda *paths: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build.build("notes/note")
    assert (data / "notes" / "note" / "text.txt").read_text() == "first"


def test_recipes_that_break_the_rules_are_refused(data, monkeypatch, capsys):
    monkeypatch.setitem(RECIPES, "notes/empty", lambda folder: None)
    monkeypatch.setitem(RECIPES, "notes/large", lambda folder: (folder / "big.bin").write_bytes(b"0" * 4_000_001))
    with pytest.raises(CourseError, match="'notes/empty' made no file"):
        build.build("notes/empty")
    with pytest.raises(CourseError, match="'notes/large' made big.bin of more than 4 MB"):
        build.build("notes/large")
    monkeypatch.setattr("sys.argv", ["build", "chains/weak"])
    with pytest.raises(SystemExit, match="there is no recipe 'chains/weak'; the recipes are: chains/imperfect"):
        run_command(build.main)
    assert build.check() == ["data/notes/empty: not built yet", "data/notes/large: not built yet"]
