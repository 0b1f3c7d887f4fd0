"""How the fields of `DuneComponent` are written in YAML.

There is no ``from __future__ import annotations`` here: Dagster makes the YAML's schema of the annotations.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from dagster.components.resolved.core_models import (
    MultiRunBackfillPolicyModel,
    SingleRunBackfillPolicyModel,
    resolve_backfill_policy,
)
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import Field, ValidationError, create_model

from dagster_dune.catalog.checks import DuneCheck
from dagster_dune.errors import DuneCatalogError
from dagster_dune.resource import DuneResource

API_KEY_VARIABLE = "DUNE_API_KEY"


def shared_resource(api_key_env: str = API_KEY_VARIABLE, **settings: Any) -> DuneResource:
    """Return the resource of these settings, one object a process: Dagster refuses two of one key in a code location.

    Args:
        api_key_env: The variable of the environment that holds the API key.
        settings: Any other fields of `DuneResource`.
    """
    return _resource_of(api_key_env, tuple(sorted(settings.items())))


@cache
def _resource_of(api_key_env: str, settings: tuple[tuple[str, Any], ...]) -> DuneResource:
    return DuneResource(api_key=dg.EnvVar(api_key_env), **dict(settings))


class RetriesModel(dg.Model):
    """How a step is tried again."""

    max_retries: int = Field(default=1, description="How often it is tried again at the most.")
    delay: float | None = Field(default=None, description="How many seconds later.")


_settings: dict[str, Any] = {
    # Text is allowed everywhere, for templates such as {{ env.DUNE_TIMEOUT }}.
    name: (field.annotation | str, field)
    for name, field in DuneResource.model_fields.items()
    if name != "api_key" and field.annotation
}
ResourceModel = create_model(
    "ResourceModel",
    __base__=dg.Model,
    __doc__="An account of Dune. Its key is not written here, but named by its variable of the environment.",
    api_key_env=(str, Field(default=API_KEY_VARIABLE, description="The variable that holds the API key.")),
    **_settings,
)


def _path(context: dg.ResolutionContext, text: str | None) -> Path | None:
    return None if text is None else context.resolve_source_relative_path(text)


def _resource(context: dg.ResolutionContext, settings: dg.Model | None) -> DuneResource | None:
    if settings is None:
        return None
    given: Mapping[str, Any] = context.resolve_value(settings.model_dump(exclude_unset=True))
    return shared_resource(**given)


def _retry_policy(context: dg.ResolutionContext, retries: RetriesModel | None) -> dg.RetryPolicy | None:
    return None if retries is None else dg.RetryPolicy(**context.resolve_value(retries.model_dump()))


def _checks(context: dg.ResolutionContext, checks: Sequence[Mapping[str, Any]]) -> list[DuneCheck]:
    return [_check(context.resolve_value(dict(check))) for check in checks]


def _check(said: Mapping[str, Any]) -> DuneCheck:
    try:
        return DuneCheck.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DuneCatalogError(f"The check {dict(said)!r} is wrong: {first['msg']} ({place}).") from error


SourcePath = Annotated[Path | None, dg.Resolver(_path, model_field_type=str | None)]
ResolvedDuneResource = Annotated[DuneResource | None, dg.Resolver(_resource, model_field_type=ResourceModel | None)]
ResolvedRetryPolicy = Annotated[dg.RetryPolicy | None, dg.Resolver(_retry_policy, model_field_type=RetriesModel | None)]
ResolvedBackfillPolicy = Annotated[
    dg.BackfillPolicy | None,
    dg.Resolver(
        resolve_backfill_policy,
        model_field_type=SingleRunBackfillPolicyModel | MultiRunBackfillPolicyModel | None,
    ),
]
# Dagster looks into the types of a list, and takes no model with constraints.
ResolvedChecks = Annotated[list[object], dg.Resolver(_checks, model_field_type=list[dict[str, Any]])]
ResolvedTranslation = Annotated[
    TranslationFn[Any] | None,
    TranslationFnResolver[Any](template_vars_for_translation_fn=lambda obj: {"obj": obj}),
]
