"""The checks that a seed draws: what they say in the end, and how often they say no, or break, before."""

from dataclasses import dataclass

from dagster_dune import DuneCatalog, DuneCheck, Query

SAYS_NO = "Cannot cast 'gate closed: 3 bad rows' to BIGINT"
OFFSET = 50
"""The ids of a definition's checks start so far behind those of its objects."""

KINDS = ("gate", "gate", "gate", "rows", "value", "row_count", "columns", "freshness", "credits", "seconds")
GATES = (
    (),
    (),
    ("no",),
    ("no",),
    ("no",),
    ("no", "no"),
    ("no", "no"),
    ("broken",),
    ("broken", "no"),
    ("no", "broken"),
    ("no",) * 99,
)
"""What a gate says, execution by execution, before it says yes."""

KNOWN = {
    "row_count": ({"at_least": 1}, {"at_least": 1000}),
    "columns": ({"columns": {"n": "bigint"}}, {"columns": {"missing": "bigint"}}),
    "freshness": ({"max_age_hours": 1_000_000}, {"max_age_hours": 1e-9}),
    "credits": ({"at_most": 1000}, {"at_most": 0}),
    "seconds": ({"at_most": 1000}, {"at_most": 0}),
}
"""By kind without a query, settings that pass, and others that fail."""
OTHERS = ((), (), (), ("broken",), ("broken", "broken"))
DAY = [{"key": "day", "type": "text", "value": "2020-01-01"}]
SQL = {
    "gate": ("SELECT 1 AS n", "SELECT 1 AS n"),
    "rows": ("SELECT 1 AS n WHERE false", "SELECT 1 AS n"),
    "value": ("SELECT true AS fine", "SELECT false AS fine"),
}


@dataclass
class DrawnCheck:
    """A check, and what becomes of it.

    Attributes:
        check: The check.
        query: Its query; None where it has none.
        is_selected: Whether the job selects it.
        has_asset: Whether the job selects what it checks.
        passes: What it says after the drawn answers.
        answers: What goes before that, execution by execution: "no" or "broken".
    """

    check: DuneCheck
    query: Query | None
    is_selected: bool
    has_asset: bool
    passes: bool
    answers: tuple[str, ...]

    @property
    def is_asked(self):
        """Whether it is a gate that the job selects."""
        return self.is_selected and self.check.is_gate

    @property
    def can_fail_a_run(self):
        """Whether a run can fail because of it, though nothing else goes wrong."""
        has_answer = self.query or self.has_asset
        return self.is_selected and bool(self.answers or not has_answer or (self.check.blocking and not self.passes))

    def __str__(self):
        blocking = "blocking " if self.check.blocking and not self.check.is_gate else ""
        words = [f"{blocking}{self.check.kind} of {self.check.asset}"]
        words += [f"says no {len(self.answers)}x"] if len(self.answers) > 2 else self.answers
        words += [] if self.passes else ["fails"]
        words += [] if self.is_selected else ["not selected"]
        return " ".join(words)

    def load(self, dune):
        """Save its query in a local Dune, and arm what it says at first."""
        if self.query is None:
            return
        sql, day = SQL[self.check.kind][not self.passes], []
        if self.query.partitions:
            sql, day = sql.replace("SELECT", "SELECT '{{day}}' AS day,"), DAY
        dune.load_query(self.query.query_id, self.query.sql_name, sql, parameters=day)
        for answer in self.answers:
            words = {"message": SAYS_NO} if answer == "no" else {}
            dune.inject("failing_node", node=self.query.query_id, times=1, **words)


def draw_checks(chance, catalogs, selection, days):
    """Draw some checks of the objects of each definition.

    Returns:
        The catalogs with these checks, and the checks.
    """
    drawn, whole = [], []
    for catalog in catalogs:
        some = [_draw(chance, catalog, selection, days, number) for number in range(chance.randint(1, 4))]
        drawn += some
        whole.append(
            DuneCatalog(
                materialized_views=catalog.materialized_views,
                queries=[*catalog.queries, *(one.query for one in some if one.query)],
                checks=[one.check for one in some],
            )
        )
    return whole, drawn


def _draw(chance, catalog, selection, days, number):
    objects = [*catalog.materialized_views, *catalog.queries]
    read = [obj for obj in objects if any(obj.sql_name in catalog[name].deps for name in selection if name in catalog)]
    kind = "gate" if number == 0 and chance.random() < 0.6 else chance.choice(KINDS)
    obj = chance.choice(read if read and kind == "gate" and chance.random() < 0.9 else objects)
    passes = kind == "gate" or chance.random() < 0.7
    has_asset = obj.sql_name in selection
    # A partitioned check needs its asset in the run. One of what a run knows has no answer without it.
    is_selected = chance.random() < (0.85 if has_asset else 0.0 if days else 0.4 if kind in SQL else 0.15)
    query, settings, answers = None, KNOWN.get(kind, ({}, {}))[not passes], ()
    if kind in SQL:
        id_ = min(each.query_id for each in objects) + OFFSET + number
        of_days = getattr(obj, "partitions", None) if kind != "value" and chance.random() < 0.7 else None
        query, settings = Query(query_id=id_, deps=[obj.sql_name], partitions=of_days), {"query_id": id_}
        answers = chance.choice(GATES if kind == "gate" else OTHERS)
    blocking = kind == "gate" or chance.random() < 0.3
    check = DuneCheck(asset=obj.sql_name, name=f"check_{number}", kind=kind, blocking=blocking, **settings)
    return DrawnCheck(check, query, is_selected, has_asset, passes, answers)
