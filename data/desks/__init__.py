"""DESKS: three service desks whose tools fail, and a judge that reads what they left in a database.

    company = Company(seed)
    runs = company.scenarios(rng)                           # the 19 failures of the paper's benchmark
    run, = company.requests(rng, [("refund", True, {"Stripe"})])
    attempt(run, "Stripe")                                  # False: the service is down, the transcript says FAIL
    judge(run)                                              # "SILENT": nothing was done, and nobody opened a ticket

A request needs an effect per step, in order; a tool leaves an effect as a row of the run's sqlite database, a copy of the
course's shop. `text/ImageMod` reads "the service ImageMod looks at the text": tools of one service fail together. Steps,
services, edges and failures are those of the paper's reference implementation (github.com/NeerajBholani/self-healing-router);
weights of stand-ins in moderation, weaker tools, spanning tools with their edges, and wishes are ours.
"""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from data.shop import Shop

STEPS = {  # kind of request -> effect -> the tools that leave it, cheapest first
    "refund": {"case": "CRM", "refund": "Stripe Razorpay", "message": "Email SMS"},
    "trip": {"leg": "FlightAPI TrainAPI", "hotel": "HotelAPI HostelAPI", "car": "CarAPI BusAPI", "payment": "Payment"},
    "post": {"text": "text/TextMod text/ImageMod text/VideoMod", "image": "image/ImageMod image/VideoMod",
             "video": "video/VideoMod video/ImageMod", "score": "ToxicityScorer", "decision": "AutoApprove HumanReview"}}
WEAKER = {  # tools for something weaker -> (what they leave, the step after which they can be had)
    "refund": {"StoreCredit": ("credit", "case"), "Letter": ("letter", "refund")},
    "trip": {"HoldDesk": ("hold", "leg")}, "post": {"HumanQueue": ("queue", None)}}
SPANNING = {  # tools that do several steps in one go -> these steps
    "refund": {"Concierge": "refund message"}, "trip": {"Package": "leg hotel", "StayDrive": "hotel car"},
    "post": {"Panel": "score decision"}}
EFFECT = {tool: what for steps in STEPS.values() for what, tools in steps.items() for tool in tools.split()}
EFFECT |= {tool: what for weaker in WEAKER.values() for tool, (what, _) in weaker.items()}
EFFECT |= {tool: what for spanning in SPANNING.values() for tool, what in spanning.items()}
EDGES = {  # kind -> sources > target cost, target cost; ...
         "refund": """Start > CRM .1;                           CRM > Stripe .3, Razorpay .5, StoreCredit 1
                      Email SMS > Complete .1;                  Stripe Razorpay > Email .3, SMS .4, Letter 1""",
         "trip": """Start > FlightAPI .3, TrainAPI .5;          HotelAPI > CarAPI .3, BusAPI .4
                    FlightAPI TrainAPI > HotelAPI .3, HostelAPI .4;      HostelAPI > CarAPI .4, BusAPI .3
                    CarAPI BusAPI > Payment .2;                 Payment > Complete .1
                    FlightAPI TrainAPI HotelAPI HostelAPI CarAPI BusAPI > HoldDesk 1""",
         "post": """text/TextMod > joined .2;                 text > text/TextMod .2, text/ImageMod .7, text/VideoMod .9
                    text/ImageMod image/ImageMod > joined .3; image > image/ImageMod .3, image/VideoMod .9
                    text/VideoMod image/VideoMod > joined .4; video > video/VideoMod .5, video/ImageMod .7
                    video/ImageMod > joined .3;               joined > ToxicityScorer 0
                    video/VideoMod > joined .4;               ToxicityScorer > AutoApprove .2, HumanReview .5
                    AutoApprove HumanReview > Complete .1;    text image video joined ToxicityScorer > HumanQueue 1"""}
ROUTES = {"refund": [("Start", "Complete")], "trip": [("Start", "Complete")],  # (source, goal) in turn
          "post": [("text", "joined"), ("image", "joined"), ("video", "joined"), ("joined", "Complete")]}
SHORT_CUTS = {  # edges that put the spanning tools into the graphs
              "refund": "CRM > Concierge 1.5; Concierge > Complete .1",
              "trip": "Start > Package 1.5; Package > CarAPI .3, BusAPI .4, HoldDesk 1; FlightAPI TrainAPI > StayDrive 1.5; "
                      "StayDrive > Payment .2, HoldDesk 1",
              "post": "joined > Panel 1.5; Panel > Complete .1"}
ENOUGH = {"refund": [{"credit"}, {"refund", "letter"}], "trip": [{"hold"}], "post": [{"queue"}]}
NOT_BOTH = [{"refund", "credit"}, {"message", "letter"}, {"payment", "hold"}]
OUTCOMES = ("ok", "demoted", "escalated", "SILENT", "DOUBLE")

FAILURES = {"CS": "- Stripe Email Stripe,Email Stripe,Razorpay Email,SMS CRM",
            "TB": "- FlightAPI HotelAPI,CarAPI FlightAPI,TrainAPI FlightAPI,HotelAPI,CarAPI Payment",
            "CM": "- TextMod AutoApprove TextMod,AutoApprove TextMod,ImageMod,VideoMod ToxicityScorer"}
SCENARIOS = {f"{desk}-{i}": (kind, set(down.split(","))) for (desk, cases), kind in zip(FAILURES.items(), STEPS)
             for i, down in enumerate(cases.split(), 1)}  # name -> (kind of request, services that are down)
FIRM = {"CS-3", "TB-2", "TB-6", "CM-4", "CM-6"}           # scenarios whose customer accepts nothing weaker
WISHES = {False: ("second best will do", "a substitute is fine", "something smaller is fine", "i can wait"),
          True: ("nothing else will do", "no substitute please", "nothing smaller is fine", "i can not wait")}


def service(tool: str) -> str:
    """The service behind a tool: ImageMod for text/ImageMod."""
    return tool.split("/")[-1]


SERVICES = sorted({service(tool) for tool in EFFECT})


@dataclass
class Run:
    """One request and all that happens to it."""

    ref: int
    kind: str                                     # refund, trip or post
    text: str                                     # the customer's words
    firm: bool                                    # whether the customer accepts nothing weaker
    total: int                                    # of the order, in euros
    down: set                                     # services that do not work
    db: object                                    # a sqlite connection, shared by runs of one call of `requests`
    late: set = field(default_factory=set)        # services that work, but whose answer is lost
    flaky: dict = field(default_factory=dict)     # service -> failing calls left; afterwards it works
    steps: list = field(default_factory=list)     # (tool, "OK" or "FAIL"): the transcript
    log: list = field(default_factory=list)       # (event, about what): what the controller decided
    asked: int = 0                                # inferences


def attempt(run: Run, tool: str) -> bool:
    """Use one tool: leave its effects if it works, write OK or FAIL into the transcript, and say whether it answered.

    An unknown tool is a tool that fails. An error of the database passes through: nobody may mistake it for a broken tool.
    """
    name = service(tool)
    broken = tool not in EFFECT or name in run.down or run.flaky.get(name, 0) > 0
    run.flaky[name] = run.flaky.get(name, 0) - 1
    if not broken:
        run.db.executemany("INSERT INTO effects VALUES (?, ?, ?)", [(run.ref, what, tool) for what in EFFECT[tool].split()])
    answered = not broken and name not in run.late
    run.steps.append((tool, "OK" if answered else "FAIL"))
    return answered


def escalate(run: Run, reason: str) -> None:
    """Open a ticket: a person takes over."""
    run.db.execute("INSERT INTO effects VALUES (?, 'ticket', 'person')", (run.ref,))
    run.log.append(("escalate", reason))


def judge(run: Run) -> str:
    """One of OUTCOMES, from the rows of this request alone: ok, demoted (less, and enough for a customer who is not firm),
    escalated (a ticket), DOUBLE (an effect twice, or two that exclude each other), SILENT (less than needed, no ticket)."""
    rows = [what for what, in run.db.execute("SELECT what FROM effects WHERE ref = ?", (run.ref,))]
    have = set(rows)
    if len(rows) > len(have) or any(pair <= have for pair in NOT_BOTH):
        return "DOUBLE"
    if "ticket" in have:
        return "escalated"
    if set(STEPS[run.kind]) <= have:
        return "ok"
    return "demoted" if not run.firm and any(less <= have for less in ENOUGH[run.kind]) else "SILENT"


def best(run: Run) -> str:
    """The best outcome that this request's broken services allow without spanning tools: ok, demoted or escalated."""
    works = {what: any(service(tool) not in run.down for tool in tools.split()) for what, tools in STEPS[run.kind].items()}
    if all(works.values()):
        return "ok"
    order = list(works)
    for tool, (_, after) in WEAKER[run.kind].items():
        before = order[:order.index(after) + 1] if after else []
        if not run.firm and tool not in run.down and all(works[what] for what in before):
            return "demoted"
    return "escalated"


class Company:
    """Draws requests; orders come from `Shop(seed)`. `limit`: a refund above this amount is a risk."""

    def __init__(self, seed: int):
        self.shop = Shop(seed, pages=0)
        self.totals = sorted(total for total, in self.shop.sql("SELECT total FROM orders WHERE status = 'returned'"))
        self.limit = self.totals[-3]

    def requests(self, rng: np.random.Generator, cases) -> list[Run]:
        """A run for each (kind, firm, services that are down), in seeded words and below the limit, in one fresh database."""
        db = self.shop.copy()
        db.executescript("CREATE TABLE effects (ref, what, tool); CREATE INDEX by_ref ON effects (ref)")
        return [Run(ref, kind, f"please {kind} this {rng.choice(WISHES[firm])}", firm, int(rng.choice(self.totals[:-2])),
                    set(down), db) for ref, (kind, firm, down) in enumerate(cases)]

    def scenarios(self, rng: np.random.Generator) -> list[Run]:
        """The 19 scenarios, in the order of SCENARIOS."""
        return self.requests(rng, [(kind, name in FIRM, down) for name, (kind, down) in SCENARIOS.items()])

    def random_runs(self, rng: np.random.Generator, n: int, *rates: float) -> list[Run]:
        """`n` runs of the three kinds in turn; in run i each service is down with probability rates[i % len(rates)]."""
        return self.requests(rng, [(list(STEPS)[i % 3], bool(rng.random() < 0.5),
                                    {name for name in SERVICES if rng.random() < rates[i % len(rates)]}) for i in range(n)])
