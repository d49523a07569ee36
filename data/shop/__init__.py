"""SHOP: a seeded retail company, as a real sqlite database and as texts that are written from known meanings.

    shop = Shop(seed)
    shop.sql("SELECT min(price) FROM products WHERE type = ? AND colour = ?", "jacket", "red")
    shop.sql("SELECT text FROM pages WHERE type = 'jacket' AND problem = 'leak'")
    shop.ask(rng, "jacket", "leak")                         # a shopper's question: "my kogari drips everywhere"
    shop.say(rng, Meaning("price", "jacket", "red"))        # a cache question: "how much is the red windbreaker"

A topic is a product type with a problem; `pages` tell topics in the catalogue's words, shoppers ask in their own, and
few words are in both vocabularies. Both also use line names, invented words that say nothing about their type: as
people say hoover, a line name stands for any product of its type. Every text is stored or returned with its meaning,
so relevance, duplicates and answers are exact, and every question of fact is answered by SQL.
"""
from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass, replace

import numpy as np


def _table(text: str) -> dict[str, list[list[str]]]:
    """Rows `key | a, b | c, d` as key -> [[a, b], [c, d]]; a line that starts with blanks continues the row above."""
    rows = [[cell.strip() for cell in line.split("|")] for line in re.sub(r"\n +", " ", text.strip()).splitlines()]
    return {key: [cell.split(", ") for cell in cells] for key, *cells in rows}


# type | department | what the catalogue calls it | what shoppers call it | its parts
TYPES = _table("""
laptop   | electronics | laptop, notebook computer, portable workstation, ultrabook | laptop, work machine, pc, computer thing | hinge, keyboard, touchpad
phone    | electronics | phone, mobile handset, cellular device, telephone unit | phone, cell, smartphone, mobile | earpiece, charging port, display
headset  | electronics | headset, audio wearable, earphone assembly, listening unit | headset, cans, earbuds, headphones | ear cushion, microphone, headband
camera   | electronics | camera, imaging apparatus, photographic body, optical recorder | camera, dslr, cam, snapper | lens, shutter, viewfinder
speaker  | electronics | speaker, loudspeaker cabinet, sound emitter, audio transducer | speaker, boombox, soundbar, music box | woofer, grille, tweeter
monitor  | electronics | monitor, visual panel, screen assembly, lcd unit | monitor, screen, second display, big telly | bezel, stand, backlight
jacket   | clothing    | jacket, shell layer, parka, outer garment | jacket, coat, rain top, windbreaker | zip, hood, seam
shirt    | clothing    | shirt, button garment, poplin upper, woven blouse | shirt, tee, polo, chemise | collar, cuff, placket
hat      | clothing    | hat, headwear item, brimmed covering, knitted beanie | hat, cap, bobble thing, bonnet | brim, crown, lining
scarf    | clothing    | scarf, neck textile, woven wrap, shawl article | scarf, muffler, neck warmer, snood | fringe, hem, tassel
glove    | clothing    | glove, hand covering, gauntlet, insulated handwear | glove, mitten, mitt, hand warmer | thumb, palm, wristband
belt     | clothing    | belt, waist strap, leather girdle, trouser fastening | belt, waistband, sash, cinch | buckle, loop, prong
kettle   | kitchen     | kettle, water boiler, hot beverage appliance, electric urn | kettle, tea maker, jug, teapot | spout, lid, heating plate
blender  | kitchen     | blender, food processor, rotary mixer, liquidiser | blender, smoothie maker, whizzer, juice mixer | blade, beaker, motor base
toaster  | kitchen     | toaster, bread browner, slot grill, browning appliance | toaster, toastie machine, bagel thing, bread popper | slot, crumb tray, lever
pan      | kitchen     | pan, coated skillet, cooking vessel, saute dish | pan, wok, fryer, pot | handle, coating, rivet
knife    | kitchen     | knife, cutting implement, chef edge, santoku | knife, chopper, slicer, cleaver | tang, tip, grip
mug      | kitchen     | mug, ceramic tumbler, drinking vessel, stoneware beaker | mug, cup, coffee holder, brew bowl | glaze, rim, ear
tent     | outdoor     | tent, canvas shelter, expedition dome, flysheet structure | tent, camping house, pop up den, tipi | pole, peg, groundsheet
rucksack | outdoor     | rucksack, daypack, load carrier, trekking pack | rucksack, backpack, school bag, knapsack | harness, drawstring, side pocket
lamp     | home        | lamp, luminaire, lighting fixture, led lantern | lamp, night light, reading light, bedside thing | shade, bulb socket, cord
pillow   | home        | pillow, head support, bedding cushion, memory foam block | pillow, headrest, sleep pad, bolster | cover, piping, filling
vacuum   | home        | vacuum, suction cleaner, floor care machine, dust extractor | vacuum, hoover, sweeper, carpet cleaner | hose, nozzle, dust bag
clock    | home        | clock, timekeeping piece, wall chronometer, quartz dial | clock, alarm, ticker, timer | pendulum, hour hand, winder
""")

# problem | what the catalogue says
#         | what shoppers say | technical words, which only pages use
PROBLEMS = _table("""
leak    | shows water ingress, is not watertight, permits moisture to enter, exhibits seepage
        | leaks, lets water in, got soaked, drips everywhere | sealant, gasket, membrane, hydrophobic, reproofing
noise   | emits acoustic disturbance, generates audible resonance, exceeds its decibel rating
        | is too loud, makes a racket, rattles like mad, keeps humming | damper, bearing, decibels, lubricant, amplitude
smell   | releases volatile odour, gives off residual vapour, has an olfactory defect
        | stinks, smells funny, reeks of chemicals, has a weird whiff | ventilate, solvent, deodoriser, charcoal, emission
crack   | displays a structural fracture, suffers material rupture, has compromised integrity
        | broke in two, snapped, cracked open, fell to bits | stress, adhesive, brittle, reinforcement, tensile
fade    | undergoes pigment loss, shows chromatic degradation, loses colour fastness
        | went pale, looks washed out, lost its shine, faded | dye, ultraviolet, fixative, lightfast, oxidation
fit     | deviates from nominal dimensions, is outside sizing tolerance, has an incorrect gauge
        | is too small, does not fit, pinches me, is far too big | caliper, measurement, allowance, millimetre, conversion
loose   | has insufficient fastening torque, shows attachment play, exhibits joint slackness
        | wobbles, is coming off, feels shaky, hangs loose | screw, washer, bracket, retighten, thread
stain   | carries persistent soiling, shows surface contamination, retains residue marks
        | got dirty, has spots on it, will not wash clean, is covered in gunk | detergent, enzyme, bicarbonate, descaler, rinse
scratch | bears superficial abrasion, shows surface scoring, has finish damage
        | is scratched, got scuffed, has ugly marks, arrived with a scrape | polish, lacquer, abrasive, buffing, touchup
heat    | surpasses thermal limits, reaches elevated temperature, triggers overheat protection
        | gets boiling, burns my fingers, is way too hot, feels like an oven | thermostat, dissipation, airflow, insulation, celsius
stuck   | encounters mechanical seizure, exhibits restricted travel, presents a blocked mechanism
        | is jammed, will not budge, got stuck, refuses to move | silicone, graphite, obstruction, actuator, clearance
missing | was supplied incomplete, lacks a listed component, has an inventory discrepancy
        | came with bits missing, has a piece gone, was not all there, is short of a part | spare, checklist, packaging, serial, replacement
""")

PAGES = {  # kind -> template; {t} is what the page calls the product, {p} what it says of the problem
    "manual": "section {n} of the manual . if the {t} {p} , inspect the {part} and apply {tech} .",
    "faq": "frequently asked . what to do when the {colour} {t} {p} ? our {brand} team recommends {tech} .",
    "review": "verified buyer from {city} . after {n} weeks the {brand} {t} {p} near the {part} . {tech} helped a little .",
    "ticket": "ticket {n} . customer reports that the {colour} {t} {p} . agent checked the {part} , suggested {tech} .",
    "guide": "care guide for {brand} owners . a {t} that {p} needs {tech} around the {part} .",
}
OFF_TOPIC = ("do not confuse this with the {t} that {p} .", "a {t} which {p} is covered elsewhere .",
             "another page explains why the {t} {p} .")
FILLER = ("our team answers within two working days .", "please keep the receipt in a safe place .",
          "thousands of customers trust this brand .", "this article was updated last spring .",
          "opening hours are on the front page .", "gift cards are available at the counter .",
          "subscribe to the newsletter for offers .", "shipping is free above fifty euros .",
          "see the table below for other languages .", "prices include all taxes .",
          "we thank everyone who wrote to us .", "members collect points with every purchase .")
QUESTIONS = ("my {t} {p}", "help the {t} {p}", "why is it that my {t} {p}", "the {t} i bought {p} what now",
             "what can i do if a {t} {p}", "new {t} already {p}")

BRANDS = ("acorn", "borealis", "calder", "dovetail", "elmira", "fjordane", "granby", "hollis")
COLOURS = ("red", "blue", "green", "black", "white", "yellow")
MATERIALS = ("cotton", "steel", "plastic", "wool", "aluminium", "bamboo")
CITIES = ("oslo", "porto", "leeds", "ghent", "turin", "lyon", "krakow", "izmir")
NAMES = (("ada", "boris", "chidi", "dana", "emre", "freya", "goran", "hana", "ines", "jonas"),
         ("arden", "brandt", "costa", "demir", "eriksen", "fontaine", "grabowski", "hughes"))
POLICIES = {"returns": ("days", 14, 60), "warranty": ("months", 6, 36), "shipping": ("days", 1, 9), "refund": ("days", 2, 14)}

_OF = "FROM products WHERE type = :type AND colour = :colour"
_SOLD = f"FROM orders JOIN users USING (uid) WHERE pid IN (SELECT pid {_OF})"
INTENTS = {  # intent -> (the SQL that answers it, six phrasings)
    "price": (f"SELECT min(price) {_OF}", (
        "how much is the {c} {t}", "price of a {c} {t}", "what does the {c} {t} cost", "how many euros for a {t} in {c}",
        "what would i pay for the {c} {t}", "is the {t} in {c} expensive")),
    "stock": (f"SELECT sum(stock) {_OF}", (
        "is the {c} {t} in stock", "do you still have a {c} {t}", "can i get the {t} in {c} today",
        "how many {c} {t} units are left", "is a {c} {t} available", "any {t} in {c} on the shelf")),
    "rating": (f"SELECT max(rating) {_OF}", (
        "how good is the {c} {t}", "stars of the {c} {t}", "what do people think of the {t} in {c}",
        "is the {c} {t} well reviewed", "rating for a {c} {t}", "do buyers like the {c} {t}")),
    "material": (f"SELECT DISTINCT material {_OF} ORDER BY material", (
        "what is the {c} {t} made of", "material of the {c} {t}", "which fabric or metal is the {t} in {c}",
        "what stuff is in a {c} {t}", "composition of the {c} {t}", "is the {c} {t} natural or synthetic")),
    "brand": (f"SELECT DISTINCT brand {_OF} ORDER BY brand", (
        "who makes the {c} {t}", "brand of the {c} {t}", "which company produces a {t} in {c}",
        "what label is the {c} {t}", "manufacturer of a {c} {t}", "whose product is the {c} {t}")),
    "delivery": (f"SELECT min(delivery) {_OF}", (
        "how fast does the {c} {t} arrive", "delivery time of a {c} {t}", "when will i receive the {t} in {c}",
        "how many days until the {c} {t} is here", "how long do you need to ship a {c} {t}", "can the {c} {t} come soon")),
    "sold": (f"SELECT coalesce(sum(qty), 0) {_SOLD}", (
        "how popular is the {c} {t}", "number of sales of the {c} {t}", "how often was the {t} in {c} bought",
        "is the {c} {t} a bestseller", "units sold of a {c} {t}", "how well does the {c} {t} sell")),
    "city": (f"SELECT city {_SOLD} GROUP BY city ORDER BY sum(qty) DESC, city LIMIT 1", (
        "where do owners of the {c} {t} live", "top city for the {c} {t}", "in which town is the {t} in {c} loved most",
        "which place orders the most {c} {t}", "where is a {c} {t} most common", "home town of {c} {t} fans")),
}
_POLICY = "SELECT value FROM policies WHERE dept = (SELECT dept FROM products WHERE type = :type) AND topic = "
FOLLOW_UPS = {  # kind -> (the SQL that answers it; None: that of the parent, in colour {c}; four phrasings)
    "colour": (None, ("what about in {c}", "and the {c} one", "same question for {c}", "how is it in {c}")),
    "cheaper": ("SELECT name FROM products WHERE type = :type ORDER BY price, name LIMIT 1", (
        "anything less expensive", "is there something cheaper", "that is too dear", "show me a bargain instead")),
    "returns": (f"{_POLICY}'returns'", (
        "can i send it back", "what if i do not like it", "how long may i return that", "is it possible to give it back")),
    "warranty": (f"{_POLICY}'warranty'", (
        "is it guaranteed", "what if it breaks later", "for how long is that covered", "does it come with a warranty")),
}

# step | desk | what its tools do | tools that can do it, with their cost in milliseconds; the first is the house's choice
TOOLS = _table("""
lookup     | refund     | reads the order                       | order_db 100, order_cache 200, crm_lookup 400
policy     | refund     | decides whether a refund is due       | policy_engine 100, policy_rules 200
pay        | refund     | pays the money back                   | stripe 100, razorpay 200
notify     | refund     | tells the customer                    | email 100, sms 200
pay+notify | refund     | pays the money and calls the customer | concierge 700
leg        | trip       | books the journey                     | flight_a 100, flight_b 200, rail 400
hotel      | trip       | books a room                          | hotel_a 100, hotel_b 200
car        | trip       | books a car                           | car_a 100, car_b 200
payment    | trip       | pays the trip                         | card 100, bank 200
itinerary  | trip       | sends the itinerary                   | mail 100, pdf 200
text       | moderation | checks the words of a review          | text_a 100, text_b 200
image      | moderation | checks the photograph of a review     | image_a 100, image_b 200
audio      | moderation | checks the sound of a review          | audio_a 100, audio_b 200
merge      | moderation | joins the verdicts                    | merge_a 100, merge_b 200
""")

SCHEMA = """
CREATE TABLE lines (line TEXT PRIMARY KEY, type TEXT);
CREATE TABLE products (pid INTEGER PRIMARY KEY, name TEXT, line TEXT, type TEXT, dept TEXT, brand TEXT, colour TEXT,
                       material TEXT, price INTEGER, stock INTEGER, rating REAL, delivery INTEGER);
CREATE TABLE users (uid INTEGER PRIMARY KEY, name TEXT, city TEXT, tier TEXT);
CREATE TABLE orders (oid INTEGER PRIMARY KEY, uid INTEGER REFERENCES users, pid INTEGER REFERENCES products,
                     qty INTEGER, month INTEGER, status TEXT, total INTEGER);
CREATE TABLE policies (dept TEXT, topic TEXT, value INTEGER, unit TEXT, PRIMARY KEY (dept, topic));
CREATE TABLE pages (page INTEGER PRIMARY KEY, kind TEXT, type TEXT, problem TEXT, text TEXT);
CREATE TABLE tools (name TEXT PRIMARY KEY, cost_ms INTEGER, step TEXT, desk TEXT, about TEXT);
"""


@dataclass(frozen=True)
class Meaning:
    """What a cache question asks: one of INTENTS about the products of a type and a colour."""

    intent: str
    type: str
    colour: str


@dataclass(frozen=True)
class FollowUp:
    """What a follow-up asks: one of FOLLOW_UPS after the question `parent`; `colour` only for the kind "colour"."""

    kind: str
    parent: Meaning
    colour: str | None = None


@dataclass(frozen=True)
class Said:
    """A text with its `meaning`, the number of its `phrasing` and the `word` used for the type (None in a follow-up)."""

    text: str
    meaning: Meaning | FollowUp
    phrasing: int
    word: str | None = None

    def __str__(self) -> str:
        return self.text


def pick(rng: np.random.Generator, options):
    """One of `options`, uniformly."""
    return options[int(rng.integers(len(options)))]


class Shop:
    """The company of `seed`: its database `db` and its writers of texts.

    `pages`: pages of each of the 288 topics, kinds in turn; `off_topic`: probability that a page also mentions another
    product or problem; `line_names`: probability that a page or question uses a line name for the product.
    """

    def __init__(self, seed: int, pages: int = 5, off_topic: float = 0.0, line_names: float = 0.5,
                 products: int = 240, users: int = 60, orders: int = 600):
        rng = np.random.default_rng(seed)
        self.off_topic, self.line_names = off_topic, line_names
        syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
        names = {}  # a dict keeps the order of drawing and drops repeated names
        while len(names) < 8 * len(TYPES):
            names["".join(pick(rng, syllables) for _ in range(3))] = None
        self.lines = {type: list(names)[8 * i:8 * i + 8] for i, type in enumerate(TYPES)}  # type -> its 8 line names
        self.db = sqlite3.connect(":memory:")
        self.db.executescript(SCHEMA)
        self._fill("lines", [(line, type) for type, lines in self.lines.items() for line in lines])
        self._fill("products", self._products(rng, products))
        self._fill("users", [(uid, f"{pick(rng, NAMES[0])} {pick(rng, NAMES[1])}", pick(rng, CITIES),
                              pick(rng, ("basic", "basic", "plus", "gold"))) for uid in range(users)])
        price = dict(self.sql("SELECT pid, price FROM products"))
        bought = [(int(rng.integers(users)), int(rng.integers(products)), int(rng.integers(1, 5))) for _ in range(orders)]
        self._fill("orders", [(1000 + i, uid, pid, qty, int(rng.integers(1, 13)), status, qty * price[pid])
                              for i, (uid, pid, qty) in enumerate(bought)
                              for status in [pick(rng, ("placed", "shipped", "delivered", "delivered", "returned"))]])
        self._fill("policies", [(dept, topic, int(rng.integers(low, high)), unit) for dept in dict.fromkeys(
            row[0][0] for row in TYPES.values()) for topic, (unit, low, high) in POLICIES.items()])
        self._fill("tools", [(*tool.split(), step, desk, about) for step, ((desk,), (about,), tools) in TOOLS.items()
                             for tool in tools])
        kinds = list(PAGES)
        self._fill("pages", [(page, kind, type, problem, self.page(rng, kind, type, problem)) for page, (type, problem, kind)
                             in enumerate((type, problem, kinds[i % len(kinds)])
                                          for type in TYPES for problem in PROBLEMS for i in range(pages))])

    def _fill(self, table: str, rows: list[tuple]) -> None:
        if rows:
            self.db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
            self.db.commit()

    def _products(self, rng, count: int) -> list[tuple]:
        """`count` products; the first 144 are one of each type and colour, so that every cache question has an answer."""
        kinds = [(type, colour) for type in TYPES for colour in COLOURS]
        if count < len(kinds):
            raise ValueError(f"a shop has at least {len(kinds)} products, one of each type and colour; found {count}")
        rows = []
        for pid in range(count):
            type, colour = kinds[pid] if pid < len(kinds) else pick(rng, kinds)
            line, brand = pick(rng, self.lines[type]), pick(rng, BRANDS)
            rows.append((pid, f"{brand} {line} {colour}", line, type, TYPES[type][0][0], brand, colour, pick(rng, MATERIALS),
                         int(rng.integers(10, 400)), int(rng.integers(0, 50)), float(rng.integers(10, 51) / 10),
                         int(rng.integers(1, 15))))
        return rows

    def sql(self, statement: str, *values, **named) -> list[tuple]:
        """The rows of one SQL `statement`, whose `?` or `:name` are filled in; ValueError if sqlite cannot run it."""
        try:
            return self.db.execute(statement, named or values).fetchall()
        except sqlite3.Error as error:
            raise ValueError(f"sqlite cannot run {statement!r} with {named or values}: {error}") from error

    def copy(self) -> sqlite3.Connection:
        """A fresh in-memory database with the same rows, for tools that write; threads may share it behind a lock."""
        db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.backup(db)
        return db

    def _name(self, rng, type: str, words: list[str]) -> str:
        return pick(rng, self.lines[type] if rng.random() < self.line_names else words)

    def page(self, rng, kind: str, type: str, problem: str) -> str:
        """A page of `kind` on the topic (`type`, `problem`), in the catalogue's words."""
        _, catalogue, _, parts = TYPES[type]
        phrases, _, technical = PROBLEMS[problem]
        words = [technical[i] for i in rng.permutation(len(technical))[:rng.integers(1, 4)]]
        text = PAGES[kind].format(t=self._name(rng, type, catalogue), p=pick(rng, phrases), part=pick(rng, parts),
                                  tech=" and ".join(words), n=rng.integers(2, 10), brand=pick(rng, BRANDS),
                                  colour=pick(rng, COLOURS), city=pick(rng, CITIES))
        around = [FILLER[i] for i in rng.permutation(len(FILLER))[:rng.integers(1, 4)]]
        if rng.random() < self.off_topic:
            other, trouble = type, _other(rng, list(PROBLEMS), problem)
            if rng.random() < 0.5:
                other, trouble = _other(rng, list(TYPES), type), pick(rng, list(PROBLEMS))
            around.append(pick(rng, OFF_TOPIC).format(t=self._name(rng, other, TYPES[other][1]),
                                                      p=pick(rng, PROBLEMS[trouble][0])))
        around.insert(int(rng.integers(len(around) + 1)), text)
        return " ".join(around)

    def ask(self, rng, type: str, problem: str) -> str:
        """A shopper's question on the topic (`type`, `problem`), in a shopper's words."""
        return pick(rng, QUESTIONS).format(t=self._name(rng, type, TYPES[type][2]), p=pick(rng, PROBLEMS[problem][1]))

    def say(self, rng, meaning: Meaning | FollowUp, phrasing: int | None = None, word: str | None = None) -> Said:
        """`meaning` in words; `phrasing` (0 to 5; of a follow-up 0 to 3) and `word` for the type are drawn if not given."""
        follow_up = isinstance(meaning, FollowUp)
        phrasings = FOLLOW_UPS[meaning.kind][1] if follow_up else INTENTS[meaning.intent][1]
        phrasing = int(rng.integers(len(phrasings))) if phrasing is None else phrasing
        word = None if follow_up else word or self._name(rng, meaning.type, TYPES[meaning.type][2])
        return Said(phrasings[phrasing].format(c=meaning.colour, t=word), meaning, phrasing, word)

    def answer(self, meaning: Meaning | FollowUp) -> str:
        """The answer to a cache question or follow-up, from the database."""
        if isinstance(meaning, FollowUp):
            if meaning.kind == "colour":
                return self.answer(replace(meaning.parent, colour=meaning.colour))
            rows = self.sql(FOLLOW_UPS[meaning.kind][0], type=meaning.parent.type)
        else:
            rows = self.sql(INTENTS[meaning.intent][0], type=meaning.type, colour=meaning.colour)
        return ", ".join(str(value) for (value,) in rows) or "none"

    def kind_of_pair(self, a: Said, b: Said) -> str:
        """How two texts of one meaning differ: identical, line-name, both, template, synonym, or follow-up."""
        if a.meaning != b.meaning:
            raise ValueError(f"{a.text!r} and {b.text!r} differ in meaning; see `kind_of_miss`")
        if a.text == b.text:
            return "identical"
        if isinstance(a.meaning, FollowUp):
            return "follow-up"
        if sum(said.word in self.lines[a.meaning.type] for said in (a, b)) == 1:
            return "line-name"
        return "template" if a.word == b.word else "synonym" if a.phrasing == b.phrasing else "both"


def meanings() -> list[Meaning]:
    """All 1,152 meanings of cache questions."""
    return [Meaning(intent, type, colour) for intent in INTENTS for type in TYPES for colour in COLOURS]


def near_miss(rng, meaning: Meaning | FollowUp) -> tuple[Meaning | FollowUp, str]:
    """A meaning that differs from `meaning` in one slot, and the name of its class.

    For a question: other-intent, other-type or other-colour. For a follow-up: same-text-other-parent, the parent being
    about another type, on which every follow-up's answer depends.
    """
    if isinstance(meaning, FollowUp):
        parent = replace(meaning.parent, type=_other(rng, list(TYPES), meaning.parent.type))
        return replace(meaning, parent=parent), "same-text-other-parent"
    slot, options = pick(rng, (("intent", list(INTENTS)), ("type", list(TYPES)), ("colour", COLOURS)))
    return replace(meaning, **{slot: _other(rng, options, getattr(meaning, slot))}), f"other-{slot}"


def follow_up(rng, parent: Meaning) -> FollowUp:
    """A follow-up of a random kind to the question `parent`."""
    kind = pick(rng, list(FOLLOW_UPS))
    return FollowUp(kind, parent, _other(rng, COLOURS, parent.colour) if kind == "colour" else None)


def _other(rng, options, present):
    return pick(rng, [option for option in options if option != present])
