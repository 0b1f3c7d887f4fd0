"""What one seed draws: a graph, a selection, how its nodes end, what goes wrong, and who is killed when."""

import random
from dataclasses import dataclass, field

from dagster_dune import DuneCatalog, MaterializedView, Query

STATUS = "/api/v1/pipelines/executions/*/status"
EXECUTION = "/api/v1/execution/*/status"
EXECUTE = "/api/v1/pipelines/execute"
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
)
KILLS = ("step SIGKILL", "step SIGTERM", "worker SIGKILL", "terminate")
STRATEGIES = ("FROM_FAILURE", "FROM_ASSET_FAILURE", "ALL_STEPS")


@dataclass
class Scenario:
    """One seed's draw. Object ids start at 1000 times the seed plus 1, so that seeds share nothing."""

    seed: int
    catalog: DuneCatalog
    selection: list[str]
    failing: dict[str, int]
    faults: list[tuple[str, str, str, dict]]
    kill: str | None
    kill_after: float
    strategies: list[str]
    log: list[str] = field(default_factory=list)

    @property
    def name(self):
        return f"chaos_{self.seed}"

    def __str__(self):
        parts = [f"{len(self.catalog)} objects, {len(self.selection)} selected"]
        parts += [f"{name} fails {times}x" for name, times in self.failing.items()]
        parts += [f"{kind} {settings} at {path.rsplit('/', 1)[-1]}" for kind, _, path, settings in self.faults]
        if self.kill:
            parts.append(f"{self.kill} after {self.kill_after:.1f} s")
        return "; ".join(parts)


def draw(seed):
    """Draw the scenario of a seed; the same seed always gives the same one."""
    chance = random.Random(seed)
    names, deps, is_matview = [], [], []
    for i in range(chance.randint(2, 7)):
        number = seed * 1000 + i + 1
        is_matview.append(chance.random() < 0.5)
        names.append(f"dune.acme.result_m{number}" if is_matview[i] else f"query_{number}")
        deps.append(chance.sample(names[:i], chance.randint(0, min(i, 2))))
    catalog = DuneCatalog(
        materialized_views=[
            MaterializedView(name=name, query_id=seed * 1000 + i + 1, deps=deps[i])
            for i, name in enumerate(names)
            if is_matview[i]
        ],
        queries=[
            Query(query_id=seed * 1000 + i + 1, deps=deps[i]) for i, name in enumerate(names) if not is_matview[i]
        ],
    )
    selection = sorted(chance.sample(names, chance.randint(1, len(names))))
    failing = {name: chance.randint(1, 2) for name in selection if chance.random() < 0.15}
    faults = [("GET", STATUS, chance.choice(POLLING_FAULTS)) for _ in range(chance.randint(0, 3))]
    if chance.random() < 0.2:
        faults.append(("GET", EXECUTION, chance.choice(POLLING_FAULTS[:7])))
    if chance.random() < 0.3:
        faults.append(("POST", EXECUTE, chance.choice(SUBMISSION_FAULTS)))
    return Scenario(
        seed=seed,
        catalog=catalog,
        selection=selection,
        failing=failing,
        faults=[(kind, method, path, settings) for method, path, (kind, settings) in faults],
        kill=chance.choice(KILLS) if chance.random() < 0.6 else None,
        kill_after=chance.uniform(0.0, 2.0),
        strategies=[chance.choice(STRATEGIES) for _ in range(4)],
    )


def load(scenario, dune):
    """Save a scenario's objects in a local Dune, and arm its faults."""
    for obj in scenario.catalog.with_backing_queries().queries:
        reads = scenario.catalog[obj.sql_name].deps if obj.sql_name in scenario.catalog else obj.deps
        parts = [f"SELECT n FROM {name}" for name in reads if name in scenario.selection] or ["SELECT 1 AS n"]
        dune.load_query(obj.query_id, obj.sql_name, f"SELECT COUNT(*) AS n FROM ({' UNION ALL '.join(parts)}) AS t")
    for matview in scenario.catalog.materialized_views:
        dune.load_materialized_view(matview.name, matview.query_id)
    for name, times in scenario.failing.items():
        node = name if name.startswith("dune.") else int(name.removeprefix("query_"))
        dune.inject("failing_node", node=node, times=times)
    for kind, method, path, settings in scenario.faults:
        dune.inject(kind, method=method, path=path, times=2, **settings)
