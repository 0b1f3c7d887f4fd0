"""`DagsterDuneTranslator`: how an object on Dune looks as a Dagster asset."""

from __future__ import annotations

import re
import unicodedata

import dagster as dg

from dagster_dune._scheduling.automation_conditions import condition_of, freshness_policy_of
from dagster_dune._scheduling.partitions import partitions_def_of
from dagster_dune.catalog.catalog import MaterializedView, Query
from dagster_dune.catalog.names import KEY_PREFIX, Reference, ReferenceKind, asset_key_parts
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.metadata import spec_metadata

GROUPS = {
    ReferenceKind.QUERY: "dune_other_queries",
    ReferenceKind.MATERIALIZED_VIEW: "dune_other_matviews",
    ReferenceKind.UPLOAD: "dune_uploads",
    ReferenceKind.TABLE: "dune_tables",
}
DESCRIPTIONS = {
    ReferenceKind.QUERY: "A saved query that none of these assets executes; Dune runs its SQL inside of what reads it.",
    ReferenceKind.MATERIALIZED_VIEW: "A materialized view that none of these assets refreshes.",
    ReferenceKind.UPLOAD: "A table that its team has uploaded to Dune.",
    ReferenceKind.TABLE: "A table that Dune maintains: raw or decoded data of a chain, or a curated dataset.",
}
MAX_TAG_LENGTH = 63
MAX_SQL_LENGTH = 10_000
"""How many characters of its SQL an asset's description shows."""


class DagsterDuneTranslator:
    """Turns matviews, queries and the tables they read into asset specs. Override `get_asset_spec` to change how.

    Examples:
        Put the assets of each team into a group of its own:

        >>> class ByTeam(DagsterDuneTranslator):
        ...     def get_asset_spec(self, obj):
        ...         spec = super().get_asset_spec(obj)
        ...         team = obj.team if isinstance(obj, MaterializedView) else "queries"
        ...         return spec.replace_attributes(group_name=team)
        >>> ByTeam().get_asset_spec(MaterializedView(name="dune.acme.result_daily")).group_name
        'acme'
    """

    def get_asset_spec(self, obj: MaterializedView | Query | Reference) -> dg.AssetSpec:
        """Return the spec of one object.

        The deps that follow from the catalog are added by the factory; deps in the spec itself are kept beside them,
        and order the pipeline where they are Dune assets of the same definition.

        Args:
            obj: A matview or query of the catalog, or a reference to what is read but not in it (a table, an upload,
                a matview of another team). Of that the factory takes the key alone, and `build_dune_upstream_specs`
                the whole spec.

        Returns:
            The spec. Keep its ``dagster-dune/name`` metadata: a run finds the object by it.
        """
        if isinstance(obj, Reference):
            return dg.AssetSpec(
                _key(obj),
                description=f"{DESCRIPTIONS[obj.kind]} In SQL: `{obj.name}`.",
                kinds={"dune", obj.kind.word},
                group_name=GROUPS[obj.kind],
                owners=_team_of(obj.name),
                metadata=spec_metadata(obj),
            )
        partitions = obj.partitions if isinstance(obj, Query) else None
        return dg.AssetSpec(
            _key(obj),
            description=_description(obj),
            kinds={"dune", ReferenceKind(obj.kind).word, *obj.kinds},
            tags={tag: "" for text in obj.tags if (tag := _tag(text))},
            group_name=obj.group,
            owners=obj.owners or _team_of(obj.sql_name),
            partitions_def=partitions_def_of(partitions) if partitions else None,
            automation_condition=condition_of(obj.automation) if obj.automation else None,
            freshness_policy=freshness_policy_of(obj.freshness) if obj.freshness else None,
            metadata=spec_metadata(obj),
        )


def spec_of(translator: DagsterDuneTranslator, obj: MaterializedView | Query | Reference) -> dg.AssetSpec:
    """Return the spec of an object, and check that a translator has returned one.

    Raises:
        DuneConfigurationError: The translator returned something else, such as None.
    """
    spec: object = translator.get_asset_spec(obj)
    if not isinstance(spec, dg.AssetSpec):
        name = obj.name if isinstance(obj, Reference) else obj.sql_name
        raise DuneConfigurationError(
            f"get_asset_spec of {type(translator).__name__} returned {spec!r} for {name}, and no AssetSpec.",
            hint="Return a spec of every object, such as that of super().get_asset_spec(obj).",
        )
    return spec


def _description(obj: MaterializedView | Query) -> str | None:
    """Return the description or the title of an object, and its SQL."""
    words = obj.description or (obj.name if isinstance(obj, Query) else None)
    parts = [words, f"#### SQL\n```sql\n{_shortened(obj.sql.strip())}\n```" if obj.sql else None]
    return "\n\n".join(part for part in parts if part) or None


def _shortened(sql: str) -> str:
    if len(sql) <= MAX_SQL_LENGTH:
        return sql
    return f"{sql[:MAX_SQL_LENGTH]}\n-- and {len(sql) - MAX_SQL_LENGTH:,} characters more"


def _team_of(name: str) -> list[str]:
    """Return the owner in the name of a matview or an upload: its team."""
    parts = name.split(".")
    return [f"team:{parts[1]}"] if len(parts) == 3 and parts[0] == KEY_PREFIX else []


def _key(obj: MaterializedView | Query | Reference) -> dg.AssetKey:
    return dg.AssetKey(list(asset_key_parts(obj.name) if isinstance(obj, Reference) else obj.key_parts))


def _tag(text: str) -> str:
    """Return a tag of Dune in the form that Dagster allows: other alphabets are in Punycode, as in domain names."""
    plain = "".join(part for part in unicodedata.normalize("NFKD", text.strip()) if not unicodedata.combining(part))
    if any(character.isalpha() and not character.isascii() for character in plain):
        plain = f"xn--{plain.lower().encode('punycode').decode()}"
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", plain)[:MAX_TAG_LENGTH].strip("_.-")
