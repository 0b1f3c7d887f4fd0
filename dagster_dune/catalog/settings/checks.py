"""`DuneCheck`: what is checked of an object after it has run, by a query on Dune or by what the run knows anyway."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dagster_dune.catalog.names import Reference, query_id_of, query_name
from dagster_dune.errors import DuneCatalogError

QueryKind = Literal["rows", "value", "gate"]
KnownKind = Literal["row_count", "columns", "freshness", "credits", "seconds"]
CheckKind = Literal[QueryKind, KnownKind]

QUERY_KINDS: tuple[str, ...] = get_args(QueryKind)
MAX_SAMPLE_ROWS = 100
GATE_MARKER = "gate closed:"
"""What the error of a gate that says no begins with, so that it is told from a timeout or a broken query."""

PERCENT = re.compile(r"(?P<number>\d+(\.\d+)?)\s*%")
GATE_WORDS = re.compile(rf"{GATE_MARKER}\s*(?P<why>[^'\"\n]*)", re.IGNORECASE)

BOUNDS: Mapping[str, tuple[str, ...]] = {
    "rows": ("sample_rows",),
    "value": ("at_least", "at_most", "equals", "change_at_most"),
    "gate": (),
    "row_count": ("at_least", "at_most", "factor_at_most", "last"),
    "columns": ("columns",),
    "freshness": ("max_age_hours",),
    "credits": ("at_most",),
    "seconds": ("at_most",),
}
"""By kind, the settings that it takes beside those that all take."""
KNOWN_NUMBERS = ("row_count", "credits", "seconds")
"""The kinds of numbers that are never below zero."""
NEEDED: Mapping[str, tuple[str, ...]] = {
    "row_count": ("at_least", "at_most", "factor_at_most"),
    "columns": ("columns",),
    "freshness": ("max_age_hours",),
    "credits": ("at_most",),
    "seconds": ("at_most",),
}
"""By kind, the settings of which it needs one."""


class DuneCheck(BaseModel):
    """A check of one object of a catalog.

    Kinds with a query of their own, which runs as a node of the same pipeline call:

    - ``rows``: the query returns the offending rows; none is a pass;
    - ``value``: it returns one row with one boolean, or with one number within bounds;
    - ``gate``: it fails where the data is bad, so that Dune itself does not start what reads the object.

    Kinds without one, which cost nothing: ``row_count``, ``columns``, ``freshness``, ``credits`` and ``seconds``.
    See docs/checks.md.

    Attributes:
        asset: What is checked, as SQL names it: ``dune.<team>.result_<name>`` or ``query_<id>``.
        name: The check's name among those of its asset: letters, digits and underscores.
        kind: One of the above.
        query_id: The query of a kind that has one. It is no asset; its tier, parameters and partitions are its own.
        severity: What a failure means: ``ERROR`` or ``WARN``.
        blocking: Whether a failure fails the run, and holds back what Dagster would run after it in other steps. A gate
            is always blocking.
        description: What it is, in Markdown.
        metadata: What Dagster shows with it.
        sample_rows: How many of the offending rows are read and shown (0 to 100). Dune charges exports by size.
        at_least: The least number that passes.
        at_most: The greatest number that passes; credits, or seconds of execution, for the kinds of these names.
        equals: The number that passes.
        change_at_most: How far the number may be from the one before, as ``20%``. Each partition has its own.
        factor_at_most: By what factor the row count may differ from the mean of the last executions before the run, of
            as many partitions; greater than 1.
        last: How many executions that mean is of.
        columns: The columns that the result must have, with their types as Dune names them.
        max_age_hours: How long ago the execution may have ended.

    Raises:
        DuneCatalogError: The settings contradict each other, or the kind does not take one of them.

    Examples:
        >>> DuneCheck(asset="dune.acme.result_daily", name="no_negative_amounts", kind="rows", query_id=7).sql_name
        'query_7'
        >>> DuneCheck(asset="query_7", name="enough_rows", kind="row_count", at_least=100).sql_name is None
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    asset: str
    name: str = Field(pattern=r"^[A-Za-z0-9_]+$")
    kind: CheckKind
    query_id: int | None = Field(default=None, gt=0)
    severity: Literal["WARN", "ERROR"] = "ERROR"
    blocking: bool = False
    description: str | None = None
    metadata: Mapping[str, str | int | float | bool] = {}
    sample_rows: int = Field(default=0, ge=0, le=MAX_SAMPLE_ROWS)
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    at_most: float | None = Field(default=None, allow_inf_nan=False)
    equals: float | None = Field(default=None, allow_inf_nan=False)
    change_at_most: str | None = None
    factor_at_most: float | None = Field(default=None, gt=1, allow_inf_nan=False)
    last: int = Field(default=5, ge=1, le=100)
    columns: Mapping[str, str] = {}
    max_age_hours: float | None = Field(default=None, gt=0, le=1_000_000)

    @field_validator("asset")
    @classmethod
    def _as_dunesql_names_it(cls, name: str) -> str:
        reference = Reference.parse(name)
        if not reference.kind.is_object:
            raise DuneCatalogError(
                f"{name} is nothing that Dune runs, so no check can follow it.",
                hint="Name a matview or a query of the catalog.",
            )
        return reference.name

    @model_validator(mode="before")
    @classmethod
    def _gates_block(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("kind") == "gate":
            return {**data, "blocking": data.get("blocking", True)}
        return data

    @model_validator(mode="after")
    def _whole(self) -> DuneCheck:
        if (self.kind in QUERY_KINDS) != (self.query_id is not None):
            said = "needs the id of its query" if self.query_id is None else "has no query, and is given one"
            raise self._wrong(f"{said} (query_id).")
        if self.kind == "gate" and not self.blocking:
            raise self._wrong("cannot be blocking=False: what reads its asset waits for it.", "Use kind: rows.")
        if self.blocking and self.severity == "WARN":
            raise self._wrong(
                "is blocking, and of severity WARN: Dagster's re-execution ignores the severity, and would run its "
                "asset again.",
                "Use severity: ERROR, or blocking: false.",
            )
        self._check_settings()
        self._check_bounds()
        return self

    def _check_settings(self) -> None:
        everywhere = {"asset", "name", "kind", "query_id", "severity", "blocking", "description", "metadata"}
        for setting in sorted(self.model_fields_set - everywhere):
            if setting not in BOUNDS[self.kind] and getattr(self, setting) != type(self).model_fields[setting].default:
                takes = ", ".join(BOUNDS[self.kind]) or "none"
                raise self._wrong(f"does not take {setting}.", f"Settings of this kind: {takes}.")
        needed = NEEDED.get(self.kind, ())
        if needed and all(getattr(self, setting) in (None, {}) for setting in needed):
            raise self._wrong(f"needs {' or '.join(needed)}.")
        if "last" in self.model_fields_set and self.factor_at_most is None and self.kind == "row_count":
            raise self._wrong("has last without factor_at_most, which says what to do with their mean.")
        if untyped := [name for name, type_ in self.columns.items() if not type_.strip()]:
            raise self._wrong(f"does not say of which type {untyped[0]} is.", "Types are as Dune names them: bigint.")

    def _check_bounds(self) -> None:
        if self.at_least is not None and self.at_most is not None:
            if self.at_least > self.at_most:
                raise self._wrong(f"can never pass: at_least={self.at_least:g} is more than at_most={self.at_most:g}.")
            if self.kind == "row_count" and math.ceil(self.at_least) > self.at_most:
                raise self._wrong(f"can never pass: no number of rows is {self.at_least:g} to {self.at_most:g}.")
        if self.kind in KNOWN_NUMBERS and self.at_most is not None and self.at_most < 0:
            raise self._wrong(f"can never pass: at_most={self.at_most:g} is below zero.")
        if self.equals is not None and (self.at_least is not None or self.at_most is not None):
            raise self._wrong("has equals beside at_least or at_most.", "Keep one of the two.")
        if self.change_at_most is not None and not PERCENT.fullmatch(self.change_at_most.strip()):
            raise self._wrong(f"has change_at_most={self.change_at_most!r}.", 'Write it as "20%".')

    def _wrong(self, what: str, hint: str = "") -> DuneCatalogError:
        return DuneCatalogError(f"The check {self.name} of {self.asset} (kind: {self.kind}) {what}", hint=hint)

    @property
    def sql_name(self) -> str | None:
        """The name of its query in SQL; None where it has none."""
        return query_name(self.query_id) if self.query_id else None

    @property
    def is_gate(self) -> bool:
        """Whether what reads its asset waits for it on Dune."""
        return self.kind == "gate"

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"check {self.name} of {self.asset}"

    @property
    def max_change(self) -> float | None:
        """How far a number may be from the one before, as a part of that; any way if None."""
        match = PERCENT.fullmatch((self.change_at_most or "").strip())
        return float(match["number"]) / 100 if match else None

    @property
    def max_age(self) -> timedelta | None:
        """How long ago the execution may have ended."""
        return None if self.max_age_hours is None else timedelta(hours=self.max_age_hours)


# Assumption: failed-cast-text.
def gate_answer(message: str) -> str | None:
    """Read the error of a gate's node.

    Args:
        message: Dune's words.

    Returns:
        Why the gate says no, in the words of its author; None where it has not answered, but failed to run.

    Examples:
        >>> gate_answer("Cannot cast 'gate closed: 3 negative amounts' to BIGINT")
        '3 negative amounts'
        >>> gate_answer("Division by zero") is None
        True
    """
    found = GATE_WORDS.search(message)
    return None if found is None else found["why"].strip() or "it gives no reason"


def check_consistent(
    checks: Iterable[DuneCheck], known: Iterable[str], external: Iterable[str], backed: Mapping[str, str]
) -> None:
    """Check some checks against each other, and against what there is to check.

    Args:
        checks: The checks.
        known: The SQL names of the objects that there are, the queries of the checks among them.
        external: Those of what belongs to others.
        backed: By the name of each query behind a matview, the matview.

    Raises:
        DuneCatalogError: One is of an unknown asset, is a gate on one of others, has the name or the query of another
            one, is the query of a matview, or checks a check.
    """
    known, external = set(known), set(external)
    names: set[tuple[str, str]] = set()
    queries: dict[str, DuneCheck] = {}
    for check in checks:
        if (check.asset, check.name) in names:
            raise DuneCatalogError(f"There are two checks {check.name} of {check.asset}.", hint="Rename one of them.")
        names.add((check.asset, check.name))
        if check.sql_name is not None:
            _check_query(check, known, backed, queries.setdefault(check.sql_name, check))
        _check_asset(check, known, external, backed)
    for name, check in queries.items():
        if checked := next((other for other in names if other[0] == name), None):
            raise DuneCatalogError(f"{name} is the {check.label}, and is checked by {checked[1]} itself.")


def _check_query(check: DuneCheck, known: Collection[str], backed: Mapping[str, str], first: DuneCheck) -> None:
    """Check the query of a check; the first check that it is of is given, too."""
    if check.sql_name not in known:
        raise DuneCatalogError(
            f"The {check.label} is {check.sql_name}, which is not in the catalog.",
            hint="Add the query to the catalog, or give build_dune_assets the check (checks=).",
        )
    if first is not check:
        raise DuneCatalogError(
            f"{check.sql_name} is both the {first.label} and the {check.label}, and would be paid for twice.",
            hint="One query is one check.",
        )
    if check.sql_name and check.sql_name in backed:
        raise DuneCatalogError(
            f"The {check.label} is {check.sql_name}, which is the query of {backed[check.sql_name]}, and would be paid "
            "for twice.",
            hint="Save what the check asks as a query of its own, which may read the matview.",
        )


def _check_asset(
    check: DuneCheck, known: Collection[str], external: Collection[str], backed: Mapping[str, str]
) -> None:
    """Check that there is what a check is of."""
    from difflib import get_close_matches  # noqa: PLC0415  (needed for an error alone)

    if check.asset in backed and check.asset not in known:
        raise DuneCatalogError(
            f"The check {check.name} is of {check.asset}, the query of {backed[check.asset]}.",
            hint=f"Check {backed[check.asset]} instead.",
        )
    if check.asset in external:
        what = "a gate on" if check.is_gate else "of"
        raise DuneCatalogError(
            f"The check {check.name} is {what} {check.asset}, which belongs to others: no run of yours makes it.",
            hint="Check what you make of it.",
        )
    if check.asset not in known:
        # Ids that look alike have nothing to do with each other.
        alike = sorted(known) if query_id_of(check.asset) is None else []
        close = get_close_matches(check.asset, alike, n=1, cutoff=0.85)
        raise DuneCatalogError(
            f"The check {check.name} is of {check.asset}, which is not in the catalog.",
            hint=f"Did you mean {close[0]}?" if close else "Name a matview or a query of the catalog.",
        )
