"""The scoreboard: reads claims out of the notebooks' stored outputs; `python -m utils.course.scoreboard` renews README and lesson 00."""
from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass

import nbformat

from utils import cards
from utils.course import notebook, run_command
from utils.settings import ROOT, CourseError

BEGIN, END = "<!-- scoreboard: made by `make scoreboard` -->", "<!-- end of scoreboard -->"
_CLAIM = re.compile(r"^[✔✘] (\w+) = ≈?([-+.\deE]+) \(holds", re.MULTILINE)


def claim_values(executed) -> dict[str, float]:
    """Return claim id -> value as printed by `lesson.claim` in the outputs of an executed notebook, failed claims included."""
    texts = [output.get("text", "") or output.get("evalue", "") for cell in executed.cells for output in cell.get("outputs", [])]
    return {id: float(value) for text in texts for id, value in _CLAIM.findall(text)}


def errors(executed) -> list[str]:
    """Return `cell N: what` for every exception, and every solution its grader refused, in the outputs of an executed notebook."""
    found = []
    for i, cell in enumerate(executed.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                found.append(f"cell {i}: {output.ename}: {(output.evalue.splitlines() or [''])[0]}")
            elif "solution" in cell.metadata.get("tags", []):
                found += [f"cell {i}: {line}" for line in output.get("text", "").splitlines() if line.startswith("✘")]
    return found


@dataclass(frozen=True)
class Row:
    """One lesson on the board: its card, the path of its notebook (None while planned), and claim id -> stored value."""

    card: cards.Card
    path: str | None
    values: dict[str, float]

    def count(self, verdict: str) -> int:
        """How many of the card's claims have `verdict` and a stored value."""
        return sum(claim.verdict == verdict and claim.id in self.values for claim in self.card.claims)


def read_board() -> list[Row]:
    """Return one Row per paper, in the order of the lessons, read from the cards and the notebooks' stored outputs."""
    stored = {path.stem: path for path in notebook.all_paths()}
    rows = []
    for card in cards.load_all():
        if card.arxiv:
            path = stored.get(card.name)
            values = claim_values(nbformat.read(path, as_version=4)) if path else {}
            rows.append(Row(card, path and path.relative_to(ROOT).as_posix(), values))
    return rows


def markdown(rows: list[Row]) -> str:
    """Return the board as a Markdown table: finished lessons with their verdicts counted, then how many are planned."""
    done = [row for row in rows if row.path]
    lines = ["| lesson | paper | " + " | ".join(cards.VERDICTS) + " |", "| --- | --- |" + " --- |" * len(cards.VERDICTS)]
    for row in done:
        counts = " | ".join(str(row.count(verdict) or "") for verdict in cards.VERDICTS)
        lines.append(f"| [{row.card.number} {row.card.short}]({row.path}) | [{row.card.title}]({row.card.link}) | {counts} |")
    totals = " | ".join(f"**{sum(row.count(verdict) for row in done)}**" for verdict in cards.VERDICTS)
    lines.append(f"| **{len(done)} of {len(rows)} lessons** | claims that held when the notebooks were last run | {totals} |")
    return "\n".join(lines)


def renewed(text: str) -> str:
    """Return `text` (the README) with the table between its two scoreboard comments renewed; CourseError without them."""
    if BEGIN not in text or END not in text:
        raise CourseError(f"README.md has lost the comments that mark the scoreboard: {BEGIN} … {END}")
    before, rest = text.split(BEGIN, 1)
    return before + BEGIN + "\n" + markdown(read_board()) + "\n" + END + rest.split(END, 1)[1]


def main() -> None:
    """Renew the table in README.md, then re-execute lesson 00, which draws map and board."""
    argparse.ArgumentParser(prog="python -m utils.course.scoreboard", description=main.__doc__).parse_args()
    readme = ROOT / "README.md"
    text = renewed(readme.read_text(encoding="utf-8"))
    temporary = readme.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, readme)
    notebook.run(0)


if __name__ == "__main__":
    run_command(main)
