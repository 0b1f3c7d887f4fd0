"""Reads YAML that users write into models, and reports errors with their lines.

All values are read as texts: YAML would read ``0x10`` as 16, and lose digits of long numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from dagster_dune.catalog.settings.wrong_values import MAX_TEXT_SHOWN, message_and_hint
from dagster_dune.errors import DuneCatalogError

LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # the faster one, if libyaml is installed

MAX_DEPTH = 50
MAX_NODES = 100_000
"""The limit of nodes. The nodes of an alias count each time that it is used."""

EXPECTED = {
    "tuple": ("a list", "Write it as [a, b]."),
    "int": ("a whole number", "Write its digits alone."),
    "float": ("a number", "Write its digits alone."),
    "bool": ("true or false", ""),
}
"""The expected value and a hint, by the start of the type of pydantic's error."""

NO_MAPPING = ("dict_type", "model_type", "model_attributes_type")

ModelT = TypeVar("ModelT", bound=BaseModel)


class YamlText:
    """YAML text that can be read as a whole or in parts.

    Args:
        text: The YAML.
        source: The file's name, for messages.
        what: The name of this part of the file, for messages.
        lines_before: The number of lines in the file before the text.
        entries: The key of a mapping whose entries are independent: an entry with a duplicate key or a wrong structure
            raises its error only when it is read.

    Raises:
        DuneCatalogError: The text is not YAML, contains a key twice, or is too large or too deeply nested.
    """

    def __init__(self, text: str, *, source: str, what: str, lines_before: int = 0, entries: str = "") -> None:
        self._source = source
        self._what = what
        self._lines_before = lines_before
        self._entries = entries
        self._entry_errors: dict[tuple[str, ...], DuneCatalogError] = {}
        try:
            self._check_depth(text)
            loader = LOADER(text)
            self._root = loader.get_single_node()
            self._checked_size(self._root, {}, set())
            self._data = loader.construct_document(self._root) if self._root else {}
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line if error.problem_mark else 0
            if error.problem and "nesting depth" in error.problem:
                raise self._too_deep(line) from error
            has_tab = "\t" in (text.splitlines()[line : line + 1] or [""])[0]
            hint = "Write spaces in place of tabs." if has_tab else "Quote texts with : or # in them."
            raise self._error(line, f"{what} is no YAML: {error.problem}.", hint=hint) from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position)
            raise self._error(
                line, f"{what} is no YAML: it holds the character {chr(error.character)!r}.", hint="Remove it."
            ) from error
        except (yaml.YAMLError, ValueError) as error:
            raise self._error(0, f"{what} is no YAML: {error}.") from error
        except RecursionError as error:
            raise self._too_deep(0) from error

    def read(self, model: type[ModelT], *keys: str) -> ModelT:
        """Read the text, or the value at a path of keys, into a model.

        Args:
            model: The model, which forbids unknown keys.
            keys: The path of keys to the value; the whole text if there are none.

        Raises:
            DuneCatalogError: The value contains an unknown key or a wrong value.
        """
        if keys in self._entry_errors:
            raise self._entry_errors[keys]
        data = self._data
        for key in keys:
            data = data[key]
        try:
            return model.model_validate({} if data == "" else data)  # the last key has no value
        except DuneCatalogError as error:
            line, _ = _locate(self._root, (*keys, *_path_to_error(model, data)))
            raise self._error(line, f"in {self._what}: {error}") from error
        except ValidationError as error:
            all_wrong = error.errors(include_url=False)
            unknown = (one for one in all_wrong if one["type"] == "extra_forbidden")
            raise self._wrong(model, keys, next(unknown, all_wrong[0])) from error

    def line_of(self, *keys: str) -> int:
        """Return the line of a key in the file, counted from 1."""
        line, _ = _locate(self._root, keys)
        return self._lines_before + line + 1

    def line_of_item(self, key: str, index: int) -> int:
        """Return the line in the file of an item of a list, or of a text in place of the list."""
        node = self._value_of(key)
        if isinstance(node, yaml.SequenceNode):
            node = node.value[index]
        return self._lines_before + node.start_mark.line + 1 if node else self.line_of(key)

    def _check_depth(self, text: str) -> None:
        """Check the nesting depth with the parser's events, before the recursive construction of the nodes."""
        depth = 0
        for event in yaml.parse(text, Loader=LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                line = event.start_mark.line if event.start_mark else 0
                raise self._too_deep(line)

    def _checked_size(self, node: yaml.Node | None, sizes: dict[int, int], ancestors: set[int]) -> int:
        """Check the structure of a node and of the nodes in it; return their number, with aliases counted each time."""
        if not isinstance(node, yaml.CollectionNode):
            return 1
        if id(node) in ancestors:
            raise self._error(node.start_mark.line, f"a part of {self._what} holds itself.", hint="Remove the alias.")
        if id(node) not in sizes:
            if isinstance(node, yaml.MappingNode):
                self._check_keys(node)
            ancestors.add(id(node))
            if isinstance(node, yaml.MappingNode):
                self._merge(node, sizes, ancestors)
            if isinstance(node, yaml.MappingNode) and node is self._value_of(self._entries):
                node.value = [self._entry(key, value, sizes, ancestors) for key, value in node.value]
            children = [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else node.value
            sizes[id(node)] = 1 + sum(self._checked_size(child, sizes, ancestors) for child in children)
            ancestors.remove(id(node))
            if sizes[id(node)] > MAX_NODES:
                raise self._error(node.start_mark.line, f"{self._what} is too large.", hint="Write aliases out.")
        return sizes[id(node)]

    def _merge(self, node: yaml.MappingNode, sizes: dict[int, int], ancestors: set[int]) -> None:
        """Replace ``<<`` with the entries of the mappings that it names. Own entries win, then the earliest."""
        merges = [value for key, value in node.value if _is_merge(key)]
        entries = {key.value: (key, value) for key, value in node.value if not _is_merge(key)}
        for merge in merges:
            for part in merge.value if isinstance(merge, yaml.SequenceNode) else [merge]:
                if not isinstance(part, yaml.MappingNode):
                    raise self._error(
                        part.start_mark.line,
                        f"<< in {self._what} is no mapping.",
                        hint="Name one by its alias (<<: *name), or several in a list.",
                    )
                self._checked_size(part, sizes, ancestors)
                for key, value in part.value:
                    entries.setdefault(key.value, (key, value))
        if merges:
            node.value = list(entries.values())

    def _entry(
        self, key: yaml.ScalarNode, value: yaml.Node, sizes: dict[int, int], ancestors: set[int]
    ) -> tuple[yaml.Node, yaml.Node]:
        """Return an entry. If its structure is wrong, keep the error for when it is read, and return an empty value."""
        before = set(ancestors)
        try:
            self._checked_size(value, sizes, ancestors)
        except DuneCatalogError as error:
            self._entry_errors.setdefault((self._entries, key.value), error)
            ancestors &= before
            return key, yaml.ScalarNode("tag:yaml.org,2002:str", "", key.start_mark, key.end_mark)
        return key, value

    def _check_keys(self, node: yaml.MappingNode) -> None:
        """Check that keys are texts and not duplicate. YAML would only keep the last of duplicate keys."""
        seen = set[str]()
        for key, _ in node.value:
            line = key.start_mark.line
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(line, f"a key in {self._what} is no text.", hint="Write one 'key: value' a line.")
            if key.value in seen:
                error = self._error(line, f"{key.value!r} stands twice in {self._what}.", hint="Remove one.")
                if node is not self._value_of(self._entries):
                    raise error
                self._entry_errors[self._entries, key.value] = error
            seen.add(key.value)

    def _value_of(self, name: str) -> yaml.Node | None:
        """Return the value of a top-level key; None if there is no such key."""
        top = self._root.value if isinstance(self._root, yaml.MappingNode) else ()
        return next((value for key, value in top if key.value == name), None)

    def _wrong(self, model: type[BaseModel], before: tuple[str, ...], error: ErrorDetails) -> DuneCatalogError:
        place, kind = error["loc"], error["type"]
        line, keys = _locate(self._root, (*before, *place))
        if kind == "extra_forbidden":
            valid = _model_at(model, keys[len(before) : -1]).model_fields
            close = get_close_matches(keys[-1][:MAX_TEXT_SHOWN].lower(), valid, n=1)
            hint = (f"Did you mean {close[0]!r}? " if close else "") + f"The keys are: {', '.join(valid)}."
            return self._error(line, f"{self._what} has no key {'.'.join(keys)[:MAX_TEXT_SHOWN]!r}.", hint=hint)
        if len(keys) == len(before):
            what = f"{'.'.join(before)} in {self._what}" if before else self._what
            return self._error(line, f"{what} is no list of keys and values.", hint="Write one 'key: value' a line.")
        if kind in NO_MAPPING:
            fields = getattr(_model_at(model, keys[len(before) :]), "model_fields", ())
            hint = f"Its keys are: {', '.join(fields)}." if fields else "Write one 'key: value' a line below it."
            return self._error(line, f"{'.'.join(keys)} in {self._what} is no list of keys and values.", hint=hint)
        if kind == "missing":
            return self._error(line, f"{'.'.join(keys)} in {self._what} lacks {place[-1]}.", hint="Write it below.")
        if expected := EXPECTED.get(kind.removesuffix("_type").removesuffix("_parsing")):
            given = f", not {error['input'][:MAX_TEXT_SHOWN]!r}" if isinstance(error["input"], str) else ""
            message, hint = expected
            return self._error(line, f"{'.'.join(keys)} in {self._what} must be {message}{given}.", hint=hint)
        message, hint = message_and_hint(error)
        return self._error(line, f"{'.'.join(keys)} in {self._what} is wrong: {message}.", hint=hint)

    def _too_deep(self, line: int) -> DuneCatalogError:
        return self._error(line, f"{self._what} is nested too deeply.", hint="Write one 'key: value' a line.")

    def _error(self, line: int, message: str, hint: str = "") -> DuneCatalogError:
        return DuneCatalogError(f"{self._source}, line {self._lines_before + line + 1}: {message}", hint=hint)


def _is_merge(key: yaml.ScalarNode) -> bool:
    return key.value == "<<" and key.style not in ("'", '"')


def _path_to_error(model: Any, data: Any) -> list[str]:
    """Find the path of keys to the value that raises a DuneCatalogError in a model, by validating each key alone."""
    for key, value in data.items() if isinstance(data, dict) else ():
        try:
            TypeAdapter(model).validate_python({key: value})
        except DuneCatalogError:
            is_known = get_origin(model) is dict or key in getattr(model, "model_fields", ())
            return [key, *_path_to_error(_model_at(model, [key]), value)] if is_known else [key]
        except ValidationError:
            continue
    return []


def _model_at(model: Any, keys: Sequence[str]) -> Any:
    """Return the model or type of the value at a path of keys in a model."""
    for key in keys:
        model = get_args(model)[1] if get_origin(model) is dict else model.model_fields[key].annotation
        model = get_args(model)[0] if get_origin(model) in (Annotated, UnionType) else model
    return model


def _locate(node: yaml.Node | None, path: Sequence[int | str]) -> tuple[int, list[str]]:
    """Follow a path in the data as far as it exists in the YAML; return the line and the keys of its end."""
    line, keys = node.start_mark.line if node else 0, []
    for step in path:
        if not isinstance(node, yaml.MappingNode):
            break
        entry = next(((key, value) for key, value in node.value if key.value == step), None)
        if entry is None:
            break
        line, node = entry[0].start_mark.line, entry[1]
        keys.append(str(step))
    return line, keys
