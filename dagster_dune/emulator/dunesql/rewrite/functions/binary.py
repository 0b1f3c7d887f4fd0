"""Functions of bits and bytes that Trino has for some types only."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, Rewrite, call, cast_to


def digest(name: str, target: str) -> Rewrite:
    """Hash bytes to bytes, where DuckDB writes hexadecimal digits."""

    def rewrite(operation: Operation) -> exp.Expr:
        value, type_ = operation.operands[0], operation.types[0]
        if type_ is not None and type_.family and type_.id != "BLOB":
            raise error_at(operation.node, f"{name} takes a varbinary, not {operation.type_names()[0]}: use to_utf8")
        return call("unhex", call(target, value if type_ else cast_to(value, "BLOB")))

    return rewrite


_WIDE = {
    "bitwise_and": "trino_wide_and",
    "bitwise_or": "trino_wide_or",
    "bitwise_xor": "trino_wide_xor",
    "bitwise_left_shift": "trino_wide_left_shift",
    "bitwise_right_shift": "trino_wide_right_shift",
}
"""Those that uint256 has too."""


def bitwise(name: str, target: str, *, keeps_type: bool = False) -> Rewrite:
    """Work on the bits of integers, which give a bigint, or shift them, which keeps the type of the first."""

    def rewrite(operation: Operation) -> exp.Expr:
        if operation.has("BIGNUM") and name in _WIDE:
            return call(_WIDE[name], *operation.operands)
        for type_, written in zip(operation.types, operation.type_names(), strict=True):
            if type_ is not None and type_.family and not type_.is_integer:
                raise error_at(operation.node, f"{name} of {written} is not supported by this emulator")
        result = call(target, *(cast_to(operand, "BIGINT") for operand in operation.operands))
        first = operation.types[0]
        return cast_to(result, first.id) if keeps_type and first is not None and first.is_integer else result

    return rewrite
