"""Drawn expressions: each is refused in words, or gives a value of the type that it declares."""

import os
import random
import re

import pytest

from dagster_dune.emulator.dunesql import compile_sql
from dagster_dune.emulator.dunesql.functions.catalog import FUNCTIONS
from dagster_dune.emulator.dunesql.types.signatures import resolved
from dagster_dune.emulator.dunesql.types.trino import Type
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.sql_errors import SqlError

COUNT = int(os.environ.get("DUNE_FUZZ_EXPRESSIONS", "250"))
VALUES = {
    "boolean": ["true", "false"], "tinyint": ["TINYINT '-128'", "TINYINT '7'"], "smallint": ["SMALLINT '32767'"],
    "integer": ["0", "-3", "2147483647"], "bigint": ["BIGINT '9223372036854775807'", "BIGINT '-5'"],
    "real": ["REAL '1.5'", "REAL 'NaN'"], "double": ["1.5e0", "nan()", "-infinity()", "0e0"],
    "decimal": ["1.50", "-0.005", "12345678901234567890.5"], "varchar": ["''", "'abc'", "'é 1'", "'2024-01-02'"],
    "char": ["CAST('a' AS char(3))"], "varbinary": ["0x", "0x00ff"], "json": ["json '[1, 2.5]'", "json '{\"a\": 1}'"],
    "date": ["DATE '2024-02-29'"], "time": ["TIME '01:02:03.4'"],
    "timestamp": ["TIMESTAMP '2024-02-29 01:02:03'", "TIMESTAMP '2024-02-29 01:02:03.123456789'"],
    "timestamp with time zone": ["TIMESTAMP '2024-02-29 01:02:03 UTC'", "TIMESTAMP '2024-07-01 01:02:03 +05:30'"],
    "interval day to second": ["INTERVAL '1' DAY"], "interval year to month": ["INTERVAL '2' MONTH"],
    "uint256": ["UINT256 '7'"], "int256": ["INT256 '-7'"], "uuid": ["UUID '12151fd2-7586-11e9-8f9e-2a86e4085a59'"],
}  # fmt: skip
OPERATORS = ("+", "-", "*", "/", "%", "||", "=", "<>", "<", ">=", "IS DISTINCT FROM")
INTERNAL = re.compile(
    r"internal|binder error|catalog error|parser error|scalar function|python exception|trino_|py_|dune_|struct_|"
    r"out of range error|not implemented|invalid input error|conversion error|traceback|assert",
    re.IGNORECASE,
)
"""What an error says of the engine below, which no reader of SQL can know."""


class Drawing:
    """Draws expressions from the functions and types that there are."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, name, depth):
        if depth > 0 and self.random.random() < 0.4:
            return self.expression(depth - 1)
        if self.random.random() < 0.1:
            return "NULL"
        if name == "array":
            return f"ARRAY[{self.value(self.random.choice(['integer', 'double', 'varchar']), 0)}, NULL]"
        if name == "map":
            return "map(ARRAY['a', 'b'], ARRAY[1, NULL])"
        if name == "row":
            return "CAST(row(1, 'x') AS row(a integer, b varchar))"
        return self.random.choice(VALUES.get(name) or self.random.choice(list(VALUES.values())))

    def any_type(self):
        return self.random.choice([*VALUES, "array", "row", "map"])

    def expression(self, depth):
        kind = self.random.randrange(5)
        if kind == 0:
            left, right = (self.value(self.any_type(), depth) for _ in "ab")
            return f"({left} {self.random.choice(OPERATORS)} {right})"
        if kind == 1:
            target = self.random.choice([name for name in VALUES if name != "char"])
            return f"CAST({self.value(self.any_type(), depth)} AS {target})"
        if kind == 2:
            same = self.any_type()
            return f"coalesce({self.value(same, depth)}, {self.value(same, depth)})"
        function = self.random.choice(self.random.choice(list(FUNCTIONS.values())))
        parameters = function.signature.parameters
        if function.kind != "scalar" or any(parameter.name == "function" for parameter in parameters):
            return self.expression(depth)
        count = self.random.randint(function.signature.least, len(parameters))
        arguments = [self.value(_name(parameter), depth) for parameter in parameters[:count]]
        return f"{function.name}({', '.join(arguments)})"


def _name(parameter):
    type_ = resolved(parameter, {"N": Type("double")})
    return "integer" if type_.name == "unknown" else type_.name


def fits(type_name, value):
    """Whether a value of an answer has the form of its type."""
    base = type_name.partition("(")[0]
    if base in ("tinyint", "smallint", "integer", "bigint"):
        return isinstance(value, int) and not isinstance(value, bool)
    if base == "decimal":
        scale = int(type_name.rstrip(")").partition(",")[2])
        return isinstance(value, str) and len(value.partition(".")[2]) == scale
    if base in ("real", "double") and value in ("NaN", "Infinity", "-Infinity"):
        return True
    forms = {"real": float, "double": float, "boolean": bool, "array": list, "map": dict, "row": (list, dict)}
    return isinstance(value, forms.get(base, str))


@pytest.fixture(scope="module")
def engine():
    engine = Engine(None)
    yield engine
    engine.close()


def test_a_drawn_expression_is_refused_in_words_or_has_its_type(engine):
    drawing, wrong = Drawing(20261125), []
    for _ in range(COUNT):
        sql = f"SELECT {drawing.expression(2)}"
        try:
            result = engine.select(compile_sql(sql, parameters={}, views={}.get)).run()
        except SqlError as error:
            if INTERNAL.search(error.message):
                wrong.append(f"{sql}: {error.message}")
            continue
        (column,) = result.columns
        (value,) = result.rows[0].values()
        if value is not None and not fits(column.type, value):
            wrong.append(f"{sql}: {value!r} is no {column.type}")
    assert wrong == []
