"""Lesson cards: reads seeds/NN_slug.yaml, checks every field, and names file and field when something is wrong."""
from __future__ import annotations

import datetime
import math
import numbers
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from utils.settings import CourseError, course_folder

PARTS = ("Foundations", "Attention and cache", "Adaptive compute", "Serving", "Efficient reasoning",
         "Distillation and data", "Retrieval and context", "Agents", "Vision and generation", "Trust")
VERDICTS = ("reproduced", "same direction", "not at toy scale", "by construction", "our control")
EFFECTS = ("ratio", "difference")


class CardError(CourseError):
    """A card in seeds/ is missing or malformed."""


@dataclass(frozen=True)
class Threshold:
    """An interval that a measured value must lie in, parsed from text such as `>= 0.9`, `< 5`, `== 3` or `0.4 .. 0.6`."""

    text: str
    low: float
    high: float
    open_ends: bool

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Parse `text`; raises ValueError saying which forms are understood."""
        number = r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
        if match := re.fullmatch(rf"{number} \.\. {number}", text):
            low, high = float(match[1]), float(match[2])
            if low < high:
                return cls(text, low, high, False)
        elif match := re.fullmatch(rf"(>=|<=|==|>|<) {number}", text):
            value = float(match[2])
            low = value if match[1] in (">=", ">", "==") else -math.inf
            high = value if match[1] in ("<=", "<", "==") else math.inf
            return cls(text, low, high, match[1] in (">", "<"))
        raise ValueError(f"{text!r} is not a threshold; write `>= 0.9`, `> 0`, `<= 5`, `< 5`, `== 3` or `0.4 .. 0.6`")

    def __contains__(self, value: float) -> bool:
        return self.low < value < self.high if self.open_ends else self.low <= value <= self.high

    def margin(self, value: float) -> float:
        """Distance from `value` to the nearest end of the interval, in the value's unit; negative when it lies outside."""
        return min(value - self.low, self.high - value)


@dataclass(frozen=True)
class Headline:
    """One number that the paper reports, with the setting it was measured in."""

    number: str
    setting: str


@dataclass(frozen=True)
class Claim:
    """One statement of the paper, what the lesson measures for it, and the threshold that the measurement must meet.

    `paper_value` is the paper's number in the unit of the measure, and `effect` how sizes are compared: by the logarithm
    of a `ratio`, which is 1 without an effect, or by a `difference`, which is 0 without one; both None if the paper gives none.
    """

    id: str
    paper: str
    toy: str
    holds: Threshold
    verdict: str
    paper_value: float | None = None
    effect: str | None = None
    why: str | None = None

    def share(self, value: float) -> float:
        """The effect measured as `value`, as a share of the paper's: 1 is the same size, below 0 the other way round."""
        if self.effect == "difference":
            return value / self.paper_value
        return (math.log(value) if value > 0 else -math.inf) / math.log(self.paper_value)

    def earned(self, value: float) -> tuple[str, ...]:
        """The verdicts that the measured `value` leaves open. Where the paper gives a number, nobody chooses `reproduced`.

        It is given to half to twice the paper's effect, and to nothing else.
        """
        if self.verdict in ("by construction", "our control"):
            return (self.verdict,)
        if self.paper_value is None:
            return ("same direction", "not at toy scale")
        share = self.share(value)
        if 0.5 <= share <= 2:
            return ("reproduced",)
        return ("same direction", "not at toy scale") if share > 0 else ("not at toy scale",)


@dataclass(frozen=True)
class Card:
    """What a lesson grows from. `arxiv`, `date`, `authors` are None for the foundations, which reproduce no paper."""

    number: int
    slug: str
    title: str
    short: str
    idea: str
    part: int
    seed: int
    minutes: int
    prerequisites: tuple[int, ...]
    arxiv: str | None
    date: datetime.date | None
    authors: str | None
    headline: tuple[Headline, ...]
    claims: tuple[Claim, ...]

    @property
    def name(self) -> str:
        """NN_slug, shared by the card, the notebook and the folder in data/."""
        return f"{self.number:02d}_{self.slug}"

    @property
    def link(self) -> str | None:
        """The paper's page on arXiv."""
        return self.arxiv and f"https://arxiv.org/abs/{self.arxiv}"


def _read(mapping, fields: dict, where: str) -> dict:
    """Return {field: value} of `mapping` after checking it against {field: (type, required)}; CardError names the field."""
    if not isinstance(mapping, dict):
        raise CardError(f"{where}: expected fields ({', '.join(fields)}), found {type(mapping).__name__}")
    for name in mapping:
        if name not in fields:
            raise CardError(f"{where}: unknown field {name!r}; the fields are {', '.join(fields)}")
    values = {}
    for name, (kind, required) in fields.items():
        value = mapping.get(name)
        if value is None:
            if required:
                raise CardError(f"{where}: field {name!r} is missing")
        elif not isinstance(value, kind) or isinstance(value, bool):
            raise CardError(f"{where}: field {name!r} must be a {kind.__name__}, found {value!r}")
        elif value == "":
            raise CardError(f"{where}: field {name!r} is empty")
        values[name] = value.strip() if isinstance(value, str) else value
    return values


def _claim(entry, where: str) -> Claim:
    values = _read(entry, {"id": (str, True), "paper": (str, True), "toy": (str, True), "holds": (str, True),
                           "verdict": (str, True), "paper_value": (numbers.Real, False), "effect": (str, False),
                           "why": (str, False)}, where)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", values["id"]):
        raise CardError(f"{where}: field 'id' must be lower_case_words, found {values['id']!r}")
    try:
        values["holds"] = Threshold.parse(values["holds"])
    except ValueError as error:
        raise CardError(f"{where}: field 'holds': {error}") from None
    if values["verdict"] not in VERDICTS:
        raise CardError(f"{where}: field 'verdict' must be one of {', '.join(VERDICTS)}; found {values['verdict']!r}")
    if values["effect"] is not None and values["effect"] not in EFFECTS:
        raise CardError(f"{where}: field 'effect' must be one of {', '.join(EFFECTS)}; found {values['effect']!r}")
    if (values["paper_value"] is None) != (values["effect"] is None):
        raise CardError(f"{where}: fields 'paper_value' and 'effect' go together; give both or neither")
    if values["paper_value"] is not None and not (
            values["paper_value"] != 0 if values["effect"] == "difference" else values["paper_value"] > 0 and values["paper_value"] != 1):
        raise CardError(f"{where}: field 'paper_value': {values['paper_value']} is no effect as a {values['effect']}")
    if values["paper_value"] is None and values["verdict"] == "reproduced":
        raise CardError(f"{where}: field 'verdict': 'reproduced' needs the paper's number in 'paper_value'")
    if values["paper_value"] is not None and values["verdict"] == "our control":
        raise CardError(f"{where}: field 'paper_value': a control of ours has no number in the paper")
    if values["verdict"] != "reproduced" and not values["why"]:
        raise CardError(f"{where}: field 'why' is missing; every verdict but 'reproduced' says why in one sentence")
    return Claim(**values)


def read(path: Path) -> Card:
    """Read and check the card at `path`; raises CardError naming the file and the field."""
    where = f"seeds/{path.name}"
    match = re.fullmatch(r"(\d\d)_([a-z0-9_]+)\.yaml", path.name)
    if not match:
        raise CardError(f"{where}: a card is called NN_slug.yaml, for example 36_melange.yaml")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CardError(f"{where}: not readable as YAML: {' '.join(str(error).split())}") from None
    number = int(match[1])
    paper = number >= 10
    values = _read(content, {"title": (str, True), "short": (str, True), "idea": (str, True), "part": (int, True),
                             "seed": (int, True), "minutes": (int, True), "prerequisites": (list, False),
                             "arxiv": (str, paper), "date": (datetime.date, paper), "authors": (str, paper),
                             "headline": (list, paper), "claims": (list, False)}, where)
    if values["part"] != number // 10:
        raise CardError(f"{where}: field 'part' must be {number // 10}, the first digit of the lesson's number")
    for name in ("seed", "minutes"):
        if not 0 <= values[name] < 1_000_000:
            raise CardError(f"{where}: field {name!r} must be a whole number from 0 to 999999")
    if values["arxiv"] and not re.fullmatch(r"\d{4}\.\d{4,5}", values["arxiv"]):
        raise CardError(f"{where}: field 'arxiv' must look like '2404.14527' (quoted), found {values['arxiv']!r}")
    prerequisites = values["prerequisites"] or []
    for entry in prerequisites:
        if type(entry) is not int or entry == number:
            raise CardError(f"{where}: field 'prerequisites' must list other lessons' numbers, found {entry!r}")
    claims = tuple(_claim(entry, f"{where}: claims[{i}]") for i, entry in enumerate(values["claims"] or []))
    ids = [claim.id for claim in claims]
    if len(set(ids)) < len(ids):
        raise CardError(f"{where}: two claims share the id {next(i for i in ids if ids.count(i) > 1)!r}")
    headline = tuple(Headline(**_read(entry, {"number": (str, True), "setting": (str, True)}, f"{where}: headline[{i}]"))
                     for i, entry in enumerate(values["headline"] or []))
    values.update(prerequisites=tuple(prerequisites), claims=claims, headline=headline)
    return Card(number=number, slug=match[2], **values)


def load(number: int) -> Card:
    """Return the card of lesson `number`; raises CardError when there is none or it is malformed."""
    folder = course_folder("seeds")
    paths = sorted(folder.glob(f"{number:02d}_*.yaml")) if isinstance(number, int) else []
    if len(paths) > 1:
        raise CardError(f"lesson {number:02d} has several cards: {', '.join(path.name for path in paths)}")
    if not paths:
        known = ", ".join(path.name[:2] for path in sorted(folder.glob("[0-9][0-9]_*.yaml")))
        raise CardError(f"there is no lesson {number!r}; the lessons are {known}")
    return read(paths[0])


def load_all() -> list[Card]:
    """Return every card in seeds/, by number; raises CardError for a malformed card or a prerequisite that has no card."""
    found = [read(path) for path in sorted(course_folder("seeds").glob("*.yaml"))]
    numbers = [card.number for card in found]
    for card in found:
        if numbers.count(card.number) > 1:
            raise CardError(f"lesson {card.number:02d} has several cards")
        if missing := [number for number in card.prerequisites if number not in numbers]:
            raise CardError(f"seeds/{card.name}.yaml: field 'prerequisites': there is no lesson {missing[0]}")
    return found
