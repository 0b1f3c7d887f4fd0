"""Mistakes in a component's YAML, told with the file and the line in which they stand."""

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
def located(context: dg.ResolutionContext, said: BaseModel, *place: str | int) -> Iterator[None]:
    """Tell an error with the line of a field, and without a stack trace.

    Args:
        context: Where the model stands.
        said: The model.
        place: The way to the field within it; to the model itself if there is none.
    """
    try:
        yield
    except (DuneError, ValidationError, dg.DagsterInvalidDefinitionError) as error:
        for part in place:
            context = context.at_path(part)
        field = str(context.path[-1]) if context.path else type(said).__name__
        raise context.build_resolve_fn_exc([_words(error)], field_name=field, model=said) from None


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"{error.errors(include_url=False, include_input=False)[0]['msg']}."
    return str(error)


# Jinja's default is for what is not defined, which a variable of Dagster's env always is.
_VARIABLE = re.compile(r"\{\{-?\s*env\.(\w+)\s*(?:-?\}\}|\|\s*default\([^,()]*\))")


def refuse_unset_variables(said: BaseModel | None, context: dg.ResolutionContext) -> None:
    """Refuse templates of variables that are not set, of which Dagster makes None.

    That is everything where something was to be selected, and no limit where there was to be one.

    Args:
        said: What was written of the component.
        context: Where it stands.

    Raises:
        ResolutionException: There is one; it is told with its line.
    """
    for place, text in _texts(said.model_dump(exclude_unset=True) if said else None):
        for name in _VARIABLE.findall(text):
            if said and name not in os.environ:
                with located(context, said, *place):
                    raise DuneConfigurationError(
                        f"The environment variable {name} is not set.",
                        hint="Set it where the code location is loaded, or write "
                        f"{{{{ env('{name}', 'another value') }}}}.",
                    )


def _texts(part: Any, *place: str | int) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """All texts in a part of what was written, each with the way to it."""
    if isinstance(part, str):
        yield place, part
    elif isinstance(part, Mapping | list | tuple):
        for key, inner in part.items() if isinstance(part, Mapping) else enumerate(part):
            yield from _texts(inner, *place, key)


class WrittenFields:
    """Where the fields of a component stand in YAML, for what is told of them later."""

    def __init__(self, context: dg.ResolutionContext, said: BaseModel) -> None:
        self._context = context
        self._said = said

    @contextmanager
    def located(self, field: str, patterns: Patterns) -> Iterator[None]:
        """Tell a pattern of a field that matches nothing with its line."""
        try:
            yield
        except UnmatchedPatternError as error:
            with located(self._context, self._said, field, *_item(error, patterns)):
                raise

    def located_at(self, *place: str | int) -> AbstractContextManager[None]:
        """What raises the errors of a block with the line of a field; see `located`."""
        return located(self._context, self._said, *place)

    def place(self, *place: str | int) -> str:
        """The file and the line of a field, or of all of them; an empty text if they are not known."""
        context = self._context
        for part in place:
            context = context.at_path(part)
        tree = context.source_position_tree
        if tree is None:
            return ""
        position, _ = tree.lookup_closest_and_path(context.path, trace=None)
        return f"{position.filename}, line {position.start.line}"

    def place_of_pattern(self, error: UnmatchedPatternError, field: str, patterns: Patterns) -> str:
        """The same of a pattern that matches nothing."""
        return self.place(field, *_item(error, patterns))


def _item(error: UnmatchedPatternError, patterns: Patterns) -> list[int]:
    """The place of a pattern in a list of them."""
    return [] if isinstance(patterns, str | int) else [as_pattern_list(patterns).index(error.pattern)]


class Written(dict[str, Any]):
    """The fields that were written of a model: arguments of a function that is called later."""

    def __init__(self, context: dg.ResolutionContext, said: BaseModel) -> None:
        super().__init__(
            {
                name: context.at_path(name).resolve_value(value)
                for name, value in said.model_dump(exclude_unset=True).items()
            }
        )
        self._context = context
        self._said = said

    def located(self, *place: str | int) -> Any:
        """What raises the errors of a block with the line of a field; see `located`."""
        return located(self._context, self._said, *place)


WHEN_ASKED = "dagster-dune/when_asked"


def exact_when_asked(
    model: type[BaseModel], *, many: bool = False, words: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what `with_exact_schemas` makes `exact` of: a schema takes longer to make than all else of a field."""
    return {WHEN_ASKED: partial(exact, model, many=many, words=words)}


def with_exact_schemas(model: type[BaseModel]) -> None:
    """Make the schemas that the fields of a model have when they are asked for."""
    for field in model.model_fields.values():
        given = field.json_schema_extra
        if isinstance(given, dict) and callable(schema := given.get(WHEN_ASKED)):
            rest = {name: part for name, part in given.items() if name != WHEN_ASKED}
            field.json_schema_extra = rest | schema()


def exact(model: type[BaseModel], *, many: bool = False, words: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what to change in the schema of a field, so that its mistakes are told line by line.

    Dagster lets every field be a template too, so that its schema is a choice; and of a choice, a check says no more
    than that nothing of it fits. Here the choice knows names alone, and what stands behind ``if`` the rest.

    Args:
        model: What the field holds.
        many: Whether it holds a list of these.
        words: What to say of fields of Dagster's own that say nothing themselves.
    """
    schema = model.model_json_schema()
    _describe(schema, words or {})
    names = {
        name: {word: field[word] for word in ("title", "description", "default") if word in field}
        for name, field in schema["properties"].items()
    }
    outline = {"type": "object", "title": schema["title"], "description": schema["description"], "properties": names}
    whole = _inlined({name: part for name, part in schema.items() if name != "$defs"}, schema.get("$defs", {}))
    if many:
        outline, whole = {"type": "array", "items": outline}, {"type": "array", "items": whole}
    return {
        "anyOf": [outline, {"type": "string"}, *([] if many else [{"type": "null"}])],
        "if": {"type": outline["type"]},
        "then": whole,
    }


def _describe(part: Any, words: Mapping[str, str]) -> None:
    """Say what fields are that say nothing themselves, here and below."""
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _describe(inner, words)
    fields = part.get("properties") if isinstance(part, dict) else None
    for name, field in fields.items() if isinstance(fields, dict) else ():
        if name in words and not field.get("description"):
            field["description"] = words[name]


def _inlined(part: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema without references, and with no choice where the type of what was written decides."""
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
