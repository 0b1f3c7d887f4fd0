"""Functions of texts and regular expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dagster_dune.emulator.dunesql.functions.registry import Call, Operand, RefusedError, Registry, ResultRule, text
from dagster_dune.emulator.dunesql.types.trino import VARCHAR, Type, array, decimal

STRINGS = Registry("functions/string")
_add = STRINGS.add
_MOST_LETTERS = 2147483647


def _like_first(types: Sequence[Type]) -> Type:
    """Return the type of the first argument, whose length does not grow."""
    return types[0]


def _array_of_first(types: Sequence[Type]) -> Type:
    return array(types[0])


def _of_letters(count: int) -> ResultRule:
    return lambda _: Type("varchar", (count,))


def _at_most(type_: Type, times: int) -> Type:
    """Return the type of texts whose maximum length is a multiple of that of a type."""
    return Type("varchar", (min(_MOST_LETTERS, type_.args[0] * times),)) if type_.args else VARCHAR


def _replaced(types: Sequence[Type]) -> Type:
    """Return the type of a text with replacements before, between and after all characters."""
    if not types[0].args or not types[2].args:
        return VARCHAR
    letters, new = types[0].args[0], types[2].args[0]
    return Type("varchar", (min(_MOST_LETTERS, letters + new * (letters + 1)),))


def _replaced_matches(types: Sequence[Type]) -> Type:
    """Return the type of a text with replacements everywhere, which may contain the matches."""
    if not types[0].args or not types[2].args:
        return VARCHAR
    letters, new = types[0].args[0], types[2].args[0]
    return Type("varchar", (min(_MOST_LETTERS, letters + max(letters * new // 2, new) * (letters + 1)),))


_add("lower", "(varchar) -> varchar", "lower($1)", _like_first)


def _substr(call: Call) -> str:
    """Translate ``substr``, which has the same semantics in DuckDB if the start is a positive literal."""
    arguments = [argument.sql for argument in call.arguments]
    numbers = [re.fullmatch(r"CAST\((\d+) AS BIGINT\)", sql) for sql in arguments[1:]]
    is_plain = all(numbers) and int((numbers[0] or [0, 0])[1]) > 0
    return f"{'substring' if is_plain else 'trino_substr'}({', '.join(arguments)})"


_MOST_REPEATED = 100
"""The maximum length of an expression that is repeated in the SQL, so that nested calls do not grow exponentially."""


def _upper(call: Call) -> str:
    """Translate ``upper``. A short expression is first checked for the rare letter that DuckDB converts differently."""
    sql = call.arguments[0].sql
    if len(sql) > _MOST_REPEATED:
        return f"trino_upper({sql})"
    return f"CASE WHEN contains({sql}, 'ß') THEN trino_upper({sql}) ELSE upper({sql}) END"


_add("upper", "(varchar) -> varchar", _upper, _like_first)
_add("chr", "(bigint) -> varchar", "py_chr($1)", lambda _: Type("varchar", (1,)))
_add("codepoint", "(varchar) -> integer", "trino_codepoint($1)")
_add("length", "(varchar) -> bigint", "length($1)")
_add("length", "(varbinary) -> bigint", "octet_length($1)")
_add("reverse", "(varchar) -> varchar", "reverse($1)", _like_first)
_add("reverse", "(varbinary) -> varbinary", "py_bytes_reverse($1)")
_add("reverse", "(array(T)) -> array(T)", "list_reverse($1)")
_add("substr substring", "(varchar, bigint) -> varchar", _substr, _like_first)
_add("substr substring", "(varchar, bigint, bigint) -> varchar", _substr, _like_first)
_add("substr substring", "(varbinary, bigint) -> varbinary", "py_bytes_substr($1, $2, 2147483647)")
_add("substr substring", "(varbinary, bigint, bigint) -> varbinary", "py_bytes_substr($1, $2, $3)")
_add("left", "(varchar, bigint) -> varchar", "trino_left($1, $2)")
_add("right", "(varchar, bigint) -> varchar", "trino_right($1, $2)")
_add("initcap", "(varchar) -> varchar", "py_initcap($1)")
_add("luhn_check", "(varchar) -> boolean", "py_luhn_check($1)")
_add("starts_with", "(varchar, varchar) -> boolean", "starts_with($1, $2)")
_add("starts_with", "(varbinary, varbinary) -> boolean", "starts_with(hex($1), hex($2))")
_add("ends_with", "(varchar, varchar) -> boolean", "suffix($1, $2)")
_add("strpos", "(varchar, varchar) -> bigint", "strpos($1, $2)")
_add("strpos", "(varchar, varchar, bigint) -> bigint", "py_strpos($1, $2, $3)")
_add("position", "(varchar, varchar) -> bigint", "strpos($2, $1)")
_add("levenshtein_distance", "(varchar, varchar) -> bigint", "py_levenshtein_distance($1, $2)")
_add("hamming_distance", "(varchar, varchar) -> bigint", "py_hamming_distance($1, $2)")
_add("soundex", "(varchar) -> varchar", "py_soundex($1)", _of_letters(4))
_add("word_stem", "(varchar) -> varchar", "py_word_stem($1, 'en')", _like_first)
_add("word_stem", "(varchar, varchar) -> varchar", "py_word_stem($1, $2)", _like_first)
_add("translate", "(varchar, varchar, varchar) -> varchar", "py_translate($1, $2, $3)")
_add("replace", "(varchar, varchar) -> varchar", "py_replace($1, $2, '')", _like_first)
_add("replace", "(varchar, varchar, varchar) -> varchar", "py_replace($1, $2, $3)", _replaced)
_add("split", "(varchar, varchar) -> array(varchar)", "py_split($1, $2, 2147483647)", _array_of_first)
_add("split", "(varchar, varchar, bigint) -> array(varchar)", "py_split($1, $2, $3)", _array_of_first)
_add("split_part", "(varchar, varchar, bigint) -> varchar", "trino_split_part($1, $2, $3)", _like_first)
_add("split_to_map", "(varchar, varchar, varchar) -> map(varchar, varchar)", "trino_split_to_map($1, $2, $3)")
_add(
    "split_to_multimap", "(varchar, varchar, varchar) -> map(varchar, array(varchar))",
    "trino_split_to_multimap($1, $2, $3)",
)  # fmt: skip
_add("lpad", "(varchar, bigint, varchar) -> varchar", "py_pad($1, $2, $3, true)")
_add("rpad", "(varchar, bigint, varchar) -> varchar", "py_pad($1, $2, $3, false)")
_add("lpad", "(varbinary, bigint, varbinary) -> varbinary", "py_pad_bytes($1, $2, $3, true)")
_add("rpad", "(varbinary, bigint, varbinary) -> varbinary", "py_pad_bytes($1, $2, $3, false)")
_add("ltrim", "(varchar) -> varchar", "ltrim($1, trino_blanks())", _like_first)
_add("rtrim", "(varchar) -> varchar", "rtrim($1, trino_blanks())", _like_first)
_add("trim", "(varchar) -> varchar", "trim($1, trino_blanks())", _like_first)
_add("ltrim", "(varchar, varchar) -> varchar", "ltrim($1, $2)", _like_first)
_add("rtrim", "(varchar, varchar) -> varchar", "rtrim($1, $2)", _like_first)
_add("trim", "(varchar, varchar) -> varchar", "trim($1, $2)", _like_first)
_add("concat_ws", "(varchar, array(varchar)) -> varchar", "trino_concat_ws($1, $2)")
_add(
    "concat_ws", "(varchar, varchar...) -> varchar",
    lambda call: f"concat_ws({', '.join(argument.sql for argument in call.arguments)})",
)  # fmt: skip
_add("normalize", "(varchar) -> varchar", "py_normalize($1, 'NFC')", lambda types: _at_most(types[0], 18))
_add("normalize", "(varchar, varchar) -> varchar", "py_normalize($1, $2)", lambda types: _at_most(types[0], 18))
_add("to_utf8", "(varchar) -> varbinary", "encode($1)")
_add("from_utf8", "(varbinary) -> varchar", "py_from_utf8($1, '\ufffd')")
_add("from_utf8", "(varbinary, varchar) -> varchar", "py_from_utf8($1, $2)")
_add("from_utf8", "(varbinary, bigint) -> varchar", "py_from_utf8($1, py_chr($2))")

URLS = Registry("functions/url")
_add = URLS.add
_add("url_encode", "(varchar) -> varchar", "py_url_encode($1)", lambda types: _at_most(types[0], 12))
_add("url_decode", "(varchar) -> varchar", "py_url_decode($1)", _like_first)
for _part in ("protocol", "host", "path", "query", "fragment"):
    _add(f"url_extract_{_part}", "(varchar) -> varchar", f"py_url_part($1, '{_part}')", _like_first)
_add("url_extract_port", "(varchar) -> bigint", "CAST(py_url_part($1, 'port') AS BIGINT)")
_add("url_extract_parameter", "(varchar, varchar) -> varchar", "py_url_parameter($1, $2, '')", _like_first)

REGEXES = Registry("functions/regexp")
_add = REGEXES.add


def _replaced_by_lambda(call: Call) -> str:
    """Translate ``regexp_replace`` with a lambda of the groups; if it returns NULL, the result is NULL."""
    function = call.arguments[2]
    return (
        f"list_reduce(list_transform(py_regexp_groups({call.arguments[0].sql}, {call.arguments[1].sql}), "
        f"lambda dune_piece, dune_place: dune_piece[1] || CASE WHEN len(dune_piece) > 1 OR dune_place < "
        f"len(py_regexp_groups({call.arguments[0].sql}, {call.arguments[1].sql})) "
        f"THEN {function.applied('list_slice(dune_piece, 2, len(dune_piece))')} ELSE '' END), "
        f"lambda dune_done, dune_part: dune_done || dune_part, '')"
    )


_add("regexp_like", "(varchar, varchar) -> boolean", "py_regexp_like($1, $2)")
_add("regexp_extract", "(varchar, varchar) -> varchar", "py_regexp_extract($1, $2, 0)", _like_first)
_add("regexp_extract", "(varchar, varchar, bigint) -> varchar", "py_regexp_extract($1, $2, $3)", _like_first)
_add("regexp_extract_all", "(varchar, varchar) -> array(varchar)", "py_regexp_extract_all($1, $2, 0)", _array_of_first)
_add(
    "regexp_extract_all",
    "(varchar, varchar, bigint) -> array(varchar)",
    "py_regexp_extract_all($1, $2, $3)",
    _array_of_first,
)
_add("regexp_replace", "(varchar, varchar) -> varchar", "py_regexp_replace($1, $2, '')", _like_first)
_add("regexp_replace", "(varchar, varchar, varchar) -> varchar", "py_regexp_replace($1, $2, $3)", _replaced_matches)
_add("regexp_replace", "(varchar, varchar, (array(varchar)) -> varchar) -> varchar", _replaced_by_lambda)
_add("regexp_split", "(varchar, varchar) -> array(varchar)", "py_regexp_split($1, $2)", _array_of_first)
_add("regexp_count", "(varchar, varchar) -> bigint", "py_regexp_count($1, $2)")
_add("regexp_position", "(varchar, varchar) -> integer", "py_regexp_position($1, $2, 1, 1)")
_add("regexp_position", "(varchar, varchar, bigint) -> integer", "py_regexp_position($1, $2, $3, 1)")
_add("regexp_position", "(varchar, varchar, bigint, bigint) -> integer", "py_regexp_position($1, $2, $3, $4)")

FORMATS = Registry("functions/conversion")
_add = FORMATS.add
_KINDS = {"tinyint": "integer", "smallint": "integer", "bigint": "integer", "uint256": "integer", "int256": "integer",
          "real": "double", "date": "date"}  # fmt: skip


def _format(call: Call) -> str:
    """Translate ``format``, which passes values to Python as texts with their kinds."""
    values = call.arguments[1:]
    for value in values:
        if value.type.of or value.type.zoned or value.type.is_precise:
            raise RefusedError(f"format of {value.type} is not supported by this emulator")
    kinds = ",".join(_KINDS.get(value.type.name, value.type.name.replace(" ", "_")) for value in values)
    texts = ", ".join(_written_for_format(value) for value in values)
    return f"py_format({call.arguments[0].sql}, CAST([{texts}] AS VARCHAR[]), {text(kinds)})"


def _written_for_format(value: Operand) -> str:
    if value.type.name == "double":
        return f"py_double_plain({value.sql})"
    if value.type.name == "real":
        return f"py_real_plain({value.sql})"
    if value.type.name == "varbinary":
        return f"'0x' || lower(hex({value.sql}))"
    return f"CAST({value.sql} AS VARCHAR)"


_add("format", "(varchar, [X...]) -> varchar", _format)
_add("format_number", "(double) -> varchar", "py_format_number($1)")
_add(
    "parse_data_size", "(varchar) -> decimal(p,s)", "CAST(py_parse_data_size($1) AS DECIMAL(38,0))",
    lambda _: decimal(38, 0),
)  # fmt: skip
_add("typeof", "(T) -> varchar", lambda call: text(str(call.arguments[0].type)))


def concatenated(call: Call) -> str:
    """Return SQL that concatenates texts, bytes or arrays, which is NULL if an argument is."""
    return "(" + " || ".join(argument.sql for argument in call.arguments) + ")"


STRINGS.add("concat", "(varchar, varchar...) -> varchar", concatenated)
STRINGS.add("concat", "(varbinary, varbinary...) -> varbinary", concatenated)
_MOST_CHARACTERS = 65536


def joined_char(types: Sequence[Type]) -> Type:
    """Return the type of concatenated texts of fixed lengths."""
    length = sum(type_.args[0] for type_ in types)
    if length > _MOST_CHARACTERS:
        raise RefusedError(f"CHAR length must be in range [0, {_MOST_CHARACTERS}], got {length}")
    return Type("char", (length,))


STRINGS.add("concat", "(char(n), char(n)) -> char(n)", concatenated, joined_char)


def _joined_arrays(call: Call) -> str:
    """Return SQL that concatenates arrays and elements."""
    whole = call.arguments[0].sql
    for argument in call.arguments[1:]:
        whole = f"trino_array_concat({whole}, {argument.sql})"
    return whole


STRINGS.add("concat", "(array(T), array(T)...) -> array(T)", _joined_arrays)
