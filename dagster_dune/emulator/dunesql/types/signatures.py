"""Signatures of functions with type variables, and their unification with the types of arguments.

``(array(T), T) -> bigint`` takes an array and an element of it. A letter is a type variable, ``X`` matches another type
each time, ``N`` any numeric type, ``decimal(p,s)`` and ``timestamp(p)`` any precision. ``T...`` is variadic, parameters
in square brackets are optional, and ``(T) -> U`` as a parameter is a lambda.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from dagster_dune._splitting import split_at_commas
from dagster_dune.emulator.dunesql.types.coercion import can_coerce, common_type
from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.trino import Type


@dataclass(frozen=True)
class Parameter:
    """A parameter, or a type inside one.

    Attributes:
        name: The base name of a type, the name of a variable, or ``function``.
        of: The types inside; of a function those of its parameters, then that of its result.
        type: The type, if it contains no variables.
        any_digits: Whether it matches types of any precision.
    """

    name: str
    of: tuple[Parameter, ...] = ()
    type: Type | None = None
    any_digits: bool = False

    @property
    def is_variable(self) -> bool:
        """Whether it is a type variable."""
        return bool(re.fullmatch(r"[A-Z]\d?", self.name))


@dataclass(frozen=True)
class Signature:
    """The signature of a function.

    Attributes:
        parameters: The parameters.
        result: The result.
        least: The minimum number of arguments.
        is_variadic: Whether the last parameter is variadic.
    """

    parameters: tuple[Parameter, ...]
    result: Parameter
    least: int
    is_variadic: bool

    def takes(self, count: int) -> bool:
        """Return whether it accepts a number of arguments."""
        return self.least <= count and (self.is_variadic or count <= len(self.parameters))

    def parameter(self, place: int) -> Parameter:
        """Return the parameter of an argument."""
        return self.parameters[min(place, len(self.parameters) - 1)]


_DIGITS = ("decimal(p,s)", "timestamp(p)", "timestamp(p) with time zone", "time(p)", "char(n)")


@cache
def read_signature(text: str) -> Signature:
    """Parse a signature."""
    head, _, result = text.rpartition("->")
    inner = head.strip()[1:-1]
    optional = inner.find("[")
    parts = _split(inner.replace("[", "").replace("]", ""))
    least = len(_split(inner[:optional])) if optional >= 0 else len(parts)
    is_variadic = bool(parts) and parts[-1].endswith("...")
    if is_variadic:
        parts[-1] = parts[-1].removesuffix("...")
    return Signature(tuple(map(_parameter, parts)), _parameter(result), least, is_variadic)


def _split(text: str) -> list[str]:
    return [part for part in split_at_commas(text) if part]


def _parameter(text: str) -> Parameter:
    text = text.strip()
    if text.startswith("(") and "->" in text:
        arguments, _, result = text.rpartition("->")
        inside = [*_split(arguments.strip()[1:-1]), result]
        return Parameter("function", tuple(map(_parameter, inside)))
    if text in _DIGITS:
        return Parameter(re.sub(r"\(.*?\)", "", text), any_digits=True)
    if re.fullmatch(r"[A-Z]\d?", text):
        return Parameter(text)
    match = re.fullmatch(r"(array|map|row|qdigest)\((.*)\)", text)
    if match and re.search(r"\b[A-Z]\d?\b|\(p", match[2]):
        return Parameter(match[1], tuple(map(_parameter, _split(match[2]))))
    return Parameter(text, type=read_type(text))


Bindings = dict[str, Type]


def bind(parameter: Parameter, given: Type, bindings: Bindings, *, coerce: bool) -> bool:
    """Unify a parameter with the type of an argument, and add the bindings of its variables."""
    if parameter.type is not None:
        return (
            given == parameter.type
            or _same_base(given, parameter.type)
            or (coerce and can_coerce(given, parameter.type))
        )
    if parameter.is_variable:
        return _bind_variable(parameter.name, given, bindings, coerce=coerce)
    if parameter.any_digits:
        return _bind_digits(parameter.name, given, coerce=coerce)
    if given.name == "unknown":
        return coerce
    if given.name != parameter.name or (parameter.name != "row" and len(given.of) != len(parameter.of)):
        return False
    return all(bind(part, type_, bindings, coerce=coerce) for part, type_ in zip(parameter.of, given.of, strict=True))


def _same_base(given: Type, wanted: Type) -> bool:
    return given.name == wanted.name == "varchar" and not wanted.args


def _bind_digits(name: str, given: Type, *, coerce: bool) -> bool:
    if given.name == name:
        return True
    if not coerce:
        return False
    if name == "char":
        return given.name == "varchar" and bool(given.args)
    if name == "decimal":
        return given.is_integer
    if given.name == "unknown":
        return True
    return given.name == "date" if name == "timestamp" else name.startswith("timestamp") and given.name in (
        "date", "timestamp"
    )  # fmt: skip


def _bind_variable(name: str, given: Type, bindings: Bindings, *, coerce: bool) -> bool:
    if name == "X":
        return True
    if name == "N" and not (given.is_number or given.name == "unknown"):
        return False
    bound = bindings.get(name)
    if bound is None or bound == given:
        bindings[name] = given
        return True
    if not coerce and bound.name != given.name:
        return False
    common = common_type(bound, given)
    if common is None:
        return False
    bindings[name] = common
    return True


def resolved(parameter: Parameter, bindings: Bindings, given: Type | None = None) -> Type:
    """Substitute the variables in a parameter.

    Args:
        parameter: The parameter or the result.
        bindings: The types of the variables.
        given: The type of the argument, whose precision is kept.
    """
    if parameter.type is not None:
        keeps = given is not None and _same_base(given, parameter.type)
        return given if given is not None and keeps else parameter.type
    if parameter.name == "X" and given is not None:
        return given
    if parameter.is_variable:
        return bindings.get(parameter.name, Type("unknown"))
    if parameter.any_digits:
        return _with_digits(parameter.name, given)
    parts = given.of if given is not None and len(given.of) == len(parameter.of) else (None,) * len(parameter.of)
    of = tuple(resolved(part, bindings, type_) for part, type_ in zip(parameter.of, parts, strict=True))
    return Type(parameter.name, of=of, names=(None,) * len(of) if parameter.name == "row" else ())


def _with_digits(name: str, given: Type | None) -> Type:
    if given is not None and (given.name == name or (name == "char" and given.args)):
        return Type(name, given.args, zoned=given.zoned)
    if name == "decimal":
        digits = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
        return Type(name, (digits.get(given.name if given else "", 38), 0))
    if given is not None and given.name in ("timestamp", "timestamp with time zone"):
        return Type(name, given.args)
    return Type(name, (1,) if name == "char" else (3,))


ResultRule = Callable[[Sequence[Type]], Type]
"""Returns the type of a result for the types of arguments, if the signature cannot express it."""
