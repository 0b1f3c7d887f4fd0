"""YAML that people write, read into a model; what is wrong with it is told with its line.

Every value is taken as the text that stands there: YAML would read ``0x10`` as 16, and lose digits of long numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from dagster_dune.errors import DuneCatalogError

LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # the quick one, where libyaml is there

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_yaml(text: str, model: type[ModelT], *, source: str, what: str, lines_before: int = 0) -> ModelT:
    """Read a mapping.

    Args:
        text: The YAML.
        model: What it says; unknown keys are forbidden to it.
        source: The file's name, for messages.
        what: The part of the file that the text is, for messages.
        lines_before: The number of lines in the file before it.

    Returns:
        What the text says.

    Raises:
        DuneCatalogError: It is no YAML, or holds an unknown key, a key twice or a wrong value.
    """
    said: ModelT = _Reader(model, source, what, lines_before).read(text)
    return said


def line_of(text: str, *keys: str) -> int:
    """Return the line on which a key of some YAML stands, counted from 1."""
    line, _ = _find(LOADER(text).get_single_node(), keys)
    return line + 1


class _Reader:
    def __init__(self, model: type[BaseModel], source: str, what: str, lines_before: int) -> None:
        self._model = model
        self._source = source
        self._what = what
        self._lines_before = lines_before

    def read(self, text: str) -> Any:
        try:
            loader = LOADER(text)
            root = self._checked(loader.get_single_node())
            data = loader.construct_document(root) if root else {}
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line if error.problem_mark else 0
            raise self._error(
                line, f"{self._what} is no YAML: {error.problem}", hint="Quote texts with : or # in them."
            ) from error
        try:
            return self._model.model_validate(data)
        except DuneCatalogError as error:
            raise DuneCatalogError(f"{self._source}, in {self._what}: {error}") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise self._wrong(root, first["loc"], first["type"], first["msg"]) from error

    def _checked(self, node: yaml.Node | None) -> yaml.Node | None:
        """Refuse keys that stand twice, of which YAML would keep the last."""
        if isinstance(node, yaml.MappingNode):
            seen = set[str]()
            for key, value in node.value:
                if key.value in seen:
                    raise self._error(
                        key.start_mark.line, f"{key.value!r} stands twice in {self._what}.", hint="Remove one."
                    )
                seen.add(key.value)
                self._checked(value)
        return node

    def _wrong(self, root: yaml.Node | None, place: tuple[int | str, ...], kind: str, message: str) -> DuneCatalogError:
        line, keys = _find(root, place)
        if kind == "extra_forbidden":
            valid = _model_at(self._model, keys[:-1]).model_fields
            close = get_close_matches(keys[-1], valid, n=1)
            hint = (f"Did you mean {close[0]!r}? " if close else "") + f"The keys are: {', '.join(valid)}."
            return self._error(line, f"{self._what} has no key {'.'.join(keys)!r}.", hint=hint)
        if not keys:
            return self._error(
                line, f"{self._what} is no list of keys and values.", hint="Write one 'key: value' a line."
            )
        return self._error(line, f"{'.'.join(keys)} in {self._what} is wrong: {message}.")

    def _error(self, line: int, message: str, hint: str = "") -> DuneCatalogError:
        return DuneCatalogError(f"{self._source}, line {self._lines_before + line + 1}: {message}", hint=hint)


def _model_at(model: Any, keys: Sequence[str]) -> Any:
    """The model that the value of some key, inside of mappings and models, is read into."""
    for key in keys:
        model = get_args(model)[1] if get_origin(model) is dict else model.model_fields[key].annotation
        model = get_args(model)[0] if get_origin(model) in (Annotated, UnionType) else model
    return model


def _find(node: yaml.Node | None, place: Sequence[int | str]) -> tuple[int, list[str]]:
    """Follow a place in the data as far as it leads into the YAML; return its line, and its keys."""
    line, keys = node.start_mark.line if node else 0, []
    for step in place:
        if not isinstance(node, yaml.MappingNode):
            break
        entry = next(((key, value) for key, value in node.value if key.value == step), None)
        if entry is None:
            break
        line, node = entry[0].start_mark.line, entry[1]
        keys.append(str(step))
    return line, keys
