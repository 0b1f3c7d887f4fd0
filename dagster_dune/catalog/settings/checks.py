"""`DuneCheck`: a check of an object after it has run, by a query on Dune or by the metadata of the run."""

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
MetadataKind = Literal["row_count", "columns", "freshness", "credits", "seconds"]
CheckKind = Literal[QueryKind, MetadataKind]

QUERY_KINDS: tuple[str, ...] = get_args(QueryKind)
MAX_SAMPLE_ROWS = 100
GATE_MARKER = "gate closed:"
"""The start of the error of a gate that failed as intended, unlike a timeout or an error in its query."""

PERCENT = re.compile(r"(?P<number>\d+(\.\d+)?)\s*%")
GATE_MESSAGE = re.compile(rf"{GATE_MARKER}\s*(?P<why>[^'\"\n]*)", re.IGNORECASE)

SETTINGS_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "rows": ("sample_rows",),
    "value": ("at_least", "at_most", "equals", "change_at_most"),
    "gate": (),
    "row_count": ("at_least", "at_most", "factor_at_most", "last"),
    "columns": ("columns",),
    "freshness": ("max_age_hours",),
    "credits": ("at_most",),
    "seconds": ("at_most",),
}
"""The settings that a kind takes, in addition to those of all kinds."""
NON_NEGATIVE_KINDS = ("row_count", "credits", "seconds")
"""The kinds whose checked number is never below zero."""
REQUIRED_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "row_count": ("at_least", "at_most", "factor_at_most"),
    "columns": ("columns",),
    "freshness": ("max_age_hours",),
    "credits": ("at_most",),
    "seconds": ("at_most",),
}
"""The settings of which a kind needs at least one."""


class DuneCheck(BaseModel):
    """A check of one object of a catalog.

    Kinds with a query, which runs as a node of the same pipeline call:

    - ``rows``: the query returns the offending rows, and the check passes if there are none;
    - ``value``: the query returns one row with one boolean, or with one number that must be within bounds;
    - ``gate``: the query fails if the data is bad, so that Dune does not start the readers of the object.

    Kinds without a query, which cost nothing: ``row_count``, ``columns``, ``freshness``, ``credits`` and ``seconds``.
    See docs/checks.md.

    Attributes:
        asset: The SQL name of the checked object: ``dune.<team>.result_<name>`` or ``query_<id>``.
        name: The check's name, which is unique for its asset: letters, digits and underscores.
        kind: One of the kinds above.
        query_id: The query of a kind that has one. It is no asset, and has its own tier, parameters and partitions.
        severity: The severity of a failure: ``ERROR`` or ``WARN``.
        blocking: Whether a failure fails the run and blocks its later steps. A gate is always blocking.
        description: A description in Markdown.
        metadata: Metadata that Dagster shows with the check.
        sample_rows: How many of the offending rows are read and shown (0 to 100). Dune charges exports by size.
        at_least: The least number that passes.
        at_most: The greatest number that passes. For the kinds ``credits`` and ``seconds``, those of the execution.
        equals: The number that passes.
        change_at_most: The greatest change since the previous number, such as ``20%``. It is compared by partition.
        factor_at_most: The greatest factor, which is more than 1, between the row count and the mean of the last
            executions before the run that had as many partitions.
        last: The number of executions for that mean.
        columns: The columns that the result must have, with the names that Dune gives their types.
        max_age_hours: The greatest age of the execution in hours, counted from its end.

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
    def _normalized_asset(cls, name: str) -> str:
        reference = Reference.parse(name)
        if not reference.kind.is_object:
            raise DuneCatalogError(
                f"{name} is nothing that Dune runs, so no check can follow it.",
                hint="Name a matview or a query of the catalog.",
            )
        return reference.name

    @model_validator(mode="before")
    @classmethod
    def _blocking_if_gate(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("kind") == "gate":
            return {**data, "blocking": data.get("blocking", True)}
        return data

    @model_validator(mode="after")
    def _check_consistent(self) -> DuneCheck:
        if (self.kind in QUERY_KINDS) != (self.query_id is not None):
            problem = "needs the id of its query" if self.query_id is None else "has no query, and is given one"
            raise self._wrong(f"{problem} (query_id).")
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
        common = {"asset", "name", "kind", "query_id", "severity", "blocking", "description", "metadata"}
        accepted = SETTINGS_OF_KIND[self.kind]
        for setting in sorted(self.model_fields_set - common):
            if setting not in accepted and getattr(self, setting) != type(self).model_fields[setting].default:
                takes = ", ".join(accepted) or "none"
                raise self._wrong(f"does not take {setting}.", f"Settings of this kind: {takes}.")
        required = REQUIRED_SETTINGS.get(self.kind, ())
        if required and all(getattr(self, setting) in (None, {}) for setting in required):
            raise self._wrong(f"needs {' or '.join(required)}.")
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
        if self.kind in NON_NEGATIVE_KINDS and self.at_most is not None and self.at_most < 0:
            raise self._wrong(f"can never pass: at_most={self.at_most:g} is below zero.")
        if self.equals is not None and (self.at_least is not None or self.at_most is not None):
            raise self._wrong("has equals beside at_least or at_most.", "Keep one of the two.")
        if self.change_at_most is not None and not PERCENT.fullmatch(self.change_at_most.strip()):
            raise self._wrong(f"has change_at_most={self.change_at_most!r}.", 'Write it as "20%".')

    def _wrong(self, what: str, hint: str = "") -> DuneCatalogError:
        return DuneCatalogError(f"The check {self.name} of {self.asset} (kind: {self.kind}) {what}", hint=hint)

    @property
    def sql_name(self) -> str | None:
        """The name of its query in SQL; None if it has no query."""
        return query_name(self.query_id) if self.query_id else None

    @property
    def is_gate(self) -> bool:
        """Whether it is a gate: on Dune, the readers of its asset wait for it."""
        return self.kind == "gate"

    @property
    def label(self) -> str:
        """The name of the check in messages."""
        return f"check {self.name} of {self.asset}"

    @property
    def max_change(self) -> float | None:
        """The greatest change relative to the previous number, 0.2 for ``20%``; no limit if None."""
        match = PERCENT.fullmatch((self.change_at_most or "").strip())
        return float(match["number"]) / 100 if match else None

    @property
    def max_age(self) -> timedelta | None:
        """The greatest age of the execution, counted from its end; no limit if None."""
        return None if self.max_age_hours is None else timedelta(hours=self.max_age_hours)


# Assumption: failed-cast-text.
def gate_answer(message: str) -> str | None:
    """Parse the error of a gate's node.

    Args:
        message: Dune's error message.

    Returns:
        The reason that the gate's SQL gives; None if the gate did not fail as intended, but could not run.

    Examples:
        >>> gate_answer("Cannot cast 'gate closed: 3 negative amounts' to BIGINT")
        '3 negative amounts'
        >>> gate_answer("Division by zero") is None
        True
    """
    found = GATE_MESSAGE.search(message)
    return None if found is None else found["why"].strip() or "it gives no reason"


def check_consistent(
    checks: Iterable[DuneCheck], known: Iterable[str], external: Iterable[str], backed: Mapping[str, str]
) -> None:
    """Check that checks are consistent with each other and with the objects of their catalog.

    Args:
        checks: The checks.
        known: The SQL names of all objects, including the queries of the checks.
        external: The SQL names of other teams' objects.
        backed: The matview of each backing query, by the name of the query.

    Raises:
        DuneCatalogError: A check's asset is unknown, external or a check's query, its query is unknown or backs a
            matview, or its name or query is that of another check.
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
    """Check the query of a check, given the first check with this query."""
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
    """Check that the asset of a check is an object of the catalog."""
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
        # Similar ids do not mean similar queries.
        alike = sorted(known) if query_id_of(check.asset) is None else []
        close = get_close_matches(check.asset, alike, n=1, cutoff=0.85)
        raise DuneCatalogError(
            f"The check {check.name} is of {check.asset}, which is not in the catalog.",
            hint=f"Did you mean {close[0]}?" if close else "Name a matview or a query of the catalog.",
        )
