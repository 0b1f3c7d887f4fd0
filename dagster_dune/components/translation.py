"""The field `translation`: what YAML changes of each asset, and of those of one kind.

There is no ``from __future__ import annotations`` here: Dagster makes the YAML's schema of the annotations.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import dagster as dg
from dagster.components.resolved.core_models import AssetSpecUpdateKwargs
from dagster.components.utils.translation import TranslationFn, TranslatorResolvingInfo
from pydantic import BaseModel, Field, create_model

from dagster_dune.catalog.catalog import MaterializedView, Query
from dagster_dune.catalog.names import Reference
from dagster_dune.components.yaml_errors import exact_when_asked
from dagster_dune.translator import DagsterDuneTranslator

AssetModel = AssetSpecUpdateKwargs.model()
KINDS: Mapping[str, type] = {"for_materialized_view": MaterializedView, "for_query": Query, "for_table": Reference}
WORDS = {
    "for_materialized_view": "What to change of matviews alone, after what holds for all assets.",
    "for_query": "What to change of queries alone, after what holds for all assets.",
    "for_table": "What to change of external assets alone, after what holds for all assets.",
}
DAGSTERS_WORDS = {
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
    name: (AssetModel | str | None, Field(default=None, description=words)) for name, words in WORDS.items()
}
TranslationModel = create_model(
    "TranslationModel",
    __base__=AssetModel,
    __doc__="What to change of each asset. In templates, obj is the matview, query or table, spec the asset so far.",
    **_fields,
)


def _translation(context: dg.ResolutionContext, said: BaseModel | str | None) -> TranslationFn[Any] | None:
    if said is None:
        return None
    layers: list[tuple[type, TranslatorResolvingInfo]] = []
    if isinstance(said, TranslationModel):
        common = AssetModel.model_validate(said.model_dump(exclude_unset=True, exclude=set(KINDS)))
        layers.append((object, TranslatorResolvingInfo(common, context)))
        layers += [
            (kind, TranslatorResolvingInfo(layer, context, model_key=name))
            for name, kind in KINDS.items()
            if (layer := getattr(said, name)) is not None
        ]
    elif isinstance(said, str):
        layers.append((object, TranslatorResolvingInfo(said, context)))

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
        json_schema_extra=exact_when_asked(TranslationModel, words=DAGSTERS_WORDS),
    ),
]


class SpecTranslator(DagsterDuneTranslator):
    """Asks a component how objects look, which a subclass may have its own word on."""

    def __init__(self, get_asset_spec: Callable[[MaterializedView | Query | Reference], dg.AssetSpec]) -> None:
        self._get_asset_spec = get_asset_spec

    def get_asset_spec(self, obj: MaterializedView | Query | Reference) -> dg.AssetSpec:
        """Return the spec of one object."""
        return self._get_asset_spec(obj)
