"""Compares answers with our models: fields that a model does not have, and fields of a model that an answer lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from dagster_dune.api.models.base import DuneModel


def unknown_fields(model: type[DuneModel], answer: Any) -> list[str]:
    """Return the fields of an answer that a model does not have, such as ``nodes[].tier``.

    Examples:
        >>> from dagster_dune.api.models import KeyOwner
        >>> unknown_fields(KeyOwner, {"customer_id": "team_1", "plan": "plus"})
        ['plan']
    """
    return sorted(set(_differences(model, answer, "", missing=False)))


def missing_fields(model: type[DuneModel], answer: Any) -> list[str]:
    """Return the fields of a model that an answer does not have.

    Examples:
        >>> from dagster_dune.api.models import KeyOwner
        >>> missing_fields(KeyOwner, {"customer_id": "team_1", "created_by": 1})
        ['api_key_id']
    """
    return sorted(set(_differences(model, answer, "", missing=True)))


def _differences(model: type[DuneModel], value: Any, path: str, *, missing: bool) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    counted = {"listed"} if hasattr(model, "ITEMS") else set()
    names = {field.alias or name: field for name, field in model.model_fields.items() if name not in counted}
    for name in (names.keys() - value.keys()) if missing else (value.keys() - names.keys()):
        yield f"{path}{name}"
    for name in names.keys() & value.keys():
        inner = _model_in(names[name].annotation)
        if inner is None:
            continue
        items = value[name] if isinstance(value[name], list) else [value[name]]
        mark = "[]" if isinstance(value[name], list) else ""
        for item in items:
            yield from _differences(inner, item, f"{path}{name}{mark}.", missing=missing)


def _model_in(annotation: Any) -> type[DuneModel] | None:
    """Return the model in the annotation of a field, whether it is optional, a list or another generic type."""
    if isinstance(annotation, type) and issubclass(annotation, DuneModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
