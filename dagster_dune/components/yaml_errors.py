"""Reports errors in a component's YAML with the file and the line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import ValidationError

from dagster_dune.catalog.selection import Patterns, UnmatchedPatternError, as_pattern_list
from dagster_dune.errors import DuneConfigurationError, DuneError

if TYPE_CHECKING:
    from pydantic import BaseModel


@contextmanager
def located(context: dg.ResolutionContext, model: BaseModel, *path: str | int) -> Iterator[None]:
    """Raise the errors of a block with the line of a field, and without a stack trace.

    Args:
        context: The context of the model.
        model: The model.
        path: The path to the field in the model; the model itself if it is empty.

    Raises:
        ResolutionException: The block has raised an error of ours, of pydantic or of Dagster.
    """
    try:
        yield
    except (DuneError, ValidationError, dg.DagsterInvalidDefinitionError) as error:
        for part in path:
            context = context.at_path(part)
        field = str(context.path[-1]) if context.path else type(model).__name__
        raise context.build_resolve_fn_exc([_message(error)], field_name=field, model=model) from None


def _message(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"{error.errors(include_url=False, include_input=False)[0]['msg']}."
    return str(error)


# Jinja's default filter has no effect here: it is for undefined values, and Dagster's env defines every variable.
_VARIABLE = re.compile(r"\{\{-?\s*env\.(\w+)\s*(?:-?\}\}|\|\s*default\([^,()]*\))")


def refuse_unset_variables(model: BaseModel | None, context: dg.ResolutionContext) -> None:
    """Check that the environment variables in templates are set. Dagster would replace unset ones with None.

    For a selection, None means all objects; for a limit, it means no limit.

    Args:
        model: The attributes of the component.
        context: The context of the attributes.

    Raises:
        ResolutionException: A variable is not set. The error contains the line.
    """
    for path, text in _texts(model.model_dump(exclude_unset=True) if model else None):
        for name in _VARIABLE.findall(text):
            if model and name not in os.environ:
                with located(context, model, *path):
                    raise DuneConfigurationError(
                        f"The environment variable {name} is not set.",
                        hint="Set it where the code location is loaded, or write "
                        f"{{{{ env('{name}', 'another value') }}}}.",
                    )


def _texts(value: Any, *path: str | int) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield all texts in a value of the YAML, each with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping | list | tuple):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _texts(inner, *path, key)


class FieldLocations:
    """The locations of a component's fields in YAML, for errors and warnings after it was loaded."""

    def __init__(self, context: dg.ResolutionContext, model: BaseModel) -> None:
        self._context = context
        self._model = model

    @contextmanager
    def located(self, field: str, patterns: Patterns) -> Iterator[None]:
        """Raise the error of a block about a pattern that matches nothing with the line of the pattern."""
        try:
            yield
        except UnmatchedPatternError as error:
            with located(self._context, self._model, field, *_item(error, patterns)):
                raise

    def located_at(self, *path: str | int) -> AbstractContextManager[None]:
        """Return a context manager that raises the errors of its block with the line of a field; see `located`."""
        return located(self._context, self._model, *path)

    def location_of(self, *path: str | int) -> str:
        """Return the file and the line of a field, or of the component's attributes; empty if they are not known."""
        context = self._context
        for part in path:
            context = context.at_path(part)
        tree = context.source_position_tree
        if tree is None:
            return ""
        position, _ = tree.lookup_closest_and_path(context.path, trace=None)
        return f"{position.filename}, line {position.start.line}"

    def location_of_pattern(self, error: UnmatchedPatternError, field: str, patterns: Patterns) -> str:
        """Return the file and the line of a pattern that matches nothing; empty if they are not known."""
        return self.location_of(field, *_item(error, patterns))


def _item(error: UnmatchedPatternError, patterns: Patterns) -> list[int]:
    """Return the path to an unmatched pattern in its field: its index in a list of patterns, or nothing."""
    return [] if isinstance(patterns, str | int) else [as_pattern_list(patterns).index(error.pattern)]


class ResolvedFields(dict[str, Any]):
    """The resolved values of the fields that YAML sets in a model: arguments of a function that is called later."""

    def __init__(self, context: dg.ResolutionContext, model: BaseModel) -> None:
        super().__init__(
            {
                name: context.at_path(name).resolve_value(value)
                for name, value in model.model_dump(exclude_unset=True).items()
            }
        )
        self._context = context
        self._model = model

    def located(self, *path: str | int) -> Any:
        """Return a context manager that raises the errors of its block with the line of a field; see `located`."""
        return located(self._context, self._model, *path)


LAZY_SCHEMA = "dagster-dune/when_asked"


def lazy_exact_schema(
    model: type[BaseModel], *, many: bool = False, descriptions: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a placeholder that `build_exact_schemas` replaces with `exact_schema`, since schemas are slow to make."""
    return {LAZY_SCHEMA: partial(exact_schema, model, many=many, descriptions=descriptions)}


def build_exact_schemas(model: type[BaseModel]) -> None:
    """Replace the placeholders of `lazy_exact_schema` in the fields of a model with their schemas."""
    for field in model.model_fields.values():
        given = field.json_schema_extra
        if isinstance(given, dict) and callable(schema := given.get(LAZY_SCHEMA)):
            rest = {name: part for name, part in given.items() if name != LAZY_SCHEMA}
            field.json_schema_extra = rest | schema()


def exact_schema(
    model: type[BaseModel], *, many: bool = False, descriptions: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return changes to the schema of a field, with which validators report its errors line by line.

    Dagster also accepts a template in every field, so its schema is an ``anyOf``. If no alternative of an ``anyOf``
    fits, validators only report that. So here ``anyOf`` only contains the names of the fields, and ``then`` the rest.

    Args:
        model: The model of the field's value.
        many: Whether the value is a list of these models.
        descriptions: Descriptions for fields of Dagster's own models that have none.
    """
    schema = model.model_json_schema()
    _describe(schema, descriptions or {})
    names = {
        name: {key: field[key] for key in ("title", "description", "default") if key in field}
        for name, field in schema["properties"].items()
    }
    outline = {"type": "object", "title": schema["title"], "description": schema["description"], "properties": names}
    complete = _inlined({name: part for name, part in schema.items() if name != "$defs"}, schema.get("$defs", {}))
    if many:
        outline, complete = {"type": "array", "items": outline}, {"type": "array", "items": complete}
    return {
        "anyOf": [outline, {"type": "string"}, *([] if many else [{"type": "null"}])],
        "if": {"type": outline["type"]},
        "then": complete,
    }


def _describe(part: Any, descriptions: Mapping[str, str]) -> None:
    """Add descriptions to fields without one, in a schema and recursively in its parts."""
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _describe(inner, descriptions)
    fields = part.get("properties") if isinstance(part, dict) else None
    for name, field in fields.items() if isinstance(fields, dict) else ():
        if name in descriptions and not field.get("description"):
            field["description"] = descriptions[name]


def _inlined(part: Any, definitions: Mapping[str, Any]) -> Any:
    """Return a schema without references, and without ``anyOf`` if the type of a value determines the choice."""
    if isinstance(part, list):
        return [_inlined(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(definitions[part["$ref"].rpartition("/")[2]], definitions)
    choices = [_inlined(choice, definitions) for choice in part.get("anyOf", [])]
    rest = {name: _inlined(value, definitions) for name, value in part.items() if name != "anyOf"}
    plain = [choice["type"] for choice in choices if choice.keys() == {"type"}]
    others = [choice for choice in choices if choice.keys() != {"type"}]
    if not choices or len(others) > 1 or any(other.get("type") != "object" for other in others):
        return {**rest, "anyOf": choices} if choices else rest
    if others:
        return {**rest, "if": {"type": "object"}, "then": others[0], "else": {"type": plain}}
    return {**rest, "type": plain}
