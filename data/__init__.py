"""The seeded worlds of the course, one folder each: generator, vocabulary, checker, recipes and the checkpoints made by them."""
from pathlib import Path


def write_card(folder: Path, lines: list[str], library: str = "transformers") -> None:
    """Write the card of a checkpoint, `folder`/README.md: licence, library (none if empty), title world/name, then `lines`."""
    head = ["---", "license: mit", *([f"library_name: {library}"] if library else []), "---"]
    (folder / "README.md").write_text("\n".join([*head, f"# {folder.parent.name}/{folder.name}", "", *lines, ""]))
