"""The kinds of frames that a result can be read as: those of polars, Arrow, pandas and DuckDB."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.extras import needed
from dagster_dune.frames.pages.memory import FRAME_MEMORY
from dagster_dune.frames.types.columns import ARROW_DIGITS, SHORT_DIGITS
from dagster_dune.frames.types.names import deduplicated_names, renamings


@dataclass(frozen=True)
class Target:
    """A kind of frame.

    Attributes:
        names: The full name of its type, and its short name.
        digits: The digits of the widest decimal that it supports.
        build: Makes it from a schema and a stream of batches.
        is_stream: Whether rows are read only while the frame is read from.
    """

    names: tuple[str, str]
    digits: int
    build: Callable[[pa.Schema, Iterable[pa.RecordBatch]], Any]
    is_stream: bool = False

    def check_installed(self) -> None:
        """Check that the package of the frame is installed.

        Raises:
            DuneConfigurationError: It is not installed.
        """
        package = self.names[0].partition(".")[0]
        if package != "pyarrow":  # which everything here is made with
            needed(package, package)


def unique_names(names: Sequence[str], *, fold_case: bool = False) -> list[str]:
    """Return unique names for columns, with a warning about the changed ones: the second ``a`` becomes ``a_2``.

    Examples:
        >>> unique_names(["a", "b", "a", "a_2"])
        ['a', 'b', 'a_3', 'a_2']
    """
    result = deduplicated_names(names, fold_case=fold_case)
    if renamed := renamings(names, result):
        warnings.warn(f"Columns without a name of their own are renamed: {', '.join(renamed)}.", stacklevel=3)
    return result


def _table(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches, schema)


def _reader(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, batches)


_VIEWS = {pa.string(): pa.string_view(), pa.binary(): pa.binary_view()}
"""The types that polars uses for texts and bytes, whose memory it takes without a copy."""


def _viewed(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Return an array in the type that polars uses, but not as a view without a buffer of long values.

    Polars reads that buffer even if there are no long values, and Arrow before 25 leaves it out then.
    """
    if type_ != array.type:
        return array.cast(type_)
    view = array.cast(_VIEWS.get(type_, type_), memory_pool=FRAME_MEMORY)
    return view if all(buffer is not None for buffer in view.buffers()[2:]) else array


def _without_maps(type_: pa.DataType) -> pa.DataType:
    """Return a type with lists of pairs in place of maps: polars before 2 turns a NULL map into an empty list."""
    if pa.types.is_map(type_):
        key = pa.field("key", _without_maps(type_.key_type), nullable=False)
        return pa.list_(pa.struct([key, pa.field("value", _without_maps(type_.item_type))]))
    if pa.types.is_list(type_):
        return pa.list_(_without_maps(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, _without_maps(field.type)) for field in type_])
    return type_


def _polars(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Any:
    """Build a polars frame. Each batch is converted as it arrives, so that no batch is in memory twice."""
    pl = needed("polars", "polars")
    names = unique_names(schema.names)
    types = schema.types if hasattr(pl, "Map") else [_without_maps(type_) for type_ in schema.types]
    physical_schema = pa.schema(list(zip(names, types, strict=True)))
    frames = [
        pl.from_arrow(pa.RecordBatch.from_arrays([*map(_viewed, batch.columns, types)], names)) for batch in batches
    ]
    empty = pl.from_arrow(physical_schema.empty_table())
    return pl.concat([empty, *frames], rechunk=False)


def _lazy_polars(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Any:
    return _polars(schema, batches).lazy()


def _pandas(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Any:
    """Build a pandas frame with Arrow's types: pandas' own types would turn integers with NULL into doubles."""
    pd = needed("pandas", "pandas")
    return _table(schema, batches).to_pandas(types_mapper=pd.ArrowDtype)


def _duckdb(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Any:
    duckdb = needed("duckdb", "duckdb")
    table = _table(schema, batches).rename_columns(unique_names(schema.names, fold_case=True))
    return duckdb.connect().from_arrow(table)


TARGETS = (
    Target(("polars.DataFrame", "polars"), SHORT_DIGITS, _polars),
    Target(("polars.LazyFrame", "polars_lazy"), SHORT_DIGITS, _lazy_polars),
    Target(("pyarrow.Table", "arrow"), ARROW_DIGITS, _table),
    Target(("pyarrow.RecordBatchReader", "arrow_stream"), ARROW_DIGITS, _reader, is_stream=True),
    Target(("pandas.DataFrame", "pandas"), ARROW_DIGITS, _pandas),
    Target(("duckdb.DuckDBPyRelation", "duckdb"), SHORT_DIGITS, _duckdb),
)


def target_of(as_: object) -> Target:
    """Return the target for a type or a short name.

    Args:
        as_: Such as ``pl.DataFrame``, or ``"polars"``.

    Raises:
        DuneConfigurationError: There is no such target.

    Examples:
        >>> target_of("arrow") is target_of(pa.Table)
        True
    """
    word = as_ if isinstance(as_, str) else _full_name(as_)
    found = next((target for target in TARGETS if word in target.names), None)
    if found is None:
        shown = repr(as_) if isinstance(as_, str) or not word else word
        raise DuneConfigurationError(
            f"A result of Dune cannot become {shown}.",
            hint="It can become " + ", ".join(f'{name} ("{word}")' for name, word in (t.names for t in TARGETS)) + ".",
        )
    return found


def _full_name(as_: object) -> str:
    package = str(getattr(as_, "__module__", "")).lstrip("_").partition(".")[0]
    return f"{package}.{as_.__qualname__}" if isinstance(as_, type) else ""
