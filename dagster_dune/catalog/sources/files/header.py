"""The settings of a query in the header of a ``.sql`` file or in ``dune.yml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dagster_dune.api.models.base import Performance
from dagster_dune.catalog.names import MAX_QUERY_ID
from dagster_dune.catalog.objects import Deps, Kinds, MatviewName, Owners, Title
from dagster_dune.catalog.settings.automation import Automation, Freshness
from dagster_dune.catalog.settings.checks import CheckKind, DuneCheck
from dagster_dune.catalog.settings.parameters import ParameterType
from dagster_dune.catalog.settings.partitions import QueryPartitions


class _HeaderPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeaderParameter(_HeaderPart):
    """The settings of one parameter.

    Attributes:
        type: Its type on Dune; guessed from the value if left out.
        value: Dune's saved default, which is also sent with each execution; or several values.
        options: The options of an enum.
        multiple: Whether it takes several values; if left out, it does if `value` is several values.
        freeform: Whether an enum also takes values that are not among its options.
    """

    type: ParameterType | None = None
    value: str | tuple[str, ...] | None = None
    options: tuple[str, ...] = ()
    multiple: bool | None = None
    freeform: bool = False


def _parameter_from_value(value: Any) -> Any:
    """Convert ``key: value`` to ``key: {value: value}``, and ``key:`` to a parameter without a value."""
    return value if isinstance(value, Mapping) else {"value": value or None}


class HeaderCheck(_HeaderPart):
    """A check without the fields that its file determines: the asset for kinds without a query, else the query id.

    Attributes:
        asset: The object that a file's query checks; if left out, the only matview or query that it reads.
        name: The check's name; taken from the file's name if left out.
        kind: See `DuneCheck`, which also describes the other attributes.
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

    def to_check(self, *, asset: str, name: str, query_id: int | None = None) -> DuneCheck:
        """Return the check with the fields that its file determines.

        Raises:
            DuneCatalogError: Its settings contradict each other, or its kind.
        """
        declared = {field: value for field in self.model_fields_set if (value := getattr(self, field)) is not None}
        return DuneCheck.model_validate(
            {"kind": self.kind, **declared, "asset": asset, "name": name, "query_id": query_id}
        )


def _check_from_asset(value: Any) -> Any:
    """Convert ``check: dune.acme.result_x`` to ``check: {asset: dune.acme.result_x}``."""
    return {"asset": value} if isinstance(value, str) else value


class Header(_HeaderPart):
    """The content of a header.

    Attributes:
        id: The id of the query, or of the backing query if there is a `matview`.
        name: The query's title on Dune.
        matview: The full name of the matview that the query backs.
        description: A description in Markdown.
        performance: The engine tier of its executions.
        parameters: The parameters that the query declares, and their values for its executions.
        deps: Names that it reads, in addition to those found in its SQL.
        tags: Its tags on Dune.
        private: Whether only its owner may see it.
        slug: The readable part of the query's asset key; taken from the file's name if left out.
        group: The asset group that it is shown in.
        owners: Its owners: mail addresses, or teams as ``team:dex``.
        partitions: How its executions are divided, and the parameters that get values from the partition.
        kinds: Kinds that the UI shows.
        automation: When Dagster runs it automatically: ``eager``, ``on_missing``, or a condition with its cron.
        freshness: How old its latest materialization may become, in hours.
        check: The check whose query this is. The query does not become an asset then.
        checks: The checks of the object that have no query, by name.
    """

    id: int | None = Field(default=None, gt=0, le=MAX_QUERY_ID)
    name: Title | None = None
    matview: MatviewName | None = None
    description: str | None = None
    performance: Performance | None = None
    parameters: dict[str, Annotated[HeaderParameter, BeforeValidator(_parameter_from_value)]] = {}
    deps: Deps = ()
    tags: tuple[str, ...] = ()
    private: bool | None = None
    slug: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    group: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    owners: Owners = ()
    partitions: QueryPartitions | None = None
    kinds: Kinds = ()
    automation: Automation | None = None
    freshness: Freshness | None = None
    check: Annotated[HeaderCheck | None, BeforeValidator(_check_from_asset)] = None
    checks: dict[str, HeaderCheck] = {}

    def sets(self, keys: Sequence[str]) -> bool:
        """Whether this header has a setting, given by the path of its keys."""
        if keys[0] not in self.model_fields_set:
            return False
        value = getattr(self, keys[0])
        return len(keys) == 1 or not isinstance(value, Mapping) or keys[1] in value

    def merged_over(self, other: Header) -> Header:
        """Return the settings of both headers. If both have a setting, it is that of this header."""
        declared = {field: getattr(self, field) for field in self.model_fields_set}
        return other.model_copy(
            update={
                **declared,
                "parameters": {**other.parameters, **self.parameters},
                "checks": {**other.checks, **self.checks},
            }
        )
