"""What one seed draws: a graph, a selection, how its nodes end, what goes wrong, and who is killed when."""

import random
from dataclasses import dataclass, field

from drawn_checks import DrawnCheck, draw_checks

from dagster_dune import DuneCatalog, MaterializedView, Query, QueryPartitions

STATUS = "/api/v1/pipelines/executions/*/status"
EXECUTION = "/api/v1/execution/*/status"
EXECUTE = "/api/v1/pipelines/execute"
TWIN = "twin"
HTML = "<html>Bad gateway</html>"

POLLING_FAULTS = (
    ("status", {"status": 429, "headers": {"Retry-After": "1"}}),
    ("status", {"status": 503, "body": HTML}),
    ("status", {"status": 200, "body": HTML}),
    ("reset", {}),
    ("reset", {"when": "after"}),
    ("truncated", {}),
    ("malformed", {}),
    ("delay", {"seconds": 1.5}),
    ("wrong_word", {"word": "napping"}),
    ("null_nodes", {}),
    ("young_pipeline", {"seconds": 1.0}),
)
SUBMISSION_FAULTS = (
    ("status", {"status": 429, "headers": {"Retry-After": "1"}}),
    ("status", {"status": 503, "body": HTML, "when": "after"}),
    ("status", {"status": 503, "body": HTML}),
    ("reset", {"when": "before"}),
    ("reset", {"when": "after"}),
    ("malformed", {}),
    # What a gateway may say although the request went through.
    *(("status", {"status": code, "body": HTML, "when": "after"}) for code in (303, 408, 409, 425, 429, 499)),
    ("status", {"status": 409, "body": {"error": "conflict"}, "when": "after"}),
)
# Ctrl-C reaches every process of a shell's job.
KILLS = ("step SIGKILL", "step SIGTERM", "step SIGINT", "worker SIGKILL", "worker SIGINT", "Ctrl-C", "terminate")
STRATEGIES = ("FROM_FAILURE", "FROM_FAILURE", "FROM_FAILURE", "FROM_ASSET_FAILURE", "FROM_ASSET_FAILURE", "ALL_STEPS")
DAYS = QueryPartitions(kind="daily", start="2024-01-01", parameters={"day": "{partition_key}"})
STORAGE_FAULTS = (
    {"word": "intent", "times": 2, "when": "before"},
    {"word": "intent", "times": 1, "when": "after"},
    {"word": "intent", "times": 99, "when": "before"},
    {"word": "intent", "times": 99, "when": "after"},
    {"word": "answer", "times": 3, "when": "before"},
    {"word": "answer", "times": 3, "when": "after"},
    *({"word": word, "times": 2, "when": "before"} for word in ("withdrawn", "refused", "lost")),
    {"word": "withdrawn", "times": 99, "when": "before"},
    {"word": "look", "times": 1, "when": "before"},
    {"word": "look", "times": 2, "when": "before"},
)
"""How the record fails: which word's writes, how often in a process, and whether it is stored all the same; or which
look at it."""


@dataclass
class Scenario:
    """One seed's draw. Object ids start at 1000 times the seed plus 1, so that seeds share nothing.

    Attributes:
        catalogs: What each definition of the run is built from.
        days: How many partitions the run is of; 0 where queries have none.
        siblings: How many retries of the first run are launched at once.
        storage: How writes of the record fail; None where they do not.
        has_skewed_clocks: Whether the clocks of attempts differ by an hour.
        has_odd_names: Whether Dune writes names with quotes and capitals.
        loses_parent: Whether the first run is deleted as soon as its retries are launched.
        has_step_retries: Whether a step is tried again within its run.
        killed_retry: Whether a retry is killed, and not the first run.
        tags: Whether each retry gets the tags that Dagster's UI sets, or is known by its fields alone.
        automatic: Whether each retry is one that Dagster itself makes, and nobody by hand.
        reads_past: Whether what a closed gate has held back is tried by hand without the gate, before any retry.
        checks: The checks of all definitions.
        has_twin: Whether a further definition holds the objects of the first one, under other asset keys.
        twin_waits: Whether what that holds depends on what the first one makes.
    """

    seed: int
    catalogs: list[DuneCatalog]
    selection: list[str]
    failing: dict[str, int]
    faults: list[tuple[str, str, str, dict]]
    kill: str | None
    kill_after: float
    strategies: list[str]
    days: int = 0
    siblings: int = 1
    storage: dict | None = None
    has_skewed_clocks: bool = False
    has_odd_names: bool = False
    loses_parent: bool = False
    has_step_retries: bool = False
    killed_retry: bool = False
    tags: list[bool] = field(default_factory=lambda: [True] * 8)
    automatic: list[bool] = field(default_factory=lambda: [False] * 8)
    reads_past: bool = False
    checks: list[DrawnCheck] = field(default_factory=list)
    has_twin: bool = False
    twin_waits: bool = False
    log: list[str] = field(default_factory=list)

    @property
    def name(self):
        return f"chaos_{self.seed}"

    def __str__(self):
        parts = [
            f"{sum(map(len, self.catalogs))} objects, {len(self.selection)} selected, {len(self.catalogs)} definitions"
        ]
        parts += [words for words, is_so in self.traits.items() if is_so]
        parts += [f"{name} fails {times}x" for name, times in self.failing.items()]
        parts += [str(drawn) for drawn in self.checks]
        parts += [f"{kind} {settings} at {path.rsplit('/', 1)[-1]}" for kind, _, path, settings in self.faults]
        if self.kill:
            who = "a retry's" if self.killed_retry else "the first"
            parts.append(f"{who} {self.kill} after {self.kill_after:.1f} s")
        return "; ".join(parts)

    @property
    def traits(self):
        return {
            "partitions": bool(self.days),
            "siblings at once": self.siblings > 1,
            f"storage {self.storage}": bool(self.storage),
            "skewed clocks": self.has_skewed_clocks,
            "odd names": self.has_odd_names,
            "deleted parent": self.loses_parent,
            "step retries": self.has_step_retries,
            "kill in a retry": bool(self.kill) and self.killed_retry,
            "retries without tags": not all(self.tags[:3]),
            "automatic retries": any(self.automatic[:3]),
            "everything, then from failure": self.strategies[:2] == ["ALL_STEPS", "FROM_FAILURE"],
            "readers without their gate": self.reads_past,
            "twins": self.has_twin,
            "twins one after the other": self.twin_waits,
            "checks": bool(self.checks),
            "checks alone": not self.selection,
        }

    @property
    def twins(self):
        """The selected objects that two definitions hold."""
        return {name for name in self.selection if self.has_twin and name in self.catalogs[0]}

    def catalog_of(self, name):
        return next(catalog for catalog in self.catalogs if name in catalog)


def draw(seed):
    """Draw the scenario of a seed; the same seed always gives the same one."""
    chance = random.Random(seed)
    days = chance.randint(1, 3) if chance.random() < 0.2 else 0
    count = chance.choice([1, 1, 2, 3])
    graphs = [_graph(chance, seed * 1000 + 100 * nth + 1, days) for nth in range(count)]
    selection = sorted(name for _, names in graphs for name in chance.sample(names, chance.randint(1, len(names))))
    failing = {name: chance.choice([1, 1, 2]) for name in selection if chance.random() < 0.4}
    faults = [("GET", STATUS, chance.choice(POLLING_FAULTS)) for _ in range(chance.randint(0, 3))]
    if chance.random() < 0.2:
        faults.append(("GET", EXECUTION, chance.choice(POLLING_FAULTS[:7])))
    if chance.random() < 0.15:  # most of them end a scenario: nobody may send again
        faults.append(("POST", EXECUTE, chance.choice(SUBMISSION_FAULTS)))
    scenario = Scenario(
        seed=seed,
        catalogs=[catalog for catalog, _ in graphs],
        selection=selection,
        failing=failing,
        faults=[(kind, method, path, settings) for method, path, (kind, settings) in faults],
        kill=chance.choice(KILLS) if chance.random() < 0.6 else None,
        kill_after=chance.uniform(0.0, 2.0),
        strategies=[chance.choice(STRATEGIES) for _ in range(8)],
        days=days,
        siblings=chance.choice([1, 2, 3, 3]),
        storage=chance.choice(STORAGE_FAULTS) if chance.random() < 0.2 else None,
        has_skewed_clocks=chance.random() < 0.5,
        has_odd_names=chance.random() < 0.3,
        loses_parent=chance.random() < 0.1,
        has_step_retries=chance.random() < 0.2,
        killed_retry=chance.random() < 0.3,
        tags=[chance.random() < 0.6 for _ in range(8)],
    )
    scenario = _after_a_no(_with_checks(chance, scenario)) if chance.random() < 0.7 else _with_twin(scenario)
    return _with_everything_again(scenario)


def _with_checks(chance, scenario):
    if not scenario.days and chance.random() < 0.1:
        scenario.selection, scenario.failing = [], {}
    scenario.catalogs, scenario.checks = draw_checks(chance, scenario.catalogs, scenario.selection, scenario.days)
    if not scenario.selection and not any(drawn.is_selected for drawn in scenario.checks):
        chance.choice(scenario.checks).is_selected = True
    scenario.kill_after += chance.uniform(0.0, 2.0)
    scenario.automatic = [chance.random() < 0.4 for _ in range(8)]
    for nth, is_automatic in enumerate(scenario.automatic):
        if is_automatic and chance.random() < 0.4:  # the tag dagster/retry_strategy
            scenario.strategies[nth] = "ALL_STEPS"
    scenario.tags = [*map(max, scenario.tags, scenario.automatic)]  # Dagster's own retries have tags
    return scenario


def _with_everything_again(scenario):
    """Perhaps run everything again first, so that it is perhaps killed, and then resume that from failure."""
    chance = random.Random(f"everything again, {scenario.seed}")
    if chance.random() < 0.25:
        scenario.strategies[:3] = ["ALL_STEPS", "FROM_FAILURE", "FROM_FAILURE"]
        scenario.killed_retry = chance.random() < 0.7
    return scenario


def _with_twin(scenario):
    """Perhaps let two definitions hold the same objects. Invariants of checks do not know of them."""
    chance = random.Random(f"twin, {scenario.seed}")
    scenario.has_twin = chance.random() < 0.7
    scenario.twin_waits = scenario.has_twin and chance.random() < 0.7
    return scenario


def _after_a_no(scenario):
    """Where a gate says no, draw what makes a forgotten no matter: who tries again, and whether without the gate."""
    if not any(drawn.is_asked and drawn.answers[:1] == ("no",) for drawn in scenario.checks):
        return scenario
    chance = random.Random(f"after a no, {scenario.seed}")
    scenario.reads_past = chance.random() < 0.5
    if chance.random() < 0.5:
        scenario.automatic[0] = scenario.tags[0] = True
        scenario.strategies[0] = chance.choice(["FROM_FAILURE", "ALL_STEPS", "ALL_STEPS"])
    return scenario


def _graph(chance, first, days):
    """A definition's catalog, and the names of its objects."""
    names, deps, is_matview = [], [], []
    for i in range(chance.randint(2, 5)):
        is_matview.append(chance.random() < 0.5)
        names.append(f"dune.acme.result_m{first + i}" if is_matview[i] else f"query_{first + i}")
        deps.append(chance.sample(names[:i], chance.randint(0, min(i, 2))))
    of_day = {"partitions": DAYS} if days else {}
    catalog = DuneCatalog(
        materialized_views=[
            MaterializedView(name=name, query_id=first + i, deps=deps[i])
            for i, name in enumerate(names)
            if is_matview[i]
        ],
        queries=[
            Query(query_id=first + i, deps=deps[i], **of_day) for i, name in enumerate(names) if not is_matview[i]
        ],
    )
    return catalog, names


def load(scenario, dune):
    """Save a scenario's objects in a local Dune, and arm its faults."""
    for catalog in scenario.catalogs:
        _load_objects(scenario, catalog, dune)
    for drawn in scenario.checks:
        drawn.load(dune)
    for name, times in scenario.failing.items():
        node = name if name.startswith("dune.") else int(name.removeprefix("query_"))
        dune.inject("failing_node", node=node, times=times)
    for kind, method, path, settings in scenario.faults:
        dune.inject(kind, method=method, path=path, times=2, **settings)


def _load_objects(scenario, catalog, dune):
    day = {"key": "day", "type": "text", "value": "2020-01-01"}
    of_checks = {check.sql_name for check in catalog.checks}
    for obj in catalog.with_backing_queries().queries:
        if obj.sql_name in of_checks:
            continue
        if scenario.days and obj.sql_name in catalog:
            dune.load_query(
                obj.query_id, obj.sql_name, "SELECT COUNT(*) AS n FROM (SELECT '{{day}}' AS day) AS t", parameters=[day]
            )
            continue
        reads = catalog[obj.sql_name].deps if obj.sql_name in catalog else obj.deps
        parts = [f"SELECT n FROM {name}" for name in reads if name in scenario.selection] or ["SELECT 1 AS n"]
        dune.load_query(obj.query_id, obj.sql_name, f"SELECT COUNT(*) AS n FROM ({' UNION ALL '.join(parts)}) AS t")
    for matview in catalog.materialized_views:
        dune.load_materialized_view(matview.name, matview.query_id)
