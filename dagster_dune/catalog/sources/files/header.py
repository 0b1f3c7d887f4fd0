"""What the header of a ``.sql`` file, and ``dune.yml``, may say about a query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dagster_dune.api.models.base import Performance
from dagster_dune.catalog.names import MAX_QUERY_ID
from dagster_dune.catalog.objects import Kinds, MatviewName, Names, Owners, Title
from dagster_dune.catalog.settings.automation import Automation, Freshness
from dagster_dune.catalog.settings.checks import CheckKind, DuneCheck
from dagster_dune.catalog.settings.parameters import ParameterType
from dagster_dune.catalog.settings.partitions import QueryPartitions


class _HeaderPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeaderParameter(_HeaderPart):
    """What a header says about one parameter.

    Attributes:
        type: Its type on Dune; taken from the value where it is left out.
        value: Dune's saved default, which is also sent with each execution; or several where it takes several.
        options: The values that an enum suggests.
        multiple: Whether it takes several values; so it is where several are given.
        freeform: Whether an enum takes other values than its options too.
    """

    type: ParameterType | None = None
    value: str | tuple[str, ...] | None = None
    options: tuple[str, ...] = ()
    multiple: bool | None = None
    freeform: bool = False


def _value_alone(value: Any) -> Any:
    """Read ``key: value`` as ``key: {value: value}``, and ``key:`` as a parameter without a value."""
    return value if isinstance(value, Mapping) else {"value": value or None}


class HeaderCheck(_HeaderPart):
    """A check, without what its place says: of kinds that need no query its asset, of a file's own query its id.

    Attributes:
        asset: What a file's query checks; the one matview or query that it reads, in a folder named ``checks``.
        name: The check's name; taken from the file's where it is left out.
        kind: See `DuneCheck`, which also says what the rest means.
    """

    asset: str | None = None
    name: str | None = None
    kind: CheckKind = "rows"
    severity: Literal["WARN", "ERROR"] = "ERROR"
    blocking: bool | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    sample_rows: int | None = None
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None
    change_at_most: str | None = None
    factor_at_most: float | None = None
    last: int | None = None
    columns: dict[str, str] | None = None
    max_age_hours: float | None = None

    def made(self, *, asset: str, name: str, query_id: int | None = None) -> DuneCheck:
        """Return the check that this is, in its place.

        Raises:
            DuneCatalogError: Its settings contradict each other, or its kind.
        """
        said = {field: value for field in self.model_fields_set if (value := getattr(self, field)) is not None}
        return DuneCheck.model_validate({"kind": self.kind, **said, "asset": asset, "name": name, "query_id": query_id})


def _asset_alone(value: Any) -> Any:
    """Read ``check: dune.acme.result_x`` as ``check: {asset: dune.acme.result_x}``."""
    return {"asset": value} if isinstance(value, str) else value


class Header(_HeaderPart):
    """What a header says.

    Attributes:
        id: The query's id; the backing query's if there is a `matview`.
        name: The query's title on Dune.
        matview: The full name of the matview that the query backs.
        description: What it is, in Markdown.
        performance: The engine tier of its executions.
        parameters: The parameters that the query declares, and the values that its executions are given.
        deps: Names that it reads, beside those found in its SQL.
        tags: Its tags on Dune.
        private: Whether only its owner may see it.
        slug: The readable part of the query's asset key; taken from the file's name where it is left out.
        group: The asset group that it is shown in.
        owners: Who answers for it: mail addresses, or teams as ``team:dex``.
        partitions: How its executions are divided, and which parameters say so.
        kinds: Kinds that the UI shows.
        automation: When Dagster runs it by itself: ``eager``, ``on_missing``, or a condition with its cron.
        freshness: How old its latest materialization may become, in hours.
        check: What the query checks, which makes it a check and no asset.
        checks: By name, what is checked of the object without a query.
    """

    id: int | None = Field(default=None, gt=0, le=MAX_QUERY_ID)
    name: Title | None = None
    matview: MatviewName | None = None
    description: str | None = None
    performance: Performance | None = None
    parameters: dict[str, Annotated[HeaderParameter, BeforeValidator(_value_alone)]] = {}
    deps: Names = ()
    tags: tuple[str, ...] = ()
    private: bool | None = None
    slug: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    group: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    owners: Owners = ()
    partitions: QueryPartitions | None = None
    kinds: Kinds = ()
    automation: Automation | None = None
    freshness: Freshness | None = None
    check: Annotated[HeaderCheck | None, BeforeValidator(_asset_alone)] = None
    checks: dict[str, HeaderCheck] = {}

    def over(self, other: Header) -> Header:
        """Return what either says, this one where both do."""
        said = {field: getattr(self, field) for field in self.model_fields_set}
        return other.model_copy(
            update={
                **said,
                "parameters": {**other.parameters, **self.parameters},
                "checks": {**other.checks, **self.checks},
            }
        )
