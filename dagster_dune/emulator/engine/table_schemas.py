"""The columns of tables that a folder of SQL reads, typed by how the SQL uses them and by what a schema file says.

Each query is translated over tables whose columns are not known: a name that nothing else has is taken for a column of
them, and a value of unknown type for whatever the query takes it for. That is repeated until nothing new is found.
Where a query still means nothing, other types of the columns that it has used last are tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dagster_dune.emulator.dunesql.compiler import Compiled
from dagster_dune.emulator.dunesql.rewrite.discovery import Discovery
from dagster_dune.emulator.dunesql.rewrite.translator import translate_discovering
from dagster_dune.emulator.dunesql.types.trino import Type, read_type, row
from dagster_dune.emulator.engine.well_known_tables import well_known
from dagster_dune.emulator.sql_errors import SqlError

Schema = dict[str, dict[str, str]]
"""The columns of each table by its full name: names and Trino types."""

_ROUNDS = 8
_TRIED_COLUMNS = 5
_TRIALS = 34
_ASKED = 6
_KEPT_TEXTS = 5
_UNUSED = "unused"
"""The column of a table of which no column is read, since a table has one."""
_OF_TYPES = re.compile(
    r"Cannot (apply|negate|cast|use|unnest)|same type|incompatible types|Unexpected parameters|must evaluate"
    r"|is not a valid"
)
"""What an error says that another type of a column may help against."""
_USUAL: tuple[tuple[str, str], ...] = (
    (r"(evt_|call_|min_|max_)?block_number|(evt_|tx_)?index|nonce|decimals", "bigint"),
    (r"day|date|week|month|.*_date", "date"),
    (r"time|timestamp|minute|hour|.*_(at|time|timestamp)", "timestamp(3) with time zone"),
    (r".*trace_address", "array(bigint)"),
    (r".*(hash|address|_contract|topic\d|_uid)", "varbinary"),
    (r"data|bytecode|input|output|from|to|taker|maker|tx_from|tx_to", "varbinary"),
    (r".*(_usd|price|_ratio|_rate|percent|fee|volume)|.*amount", "double"),
    (r".*(_raw|wad)|value|gas_price|gas_used|gas_limit", "uint256"),
    (r"success|.*_success|is_.*|has_.*", "boolean"),
)  # fmt: skip
"""What columns of such names hold on Dune, where no use tells it."""
_HYPOTHESES = tuple(
    map(
        read_type,
        (
            "varbinary", "varchar", "double", "uint256", "bigint", "timestamp(3) with time zone", "date", "boolean",
            "array(varbinary)", "array(varchar)", "array(uint256)", "array(double)", "map(varchar, varchar)",
            "map(varchar, boolean)", "map(varchar, double)",
        ),
    )
)  # fmt: skip
"""Types that are tried, one after the other, for a column whose use leads to an error."""

Place = tuple[str, str]
"""A table and a column of it; a field of a column is ``column.field``."""


@dataclass
class _Tables:
    """What is known so far, while queries are read."""

    known: dict[str, dict[str, Type]]
    declared: set[str] = field(default_factory=set)
    named: set[Place] = field(default_factory=set)
    linked: dict[Place, set[Place]] = field(default_factory=dict)
    orders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    compared: dict[Place, dict[str, None]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def columns(self, table: str) -> dict[str, Type] | None:
        """The columns of a table; a column of which fields are known is a row of these."""
        found = self.known.get(table)
        if found is None or table in self.declared:
            return found
        plain = {column: type_ for column, type_ in found.items() if "." not in column}
        for column, type_ in found.items():
            if "." in column:
                whole, name = column.split(".", 1)
                before = plain.get(whole)
                fields = dict(zip(before.names, before.of, strict=True)) if before and before.name == "row" else {}
                fields[name] = type_
                plain[whole] = row(tuple(fields.values()), tuple(fields))
        return plain

    def discover(self, place: Place, *, is_qualified: bool) -> Type:
        table, column = place
        if is_qualified:
            self.named.add(place)
        columns = self.known.setdefault(table, {})
        if column not in columns:
            columns[column] = Type("unknown")
            self.changed.add(table)
        return columns[column]

    def is_well_known(self, place: Place) -> bool:
        """Whether a column is one of a table of Dune's whose columns are written down."""
        return place[0] not in self.declared and place[1] in (well_known(place[0]) or ())

    def drop(self, place: Place) -> bool:
        """Take a column away again that a name without a table was taken for, since another table has it."""
        if place[0] in self.declared or place in self.named or self.is_well_known(place):
            return False
        self.known.get(place[0], {}).pop(place[1], None)
        self.changed.add(place[0])
        return True

    def link(self, places: Sequence[Place]) -> None:
        """Note that columns are of one type."""
        whole = set(places).union(*(self.linked.get(place, set()) for place in places))
        for place in whole:
            self.linked[place] = whole

    def set_type(self, place: Place, type_: Type) -> dict[Place, Type]:
        """Give a column, and those that must be of its type, another one; return what they had."""
        before = {
            (table, column): self.known[table][column]
            for table, column in self.linked.get(place, {place}) | {place}
            if table not in self.declared
            and column in self.known.get(table, {})
            and not self.is_well_known((table, column))
        }
        for table, column in before:
            self.known[table][column] = type_
        return before

    def type_of(self, place: Place) -> Type:
        return self.known.get(place[0], {}).get(place[1], Type("varchar"))

    def observe(self, place: Place, target: Type, *, is_exact: bool = False) -> None:
        if target.name == "unknown" or self.type_of(place).name != "unknown":
            return
        filled = _filled(target, place[1])
        self.known[place[0]][place[1]] = filled if is_exact and filled.is_integer else _widest(place[1], filled)
        self.changed.add(place[0])


def _filled(type_: Type, column: str) -> Type:
    """The same type without what is unknown inside: a list of `amounts` holds what an `amount` is, else texts."""
    if type_.name == "unknown":
        singular = (column.removesuffix(ending) for ending in ("es", "s") if column.endswith(ending))
        return next((usual for name in singular if (usual := _usual(name)) is not None), Type("varchar"))
    of = tuple(_filled(part, column) for part in type_.of)
    return Type(type_.name, type_.args, of, type_.names, type_.zoned)


def _widest(column: str, target: Type) -> Type:
    """The type of a column that is taken for another: a text of any length, a number that is usual for its name."""
    if target.name in ("varchar", "char"):
        return Type("varchar")
    usual = _usual(column)
    if target.name.startswith(("date", "timestamp")):
        return usual if usual is not None and usual.name.startswith(("date", "timestamp")) else target
    if not target.is_number or target.is_wide:
        return target
    return usual if usual is not None and usual.is_number else Type("double")


def _usual(column: str) -> Type | None:
    name = column.rpartition(".")[2]
    return next((read_type(usual) for pattern, usual in _USUAL if re.fullmatch(pattern, name)), None)


class _Reading(Discovery):
    """One query, being read."""

    def __init__(self, tables: _Tables) -> None:
        self.tables = tables
        self.places: dict[str, Place] = {}
        self.used: dict[Place, None] = {}

    def columns(self, table: str) -> Mapping[str, Type] | None:
        if table not in self.tables.known:
            self.tables.known[table] = dict(well_known(table) or {})
        return self.tables.columns(table)

    def is_open(self, table: str) -> bool:
        return table not in self.tables.declared

    def is_well_known(self, table: str) -> bool:
        return table not in self.tables.declared and well_known(table) is not None

    def found(self, table: str, column: str, sql: str, *, is_qualified: bool) -> Type:
        place = (table, column)
        self.places[sql] = place
        self._use(place)
        return self.tables.discover(place, is_qualified=is_qualified)

    def known(self, table: str, column: str, sql: str) -> None:
        self.places[sql] = (table, column)

    def drop(self, sql: str) -> bool:
        return sql in self.places and self.tables.drop(self.places[sql])

    def use(self, sql: str, *, is_qualified: bool) -> None:
        if (place := self.places.get(sql)) is not None:
            self._use(place)
            if is_qualified:
                self.tables.named.add(place)

    def ordered(self, table: str, columns: Sequence[str]) -> None:
        self.tables.orders[table] = tuple(columns)

    def observe(self, sql: str, target: Type, *, is_exact: bool = False) -> None:
        if sql in self.places:
            self.tables.observe(self.places[sql], target, is_exact=is_exact)

    def link(self, sqls: Sequence[str]) -> None:
        places = [self.places[sql] for sql in sqls if sql in self.places]
        types = [self.tables.type_of(place) for place in places]
        known = next((type_ for type_ in types if type_.name != "unknown"), None)
        usual = next((usual for place in places if (usual := _usual(place[1])) is not None), None)
        if len(places) > 1:
            self.tables.link(places)
        if len(places) > 1 and (target := known or usual) is not None:
            for place in places:
                self.tables.observe(place, target)

    def compared(self, sql: str, text: str) -> None:
        if (place := self.places.get(sql)) is not None:
            self.tables.compared.setdefault(place, {})[text] = None

    def _use(self, place: Place) -> None:
        self.used.pop(place, None)
        self.used[place] = None


@dataclass(frozen=True)
class Inferred:
    """What queries tell of the tables that they read.

    Attributes:
        schema: The columns of the tables that are not declared.
        problems: Why a query cannot be read, by its place.
        compared: Texts that columns are compared with.
    """

    schema: Schema
    problems: dict[int, str]
    compared: dict[str, dict[str, list[str]]]


def infer(queries: Iterable[Compiled], known: Mapping[str, Mapping[str, str]] | None = None) -> Inferred:
    """Find the columns of the tables that queries read.

    Args:
        queries: The queries, each complete in itself.
        known: Tables whose columns are declared; nothing is added to them.

    """
    declared = {
        name: {column: read_type(type_) for column, type_ in columns.items()} for name, columns in (known or {}).items()
    }
    tables = _Tables(dict(declared), set(declared))
    given = list(queries)
    problems = dict(enumerate([""] * len(given)))
    waiting = list(range(len(given)))
    for _ in range(_ROUNDS):
        tables.changed = set()
        for place in waiting:
            problems.pop(place, None)
            if (words := _read(given[place], tables)) is not None:
                problems[place] = words
        if not tables.changed:
            _settle(tables)
        waiting = [place for place, query in enumerate(given) if tables.changed & query.tables]
        if not waiting:
            break
    problems = _mended(given, tables, problems, set(problems))
    tables.changed = set()
    _settle(tables, everything=True)
    unsure = {place for place, query in enumerate(given) if place in problems or tables.changed & query.tables}
    problems = _mended(given, tables, problems, unsure)
    schema = {
        name: _shown(tables.columns(name) or {}, tables.orders.get(name, ()))
        for name in sorted(tables.known)
        if name not in tables.declared
    }
    return Inferred(schema, problems, _compared(tables))


def _compared(tables: _Tables) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for (table, column), texts in sorted(tables.compared.items()):
        if fitting := [text for text in texts if _fits(text, tables.type_of((table, column)))][:_KEPT_TEXTS]:
            found.setdefault(table, {})[column] = fitting
    return found


def _fits(text: str, type_: Type) -> bool:
    """Whether a text can be a value of a type."""
    if type_.name == "varbinary":
        return bool(re.fullmatch(r"0x([0-9a-f]{2})*", text))
    return type_.name == "varchar" or (type_.is_number and bool(re.fullmatch(r"\d{1,9}", text)))


def _shown(columns: Mapping[str, Type], order: Sequence[str]) -> dict[str, str]:
    """Columns by their names, but in the order in which a UNION needs them."""
    if not columns:
        return {_UNUSED: "varchar"}
    first = [column for column in order if column in columns]
    return {column: str(columns[column]) for column in (*first, *sorted(set(columns) - set(first)))}


def unreadable(query: Compiled, schema: Schema) -> str | None:
    """Why a query cannot be read over tables whose columns are all known, None where it can."""
    known = {name: {column: read_type(type_) for column, type_ in each.items()} for name, each in schema.items()}
    return _read(query, _Tables(known, set(known)))


def _read(query: Compiled, tables: _Tables) -> str | None:
    return _attempt(query, tables)[0]


def _attempt(query: Compiled, tables: _Tables) -> tuple[str | None, list[Place]]:
    """Read a query; return what is wrong with it, and the columns that it has used, the last first."""
    reading = _Reading(tables)
    try:
        translate_discovering(query.statement, reading)
    except SqlError as error:
        return str(error), list(reversed(reading.used))
    return None, list(reversed(reading.used))


def _settle(tables: _Tables, *, everything: bool = False) -> None:
    """Give columns of which no use tells the type the one that is usual for their name."""
    for name, columns in tables.known.items():
        for column, type_ in columns.items():
            if type_.name != "unknown" or name in tables.declared:
                continue
            usual = _usual(column) or (Type("varchar") if everything else None)
            if usual is not None:
                columns[column] = usual
                tables.changed.add(name)


def _mended(given: Sequence[Compiled], tables: _Tables, before: Mapping[int, str], unsure: set[int]) -> dict[int, str]:
    """Try other types where a query means nothing, and keep what helps it and harms no other."""
    problems = dict(before)
    for place, query in enumerate(given):
        if place not in unsure:
            continue
        trials = _TRIALS
        words, used = _attempt(query, tables)
        while words is not None and trials > 0 and _OF_TYPES.search(words):
            mended = None
            for column, type_ in _hypotheses(tables, used, words):
                trials -= 1
                was = tables.set_type(column, type_)
                new_words, new_used = _attempt(query, tables)
                is_better = new_words is None or (new_words != words and len(new_used) > len(used))
                if is_better and not _harms(given, tables, {table for table, _ in was}, place, problems):
                    mended = (new_words, new_used)
                    break
                for (table, name), old in was.items():
                    tables.known[table][name] = old
                if trials <= 0:
                    break
            if mended is None:
                break
            words, used = mended
        if words is None:
            problems.pop(place, None)
        else:
            problems[place] = words
    return problems


def _hypotheses(tables: _Tables, used: Sequence[Place], words: str) -> Iterator[tuple[Place, Type]]:
    """Other types for the columns that were used last, those first of whose type the error speaks."""

    def unlikely(place: Place) -> tuple[bool, bool]:
        return str(tables.type_of(place)) not in words, _usual(place[1]) is not None

    for column in sorted(used[:_TRIED_COLUMNS], key=unlikely):
        if column[0] in tables.declared or column[1] not in tables.known.get(column[0], {}):
            continue
        if tables.is_well_known(column):
            continue
        was = tables.known[column[0]][column[1]]
        for type_ in sorted(_HYPOTHESES, key=lambda type_: type_.is_number != was.is_number):
            if type_ != was:
                yield column, type_


def _harms(
    given: Sequence[Compiled], tables: _Tables, changed: set[str], beside: int, problems: Mapping[int, str]
) -> bool:
    """Whether a query that could be read no longer can; of many, the first few are asked."""
    readers = [
        query
        for place, query in enumerate(given)
        if place != beside and place not in problems and changed & query.tables
    ]
    return any(_read(query, tables) is not None for query in readers[:_ASKED])
