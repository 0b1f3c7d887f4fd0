"""The options of reading a result and their checks, and the count of what has been read."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from inspect import signature
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, get_args

from dagster_dune.api.endpoints.base import comma_separated
from dagster_dune.errors import DuneConfigurationError

OptionsT = TypeVar("OptionsT")

CONCURRENT_PAGES = 8
Wire = Literal["auto", "csv", "json"]

Uint256 = Literal["text", "decimal", "float", "binary"]
"""The representation of uint256 and int256: as exact text; as a decimal, which is an error if it is too short; as the
nearest double; or as 32 bytes in big-endian order (an int256 in two's complement)."""

Timestamps = Literal["exact", "cut"]
"""What happens to a timestamp that is finer than a microsecond, is outside of the years 1 to 9999, or occurs twice in
its zone: it is an error, or its digits are cut off, it becomes the nearest that fits, or the earlier one is taken."""


_KINDS: dict[str, type] = {
    "filters": str,
    "sort_by": str,
    "limit": Integral,
    "sample": Integral,
    "exact": bool,
    "max_bytes": Integral,
    "allow_partial_results": bool,
    "ignore_max_credits_per_request": bool,
    "page_size": Integral,
    "concurrency": Integral,
}
_KIND_NAMES = {str: "a text", Integral: "a whole number", Real: "a number", bool: "True or False", Mapping: "a mapping"}


def check_kinds(options: Any, kinds: Mapping[str, type]) -> None:
    """Check that options have the right types, or are None if that is the default.

    Args:
        options: A dataclass with the options as fields.
        kinds: The type of each option: of texts, numbers, booleans or mappings.

    Raises:
        DuneConfigurationError: An option has another type.
    """
    for option in fields(options):
        if getattr(options, option.name) is None and option.default not in (None, MISSING):
            raise DuneConfigurationError(
                f"{option.name} must not be None.", hint=f"Leave it out for {option.default!r}."
            )
    for name, kind in kinds.items():
        value = getattr(options, name)
        if value is not None and not (isinstance(value, kind) and isinstance(value, bool) == (kind is bool)):
            raise DuneConfigurationError(f"{name} must be {_KIND_NAMES[kind]}, not {value!r}.")


def check_choices(uint256: Uint256 | Mapping[str, Uint256], timestamps: Timestamps) -> None:
    """Check the choices for the types that have several possible representations.

    Args:
        uint256: The representation for all columns, or by column.
        timestamps: What happens to timestamps that do not fit.

    Raises:
        DuneConfigurationError: There is no such choice.
    """
    if isinstance(uint256, Mapping):
        for value in uint256.values():
            _check_choice("uint256", value, Uint256, " for a column")
    else:
        _check_choice("uint256", uint256, Uint256)
    _check_choice("timestamps", timestamps, Timestamps)


def _check_choice(option: str, value: object, allowed: Any, where: str = "") -> None:
    if value not in get_args(allowed):
        raise DuneConfigurationError(f"{option}={value!r}{where} is none of {', '.join(get_args(allowed))}.")


def check_executing(given: Mapping[str, Any], *, parameters: bool) -> None:
    """Check the names of the options of a function that executes SQL and then reads the result.

    Args:
        given: The options that are no arguments of the function itself.
        parameters: Whether the function takes parameters of a query.

    Raises:
        DuneConfigurationError: There is no such option, or SQL that is not saved is given parameters.
    """
    if not parameters:
        refuse_parameters(given)
    options_from(ReadOptions, given, "reading", ["parameters", "performance", "timeout", "context"])


def refuse_parameters(given: Collection[str]) -> None:
    """Refuse parameters of SQL that is not saved.

    Args:
        given: The names of the arguments that the caller has given.

    Raises:
        DuneConfigurationError: Parameters are among them.
    """
    if named := next((name for name in ("parameters", "query_parameters") if name in given), None):
        raise DuneConfigurationError(
            f"SQL that is not saved declares no parameters, and is given {named}.",
            hint="Write the values into the SQL.",
        )


def check_known(given: Collection[str], known: Sequence[str], what: str, alternatives: Sequence[str] = ()) -> None:
    """Check the names of options.

    Args:
        given: The names that the caller has given.
        known: The names that exist.
        what: What they are options of, for messages.
        alternatives: Other names that the caller may have meant.

    Raises:
        DuneConfigurationError: There is no such option.
    """
    if unknown := next((name for name in given if name not in known), None):
        close = get_close_matches(unknown, [*alternatives, *known], n=1)
        raise DuneConfigurationError(
            f"There is no option {unknown!r} of {what}.",
            hint=f"Did you mean {close[0]}?" if close else f"The options of {what} are {', '.join(known)}.",
        )


def options_from(
    kind: type[OptionsT], given: Mapping[str, Any], what: str, alternatives: Sequence[str] = ()
) -> OptionsT:
    """Return options from the names and values that a caller has given.

    Args:
        kind: The dataclass of the options.
        given: The values by name.
        what: What they are options of, for messages.
        alternatives: Other names that the caller may have meant.

    Raises:
        DuneConfigurationError: There is no such option, or it cannot have the value.
    """
    check_known(given, list(signature(kind).parameters), what, alternatives)
    return kind(**given)


@dataclass(frozen=True)
class ReadOptions:
    """Which rows and columns are read, and how.

    Attributes:
        columns: The names of the columns, in the order that the frame is to have; all if None.
        filters: A condition for the rows, such as ``amount > 10 AND chain = 'base'``.
        sort_by: The order of the rows, such as ``amount desc, chain``.
        limit: The maximum number of rows.
        sample: The number of rows of a random sample; excludes `filters`, `limit` and `page_size`.
        uint256: The representation of uint256 and int256; see `Uint256`.
        timestamps: What happens to timestamps that do not fit; see `Timestamps`.
        exact: Whether NULL is distinguished from the text ``<nil>``, which Dune's CSV does not do.
        max_bytes: Refuse to read a larger result: Dune charges exports by size.
        allow_partial_results: Whether to read what there is of a result that Dune has cut short.
        ignore_max_credits_per_request: Whether a page may hold more values, and cost more, than Dune caps it at.
        page_size: The rows of a page; as many as Dune's cap of 250,000 values allows if None.
        concurrency: How many pages are read at once.
        wire: The format that pages are read in; ``"auto"`` is CSV, and JSON where there are nested types, whose form
            in CSV is not known.
    """

    columns: Sequence[str] | None = None
    filters: str | None = None
    sort_by: str | None = None
    limit: int | None = None
    sample: int | None = None
    uint256: Uint256 | Mapping[str, Uint256] = "text"
    timestamps: Timestamps = "exact"
    exact: bool = True
    max_bytes: int | None = None
    allow_partial_results: bool = False
    ignore_max_credits_per_request: bool = False
    page_size: int | None = None
    concurrency: int = CONCURRENT_PAGES
    wire: Wire = "auto"

    def __post_init__(self) -> None:
        check_kinds(self, _KINDS)
        for name in ("filters", "sort_by"):
            if (text := getattr(self, name)) is not None and not text.strip():
                raise DuneConfigurationError(
                    f"{name} must not be an empty text.", hint="Leave it out to read all rows as they are."
                )
        excluded = {"filters": self.filters, "limit": self.limit, "page_size": self.page_size}
        if self.sample is not None and (given := [name for name, value in excluded.items() if value is not None]):
            raise DuneConfigurationError(
                f"sample cannot be combined with {given[0]}: Dune draws from the whole result, and sends all at once."
            )
        numbers = {"limit": self.limit, "max_bytes": self.max_bytes}
        if page_error := [name for name, number in numbers.items() if number is not None and number < 0]:
            raise DuneConfigurationError(f"{page_error[0]} must not be negative, but is {numbers[page_error[0]]}.")
        for name in ("sample", "concurrency", "page_size"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise DuneConfigurationError(f"{name} must be at least 1, not {number}.")
        object.__setattr__(self, "columns", _names(self.columns))
        _check_choice("wire", self.wire, Wire)
        check_choices(self.uint256, self.timestamps)


def _names(columns: Any) -> tuple[str, ...] | None:
    """Return the names of columns, which may be given as any iterable that can be read more than once."""
    if columns is None:
        return None
    if isinstance(columns, str):
        comma_separated(columns)
    is_list = isinstance(columns, Iterable) and not isinstance(columns, Iterator)
    names = tuple(columns) if is_list else (None,)
    if not all(isinstance(name, str) for name in names):
        raise DuneConfigurationError(
            f"columns must be a list of names, not {columns!r}.", hint="Such as ['day', 'amount']."
        )
    if not names:
        raise DuneConfigurationError(
            f"columns must be a list of at least one name, not {columns!r}.", hint="Leave it out to read all."
        )
    return tuple(map(str, names))


@dataclass
class Export:
    """The number of rows and bytes that have been read of a result, which grows while the stream is read.

    Attributes:
        rows: The number of rows.
        bytes: The bytes of all pages, decompressed.
        extra_bytes: The part of `bytes` that was needed to distinguish NULL from the text ``<nil>``.
        total_bytes: The size of the whole result, which Dune states before the first page.
    """

    rows: int = 0
    bytes: int = 0
    extra_bytes: int = 0
    total_bytes: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, bytes_: int, *, extra: bool = False) -> None:
        """Count the bytes of a page."""
        with self._lock:
            self.bytes += bytes_
            self.extra_bytes += bytes_ if extra else 0
