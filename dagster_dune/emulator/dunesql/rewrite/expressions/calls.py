"""Translates calls: resolves the signature among those of a function, and fills its template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.catalog import FUNCTIONS
from dagster_dune.emulator.dunesql.functions.registry import Call, Function, Operand, RefusedError, write
from dagster_dune.emulator.dunesql.functions.times import CLOCKS
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts.conversion import coerced, converted
from dagster_dune.emulator.dunesql.rewrite.observation import derived, observe_type
from dagster_dune.emulator.dunesql.rewrite.scopes import Scope, Translator
from dagster_dune.emulator.dunesql.types.coercion import can_coerce, common_type
from dagster_dune.emulator.dunesql.types.signatures import Bindings, Parameter, Signature, bind, resolved
from dagster_dune.emulator.dunesql.types.trino import VARCHAR, Type, array, timestamp_tz

_COSTS = {"tinyint": 1, "smallint": 2, "integer": 3, "bigint": 4, "decimal": 5, "real": 6, "double": 7, "int256": 9,
          "uint256": 8, "char": 0, "date": 1, "timestamp": 2, "timestamp with time zone": 3, "varchar": 1}  # fmt: skip

_WITH_UNITS = ("date_trunc", "date_add", "date_diff")


@dataclass(frozen=True)
class Bound:
    """A call with its resolved signature.

    Attributes:
        function: The function with this signature.
        call: The arguments and the result.
    """

    function: Function
    call: Call

    @property
    def like_result(self) -> list[Operand]:
        """The arguments with the type of the result."""
        signature, arguments = self.function.signature, self.call.arguments
        names = [signature.parameter(place).name for place in range(len(arguments))]
        return [each for name, each in zip(names, arguments, strict=True) if name == signature.result.name]

    @property
    def sql(self) -> str:
        """The SQL of the call."""
        return write(self.function, self.call)


def call(translator: Translator, node: exp.Expr, name: str, arguments: Sequence[exp.Expr], scope: Scope) -> Operand:
    """Translate a call of a scalar function."""
    found = bound_call(translator, node, name, arguments, scope)
    return derived(Operand(written(node, found), found.call.result), found.like_result)


def written(node: exp.Expr, found: Bound) -> str:
    """Return the SQL of a call, with an error at its position if it is refused."""
    try:
        return found.sql
    except RefusedError as error:
        raise error_at(node, str(error)) from None


def bound_call(translator: Translator, node: exp.Expr, name: str, arguments: Sequence[exp.Expr], scope: Scope) -> Bound:
    """Resolve the signature of a call.

    Raises:
        SqlError: No signature matches the arguments.
    """
    signatures = FUNCTIONS[name]
    fitting = [function for function in signatures if function.signature.takes(len(arguments))]
    if not fitting:
        raise error_at(node, f"Unexpected number of arguments ({len(arguments)}) for function {name}")
    values = [None if isinstance(each, exp.Lambda) else translator.expression(each, scope) for each in arguments]
    values = _with_converted_arguments(node, name, values)
    best: tuple[int, Bound] | None = None
    for function in fitting:
        matched = _match(translator, function, arguments, values, scope)
        if matched is not None and (best is None or matched[0] < best[0]):
            best = matched
            if matched[0] == 0:
                break
    if best is None:
        types = ", ".join("function" if value is None else str(value.type) for value in values)
        expected = " or ".join(dict.fromkeys(_formatted(function.signature) for function in fitting))
        raise error_at(node, f"Unexpected parameters ({types}) for function {name}. Expected: {name}{expected}")
    return best[1]


def _formatted(signature: Signature) -> str:
    def shape(parameter: Parameter) -> str:
        if parameter.type is not None:
            return str(parameter.type)
        return f"{parameter.name}({', '.join(map(shape, parameter.of))})" if parameter.of else parameter.name

    return f"({', '.join(map(shape, signature.parameters))})"


def _with_converted_arguments(node: exp.Expr, name: str, values: list[Operand | None]) -> list[Operand | None]:
    """Convert arguments of some functions: elements of joined arrays to texts, an element beside arrays to an array."""
    first = values[0] if values else None
    if name in _WITH_UNITS and first is not None and (first.literal or "").lower() in CLOCKS:
        for value in (values[-1], *(values[1:2] if name == "date_diff" else ())):
            if value is not None:  # a unit that dates do not have
                observe_type(value, timestamp_tz(3))
    if name == "array_join" and first is not None and first.type.name == "array":
        element = first.type.of[0]
        if element.of or element.name == "varbinary":
            raise error_at(node, f"array_join takes scalars, not {element}; transform the array first")
        try:
            values[0] = Operand(converted(first.sql, first.type, array(VARCHAR)), array(VARCHAR))
        except RefusedError as error:
            raise error_at(node, str(error)) from None
    if name == "concat":
        known = [value for value in values if value is not None]
        arrays = [value.type for value in known if value.type.name == "array"]
        if arrays:
            return [_as_array(value, arrays[0]) for value in known]
    return values


def _as_array(value: Operand, beside: Type) -> Operand:
    if value.type.name == "array" or common_type(value.type, beside.of[0]) is None:
        return value
    return Operand(f"CASE WHEN {value.sql} IS NOT NULL THEN [{value.sql}] END", array(value.type))


def _match(
    translator: Translator,
    function: Function,
    arguments: Sequence[exp.Expr],
    values: Sequence[Operand | None],
    scope: Scope,
) -> tuple[int, Bound] | None:
    signature = function.signature
    places = range(len(arguments))
    if any((values[place] is None) != (signature.parameter(place).name == "function") for place in places):
        return None
    for coerce in (False, True):
        bindings: Bindings = {}
        given = [(place, value) for place, value in enumerate(values) if value is not None]
        if not all(bind(signature.parameter(place), value.type, bindings, coerce=coerce) for place, value in given):
            continue
        lambdas = _lambdas(translator, signature, arguments, values, bindings, scope)
        if lambdas is None:
            return None
        return _bound(function, values, lambdas, bindings)
    return None


def _bound(
    function: Function, values: Sequence[Operand | None], lambdas: dict[int, Operand], bindings: Bindings
) -> tuple[int, Bound] | None:
    signature, cost = function.signature, 0
    ready: list[Operand] = []
    for place, value in enumerate(values):
        if value is None:
            ready.append(lambdas[place])
            continue
        target = resolved(signature.parameter(place), bindings, value.type)
        target = replace(target, zoned=value.type.zoned) if target.name == value.type.name else target
        if not can_coerce(value.type, target):
            return None
        if value.type != target and (value.type.name, target.name) != ("varchar", "varchar"):
            cost += 1 + _COSTS.get(target.name, 10)
        if value.type.name == "unknown" and _takes_integers_alone(function.name, len(values), place):
            observe_type(value, target, is_exact=True)
        ready.append(coerced(value, target))
    types = [value.type for value in ready]
    result = function.result(types) if function.result else resolved(signature.result, bindings)
    return cost, Bound(function, Call(function.name, tuple(ready), _with_zone(result, types)))


def _takes_integers_alone(name: str, count: int, place: int) -> bool:
    """Return whether an argument is an integer in all signatures of a function."""
    shapes = [each.signature.parameter(place) for each in FUNCTIONS[name] if each.signature.takes(count)]
    return all(shape.type is not None and shape.type.is_integer for shape in shapes)


def _with_zone(result: Type, types: Sequence[Type]) -> Type:
    """Return the type of a result, which has zones if an argument has."""
    return result if result.name != "timestamp with time zone" or result.zoned else replace(
        result, zoned=any(type_.zoned for type_ in types)
    )  # fmt: skip


def _lambdas(
    translator: Translator, signature: Signature, arguments: Sequence[exp.Expr], values: Sequence[Operand | None],
    bindings: Bindings, scope: Scope,
) -> dict[int, Operand] | None:  # fmt: skip
    """Translate the lambdas of a call, whose results may widen the types of its variables."""
    for _ in range(4):
        before, found = dict(bindings), {}
        for place, argument in enumerate(arguments):
            if values[place] is not None:
                continue
            shape = signature.parameter(place)
            assert isinstance(argument, exp.Lambda)  # noqa: S101 - what has no value is one
            if len(argument.expressions) != len(shape.of) - 1:
                raise error_at(
                    argument, f"The lambda must have {len(shape.of) - 1} parameters, not {len(argument.expressions)}"
                )
            types = [resolved(part, bindings) for part in shape.of[:-1]]
            body = lambda_body(translator, argument, types, scope)
            if not bind(shape.of[-1], body.type, bindings, coerce=True):
                return None
            target = resolved(shape.of[-1], bindings, body.type)
            found[place] = replace(coerced(body, target), parameters=body.parameters)
        if bindings == before or not found:
            return found
    return found


def lambda_body(translator: Translator, node: exp.Lambda, types: Sequence[Type], scope: Scope) -> Operand:
    """Translate the body of a lambda. Parameters are named by nesting depth, so that equal lambdas have equal SQL."""
    names = tuple(f"l{len(scope.variables) + place}" for place in range(len(types)))
    variables = {
        parameter.name.lower(): Operand(name, type_)
        for parameter, name, type_ in zip(node.expressions, names, types, strict=True)
    }
    body = translator.expression(node.this, scope.with_variables(variables).inside("a lambda"))
    return replace(body, parameters=names)
