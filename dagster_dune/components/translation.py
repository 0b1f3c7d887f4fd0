"""The field `translation`: changes in YAML to the spec of each asset, or of the assets of one kind.

There is no ``from __future__ import annotations`` here: Dagster makes the schema of the YAML from the annotations.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import dagster as dg
from dagster.components.resolved.core_models import AssetSpecUpdateKwargs
from dagster.components.utils.translation import TranslationFn, TranslatorResolvingInfo
from pydantic import BaseModel, Field, create_model

from dagster_dune.catalog.catalog import MaterializedView, Query
from dagster_dune.catalog.names import Reference
from dagster_dune.components.yaml_errors import lazy_exact_schema
from dagster_dune.translator import DagsterDuneTranslator

AssetModel = AssetSpecUpdateKwargs.model()
KINDS: Mapping[str, type] = {"for_materialized_view": MaterializedView, "for_query": Query, "for_table": Reference}
DESCRIPTIONS = {
    "for_materialized_view": "What to change of matviews alone, after what holds for all assets.",
    "for_query": "What to change of queries alone, after what holds for all assets.",
    "for_table": "What to change of external assets alone, after what holds for all assets.",
}
DAGSTER_DESCRIPTIONS = {
    "key": "The asset's key, such as dune/acme/volumes.",
    "type": "Which partitions there are.",
    "start_date": "When the first partition begins.",
    "end_date": "When the last partition ends; never if left out.",
    "timezone": "The time zone of the partitions, such as Europe/Berlin; UTC if left out.",
    "minute_offset": "At which minute of the hour a partition begins.",
    "hour_offset": "At which hour of the day a partition begins.",
    "day_offset": "On which day of the week or month a partition begins.",
    "fmt": "How keys of partitions are written, such as %Y-%m-%d.",
    "cron_schedule": "When partitions begin, as five cron fields.",
    "partition_keys": "The keys of the partitions.",
}
_fields: dict[str, Any] = {
    name: (AssetModel | str | None, Field(default=None, description=text)) for name, text in DESCRIPTIONS.items()
}
TranslationModel = create_model(
    "TranslationModel",
    __base__=AssetModel,
    __doc__="What to change of each asset. In templates, obj is the matview, query or table, spec the asset so far.",
    **_fields,
)


def _translation(context: dg.ResolutionContext, translation: BaseModel | str | None) -> TranslationFn[Any] | None:
    if translation is None:
        return None
    layers: list[tuple[type, TranslatorResolvingInfo]] = []
    if isinstance(translation, TranslationModel):
        common = AssetModel.model_validate(translation.model_dump(exclude_unset=True, exclude=set(KINDS)))
        layers.append((object, TranslatorResolvingInfo(common, context)))
        layers += [
            (kind, TranslatorResolvingInfo(layer, context, model_key=name))
            for name, kind in KINDS.items()
            if (layer := getattr(translation, name)) is not None
        ]
    elif isinstance(translation, str):
        layers.append((object, TranslatorResolvingInfo(translation, context)))

    def translate(spec: dg.AssetSpec, obj: Any) -> dg.AssetSpec:
        for kind, layer in layers:
            if isinstance(obj, kind):
                spec = layer.get_asset_spec(spec, {"obj": obj, "spec": spec})
        return spec

    return translate


ResolvedTranslation = Annotated[
    TranslationFn[Any] | None,
    dg.Resolver(
        _translation,
        model_field_type=TranslationModel | str | None,
        json_schema_extra=lazy_exact_schema(TranslationModel, descriptions=DAGSTER_DESCRIPTIONS),
    ),
]


class SpecTranslator(DagsterDuneTranslator):
    """A translator that calls the `get_asset_spec` of a component, which subclasses may override."""

    def __init__(self, get_asset_spec: Callable[[MaterializedView | Query | Reference], dg.AssetSpec]) -> None:
        self._get_asset_spec = get_asset_spec

    def get_asset_spec(self, obj: MaterializedView | Query | Reference) -> dg.AssetSpec:
        """Return the spec of one object."""
        return self._get_asset_spec(obj)
